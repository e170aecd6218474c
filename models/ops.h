/* The kernels as functions on tensors: shapes in, dispatches out. Weights may be cut into parts; activations are whole. */
#ifndef UVK_MODELS_OPS_H
#define UVK_MODELS_OPS_H

#include "gpu.h"

/* The numbers are those of shaders/activation.comp. */
typedef enum uvk_activation { UVK_GELU, UVK_GELU_TANH, UVK_QUICK_GELU, UVK_SILU, UVK_RELU } uvk_activation;

/* What one attention of a block looks like. */
typedef struct uvk_attention_shape {
    uint32_t tokens, heads, head_dim;
    float scale;
} uvk_attention_shape;

/* Gradients are kept only where they can differ from zero: for target t of a chunk, rows first[t] .. first[t] + rows - 1 of
 * the sequence, packed [targets, rows, ...]. */
typedef struct uvk_window {
    const uvk_tensor *first; /* [targets, 1] of uint32 */
    uint32_t rows;
} uvk_window;

/* y[M,N] = x[M,K] . w[N,K]^T + bias[N] (may be NULL), from row y_row of y on; accumulate: y += instead. */
uvk_status uvk_linear(uvk_context *ctx, const uvk_tensor *x, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row, bool accumulate, uvk_error *err);
/* The gradient of a linear layer's input: dx[M,K] = dy[M,N] . w[N,K]. */
uvk_status uvk_linear_backward(uvk_context *ctx, const uvk_tensor *dy, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, uvk_error *err);

/* y[n,d] and stats[n,2] (mean, rstd) of x[n,d]. */
uvk_status uvk_layernorm(uvk_context *ctx, const uvk_tensor *x, const uvk_tensor *weight, const uvk_tensor *bias, float epsilon, const uvk_tensor *y, const uvk_tensor *stats, uvk_error *err);
/* g_out[T,out.rows,d] = g_in (where its window reaches) + the gradient of dy[T,out.rows,d] through the norm of x. g_out may be
 * g_in when the windows are the same. */
uvk_status uvk_layernorm_backward(uvk_context *ctx, const uvk_tensor *dy, const uvk_tensor *x, const uvk_tensor *stats, const uvk_tensor *weight, uint32_t targets,
                                  const uvk_tensor *g_in, uvk_window in, const uvk_tensor *g_out, uvk_window out, uvk_error *err);

/* h[n,m] = act(u), and u becomes act'(u). */
uvk_status uvk_activate(uvk_context *ctx, uvk_activation activation, const uvk_tensor *u, const uvk_tensor *h, uvk_error *err);
/* dh[T,window.rows,m] *= slope[token,m]. */
uvk_status uvk_activate_backward(uvk_context *ctx, const uvk_tensor *dh, const uvk_tensor *slope, uint32_t targets, uvk_window window, uvk_error *err);

/* o[n, H*head_dim] and stats[n, 2H] (maximum and 1/sum of each softmax) of qkv[n, 3*H*head_dim]. */
uvk_status uvk_attention(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, const uvk_tensor *o, const uvk_tensor *stats, uvk_error *err);

/* An attention whose gradient is wanted, and the gradient of its output: what the kernels below share. */
typedef struct uvk_attention_gradient {
    const uvk_attention_shape *shape;
    const uvk_tensor *qkv, *o, *stats; /* of the forward pass */
    const uvk_tensor *d_o;             /* [T, window.rows, H*head_dim] */
    const uvk_tensor *delta;           /* [T, window.rows*H], filled by uvk_attention_delta */
    uint32_t targets;
    uvk_window window;
} uvk_attention_gradient;

uvk_status uvk_attention_delta(uvk_context *ctx, const uvk_attention_gradient *g, uvk_error *err);
/* relevance[T, H*n] = per head, s[T,n] . relu(dA) A. With d_qkv (may be NULL) also its key and value parts [T, n, 3*H*head_dim]. */
uvk_status uvk_attention_columns(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *s, const uvk_tensor *relevance, const uvk_tensor *d_qkv, uvk_error *err);
/* The query part of d_qkv. */
uvk_status uvk_attention_rows(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *d_qkv, uvk_error *err);
/* mean_h relu(dA) A for the rows of `out` (inside g->window) of every target, to map[T, rows of out * n]. */
uvk_status uvk_attention_relevance(uvk_context *ctx, const uvk_attention_gradient *g, uvk_window out, const uvk_tensor *map, uvk_error *err);
/* dA[n,n] of one head, for one target. */
uvk_status uvk_attention_dump(uvk_context *ctx, const uvk_attention_gradient *g, uint32_t head, const uvk_tensor *da, uvk_error *err);

/* Rows of the product under way: s[T,n] = e_i + excess[T,n], own[T,1] holding each i. */
typedef struct uvk_rows {
    const uvk_tensor *s, *excess, *own;
    uint32_t targets, tokens;
} uvk_rows;

/* s += mean over heads of relevance[T, H*n]. */
uvk_status uvk_rollout_step(uvk_context *ctx, const uvk_rows *rows, uint32_t heads, const uvk_tensor *relevance, uvk_error *err);
/* s_out[T,n] = s + s . M, with M's rows in `window` as uvk_attention_relevance left them. */
uvk_status uvk_row_times_map(uvk_context *ctx, const uvk_rows *rows, const uvk_tensor *map, uvk_window window, const uvk_tensor *s_out, uvk_error *err);

#endif
