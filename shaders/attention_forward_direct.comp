// attention_forward.comp for lavapipe (see attention_direct.glsl).
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
layout(constant_id = 0) const uint OWN = 4; // queries of a thread, 8 apart
layout(local_size_x = 8) in;

#define PUSH_OWN uint first_row, row_count;
#define BIAS_BINDING 3
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#include "attention_direct.glsl"
#define OUTPUT
#include "attention_forward.glsl"

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint count = row_count * (heads / kv_heads), tiles = (count + 8 * OWN - 1) / (8 * OWN);
    uint kv_head = group / tiles, tile0 = group % tiles * 8 * OWN, thread = gl_LocalInvocationIndex;
    uint token[OWN], head_at[OWN], query[OWN], out_at[OWN]; // queries past the end are computed and not stored
    float largest[OWN], sum[OWN];
    [[unroll]] for (uint c = 0; c < OWN; c++) {
        uint index = min(tile0 + thread + 8 * c, count - 1), head = head_of(index, kv_head);
        token[c] = token_of(index);
        head_at[c] = head;
        query[c] = query_at(token[c], head);
        out_at[c] = (token[c] * heads + head) * head_dim;
        largest[c] = NO_MAXIMUM;
        sum[c] = 0.0;
    }

    uvec2 seen = keys_seen(token_of(tile0), token_of(min(tile0 + 8 * OWN, count) - 1));
    for (uint col0 = seen.x; col0 < seen.y; col0 += OTHER) {
        uint key[OTHER];
        float p[OTHER][OWN], shrink[OWN];
        [[unroll]] for (uint j = 0; j < OTHER; j++) {
            key[j] = key_at(min(col0 + j, seen.y - 1), kv_head);
            [[unroll]] for (uint c = 0; c < OWN; c++)
                p[j][c] = 0.0;
        }
        for (uint k0 = 0; k0 < head_dim; k0 += 8) {
            float ahead[OTHER]; // dimension k0 + thread of each key
            [[unroll]] for (uint j = 0; j < OTHER; j++)
                ahead[j] = k0 + thread < head_dim ? qkv[key[j] + k0 + thread] : 0.0;
            [[unroll]] for (uint i = 0; i < 8; i++) {
                float q[OWN];
                [[unroll]] for (uint c = 0; c < OWN; c++)
                    q[c] = qkv[query[c] + min(k0 + i, head_dim - 1)];
                [[unroll]] for (uint j = 0; j < OTHER; j++) {
                    float key_k = subgroupBroadcast(ahead[j], i);
                    [[unroll]] for (uint c = 0; c < OWN; c++)
                        p[j][c] = fma(q[c], key_k, p[j][c]);
                }
            }
        }
        [[unroll]] for (uint c = 0; c < OWN; c++) {
            float before = largest[c], tile_sum = 0.0;
            [[unroll]] for (uint j = 0; j < OTHER; j++)
                if (col0 + j < seen.y && visible(token[c], col0 + j))
                    largest[c] = max(largest[c], scale * p[j][c] + bias(token[c], col0 + j, head_at[c]));
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                bool shown = col0 + j < seen.y && visible(token[c], col0 + j);
                p[j][c] = shown ? exp_accurate(fma(scale, p[j][c], bias(token[c], col0 + j, head_at[c]) - largest[c])) : 0.0;
                tile_sum += p[j][c];
            }
            shrink[c] = exp_accurate(before - largest[c]);
            sum[c] = fma(sum[c], shrink[c], tile_sum);
        }
        uint value[OTHER / 8]; // of key thread, thread + 8, ...
        [[unroll]] for (uint j = 0; j < OTHER / 8; j++)
            value[j] = value_at(min(col0 + thread + 8 * j, seen.y - 1), kv_head);
        for (uint k = 0; k < head_dim; k++) {
            float out_k[OWN], ahead[OTHER / 8];
            [[unroll]] for (uint j = 0; j < OTHER / 8; j++)
                ahead[j] = qkv[value[j] + k];
            [[unroll]] for (uint c = 0; c < OWN; c++)
                out_k[c] = col0 == seen.x ? 0.0 : o[out_at[c] + k] * shrink[c];
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                float value_k = subgroupBroadcast(ahead[j / 8], j % 8);
                [[unroll]] for (uint c = 0; c < OWN; c++)
                    out_k[c] = fma(p[j][c], value_k, out_k[c]);
            }
            [[unroll]] for (uint c = 0; c < OWN; c++)
                if (tile0 + thread + 8 * c < count)
                    o[out_at[c] + k] = out_k[c];
        }
    }
    [[unroll]] for (uint c = 0; c < OWN; c++)
        if (tile0 + thread + 8 * c < count) {
            float reciprocal = 1.0 / sum[c];
            for (uint k = 0; k < head_dim; k++)
                o[out_at[c] + k] *= reciprocal;
            stats[out_at[c] / head_dim] = vec2(largest[c], reciprocal);
        }
}
