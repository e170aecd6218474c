// The column side of the attention gradient, for 32 columns j of one target and key head, summed over the query heads h that share it:
//   relevance_j = sum_h sum_r s_r relu(dA_rj) A_rj      the row update s . mean_h relu(G) A of the method, before the mean over heads
//   dV_j = sum_h sum_r A_rj dO_r,   dK_j = scale sum_h sum_r A_rj (dA_rj - delta_r) q_r
// A workgroup makes 8 SLICES dimensions of dK and dV; for long heads several share a tile of columns.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const bool GRADIENTS = true; // false: relevance only (the lowest block of the product)
layout(constant_id = 1) const uint SLICES = 1;
layout(local_size_x = 64) in;

#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 9
#define BIAS_CONSTANT 2
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_tile.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };            // [T, rows, heads]
layout(binding = 5) readonly buffer S { float s[]; };                    // [T, n]
layout(binding = 6) writeonly buffer Relevance { float relevance[]; };   // [T, kv_heads, n]
layout(binding = 7) writeonly buffer DQKV { float d_qkv[]; };            // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 8) readonly buffer Below { uint first_below[]; };       // [T]

shared float shared_a[TILE][TILE + 1], shared_ds[TILE][TILE + 1];

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (rows_below + TILE - 1) / TILE, parts = GRADIENTS ? (head_dim + SLICES * SLICE - 1) / (SLICES * SLICE) : 1;
    uint col_row0 = group % tiles * TILE, part = group / tiles % parts, kv_head = group / tiles / parts % kv_heads;
    uint target = group / tiles / parts / kv_heads;
    uint col0 = first_below[target] + col_row0, dim0 = part * SLICES * SLICE, thread = gl_LocalInvocationIndex;

    float column_sum[4] = float[4](0.0, 0.0, 0.0, 0.0);
    float dk[SLICES][4], dv[SLICES][4]; // element (column tile_row(i), dimension dim0 + 8 c + thread % 8)
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++)
            dk[c][i] = dv[c][i] = 0.0;

    uvec2 seeing = rows_that_see(target, col0);
    uint share = heads / kv_heads;
    for (uint head = kv_head * share; head < (kv_head + 1) * share; head++)
        for (uint row0 = seeing.x; row0 < seeing.y; row0 += TILE) {
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
                load_rows(target, head, row0, dim0 + c * SLICE);
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
    if (thread < TILE && part == 0 && col_row0 + thread < rows_below && col0 + thread < tokens) {
        float sum = 0.0;
        for (uint r = 0; r < 8; r++)
            sum += shared_a[r][thread];
        relevance[(target * kv_heads + kv_head) * tokens + col0 + thread] = sum;
    }
    if (!GRADIENTS)
        return;
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++) {
            uint col_row = col_row0 + tile_row(i), k = dim0 + c * SLICE + thread % 8;
            if (col_row >= rows_below || k >= head_dim)
                continue;
            d_qkv[key_at(target * rows_below + col_row, kv_head) + k] = scale * dk[c][i];
            d_qkv[value_at(target * rows_below + col_row, kv_head) + k] = dv[c][i];
        }
}
