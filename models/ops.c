#include "ops.h"

/* Tile sizes of the shaders, tiled and direct. */
enum { MATMUL_TILE_M = 32, MATMUL_TILE_N = 64, ATTENTION_TILE = 32, ATTENTION_SLICE = 8, THREADS = 64 };

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* The one binding of a tensor that is not cut. */
static uvk_span whole(const uvk_tensor *tensor)
{
    return tensor->parts[0];
}

/* ---- Matrix products ---------------------------------------------------------------------------------------------------- */

typedef struct matmul_push {
    uint32_t M, N, K, x_offset, x_stride, w_offset, w_stride, y_offset, y_stride, use_bias, bias_offset, accumulate;
} matmul_push;

static uvk_status matmul(uvk_context *ctx, bool w_is_nk, uvk_span x, uvk_span w, uvk_span y, uvk_span bias, const matmul_push *push, uvk_error *err)
{
    uvk_dispatch d = {
        .kernel = uvk_context_limits(ctx)->direct ? UVK_MATMUL_DIRECT : UVK_MATMUL,
        .constants = {w_is_nk},
        .bindings = {x, w, y, bias},
        .push = push,
        .push_size = sizeof *push,
        .groups = divide_up(push->M, MATMUL_TILE_M) * divide_up(push->N, MATMUL_TILE_N),
        .flop = 2.0 * push->M * push->N * push->K,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

static uint64_t rows_of_part(const uvk_tensor *w, uint32_t part)
{
    uint64_t first = part * w->part_rows;
    return w->rows - first < w->part_rows ? w->rows - first : w->part_rows;
}

/* Each part of w makes some columns of y. */
uvk_status uvk_linear(uvk_context *ctx, const uvk_tensor *x, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row, bool accumulate, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint32_t p = 0; p < w->n_parts && status == UVK_OK; p++) {
        uint64_t first = p * w->part_rows;
        matmul_push push = {
            .M = (uint32_t)M, .N = (uint32_t)rows_of_part(w, p), .K = (uint32_t)w->cols,
            .x_stride = (uint32_t)x->cols, .w_stride = (uint32_t)w->cols,
            .y_offset = (uint32_t)(y_row * y->cols + first), .y_stride = (uint32_t)y->cols,
            .use_bias = bias != NULL, .bias_offset = (uint32_t)first, .accumulate = accumulate,
        };
        status = matmul(ctx, true, whole(x), w->parts[p], whole(y), whole(bias ? bias : x), &push, err);
    }
    return status;
}

/* Each part of w takes some columns of dy and adds to all of dx. */
uvk_status uvk_linear_backward(uvk_context *ctx, const uvk_tensor *dy, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint32_t p = 0; p < w->n_parts && status == UVK_OK; p++) {
        matmul_push push = {
            .M = (uint32_t)M, .N = (uint32_t)w->cols, .K = (uint32_t)rows_of_part(w, p),
            .x_offset = (uint32_t)(p * w->part_rows), .x_stride = (uint32_t)w->rows, .w_stride = (uint32_t)w->cols,
            .y_stride = (uint32_t)w->cols, .accumulate = p > 0,
        };
        status = matmul(ctx, false, whole(dy), w->parts[p], whole(dx), whole(dy), &push, err);
    }
    return status;
}

/* ---- Norms and activations ------------------------------------------------------------------------------------------------ */

uvk_status uvk_layernorm(uvk_context *ctx, const uvk_tensor *x, const uvk_tensor *weight, const uvk_tensor *bias, float epsilon, const uvk_tensor *y, const uvk_tensor *stats, uvk_error *err)
{
    struct { uint32_t width; float epsilon; } push = {(uint32_t)x->cols, epsilon};
    uvk_dispatch d = {
        .kernel = UVK_LAYERNORM,
        .bindings = {whole(x), whole(weight), whole(bias), whole(y), whole(stats)},
        .push = &push,
        .push_size = sizeof push,
        .groups = x->rows,
        .flop = 8.0 * (double)(x->rows * x->cols),
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_layernorm_backward(uvk_context *ctx, const uvk_tensor *dy, const uvk_tensor *x, const uvk_tensor *stats, const uvk_tensor *weight, uint32_t targets,
                                  const uvk_tensor *g_in, uvk_window in, const uvk_tensor *g_out, uvk_window out, uvk_error *err)
{
    struct { uint32_t width, rows_in, rows_out; } push = {(uint32_t)x->cols, in.rows, out.rows};
    uvk_dispatch d = {
        .kernel = UVK_LAYERNORM_BACKWARD,
        .bindings = {whole(dy), whole(x), whole(stats), whole(weight), whole(g_in), whole(g_out), whole(in.first), whole(out.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)targets * out.rows,
        .flop = 12.0 * targets * out.rows * (double)x->cols,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_activate(uvk_context *ctx, uvk_activation activation, const uvk_tensor *u, const uvk_tensor *h, uvk_error *err)
{
    uint32_t count = (uint32_t)(u->rows * u->cols);
    uvk_dispatch d = {
        .kernel = UVK_ACTIVATION,
        .constants = {activation},
        .bindings = {whole(u), whole(h)},
        .push = &count,
        .push_size = sizeof count,
        .groups = divide_up(count, THREADS),
        .flop = 40.0 * count,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_activate_backward(uvk_context *ctx, const uvk_tensor *dh, const uvk_tensor *slope, uint32_t targets, uvk_window window, uvk_error *err)
{
    uint32_t width = (uint32_t)slope->cols;
    struct { uint32_t count, width, rows; } push = {targets * window.rows * width, width, window.rows};
    uvk_dispatch d = {
        .kernel = UVK_ACTIVATION_BACKWARD,
        .bindings = {whole(dh), whole(slope), whole(window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
        .flop = 4.0 * push.count,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* ---- Attention -------------------------------------------------------------------------------------------------------------- */

uvk_status uvk_attention(uvk_context *ctx, const uvk_attention_shape *s, const uvk_tensor *qkv, const uvk_tensor *o, const uvk_tensor *stats, uvk_error *err)
{
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_FORWARD,
        .constants = {(uint32_t)divide_up(s->head_dim, THREADS)},
        .bindings = {whole(qkv), whole(o), whole(stats)},
        .push = s,
        .push_size = sizeof *s,
        .groups = (uint64_t)s->tokens * s->heads,
        .flop = 6.0 * s->tokens * s->tokens * s->heads * s->head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* The push constants that the tile kernels share. */
typedef struct attention_push {
    uint32_t tokens, heads, head_dim, rows;
    float scale;
} attention_push;

static attention_push push_of(const uvk_attention_gradient *g)
{
    return (attention_push){g->shape->tokens, g->shape->heads, g->shape->head_dim, g->window.rows, g->shape->scale};
}

/* How the tiled kernels cut a head's dimensions. */
static uint32_t slices(const uvk_attention_gradient *g)
{
    return (uint32_t)divide_up(g->shape->head_dim, ATTENTION_SLICE);
}

/* Operations of one n x head_dim product over all rows of all windows and heads. */
static double product_flop(const uvk_attention_gradient *g)
{
    return 2.0 * g->targets * g->window.rows * g->shape->tokens * g->shape->heads * g->shape->head_dim;
}

uvk_status uvk_attention_delta(uvk_context *ctx, const uvk_attention_gradient *g, uvk_error *err)
{
    struct { uint32_t count, rows, heads, head_dim; } push = {g->targets * g->window.rows * g->shape->heads, g->window.rows, g->shape->heads, g->shape->head_dim};
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_DELTA,
        .bindings = {whole(g->d_o), whole(g->o), whole(g->delta), whole(g->window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
        .flop = 2.0 * push.count * push.head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_columns(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *s, const uvk_tensor *relevance, const uvk_tensor *d_qkv, uvk_error *err)
{
    bool direct = uvk_context_limits(ctx)->direct;
    attention_push push = push_of(g);
    uvk_dispatch d = {
        .kernel = direct ? UVK_ATTENTION_COLUMNS_DIRECT : UVK_ATTENTION_COLUMNS,
        .constants = {d_qkv != NULL, direct ? 0 : slices(g)},
        .bindings = {whole(g->qkv), whole(g->stats), whole(g->d_o), whole(g->window.first), whole(g->delta), whole(s), whole(relevance), whole(d_qkv ? d_qkv : relevance)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->heads * divide_up(g->shape->tokens, ATTENTION_TILE),
        .flop = (d_qkv ? 4 : 2) * product_flop(g),
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_rows(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *d_qkv, uvk_error *err)
{
    bool direct = uvk_context_limits(ctx)->direct;
    attention_push push = push_of(g);
    uvk_dispatch d = {
        .kernel = direct ? UVK_ATTENTION_ROWS_DIRECT : UVK_ATTENTION_ROWS,
        .constants = {direct ? 0 : slices(g)},
        .bindings = {whole(g->qkv), whole(g->stats), whole(g->d_o), whole(g->window.first), whole(g->delta), whole(d_qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->heads * divide_up(g->shape->tokens, ATTENTION_TILE),
        .flop = 3 * product_flop(g),
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_relevance(uvk_context *ctx, const uvk_attention_gradient *g, uvk_window out, const uvk_tensor *map, uvk_error *err)
{
    struct { attention_push tile; uint32_t rows_out, out_stride; } push = {push_of(g), out.rows, (uint32_t)map->cols};
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_RELEVANCE,
        .bindings = {whole(g->qkv), whole(g->stats), whole(g->d_o), whole(g->window.first), whole(out.first), whole(map)},
        .push = &push,
        .push_size = sizeof push,
        .groups = g->targets * divide_up(out.rows, ATTENTION_TILE) * divide_up(g->shape->tokens, ATTENTION_TILE),
        .flop = 2 * product_flop(g),
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_dump(uvk_context *ctx, const uvk_attention_gradient *g, uint32_t head, const uvk_tensor *da, uvk_error *err)
{
    struct { uint32_t tokens, heads, head_dim, rows, head; } push = {g->shape->tokens, g->shape->heads, g->shape->head_dim, g->window.rows, head};
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_GRADIENT,
        .bindings = {whole(g->qkv), whole(g->d_o), whole(g->window.first), whole(da)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up((uint64_t)push.tokens * push.tokens, THREADS),
        .flop = 2.0 * push.tokens * push.tokens * push.head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* ---- Products of maps ---------------------------------------------------------------------------------------------------------- */

uvk_status uvk_rollout_step(uvk_context *ctx, const uvk_rows *rows, uint32_t heads, const uvk_tensor *relevance, uvk_error *err)
{
    struct { uint32_t count, tokens, heads; } push = {rows->targets * rows->tokens, rows->tokens, heads};
    uvk_dispatch d = {
        .kernel = UVK_ROLLOUT_STEP,
        .bindings = {whole(rows->s), whole(rows->excess), whole(relevance), whole(rows->own)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
        .flop = (double)push.count * heads,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_row_times_map(uvk_context *ctx, const uvk_rows *rows, const uvk_tensor *map, uvk_window window, const uvk_tensor *s_out, uvk_error *err)
{
    struct { uint32_t count, tokens, rows, map_stride; } push = {rows->targets * rows->tokens, rows->tokens, window.rows, (uint32_t)map->cols};
    uvk_dispatch d = {
        .kernel = UVK_ROW_TIMES_MAP,
        .bindings = {whole(rows->s), whole(rows->excess), whole(map), whole(window.first), whole(rows->own), whole(s_out)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
        .flop = 2.0 * push.count * window.rows,
    };
    return uvk_dispatch_record(ctx, &d, err);
}
