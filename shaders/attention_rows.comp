// The row side of the attention gradient: dQ_r = scale sum_j A_rj (dA_rj - delta_r) k_j, for 32 rows of one target and head.
// Written for the rows_below rows from first_below on; those that dO lacks get zero.
// A workgroup makes 8 SLICES dimensions of dQ; for long heads several share a tile of rows.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const uint SLICES = 1;
layout(local_size_x = 64) in;

#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 7
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_tile.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };      // [T, rows, heads]
layout(binding = 5) writeonly buffer DQKV { float d_qkv[]; };      // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 6) readonly buffer Below { uint first_below[]; }; // [T]

shared float shared_ds[TILE][TILE + 1];

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (rows_below + TILE - 1) / TILE, parts = (head_dim + SLICES * SLICE - 1) / (SLICES * SLICE);
    uint out_row0 = group % tiles * TILE, part = group / tiles % parts, head = group / tiles / parts % heads;
    uint target = group / tiles / parts / heads;
    uint dim0 = part * SLICES * SLICE, thread = gl_LocalInvocationIndex;
    uint token0 = first_below[target] + out_row0, row0 = token0 - first[target]; // may wrap below zero

    float dq[SLICES][4]; // element (row tile_row(i), dimension dim0 + 8 c + thread % 8)
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++)
            dq[c][i] = 0.0;
    uint begin = max(token0, first[target]), end = min(token0 + TILE, first[target] + rows); // tokens that dO has
    uvec2 seen = begin < end ? keys_seen(begin, end - 1) : uvec2(0);
    for (uint col0 = seen.x; col0 < seen.y; col0 += TILE) {
        float a[4][4], da[4][4];
        attention_tile(target, head, row0, col0, a, da);
        for (uint i = 0; i < 4; i++) {
            uint row = row0 + tile_row(i);
            float delta_row = row < rows ? delta[(target * rows + row) * heads + head] : 0.0;
            for (uint j = 0; j < 4; j++)
                shared_ds[tile_row(i)][tile_col(j)] = a[i][j] * (da[i][j] - delta_row);
        }
        for (uint c = 0; c < SLICES; c++) {
            barrier();
            load_keys(kv_head_of(head), col0, dim0 + c * SLICE);
            barrier();
            for (uint j = 0; j < TILE; j++)
                for (uint i = 0; i < 4; i++)
                    dq[c][i] = fma(shared_ds[tile_row(i)][j], slice_k[j][thread % 8], dq[c][i]);
        }
    }
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++) {
            uint out_row = out_row0 + tile_row(i), k = dim0 + c * SLICE + thread % 8;
            if (out_row < rows_below && k < head_dim)
                d_qkv[query_at(target * rows_below + out_row, head) + k] = scale * dq[c][i];
        }
}
