/* The kernels as functions on tensors: shapes in, dispatches out. Weights may be cut into parts; activations are whole. */
#ifndef UVK_MODELS_OPS_H
#define UVK_MODELS_OPS_H

#include "gpu.h"

/* The numbers are those of shaders/activation.comp. */
typedef enum uvk_activation { UVK_GELU, UVK_GELU_TANH, UVK_QUICK_GELU, UVK_SILU, UVK_RELU } uvk_activation;

/* LayerNorm, (x - mean) / std weight + bias; RMSNorm, x / rms weight; or none, of which there is only a gradient. */
typedef enum uvk_norm_kind { UVK_LAYER_NORM, UVK_RMS_NORM, UVK_IDENTITY } uvk_norm_kind;

enum { UVK_NO_WINDOW = -1 }; /* as uint32_t: farther than any sequence */

/* What one attention of a block looks like. Queries, keys and values lie beside each other in one row of
 * (heads + 2 kv_heads) * head_dim floats; query heads h * heads/kv_heads .. share key and value head h (grouped-query attention). */
typedef struct uvk_attention_shape {
    uint32_t tokens, heads, kv_heads, head_dim;
    float scale;
    uint32_t causal; /* row r sees keys j <= r only ... */
    uint32_t window; /* ... and of those j > r - window: a sliding window; UVK_NO_WINDOW: all */
    uint32_t first_key, keys; /* keys are rows first_key .. first_key + keys - 1 of the sequence; keys 0: all from first_key on */
    uint32_t bias_reach;      /* > 0: scores get a bias by distance, table[heads, 2 bias_reach + 1], entry clamp(j - r) + bias_reach */
} uvk_attention_shape;

/* Floats of one row of queries, keys and values. */
static inline uint32_t uvk_qkv_width(const uvk_attention_shape *s) { return (s->heads + 2 * s->kv_heads) * s->head_dim; }

/* Rows first .. first + count - 1 of the sequence: all of it, or the new tokens of a text that is being generated. */
typedef struct uvk_range { uint32_t first, count; } uvk_range;

/* Gradients are kept only where they can differ from zero: for target t of a chunk, rows first[t] .. first[t] + rows - 1 of
 * the sequence (none beyond its end), packed [targets, rows, ...]. */
typedef struct uvk_window {
    const uvk_tensor *first; /* [targets, 1] of uint32 */
    uint32_t rows;
} uvk_window;

/* y[M,N] = x[M,K] . w[N,K]^T + bias[N] (may be NULL), M rows from row x_row of x to row y_row of y on; accumulate: y += instead.
 * A row's result does not depend on M. */
uvk_status uvk_linear(uvk_context *ctx, const uvk_tensor *x, uint64_t x_row, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row,
                      bool accumulate, uvk_error *err);
/* The same into y's columns from y_col on. */
uvk_status uvk_linear_columns(uvk_context *ctx, const uvk_tensor *x, uint64_t x_row, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row,
                              uint64_t y_col, bool accumulate, uvk_error *err);
/* The gradient of a linear layer's input: dx[M,K] = dy[M,N] . w[N,K], in the first K columns of dx's rows. */
uvk_status uvk_linear_backward(uvk_context *ctx, const uvk_tensor *dy, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, uvk_error *err);
/* The same from the N columns of dy from dy_col on, rows of dy being dy->cols wide; accumulate: dx += instead. */
uvk_status uvk_linear_backward_columns(uvk_context *ctx, const uvk_tensor *dy, uint64_t dy_col, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, bool accumulate, uvk_error *err);

/* y[n,d] and stats[n,2] (mean, or 0, and 1/std, or 1/rms) of x[n,d], in the rows of range. bias may be NULL. */
uvk_status uvk_norm(uvk_context *ctx, uvk_norm_kind kind, const uvk_tensor *x, uvk_range range, const uvk_tensor *weight, const uvk_tensor *bias, float epsilon,
                    const uvk_tensor *y, const uvk_tensor *stats, uvk_error *err);
/* g_out[T,out.rows,d] = g_in (where its window reaches) + the gradient of dy[T,out.rows,d] through the norm of x. g_out may be g_in
 * when the windows are the same, and dy. Of UVK_IDENTITY, x, stats and weight are not read. */
uvk_status uvk_norm_backward(uvk_context *ctx, uvk_norm_kind kind, const uvk_tensor *dy, const uvk_tensor *x, const uvk_tensor *stats, const uvk_tensor *weight, uint32_t targets,
                             const uvk_tensor *g_in, uvk_window in, const uvk_tensor *g_out, uvk_window out, uvk_error *err);

/* The hidden layer of an MLP, in the rows of range. Plain: h[n,m] = act(u[n,m]), and u becomes act'(u). Gated: u[n,2m] holds the
 * gate a and, beside it, b; h = act(a) b, and u becomes its derivatives by a and by b. u->cols tells which. */
uvk_status uvk_activate(uvk_context *ctx, uvk_activation activation, const uvk_tensor *u, uvk_range range, const uvk_tensor *h, uvk_error *err);
/* du[T,window.rows, m or 2m] from dh, which stands in its first m columns, and the slopes that uvk_activate left. */
uvk_status uvk_activate_backward(uvk_context *ctx, const uvk_tensor *dh, const uvk_tensor *slope, uint32_t m, uint32_t targets, uvk_window window, uvk_error *err);

/* RMSNorm of every query head (weight query[head_dim]) and key head (key[head_dim]) on its own: from raw[n, qkv] to qkv, the values
 * copied as they are; stats[n, heads + kv_heads] keeps 1/rms. */
uvk_status uvk_head_norm(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *raw, uvk_range range, const uvk_tensor *query, const uvk_tensor *key, float epsilon,
                         const uvk_tensor *qkv, const uvk_tensor *stats, uvk_error *err);
/* d_qkv[T, window.rows, qkv] becomes the gradient of raw. */
uvk_status uvk_head_norm_backward(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *d_qkv, uint32_t targets, uvk_window window, const uvk_tensor *raw,
                                  const uvk_tensor *query, const uvk_tensor *key, const uvk_tensor *stats, uvk_error *err);

/* Rotary positions, in place: in every query and key head of token r, (x_k, x_{k + D/2}) is turned by the angle whose cosine and
 * sine stand in table[r, k] and table[r, D/2 + k]; D = head_dim, table[n, D]. */
uvk_status uvk_rotate(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, uvk_range range, const uvk_tensor *table, uvk_error *err);
/* Its gradient: the same turned back, in d_qkv[T, window.rows, qkv]. */
uvk_status uvk_rotate_backward(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *d_qkv, uint32_t targets, uvk_window window, const uvk_tensor *table, uvk_error *err);

/* o[n, heads*head_dim] and stats[n, 2 heads] (maximum and 1/sum of each softmax) of qkv[n, qkv], for the query rows of range. bias is
 * read where the shape has one, and may be NULL where not. */
uvk_status uvk_attention(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range range, const uvk_tensor *o, const uvk_tensor *stats, uvk_error *err);

/* (mean_h A + I) / 2 in the rows of queries, I in the others, into factor[n, n], which may be cut: what an attention contributes to raw
 * attention rollout. bias as in uvk_attention. */
uvk_status uvk_attention_mean(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range queries, const uvk_tensor *stats,
                              const uvk_tensor *factor, uvk_error *err);

/* An attention whose gradient is wanted, and the gradient of its output: what the kernels below share. */
typedef struct uvk_attention_gradient {
    const uvk_attention_shape *shape;
    const uvk_tensor *qkv, *bias, *o, *stats; /* of the forward pass; bias as there */
    const uvk_tensor *d_o;             /* [T, window.rows, heads*head_dim] */
    const uvk_tensor *delta;           /* [T, window.rows*heads], filled by uvk_attention_delta */
    uint32_t targets;
    uvk_window window;                 /* rows of d_o */
    uvk_window below;                  /* the keys that these rows see; holds `window` */
} uvk_attention_gradient;

uvk_status uvk_attention_delta(uvk_context *ctx, const uvk_attention_gradient *g, uvk_error *err);
/* relevance[T, kv_heads*n] = sum over the query heads of a key head of s[T,n] . relu(dA) A, in the columns of g->below; the others
 * are left as they are. With d_qkv (may be NULL) also its key and value parts [T, below.rows, qkv]. */
uvk_status uvk_attention_columns(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *s, const uvk_tensor *relevance, const uvk_tensor *d_qkv, uvk_error *err);
/* The query part of d_qkv, zero in the rows of g->below that g->window lacks. */
uvk_status uvk_attention_rows(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *d_qkv, uvk_error *err);
/* mean_h relu(dA) A for the rows of `out` (inside g->window) of every target, to map[T, rows of out * n], all n columns. */
uvk_status uvk_attention_relevance(uvk_context *ctx, const uvk_attention_gradient *g, uvk_window out, const uvk_tensor *map, uvk_error *err);
/* dA[n,n] of one query head, for one target; rows that g->window lacks are zero. Entries that the mask hides are dO . v as all others. */
uvk_status uvk_attention_dump(uvk_context *ctx, const uvk_attention_gradient *g, uint32_t head, const uvk_tensor *da, uvk_error *err);

/* Rows of the product under way: s[T,n] = e_i + excess[T,n], own[T,1] holding each i. */
typedef struct uvk_rows {
    const uvk_tensor *s, *excess, *own;
    uint32_t targets, tokens;
} uvk_rows;

/* s += mean over query heads of what uvk_attention_columns left in relevance[T, kv_heads*n], in the columns of `below`. */
uvk_status uvk_rollout_step(uvk_context *ctx, const uvk_rows *rows, const uvk_attention_shape *shape, const uvk_tensor *relevance, uvk_window below, uvk_error *err);
/* s_out[T,n] = s + s . M, with M's rows in `window` as uvk_attention_relevance left them. */
uvk_status uvk_row_times_map(uvk_context *ctx, const uvk_rows *rows, const uvk_tensor *map, uvk_window window, const uvk_tensor *s_out, uvk_error *err);

#endif
