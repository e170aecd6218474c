// attention_columns.comp for today's lavapipe and heads of 64 (see attention_wide.glsl). A thread owns one column.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "wide.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool GRADIENTS = true; // false: relevance only (the lowest block of the product)

#define WIDE
#define PUSH_BEFORE Word qkv_at, stats_at, do_at_word, first_at, delta_at, s_at;
#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 9
#define BIAS_CONSTANT 2
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_wide.glsl"

layout(binding = 6) writeonly buffer Relevance { float relevance[]; };   // [T, kv_heads, n]
layout(binding = 7) buffer DQKV { float d_qkv[]; };                      // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 8) readonly buffer Below { uint first_below[]; };       // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint lanes = gl_WorkGroupSize.x, tiles = (rows_below + lanes - 1) / lanes, kv_head = group / tiles % kv_heads, target = group / tiles / kv_heads;
    uint tile0 = group % tiles * lanes, own = tile0 + gl_LocalInvocationIndex, own_row = min(own, rows_below - 1);
    uint first_row = first[target], col0 = first_below[target] + tile0, col = first_below[target] + own_row;
    float key[HEAD], value[HEAD], dk[HEAD], dv[HEAD], relevance_sum = 0.0;
    load_head(qkv_at + key_at(col, kv_head), key);
    load_head(qkv_at + value_at(col, kv_head), value);
    if (GRADIENTS)
        [[unroll]] for (uint k = 0; k < HEAD; k++)
            dk[k] = dv[k] = 0.0;

    uvec2 seeing = rows_that_see(target, col0);
    uint share = heads / kv_heads, strips = seeing.x < seeing.y ? (seeing.y - seeing.x + STRIP - 1) / STRIP : 0;
    for (uint i = 0; i < share * strips; i++) {
        uint head = min(kv_head * share + i / strips, heads - 1), row0 = seeing.x + i % strips * STRIP;
        Word query_word[STRIP], grad_word[STRIP];
        float a[STRIP], da[STRIP];
        [[unroll]] for (uint r = 0; r < STRIP; r++) {
            uint row = min(row0 + r, rows - 1);
            query_word[r] = qkv_at + query_at(first_row + row, head);
            grad_word[r] = do_at_word + do_at(target, row, head);
            a[r] = da[r] = 0.0;
        }
        [[unroll]] for (uint k = 0; k < HEAD; k++)
            [[unroll]] for (uint r = 0; r < STRIP; r++) {
                a[r] = fma((query_word[r] + k).word, key[k], a[r]);
                da[r] = fma((grad_word[r] + k).word, value[k], da[r]);
            }
        memoryBarrierBuffer();
        // From scores to probabilities; da becomes dS, the gradient of the scores.
        [[unroll]] for (uint r = 0; r < STRIP; r++) {
            uint row = min(row0 + r, rows - 1), token = first_row + row, at = token * heads + head;
            float largest = (stats_at + 2 * at).word, reciprocal = (stats_at + (2 * at + 1)).word, s_row = (s_at + (target * tokens + token)).word;
            float delta_row = GRADIENTS ? (delta_at + ((target * rows + row) * heads + head)).word : 0.0;
            bool shown = row0 + r < seeing.y && visible(token, col);
            a[r] = shown ? exp_accurate(fma(scale, a[r], bias(token, col, head) - largest)) * reciprocal : 0.0;
            relevance_sum += shown ? s_row * (relu(da[r]) * a[r]) : 0.0;
            da[r] = shown ? scale * (a[r] * (da[r] - delta_row)) : 0.0;
        }
        if (GRADIENTS)
            [[unroll]] for (uint k = 0; k < HEAD; k++)
                [[unroll]] for (uint r = 0; r < STRIP; r++) {
                    dk[k] = fma((query_word[r] + k).word, da[r], dk[k]);
                    dv[k] = fma((grad_word[r] + k).word, a[r], dv[k]);
                }
    }
    if (own >= rows_below)
        return;
    relevance[(target * kv_heads + kv_head) * tokens + col] = relevance_sum;
    if (GRADIENTS) {
        uint out_at = key_at(target * rows_below + own, kv_head), to_value = kv_heads * HEAD;
        [[unroll]] for (uint k = 0; k < HEAD; k++) {
            d_qkv[out_at + k] = dk[k];
            d_qkv[out_at + to_value + k] = dv[k];
        }
    }
}
