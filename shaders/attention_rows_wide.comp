// attention_rows.comp for today's lavapipe and heads of 64 (see attention_wide.glsl). A thread owns one token; one that dO lacks gets zero.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "wide.glsl"
layout(local_size_x_id = 0) in;

#define WIDE
#define PUSH_BEFORE Word qkv_at, stats_at, do_at_word;
#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 7
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_wide.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };      // [T, rows, heads]
layout(binding = 5) writeonly buffer DQKV { float d_qkv[]; };      // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 6) readonly buffer Below { uint first_below[]; }; // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint lanes = gl_WorkGroupSize.x, tiles = (rows_below + lanes - 1) / lanes, head = group / tiles % heads, target = group / tiles / heads;
    uint tile0 = group % tiles * lanes, own = tile0 + gl_LocalInvocationIndex, own_row = min(own, rows_below - 1);
    uint first_row = first[target], token0 = first_below[target] + tile0, token = first_below[target] + own_row;
    bool in_window = token >= first_row && token - first_row < rows;
    uint row = in_window ? token - first_row : 0;
    float query[HEAD], grad[HEAD], dq[HEAD], delta_row = delta[(target * rows + row) * heads + head];
    vec2 st = stats[token * heads + head];
    load_head(qkv_at + query_at(token, head), query);
    load_head(do_at_word + do_at(target, row, head), grad);
    [[unroll]] for (uint k = 0; k < HEAD; k++)
        dq[k] = 0.0;

    uint begin = max(token0, first_row), end = min(token0 + lanes, first_row + rows), to_value = kv_heads * HEAD; // tokens that dO has
    uvec2 seen = begin < end ? keys_seen(begin, end - 1) : uvec2(0);
    for (uint col0 = seen.x; col0 < seen.y; col0 += STRIP) {
        Word key_word[STRIP];
        float a[STRIP], ds[STRIP];
        [[unroll]] for (uint j = 0; j < STRIP; j++) {
            key_word[j] = qkv_at + key_at(min(col0 + j, end_of_keys() - 1), kv_head_of(head));
            a[j] = ds[j] = 0.0;
        }
        [[unroll]] for (uint k = 0; k < HEAD; k++)
            [[unroll]] for (uint j = 0; j < STRIP; j++) {
                a[j] = fma((key_word[j] + k).word, query[k], a[j]);
                ds[j] = fma((key_word[j] + (to_value + k)).word, grad[k], ds[j]);
            }
        [[unroll]] for (uint j = 0; j < STRIP; j++) {
            bool shown = in_window && col0 + j < end_of_keys() && visible(token, col0 + j);
            float p = exp_accurate(fma(scale, a[j], bias(token, col0 + j, head) - st.x)) * st.y;
            ds[j] = shown ? scale * (p * (ds[j] - delta_row)) : 0.0;
        }
        memoryBarrierBuffer();
        [[unroll]] for (uint k = 0; k < HEAD; k++)
            [[unroll]] for (uint j = 0; j < STRIP; j++)
                dq[k] = fma((key_word[j] + k).word, ds[j], dq[k]);
    }
    if (own >= rows_below)
        return;
    uint out_at = query_at(target * rows_below + own, head);
    [[unroll]] for (uint k = 0; k < HEAD; k++)
        d_qkv[out_at + k] = dq[k];
}
