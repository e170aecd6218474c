// attention_rows.comp for lavapipe (see attention_direct.glsl). A thread owns four tokens; those that dO lacks get zero.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
layout(local_size_x = 8) in;

#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 7
#define BIAS_CONSTANT 0
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_direct.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };      // [T, rows, heads]
layout(binding = 5) buffer DQKV { float d_qkv[]; };                // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 6) readonly buffer Below { uint first_below[]; }; // [T]

const uint OWN = 4;

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (rows_below + TILE - 1) / TILE, head = group / tiles % heads, target = group / tiles / heads;
    uint thread = gl_LocalInvocationIndex, tile0 = group % tiles * TILE, values = kv_heads * head_dim; // from a key to its value
    uint token[OWN], query[OWN], grad[OWN], out_at[OWN]; // tokens past the end are computed and not stored
    float delta_row[OWN];
    vec2 st[OWN];
    bool in_window[OWN];
    [[unroll]] for (uint c = 0; c < OWN; c++) {
        uint out_row = min(tile0 + thread + 8 * c, rows_below - 1);
        token[c] = first_below[target] + out_row;
        in_window[c] = token[c] >= first[target] && token[c] - first[target] < rows;
        uint row = in_window[c] ? token[c] - first[target] : 0;
        query[c] = query_at(token[c], head);
        grad[c] = do_at(target, row, head);
        out_at[c] = query_at(target * rows_below + out_row, head);
        delta_row[c] = delta[(target * rows + row) * heads + head];
        st[c] = stats[token[c] * heads + head];
    }

    uint token0 = first_below[target] + tile0;
    uint begin = max(token0, first[target]), end = min(token0 + TILE, first[target] + rows); // tokens that dO has
    uvec2 seen = begin < end ? keys_seen(begin, end - 1) : uvec2(0);
    if (seen.x >= seen.y)
        for (uint k = 0; k < head_dim; k++)
            [[unroll]] for (uint c = 0; c < OWN; c++)
                d_qkv[out_at[c] + k] = 0.0;
    for (uint col0 = seen.x; col0 < seen.y; col0 += OTHER) {
        uint key[OTHER];
        float a[OTHER][OWN], ds[OTHER][OWN];
        [[unroll]] for (uint j = 0; j < OTHER; j++) {
            key[j] = key_at(min(col0 + j, end_of_keys() - 1), kv_head_of(head));
            [[unroll]] for (uint c = 0; c < OWN; c++)
                a[j][c] = ds[j][c] = 0.0;
        }
        for (uint k0 = 0; k0 < head_dim; k0 += 8) {
            float key_ahead[OTHER], value_ahead[OTHER]; // dimension k0 + thread of each key
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                key_ahead[j] = k0 + thread < head_dim ? qkv[key[j] + k0 + thread] : 0.0;
                value_ahead[j] = k0 + thread < head_dim ? qkv[key[j] + values + k0 + thread] : 0.0;
            }
            [[unroll]] for (uint i = 0; i < 8; i++) {
                float q[OWN], g[OWN];
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    q[c] = qkv[query[c] + min(k0 + i, head_dim - 1)];
                    g[c] = d_o[grad[c] + min(k0 + i, head_dim - 1)];
                }
                [[unroll]] for (uint j = 0; j < OTHER; j++) {
                    float key_k = subgroupBroadcast(key_ahead[j], i), value_k = subgroupBroadcast(value_ahead[j], i);
                    [[unroll]] for (uint c = 0; c < OWN; c++) {
                        a[j][c] = fma(q[c], key_k, a[j][c]);
                        ds[j][c] = fma(g[c], value_k, ds[j][c]);
                    }
                }
            }
        }
        [[unroll]] for (uint j = 0; j < OTHER; j++)
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                bool shown = in_window[c] && col0 + j < end_of_keys() && visible(token[c], col0 + j);
                float p = exp_accurate(fma(scale, a[j][c], bias(token[c], col0 + j, head) - st[c].x)) * st[c].y;
                ds[j][c] = shown ? scale * (p * (ds[j][c] - delta_row[c])) : 0.0;
            }
        uint key_of[OTHER / 8]; // of key thread, thread + 8, ...
        [[unroll]] for (uint j = 0; j < OTHER / 8; j++)
            key_of[j] = key_at(min(col0 + thread + 8 * j, end_of_keys() - 1), kv_head_of(head));
        for (uint k = 0; k < head_dim; k++) {
            float dq[OWN], ahead[OTHER / 8];
            [[unroll]] for (uint j = 0; j < OTHER / 8; j++)
                ahead[j] = qkv[key_of[j] + k];
            [[unroll]] for (uint c = 0; c < OWN; c++)
                dq[c] = col0 == seen.x ? 0.0 : d_qkv[out_at[c] + k];
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                float key_k = subgroupBroadcast(ahead[j / 8], j % 8);
                [[unroll]] for (uint c = 0; c < OWN; c++)
                    dq[c] = fma(ds[j][c], key_k, dq[c]);
            }
            [[unroll]] for (uint c = 0; c < OWN; c++)
                if (tile0 + thread + 8 * c < rows_below)
                    d_qkv[out_at[c] + k] = dq[c];
        }
    }
}
