// The row side of the attention gradient: dQ_r = scale sum_j A_rj (dA_rj - delta_r) k_j, for 32 rows of one target and head.
// Written for every token of the sequence; rows outside the target's window get zero.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const uint SLICES = 1; // head_dim / 8, rounded up
layout(local_size_x = 64) in;

#define PUSH \
    uint tokens, heads, head_dim, rows; \
    float scale;
#include "grid.glsl"
#include "math.glsl"
#include "attention_tile.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };   // [T, rows, H]
layout(binding = 5) writeonly buffer DQKV { float d_qkv[]; };   // [T, n, 3, H, head_dim]

shared float shared_ds[TILE][TILE + 1];

void write_zero_rows(uint target, uint head, uint token0)
{
    uint width = heads * head_dim;
    for (uint i = gl_LocalInvocationIndex; i < TILE * head_dim; i += 64) {
        uint token = token0 + i / head_dim;
        bool in_window = token >= first[target] && token - first[target] < rows;
        if (token < tokens && !in_window)
            d_qkv[(target * tokens + token) * 3 * width + head * head_dim + i % head_dim] = 0.0;
    }
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (tokens + TILE - 1) / TILE;
    uint row0 = group % tiles * TILE, head = group / tiles % heads, target = group / tiles / heads;
    uint thread = gl_LocalInvocationIndex, width = heads * head_dim;
    write_zero_rows(target, head, row0);
    if (row0 >= rows) // row0 counts tokens above and rows of the window from here on: as many tiles as the longer of the two
        return;

    float dq[SLICES][4]; // element (row tile_row(i), dimension 8 c + thread % 8)
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++)
            dq[c][i] = 0.0;
    for (uint col0 = 0; col0 < tokens; col0 += TILE) {
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
            load_slices(target, head, row0, col0, c * SLICE);
            barrier();
            for (uint j = 0; j < TILE; j++)
                for (uint i = 0; i < 4; i++)
                    dq[c][i] = fma(shared_ds[tile_row(i)][j], slice_k[j][thread % 8], dq[c][i]);
        }
    }
    for (uint c = 0; c < SLICES; c++)
        for (uint i = 0; i < 4; i++) {
            uint row = row0 + tile_row(i), k = c * SLICE + thread % 8;
            if (row < rows && k < head_dim)
                d_qkv[(target * tokens + first[target] + row) * 3 * width + head * head_dim + k] = scale * dq[c][i];
        }
}
