// A 32 x 32 tile of attention probabilities A = exp(scale q.k - max) / sum and of their gradient dA = dO.v, for one target and
// head. 64 threads; each holds the 4 x 4 elements at rows tile_row(i), columns tile_col(j). Nothing of size n x n is stored.
// Queries and dO stand in the target's window of rows, keys and values are all tokens.
const uint TILE = 32, SLICE = 8; // head_dim passes through shared memory in slices

layout(binding = 0) readonly buffer QKV { float qkv[]; };     // [n, 3, H, head_dim]
layout(binding = 1) readonly buffer Stats { vec2 stats[]; };  // [n, H]: maximum, 1 / sum
layout(binding = 2) readonly buffer DO { float d_o[]; };      // [T, rows, H, head_dim]
layout(binding = 3) readonly buffer First { uint first[]; };  // [T]: where the window begins

shared float slice_q[TILE][SLICE + 1], slice_do[TILE][SLICE + 1], slice_k[TILE][SLICE + 1], slice_v[TILE][SLICE + 1];

uint tile_row(uint i)
{
    return gl_LocalInvocationIndex / 8 + 8 * i;
}

uint tile_col(uint j)
{
    return gl_LocalInvocationIndex % 8 + 8 * j;
}

// Rows row0.. of the window and columns col0.. of the sequence, dimensions k0.. of the head, into shared memory.
void load_slices(uint target, uint head, uint row0, uint col0, uint k0)
{
    uint width = heads * head_dim;
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint r = i / SLICE, k = i % SLICE, at = head * head_dim + k0 + k;
        bool in_head = k0 + k < head_dim, row_in = in_head && row0 + r < rows, col_in = in_head && col0 + r < tokens;
        slice_q[r][k] = row_in ? qkv[(first[target] + row0 + r) * 3 * width + at] : 0.0;
        slice_do[r][k] = row_in ? d_o[(target * rows + row0 + r) * width + at] : 0.0;
        slice_k[r][k] = col_in ? qkv[(col0 + r) * 3 * width + width + at] : 0.0;
        slice_v[r][k] = col_in ? qkv[(col0 + r) * 3 * width + 2 * width + at] : 0.0;
    }
}

// Elements outside the window or the sequence are zero in both.
void attention_tile(uint target, uint head, uint row0, uint col0, out float a[4][4], out float da[4][4])
{
    for (uint i = 0; i < 4; i++)
        for (uint j = 0; j < 4; j++)
            a[i][j] = da[i][j] = 0.0;
    for (uint k0 = 0; k0 < head_dim; k0 += SLICE) {
        barrier();
        load_slices(target, head, row0, col0, k0);
        barrier();
        for (uint k = 0; k < SLICE; k++)
            for (uint i = 0; i < 4; i++)
                for (uint j = 0; j < 4; j++) {
                    a[i][j] = fma(slice_q[tile_row(i)][k], slice_k[tile_col(j)][k], a[i][j]);
                    da[i][j] = fma(slice_do[tile_row(i)][k], slice_v[tile_col(j)][k], da[i][j]);
                }
    }
    for (uint i = 0; i < 4; i++) {
        bool row_in = row0 + tile_row(i) < rows;
        vec2 s = row_in ? stats[(first[target] + row0 + tile_row(i)) * heads + head] : vec2(0.0);
        for (uint j = 0; j < 4; j++)
            a[i][j] = row_in && col0 + tile_col(j) < tokens ? exp_accurate(fma(scale, a[i][j], -s.x)) * s.y : 0.0;
    }
}
