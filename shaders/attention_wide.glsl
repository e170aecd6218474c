// What the wide kernels of the attention gradient share (matmul_wide.comp says what makes them wide): a thread owns one column, or
// one row, whose HEAD words it keeps in registers, and STRIP rows (columns) pass by at a time, read once for all threads.
// What is read for all threads twice is read again from memory (memoryBarrierBuffer between): the compiler would keep its hundreds of
// words otherwise, on the stack, each as wide as all threads, which takes more than twice the time.
// qkv, stats, dO and first are told by address. A loop is run once more than asked, so every index that all threads share is kept inside.
const uint HEAD = 64, STRIP = 8;

// The words of a head, from an address that is a multiple of 8.
void load_head(Word at, out float words[HEAD])
{
    [[unroll]] for (uint k = 0; k < HEAD; k += 2) {
        vec2 two = two_words(at + k);
        words[k] = two.x;
        words[k + 1] = two.y;
    }
}
