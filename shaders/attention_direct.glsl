// Sizes of the attention kernels for lavapipe, which runs on the CPU, where shared memory is ordinary memory and a barrier is dear.
// Eight threads; everything comes straight from the buffers. A load costs the same whether the threads want one word or eight, so what
// all of them need is loaded by one of them each and handed round. Same bindings and push constants as the tiled kernels, and the
// same 32 rows (or columns) a workgroup, four to a thread, 8 apart.
const uint OTHER = 16; // columns (rows) that pass by at a time: twice as many are no faster, and three times as long to compile
