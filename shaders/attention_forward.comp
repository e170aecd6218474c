// Attention itself: see attention_forward.glsl. 64 threads take 32 queries, each 4 x 4 elements of a tile of scores, which passes
// through shared memory to become 4 queries x SLICES dimensions of output each; for long heads several workgroups share a tile.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const uint SLICES = 1;
layout(local_size_x = 64) in;

#define PUSH_OWN uint first_row, row_count;
#define BIAS_BINDING 3
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#define OUTPUT writeonly
#include "attention_forward.glsl"

const uint SLICE = 8; // head_dim passes through shared memory in slices

shared float slice_q[TILE][SLICE + 1], slice_k[TILE][SLICE + 1]; // slice_k: of keys, then of values
shared float p[TILE][TILE + 1], part_of_row[TILE][8 + 1];

uint tile_row(uint i)
{
    return gl_LocalInvocationIndex / 8 + 8 * i;
}

uint tile_col(uint j)
{
    return gl_LocalInvocationIndex % 8 + 8 * j;
}

void load_queries(uint kv_head, uint tile0, uint count, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint index = tile0 + i / SLICE, k = k0 + i % SLICE;
        slice_q[i / SLICE][i % SLICE] = k < head_dim && index < count ? qkv[query_at(token_of(index), head_of(index, kv_head)) + k] : 0.0;
    }
}

// Keys before `end`: what follows may not have been written yet. Or values: those of head kv_head + kv_heads.
void load_keys(uint kv_head, uint col0, uint end, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE * SLICE; i += 64) {
        uint col = col0 + i / SLICE, k = k0 + i % SLICE;
        slice_k[i / SLICE][i % SLICE] = k < head_dim && col < end ? qkv[key_at(col, kv_head) + k] : 0.0;
    }
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint count = row_count * (heads / kv_heads), tiles = (count + TILE - 1) / TILE, parts = (head_dim + SLICES * SLICE - 1) / (SLICES * SLICE);
    uint tile0 = group % tiles * TILE, part = group / tiles % parts, kv_head = group / tiles / parts;
    uint dim0 = part * SLICES * SLICE, thread = gl_LocalInvocationIndex;
    float largest[4], sum[4], result[SLICES][4]; // of queries tile_row(i); sums over columns tile_col(j), dimensions dim0 + 8 c + thread % 8
    for (uint i = 0; i < 4; i++) {
        largest[i] = NO_MAXIMUM;
        sum[i] = 0.0;
        for (uint c = 0; c < SLICES; c++)
            result[c][i] = 0.0;
    }

    uvec2 seen = keys_seen(token_of(tile0), token_of(min(tile0 + TILE, count) - 1));
    for (uint col0 = seen.x; col0 < seen.y; col0 += TILE) {
        float score[4][4];
        for (uint i = 0; i < 4; i++)
            for (uint j = 0; j < 4; j++)
                score[i][j] = 0.0;
        for (uint k0 = 0; k0 < head_dim; k0 += SLICE) {
            barrier();
            load_queries(kv_head, tile0, count, k0);
            load_keys(kv_head, col0, seen.y, k0);
            barrier();
            for (uint k = 0; k < SLICE; k++)
                for (uint i = 0; i < 4; i++)
                    for (uint j = 0; j < 4; j++)
                        score[i][j] = fma(slice_q[tile_row(i)][k], slice_k[tile_col(j)][k], score[i][j]);
        }
        for (uint i = 0; i < 4; i++) {
            float tile_max = NO_MAXIMUM;
            for (uint j = 0; j < 4; j++)
                if (col0 + tile_col(j) < seen.y && visible(token_of(tile0 + tile_row(i)), col0 + tile_col(j)))
                    tile_max = max(tile_max, scale * score[i][j] + bias_of(tile0 + tile_row(i), kv_head, col0 + tile_col(j)));
            part_of_row[tile_row(i)][thread % 8] = tile_max;
        }
        barrier();
        for (uint i = 0; i < 4; i++) {
            float before = largest[i], tile_sum = 0.0;
            for (uint j = 0; j < 8; j++)
                largest[i] = max(largest[i], part_of_row[tile_row(i)][j]);
            for (uint j = 0; j < 4; j++) {
                bool shown = col0 + tile_col(j) < seen.y && visible(token_of(tile0 + tile_row(i)), col0 + tile_col(j));
                float weight = shown ? exp_accurate(fma(scale, score[i][j], bias_of(tile0 + tile_row(i), kv_head, col0 + tile_col(j)) - largest[i])) : 0.0;
                p[tile_row(i)][tile_col(j)] = weight;
                tile_sum += weight;
            }
            float shrink = exp_accurate(before - largest[i]);
            sum[i] = fma(sum[i], shrink, tile_sum);
            for (uint c = 0; c < SLICES; c++)
                result[c][i] *= shrink;
        }
        for (uint c = 0; c < SLICES; c++) {
            barrier();
            load_keys(kv_head + kv_heads, col0, seen.y, dim0 + c * SLICE);
            barrier();
            for (uint j = 0; j < TILE; j++)
                for (uint i = 0; i < 4; i++)
                    result[c][i] = fma(p[tile_row(i)][j], slice_k[j][thread % 8], result[c][i]);
        }
    }

    barrier();
    for (uint i = 0; i < 4; i++)
        part_of_row[tile_row(i)][thread % 8] = sum[i];
    barrier();
    for (uint i = 0; i < 4; i++) {
        uint index = tile0 + tile_row(i);
        if (index >= count)
            continue;
        float total = 0.0;
        for (uint j = 0; j < 8; j++)
            total += part_of_row[tile_row(i)][j];
        float reciprocal = 1.0 / total;
        uint row = token_of(index) * heads + head_of(index, kv_head);
        for (uint c = 0; c < SLICES; c++) {
            uint k = dim0 + c * SLICE + thread % 8;
            if (k < head_dim)
                o[row * head_dim + k] = result[c][i] * reciprocal;
        }
        if (thread % 8 == 0 && part == 0)
            stats[row] = vec2(largest[i], reciprocal);
    }
}
