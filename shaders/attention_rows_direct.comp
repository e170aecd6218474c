// attention_rows.comp for lavapipe (see attention_direct.glsl). A thread owns four tokens; those outside the
// target's window of rows get zero.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 8) in;

#define PUSH \
    uint tokens, heads, head_dim, rows; \
    float scale;
#include "grid.glsl"
#include "math.glsl"
#include "attention_direct.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };   // [T, rows, H]
layout(binding = 5) buffer DQKV { float d_qkv[]; };             // [T, n, 3, H, head_dim]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (tokens + TILE - 1) / TILE, width = heads * head_dim;
    uint head = group / tiles % heads, target = group / tiles / heads;
    uint token0 = group % tiles * TILE + gl_LocalInvocationIndex;
    uint query[OWN], grad[OWN], out_at[OWN];
    float delta_row[OWN];
    vec2 st[OWN]; // a reciprocal sum of zero makes A, and with it dQ, zero outside the window
    [[unroll]] for (uint c = 0; c < OWN; c++) {
        uint token = min(token0 + 8 * c, tokens - 1);
        bool in_window = token >= first[target] && token - first[target] < rows;
        uint row = in_window ? token - first[target] : 0;
        query[c] = qkv_at(token, head);
        grad[c] = do_at(target, row, head);
        out_at[c] = qkv_at(target * tokens + token, head);
        delta_row[c] = delta[(target * rows + row) * heads + head];
        st[c] = in_window ? stats[token * heads + head] : vec2(stats[token * heads + head].x, 0.0);
    }

    for (uint col0 = 0; col0 < tokens; col0 += OTHER) {
        uint key[OTHER];
        float a[OTHER][OWN], ds[OTHER][OWN];
        [[unroll]] for (uint j = 0; j < OTHER; j++) {
            key[j] = qkv_at(min(col0 + j, tokens - 1), head) + width;
            [[unroll]] for (uint c = 0; c < OWN; c++)
                a[j][c] = ds[j][c] = 0.0;
        }
        for (uint k = 0; k < head_dim; k++) {
            float q[OWN], g[OWN];
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                q[c] = qkv[query[c] + k];
                g[c] = d_o[grad[c] + k];
            }
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                float key_k = qkv[key[j] + k], value_k = qkv[key[j] + width + k];
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    a[j][c] = fma(q[c], key_k, a[j][c]);
                    ds[j][c] = fma(g[c], value_k, ds[j][c]);
                }
            }
        }
        [[unroll]] for (uint j = 0; j < OTHER; j++)
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                float p = col0 + j < tokens ? exp_accurate(fma(scale, a[j][c], -st[c].x)) * st[c].y : 0.0;
                ds[j][c] = scale * (p * (ds[j][c] - delta_row[c]));
            }
        for (uint k = 0; k < head_dim; k++) {
            float dq[OWN];
            [[unroll]] for (uint c = 0; c < OWN; c++)
                dq[c] = col0 == 0 ? 0.0 : d_qkv[out_at[c] + k];
            [[unroll]] for (uint j = 0; j < OTHER; j++) {
                float key_k = qkv[key[j] + k];
                [[unroll]] for (uint c = 0; c < OWN; c++)
                    dq[c] = fma(ds[j][c], key_k, dq[c]);
            }
            [[unroll]] for (uint c = 0; c < OWN; c++)
                if (token0 + 8 * c < tokens)
                    d_qkv[out_at[c] + k] = dq[c];
        }
    }
}
