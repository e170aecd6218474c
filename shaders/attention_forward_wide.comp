// attention_forward.comp for today's lavapipe and heads of 64 (see attention_wide.glsl). A thread owns one query; keys pass by.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "wide.glsl"
layout(local_size_x_id = 0) in;

#define WIDE
#define PUSH_BEFORE Word qkv_at;
#define PUSH_OWN uint first_row, row_count;
#define BIAS_BINDING 3
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#include "attention_wide.glsl"
#define OUTPUT writeonly
#include "attention_forward.glsl"

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint lanes = gl_WorkGroupSize.x, count = row_count * (heads / kv_heads), tiles = (count + lanes - 1) / lanes;
    uint kv_head = group / tiles, tile0 = group % tiles * lanes, own = tile0 + gl_LocalInvocationIndex, index = min(own, count - 1);
    uint token = token_of(index), head = head_of(index, kv_head), to_value = kv_heads * HEAD;
    float query[HEAD], result[HEAD], largest = NO_MAXIMUM, sum = 0.0;
    load_head(qkv_at + query_at(token, head), query);
    [[unroll]] for (uint k = 0; k < HEAD; k++)
        result[k] = 0.0;

    uvec2 seen = keys_seen(token_of(tile0), token_of(min(tile0 + lanes, count) - 1));
    for (uint col0 = seen.x; col0 < seen.y; col0 += STRIP) {
        Word key_word[STRIP];
        float p[STRIP], before = largest, strip_sum = 0.0;
        [[unroll]] for (uint j = 0; j < STRIP; j++) {
            key_word[j] = qkv_at + key_at(min(col0 + j, seen.y - 1), kv_head);
            p[j] = 0.0;
        }
        [[unroll]] for (uint k = 0; k < HEAD; k++)
            [[unroll]] for (uint j = 0; j < STRIP; j++)
                p[j] = fma((key_word[j] + k).word, query[k], p[j]);
        [[unroll]] for (uint j = 0; j < STRIP; j++) {
            p[j] = fma(scale, p[j], bias(token, col0 + j, head));
            if (col0 + j < seen.y && visible(token, col0 + j))
                largest = max(largest, p[j]);
        }
        [[unroll]] for (uint j = 0; j < STRIP; j++) {
            bool shown = col0 + j < seen.y && visible(token, col0 + j);
            p[j] = shown ? exp_accurate(p[j] - largest) : 0.0;
            strip_sum += p[j];
        }
        float shrink = exp_accurate(before - largest);
        sum = fma(sum, shrink, strip_sum);
        [[unroll]] for (uint k = 0; k < HEAD; k++) {
            float part = result[k] * shrink;
            [[unroll]] for (uint j = 0; j < STRIP; j++)
                part = fma((key_word[j] + (to_value + k)).word, p[j], part);
            result[k] = part;
        }
    }
    if (own >= count)
        return;
    float reciprocal = 1.0 / sum;
    uint out_at = (token * heads + head) * HEAD;
    [[unroll]] for (uint k = 0; k < HEAD; k++)
        o[out_at + k] = result[k] * reciprocal;
    stats[token * heads + head] = vec2(largest, reciprocal);
}
