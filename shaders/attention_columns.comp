// The column side of the attention gradient, for 32 columns j of one target and head:
//   relevance_j = sum_r s_r relu(dA_rj) A_rj      the row update s . mean_h relu(G) A of the method, before the mean over heads
//   dV_j = sum_r A_rj dO_r,   dK_j = scale sum_r A_rj (dA_rj - delta_r) q_r
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const bool GRADIENTS = true; // false: relevance only (the lowest block of the product)
layout(constant_id = 1) const uint SLICES = 1;       // head_dim / 8, rounded up
layout(local_size_x = 64) in;

#define PUSH \
    uint tokens, heads, head_dim, rows; \
    float scale;
#include "grid.glsl"
#include "math.glsl"
#include "attention_tile.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };            // [T, rows, H]
layout(binding = 5) readonly buffer S { float s[]; };                    // [T, n]
layout(binding = 6) writeonly buffer Relevance { float relevance[]; };   // [T, H, n]
layout(binding = 7) writeonly buffer DQKV { float d_qkv[]; };            // [T, n, 3, H, head_dim]

shared float shared_a[TILE][TILE + 1], shared_ds[TILE][TILE + 1];

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (tokens + TILE - 1) / TILE;
    uint col0 = group % tiles * TILE, head = group / tiles % heads, target = group / tiles / heads;
    uint thread = gl_LocalInvocationIndex, width = heads * head_dim;

    float column_sum[4] = float[4](0.0, 0.0, 0.0, 0.0);
    float dk[SLICES][4], dv[SLICES][4]; // element (column tile_row(i), dimension 8 c + thread % 8)
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++)
            dk[c][i] = dv[c][i] = 0.0;

    for (uint row0 = 0; row0 < rows; row0 += TILE) {
        float a[4][4], da[4][4];
        attention_tile(target, head, row0, col0, a, da);
        for (uint i = 0; i < 4; i++) {
            uint row = row0 + tile_row(i);
            float s_row = row < rows ? s[target * tokens + first[target] + row] : 0.0;
            for (uint j = 0; j < 4; j++)
                column_sum[j] += s_row * (relu(da[i][j]) * a[i][j]);
        }
        if (!GRADIENTS)
            continue;
        for (uint i = 0; i < 4; i++) {
            uint row = row0 + tile_row(i);
            float delta_row = row < rows ? delta[(target * rows + row) * heads + head] : 0.0;
            for (uint j = 0; j < 4; j++) {
                shared_a[tile_row(i)][tile_col(j)] = a[i][j];
                shared_ds[tile_row(i)][tile_col(j)] = a[i][j] * (da[i][j] - delta_row);
            }
        }
        for (uint c = 0; c < SLICES; c++) {
            barrier();
            load_slices(target, head, row0, col0, c * SLICE);
            barrier();
            uint k = thread % 8;
            for (uint r = 0; r < TILE; r++)
                for (uint i = 0; i < 4; i++) {
                    dv[c][i] = fma(shared_a[r][tile_row(i)], slice_do[r][k], dv[c][i]);
                    dk[c][i] = fma(shared_ds[r][tile_row(i)], slice_q[r][k], dk[c][i]);
                }
        }
    }

    barrier();
    for (uint j = 0; j < 4; j++)
        shared_a[thread / 8][tile_col(j)] = column_sum[j];
    barrier();
    if (thread < TILE && col0 + thread < tokens) {
        float sum = 0.0;
        for (uint r = 0; r < 8; r++)
            sum += shared_a[r][thread];
        relevance[(target * heads + head) * tokens + col0 + thread] = sum;
    }
    if (!GRADIENTS)
        return;
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++) {
            uint col = col0 + tile_row(i), k = c * SLICE + thread % 8;
            if (col >= tokens || k >= head_dim)
                continue;
            uint at = (target * tokens + col) * 3 * width + head * head_dim + k;
            d_qkv[at + width] = scale * dk[c][i];
            d_qkv[at + 2 * width] = dv[c][i];
        }
}
