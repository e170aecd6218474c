// attention_columns.comp for lavapipe (see attention_direct.glsl). A thread owns four columns.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
layout(constant_id = 0) const bool GRADIENTS = true; // false: relevance only (the lowest block of the product)
layout(local_size_x = 8) in;

#define PUSH \
    uint tokens, heads, head_dim, rows; \
    float scale;
#include "grid.glsl"
#include "math.glsl"
#include "attention_direct.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };            // [T, rows, H]
layout(binding = 5) readonly buffer S { float s[]; };                    // [T, n]
layout(binding = 6) writeonly buffer Relevance { float relevance[]; };   // [T, H, n]
layout(binding = 7) buffer DQKV { float d_qkv[]; };                      // [T, n, 3, H, head_dim]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (tokens + TILE - 1) / TILE, width = heads * head_dim;
    uint head = group / tiles % heads, target = group / tiles / heads;
    uint col0 = group % tiles * TILE + gl_LocalInvocationIndex;
    uint key[OWN], out_at[OWN]; // columns past the end are computed and not stored
    float relevance_sum[OWN];
    [[unroll]] for (uint c = 0; c < OWN; c++) {
        uint col = min(col0 + 8 * c, tokens - 1);
        key[c] = qkv_at(col, head) + width;
        out_at[c] = qkv_at(target * tokens + col, head) + width;
        relevance_sum[c] = 0.0;
    }

    for (uint row0 = 0; row0 < rows; row0 += OTHER) {
        uint query[OTHER], grad[OTHER];
        float a[OTHER][OWN], da[OTHER][OWN];
        [[unroll]] for (uint r = 0; r < OTHER; r++) {
            uint row = min(row0 + r, rows - 1);
            query[r] = qkv_at(first[target] + row, head);
            grad[r] = do_at(target, row, head);
            [[unroll]] for (uint c = 0; c < OWN; c++)
                a[r][c] = da[r][c] = 0.0;
        }
        for (uint k = 0; k < head_dim; k++) {
            float key_k[OWN], value_k[OWN];
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                key_k[c] = qkv[key[c] + k];
                value_k[c] = qkv[key[c] + width + k];
            }
            [[unroll]] for (uint r = 0; r < OTHER; r++) {
                float q = qkv[query[r] + k], g = d_o[grad[r] + k];
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    a[r][c] = fma(q, key_k[c], a[r][c]);
                    da[r][c] = fma(g, value_k[c], da[r][c]);
                }
            }
        }
        // From scores to probabilities; da becomes dS, the gradient of the scores.
        [[unroll]] for (uint r = 0; r < OTHER; r++) {
            bool row_in = row0 + r < rows;
            uint row = min(row0 + r, rows - 1), token = first[target] + row;
            vec2 st = stats[token * heads + head];
            float s_row = s[target * tokens + token], delta_row = GRADIENTS ? delta[(target * rows + row) * heads + head] : 0.0;
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                a[r][c] = row_in ? exp_accurate(fma(scale, a[r][c], -st.x)) * st.y : 0.0;
                relevance_sum[c] += row_in ? s_row * (relu(da[r][c]) * a[r][c]) : 0.0;
                da[r][c] = a[r][c] * (da[r][c] - delta_row);
            }
        }
        if (!GRADIENTS)
            continue;
        for (uint k = 0; k < head_dim; k++) {
            float dk[OWN], dv[OWN];
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                dk[c] = row0 == 0 ? 0.0 : d_qkv[out_at[c] + k];
                dv[c] = row0 == 0 ? 0.0 : d_qkv[out_at[c] + width + k];
            }
            [[unroll]] for (uint r = 0; r < OTHER; r++) {
                float q = scale * qkv[query[r] + k], g = d_o[grad[r] + k];
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    dk[c] = fma(da[r][c], q, dk[c]);
                    dv[c] = fma(a[r][c], g, dv[c]);
                }
            }
            [[unroll]] for (uint c = 0; c < OWN; c++)
                if (col0 + 8 * c < tokens) {
                    d_qkv[out_at[c] + k] = dk[c];
                    d_qkv[out_at[c] + width + k] = dv[c];
                }
        }
    }
    [[unroll]] for (uint c = 0; c < OWN; c++)
        if (col0 + 8 * c < tokens)
            relevance[(target * heads + head) * tokens + col0 + 8 * c] = relevance_sum[c];
}
