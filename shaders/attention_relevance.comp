// mean_h relu(dA) A, the matrix C - I of the method, for rows of a window of its own: [T, rows_out, n]. Needed for the product
// in the paper's printed order only, which meets the blocks in the order opposite to the gradient. One workgroup a 32 x 32 tile.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN uint rows, rows_out, out_stride;
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_tile.glsl"

layout(binding = 4) readonly buffer FirstOut { uint first_out[]; };  // [T]; its window lies inside that of dO
layout(binding = 5) writeonly buffer Map { float map[]; };           // word t out_stride + r n + j

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles_col = (tokens + TILE - 1) / TILE, tiles_row = (rows_out + TILE - 1) / TILE;
    uint col0 = group % tiles_col * TILE, out_row0 = group / tiles_col % tiles_row * TILE, target = group / tiles_col / tiles_row;
    uint token0 = first_out[target] + out_row0;
    uvec2 seen = keys_seen(token0, token0 + min(TILE, rows_out - out_row0) - 1);
    bool hidden = col0 + TILE <= seen.x || col0 >= seen.y; // all of it
    float sum[4][4];
    for (uint i = 0; i < 4; i++)
        for (uint j = 0; j < 4; j++)
            sum[i][j] = 0.0;
    for (uint head = 0; head < heads && !hidden; head++) {
        float a[4][4], da[4][4];
        attention_tile(target, head, token0 - first[target], col0, a, da);
        for (uint i = 0; i < 4; i++)
            for (uint j = 0; j < 4; j++)
                sum[i][j] += relu(da[i][j]) * a[i][j];
    }
    for (uint i = 0; i < 4; i++)
        for (uint j = 0; j < 4; j++) {
            uint row = out_row0 + tile_row(i), col = col0 + tile_col(j);
            if (row < rows_out && col < tokens)
                map[target * out_stride + row * tokens + col] = sum[i][j] / float(heads);
        }
}
