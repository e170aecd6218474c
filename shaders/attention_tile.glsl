// A 32 x 32 tile of attention probabilities A = exp(scale q.k - max) / sum and of their gradient dA = dO.v, for one target and
// head. 64 threads; each holds the 4 x 4 elements at rows tile_row(i), columns tile_col(j). Nothing of size n x n is stored.
// Rows count from the target's window of dO (a number that wrapped below zero lies outside), columns from the first token.
const uint SLICE = 8; // head_dim passes through shared memory in slices

shared float slice_q[TILE][SLICE + 1], slice_do[TILE][SLICE + 1], slice_k[TILE][SLICE + 1], slice_v[TILE][SLICE + 1];

uint tile_row(uint i)
{
    return gl_LocalInvocationIndex / 8 + 8 * i;
}

uint tile_col(uint j)
{
    return gl_LocalInvocationIndex % 8 + 8 * j;
}

// Dimensions k0.. of a head, of rows row0.. of the window and of columns col0.., into shared memory.
void load_rows(uint target, uint head, uint row0, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint row = row0 + i / SLICE, k = k0 + i % SLICE;
        bool inside = k < head_dim && row < rows;
        slice_q[i / SLICE][i % SLICE] = inside ? qkv[query_at(first[target] + row, head) + k] : 0.0;
        slice_do[i / SLICE][i % SLICE] = inside ? d_o[do_at(target, row, head) + k] : 0.0;
    }
}

void load_keys(uint kv_head, uint col0, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint col = col0 + i / SLICE, k = k0 + i % SLICE;
        slice_k[i / SLICE][i % SLICE] = k < head_dim && col < end_of_keys() ? qkv[key_at(col, kv_head) + k] : 0.0;
    }
}

void load_values(uint kv_head, uint col0, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint col = col0 + i / SLICE, k = k0 + i % SLICE;
        slice_v[i / SLICE][i % SLICE] = k < head_dim && col < end_of_keys() ? qkv[value_at(col, kv_head) + k] : 0.0;
    }
}

// Elements outside the window or the sequence, or hidden by the mask, are zero in both.
void attention_tile(uint target, uint head, uint row0, uint col0, out float a[4][4], out float da[4][4])
{
    for (uint i = 0; i < 4; i++)
        for (uint j = 0; j < 4; j++)
            a[i][j] = da[i][j] = 0.0;
    for (uint k0 = 0; k0 < head_dim; k0 += SLICE) {
        barrier();
        load_rows(target, head, row0, k0);
        load_keys(kv_head_of(head), col0, k0);
        load_values(kv_head_of(head), col0, k0);
        barrier();
        for (uint k = 0; k < SLICE; k++)
            for (uint i = 0; i < 4; i++)
                for (uint j = 0; j < 4; j++) {
                    a[i][j] = fma(slice_q[tile_row(i)][k], slice_k[tile_col(j)][k], a[i][j]);
                    da[i][j] = fma(slice_do[tile_row(i)][k], slice_v[tile_col(j)][k], da[i][j]);
                }
    }
    for (uint i = 0; i < 4; i++) {
        uint row = row0 + tile_row(i), token = first[target] + row;
        vec2 s = row < rows ? stats[token * heads + head] : vec2(0.0);
        for (uint j = 0; j < 4; j++) {
            uint col = col0 + tile_col(j);
            bool shown = row < rows && col < end_of_keys() && visible(token, col);
            a[i][j] = shown ? exp_accurate(fma(scale, a[i][j], bias(token, col, head) - s.x)) * s.y : 0.0;
            da[i][j] = shown ? da[i][j] : 0.0;
        }
    }
}
