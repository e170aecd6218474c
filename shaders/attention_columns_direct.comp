// attention_columns.comp for lavapipe (see attention_direct.glsl). A thread owns four columns.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
layout(constant_id = 0) const bool GRADIENTS = true; // false: relevance only (the lowest block of the product)
layout(local_size_x = 8) in;

#define PUSH_OWN uint rows, rows_below;
#define BIAS_BINDING 9
#define BIAS_CONSTANT 1
#include "attention.glsl"
#include "math.glsl"
#include "attention_window.glsl"
#include "attention_direct.glsl"

layout(binding = 4) readonly buffer Delta { float delta[]; };            // [T, rows, heads]
layout(binding = 5) readonly buffer S { float s[]; };                    // [T, n]
layout(binding = 6) writeonly buffer Relevance { float relevance[]; };   // [T, kv_heads, n]
layout(binding = 7) buffer DQKV { float d_qkv[]; };                      // [T, rows_below, (heads + 2 kv_heads) head_dim]
layout(binding = 8) readonly buffer Below { uint first_below[]; };       // [T]

const uint OWN = 4;

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles = (rows_below + TILE - 1) / TILE, kv_head = group / tiles % kv_heads, target = group / tiles / kv_heads;
    uint thread = gl_LocalInvocationIndex, tile0 = group % tiles * TILE, values = kv_heads * head_dim; // from a key to its value
    uint col[OWN], key[OWN], out_at[OWN]; // columns past the end are computed and not stored
    float relevance_sum[OWN];
    [[unroll]] for (uint c = 0; c < OWN; c++) {
        uint col_row = min(tile0 + thread + 8 * c, rows_below - 1);
        col[c] = first_below[target] + col_row;
        key[c] = key_at(col[c], kv_head);
        out_at[c] = key_at(target * rows_below + col_row, kv_head);
        relevance_sum[c] = 0.0;
    }

    uvec2 seeing = rows_that_see(target, first_below[target] + tile0);
    uint share = heads / kv_heads, head0 = kv_head * share;
    if (GRADIENTS && seeing.x >= seeing.y)
        for (uint k = 0; k < head_dim; k++)
            [[unroll]] for (uint c = 0; c < OWN; c++)
                d_qkv[out_at[c] + k] = d_qkv[out_at[c] + values + k] = 0.0;
    for (uint head = head0; head < head0 + share; head++)
    for (uint row0 = seeing.x; row0 < seeing.y; row0 += OTHER) {
        bool begins = head == head0 && row0 == seeing.x;
        uint query[OTHER], grad[OTHER];
        float a[OTHER][OWN], da[OTHER][OWN];
        [[unroll]] for (uint r = 0; r < OTHER; r++) {
            uint row = min(row0 + r, rows - 1);
            query[r] = query_at(first[target] + row, head);
            grad[r] = do_at(target, row, head);
            [[unroll]] for (uint c = 0; c < OWN; c++)
                a[r][c] = da[r][c] = 0.0;
        }
        for (uint k0 = 0; k0 < head_dim; k0 += 8) {
            float q_ahead[OTHER], g_ahead[OTHER]; // dimension k0 + thread of each row
            [[unroll]] for (uint r = 0; r < OTHER; r++) {
                q_ahead[r] = k0 + thread < head_dim ? qkv[query[r] + k0 + thread] : 0.0;
                g_ahead[r] = k0 + thread < head_dim ? d_o[grad[r] + k0 + thread] : 0.0;
            }
            [[unroll]] for (uint i = 0; i < 8; i++) {
                float key_k[OWN], value_k[OWN];
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    key_k[c] = qkv[key[c] + min(k0 + i, head_dim - 1)];
                    value_k[c] = qkv[key[c] + values + min(k0 + i, head_dim - 1)];
                }
                [[unroll]] for (uint r = 0; r < OTHER; r++) {
                    float q = subgroupBroadcast(q_ahead[r], i), g = subgroupBroadcast(g_ahead[r], i);
                    [[unroll]] for (uint c = 0; c < OWN; c++) {
                        a[r][c] = fma(q, key_k[c], a[r][c]);
                        da[r][c] = fma(g, value_k[c], da[r][c]);
                    }
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
                bool shown = row_in && visible(token, col[c]);
                a[r][c] = shown ? exp_accurate(fma(scale, a[r][c], bias(token, col[c], head) - st.x)) * st.y : 0.0;
                relevance_sum[c] += shown ? s_row * (relu(da[r][c]) * a[r][c]) : 0.0;
                da[r][c] = shown ? a[r][c] * (da[r][c] - delta_row) : 0.0;
            }
        }
        if (!GRADIENTS)
            continue;
        uint query_of[OTHER / 8], grad_of[OTHER / 8]; // of row thread, thread + 8, ...
        [[unroll]] for (uint r = 0; r < OTHER / 8; r++) {
            uint row = min(row0 + thread + 8 * r, rows - 1);
            query_of[r] = query_at(first[target] + row, head);
            grad_of[r] = do_at(target, row, head);
        }
        for (uint k = 0; k < head_dim; k++) {
            float q_ahead[OTHER / 8], g_ahead[OTHER / 8], dk[OWN], dv[OWN];
            [[unroll]] for (uint r = 0; r < OTHER / 8; r++) {
                q_ahead[r] = scale * qkv[query_of[r] + k];
                g_ahead[r] = d_o[grad_of[r] + k];
            }
            [[unroll]] for (uint c = 0; c < OWN; c++) {
                dk[c] = begins ? 0.0 : d_qkv[out_at[c] + k];
                dv[c] = begins ? 0.0 : d_qkv[out_at[c] + values + k];
            }
            [[unroll]] for (uint r = 0; r < OTHER; r++) {
                float q = subgroupBroadcast(q_ahead[r / 8], r % 8), g = subgroupBroadcast(g_ahead[r / 8], r % 8);
                [[unroll]] for (uint c = 0; c < OWN; c++) {
                    dk[c] = fma(da[r][c], q, dk[c]);
                    dv[c] = fma(a[r][c], g, dv[c]);
                }
            }
            [[unroll]] for (uint c = 0; c < OWN; c++)
                if (tile0 + thread + 8 * c < rows_below) {
                    d_qkv[out_at[c] + k] = dk[c];
                    d_qkv[out_at[c] + values + k] = dv[c];
                }
        }
    }
    [[unroll]] for (uint c = 0; c < OWN; c++)
        if (tile0 + thread + 8 * c < rows_below)
            relevance[(target * kv_heads + kv_head) * tokens + col[c]] = relevance_sum[c];
}
