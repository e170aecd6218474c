// What attention_columns_direct and attention_rows_direct share: the kernels for lavapipe, which runs on the CPU, where shared memory
// is ordinary memory and a barrier is dear. Eight threads; everything comes straight from the buffers. Same bindings and push
// constants as the tiled kernels, and the same 32 columns (or rows) a workgroup, four to a thread, 8 apart.
const uint TILE = 32, OWN = 4, OTHER = 16; // a thread's own columns (rows), and rows (columns) that pass by at a time

layout(binding = 0) readonly buffer QKV { float qkv[]; };     // [n, 3, H, head_dim]
layout(binding = 1) readonly buffer Stats { vec2 stats[]; };  // [n, H]: maximum, 1 / sum
layout(binding = 2) readonly buffer DO { float d_o[]; };      // [T, rows, H, head_dim]
layout(binding = 3) readonly buffer First { uint first[]; };  // [T]: where the window begins

// Word of q (k and v follow at width and 2 width) of a token, and of dO of a row of the window.
uint qkv_at(uint token, uint head)
{
    return token * 3 * heads * head_dim + head * head_dim;
}

uint do_at(uint target, uint row, uint head)
{
    return ((target * rows + row) * heads + head) * head_dim;
}
