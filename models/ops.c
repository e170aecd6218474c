#include "ops.h"

#include "dispatch.h"

#include <string.h>

/* Tile sizes of the shaders, tiled and direct. */
enum { ATTENTION_TILE = 32, ATTENTION_SLICE = 8, THREADS = 64 };
enum { ATTENTION_PART = 128, ATTENTION_WIDE_HEAD = 64, FEW_QUERIES = 16 };

/* ---- Norms and activations ------------------------------------------------------------------------------------------------ */

uvk_status uvk_norm(uvk_context *ctx, uvk_norm_kind kind, const uvk_tensor *x, uvk_range range, const uvk_tensor *weight, const uvk_tensor *bias, float epsilon,
                    const uvk_tensor *y, const uvk_tensor *stats, uvk_error *err)
{
    struct { uint32_t width, first_row, use_bias; float epsilon; } push = {(uint32_t)x->cols, range.first, bias != NULL, epsilon};
    uvk_dispatch d = {
        .kernel = UVK_NORM_FORWARD,
        .constants = {kind == UVK_RMS_NORM},
        .bindings = {uvk_whole(x), uvk_whole(weight), uvk_whole(bias ? bias : weight), uvk_whole(y), uvk_whole(stats)},
        .push = &push,
        .push_size = sizeof push,
        .groups = range.count,
        .flop = 8.0 * range.count * (double)x->cols,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_norm_backward(uvk_context *ctx, uvk_norm_kind kind, const uvk_tensor *dy, const uvk_tensor *x, const uvk_tensor *stats, const uvk_tensor *weight, uint32_t targets,
                             const uvk_tensor *g_in, uvk_window in, const uvk_tensor *g_out, uvk_window out, uvk_error *err)
{
    struct { uint32_t width, rows_in, rows_out; } push = {(uint32_t)x->cols, in.rows, out.rows};
    uvk_dispatch d = {
        .kernel = UVK_NORM_BACKWARD,
        .constants = {kind},
        .bindings = {uvk_whole(dy), uvk_whole(x), uvk_whole(stats), uvk_whole(weight), uvk_whole(g_in), uvk_whole(g_out), uvk_whole(in.first), uvk_whole(out.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)targets * out.rows,
        .flop = 12.0 * targets * out.rows * (double)x->cols,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_activate(uvk_context *ctx, uvk_activation activation, const uvk_tensor *u, uvk_range range, const uvk_tensor *h, uvk_error *err)
{
    uint32_t width = (uint32_t)h->cols;
    struct { uint32_t count, width, first; } push = {range.count * width, width, range.first * width};
    uvk_dispatch d = {
        .kernel = UVK_ACTIVATION,
        .constants = {activation, u->cols == 2 * h->cols},
        .bindings = {uvk_whole(u), uvk_whole(h)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 40.0 * push.count,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_activate_backward(uvk_context *ctx, const uvk_tensor *dh, const uvk_tensor *slope, uint32_t m, uint32_t targets, uvk_window window, uvk_error *err)
{
    struct { uint32_t count, width, rows; } push = {targets * window.rows * m, m, window.rows};
    uvk_dispatch d = {
        .kernel = UVK_ACTIVATION_BACKWARD,
        .constants = {slope->cols == 2 * (uint64_t)m},
        .bindings = {uvk_whole(dh), uvk_whole(slope), uvk_whole(window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 4.0 * push.count,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* ---- Heads: their norms and positions ----------------------------------------------------------------------------------------- */

uvk_status uvk_head_norm(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *raw, uvk_range range, const uvk_tensor *query, const uvk_tensor *key, float epsilon,
                         const uvk_tensor *qkv, const uvk_tensor *stats, uvk_error *err)
{
    struct { uvk_attention_shape shape; uint32_t count, first_row; float epsilon; } push = {*shape, range.count * (shape->heads + 2 * shape->kv_heads), range.first, epsilon};
    uvk_dispatch d = {
        .kernel = UVK_HEAD_NORM,
        .bindings = {uvk_whole(raw), uvk_whole(query), uvk_whole(key), uvk_whole(qkv), uvk_whole(stats)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 5.0 * push.count * shape->head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_head_norm_backward(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *d_qkv, uint32_t targets, uvk_window window, const uvk_tensor *raw,
                                  const uvk_tensor *query, const uvk_tensor *key, const uvk_tensor *stats, uvk_error *err)
{
    struct { uvk_attention_shape shape; uint32_t count, rows; } push = {*shape, targets * window.rows * (shape->heads + shape->kv_heads), window.rows};
    uvk_dispatch d = {
        .kernel = UVK_HEAD_NORM_BACKWARD,
        .bindings = {uvk_whole(d_qkv), uvk_whole(raw), uvk_whole(query), uvk_whole(key), uvk_whole(stats), uvk_whole(window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 10.0 * push.count * shape->head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* Rows of the sequence, or, where a window is given, of the gradient of every target. */
static uvk_status rotate(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, uint32_t first_row, uint32_t count, const uvk_window *window, const uvk_tensor *table,
                         uvk_error *err)
{
    uint32_t pairs = (shape->heads + shape->kv_heads) * (shape->head_dim / 2);
    struct { uvk_attention_shape shape; uint32_t count, first_row, rows; } push = {*shape, count * pairs, first_row, window ? window->rows : 0};
    uvk_dispatch d = {
        .kernel = UVK_ROTATE,
        .constants = {window != NULL},
        .bindings = {uvk_whole(qkv), uvk_whole(table), uvk_whole(window ? window->first : table)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 6.0 * push.count,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_rotate(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *qkv, uvk_range range, const uvk_tensor *table, uvk_error *err)
{
    return rotate(ctx, shape, qkv, range.first, range.count, NULL, table, err);
}

uvk_status uvk_rotate_backward(uvk_context *ctx, const uvk_attention_shape *shape, const uvk_tensor *d_qkv, uint32_t targets, uvk_window window, const uvk_tensor *table, uvk_error *err)
{
    return rotate(ctx, shape, d_qkv, 0, targets * window.rows, &window, table, err);
}

/* ---- Attention -------------------------------------------------------------------------------------------------------------- */

/* The tiled kernels give a workgroup up to ATTENTION_PART dimensions of a head, in slices; more would not fit its registers. */
static uint32_t parts(const uvk_attention_shape *s)
{
    return (uint32_t)uvk_divide_up(s->head_dim, ATTENTION_PART);
}

static uint32_t slices(const uvk_attention_shape *s)
{
    return (uint32_t)uvk_divide_up(uvk_divide_up(s->head_dim, parts(s)), ATTENTION_SLICE);
}

/* Keys that a row sees, at most; on average for a causal mask without a window. */
static double keys_seen(const uvk_attention_shape *s)
{
    uint32_t keys = s->keys ? s->keys : s->tokens - s->first_key;
    return !s->causal ? keys : s->window < keys ? s->window : 0.5 * keys;
}

/* The wide kernels keep a head of this size in registers. */
static bool wide_attention(uvk_context *ctx, const uvk_attention_shape *s)
{
    return uvk_is_wide(ctx) && s->head_dim == ATTENTION_WIDE_HEAD;
}

/* The same operation by the wide kernel, a subgroup a workgroup. */
static void take_wide(uvk_dispatch *d, uvk_kernel kernel, const uint32_t *constants, size_t n, uint64_t groups)
{
    d->kernel = kernel;
    memcpy(d->constants, constants, n * sizeof *constants);
    d->groups = groups;
}

static uvk_span bias_span(const uvk_attention_shape *s, const uvk_tensor *bias, const uvk_tensor *other)
{
    return uvk_whole(s->bias_reach ? bias : other);
}

uvk_status uvk_attention(uvk_context *ctx, const uvk_attention_shape *s, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range range, const uvk_tensor *o, const uvk_tensor *stats, uvk_error *err)
{
    struct { uvk_attention_shape shape; uint32_t first_row, row_count; } push = {*s, range.first, range.count};
    uint64_t queries = (uint64_t)range.count * (s->heads / s->kv_heads);
    uint32_t own = queries <= FEW_QUERIES ? 1 : ATTENTION_TILE / 8; /* of a thread of the direct kernel */
    uvk_dispatch d = {
        .kernel = uvk_is_direct(ctx) ? UVK_ATTENTION_FORWARD_DIRECT : UVK_ATTENTION_FORWARD,
        .constants = {uvk_is_direct(ctx) ? own : slices(s), s->bias_reach > 0},
        .bindings = {uvk_whole(qkv), uvk_whole(o), uvk_whole(stats), bias_span(s, bias, qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_is_direct(ctx) ? s->kv_heads * uvk_divide_up(queries, 8 * own) : (uint64_t)s->kv_heads * parts(s) * uvk_divide_up(queries, ATTENTION_TILE),
        .flop = 4.0 * range.count * (range.count < s->tokens && s->causal ? range.first + range.count : keys_seen(s)) * s->heads * s->head_dim,
    };
    if (wide_attention(ctx, s)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, s->bias_reach > 0};
        take_wide(&d, UVK_ATTENTION_FORWARD_WIDE, constants, 2, s->kv_heads * uvk_divide_up(queries, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_mean(uvk_context *ctx, const uvk_attention_shape *s, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range queries, const uvk_tensor *stats,
                              const uvk_tensor *factor, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint32_t p = 0; p < factor->n_parts && status == UVK_OK; p++) {
        struct { uvk_attention_shape shape; uint32_t first_row, rows; uvk_range queries; } push = {*s, (uint32_t)(p * factor->part_rows), (uint32_t)uvk_part_rows(factor, p), queries};
        uint64_t entries = (uint64_t)push.rows * s->tokens;
        uvk_dispatch d = {
            .kernel = UVK_ATTENTION_MEAN,
            .constants = {s->bias_reach > 0},
            .bindings = {uvk_whole(qkv), uvk_whole(stats), factor->parts[p], bias_span(s, bias, qkv)},
            .push = &push,
            .push_size = sizeof push,
            .groups = uvk_divide_up(entries, THREADS),
            .flop = 2.0 * (double)entries * s->heads * s->head_dim,
        };
        status = uvk_dispatch_record(ctx, &d, err);
    }
    return status;
}

/* The push constants that the kernels of the gradient share. */
typedef struct attention_push {
    uvk_attention_shape shape;
    uint32_t rows;
} attention_push;

/* Operations of one product of queries and keys over all rows of all windows and heads. */
static double product_flop(const uvk_attention_gradient *g)
{
    return 2.0 * g->targets * g->window.rows * keys_seen(g->shape) * g->shape->heads * g->shape->head_dim;
}

uvk_status uvk_attention_delta(uvk_context *ctx, const uvk_attention_gradient *g, uvk_error *err)
{
    struct { uint32_t count, rows, heads, head_dim; } push = {g->targets * g->window.rows * g->shape->heads, g->window.rows, g->shape->heads, g->shape->head_dim};
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_DELTA,
        .bindings = {uvk_whole(g->d_o), uvk_whole(g->o), uvk_whole(g->delta), uvk_whole(g->window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 2.0 * push.count * push.head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_columns(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *s, const uvk_tensor *relevance, const uvk_tensor *d_qkv, uvk_error *err)
{
    struct { attention_push push; uint32_t rows_below; } push = {{*g->shape, g->window.rows}, g->below.rows};
    uint32_t biased = g->shape->bias_reach > 0;
    uvk_dispatch d = {
        .kernel = uvk_is_direct(ctx) ? UVK_ATTENTION_COLUMNS_DIRECT : UVK_ATTENTION_COLUMNS,
        .constants = {d_qkv != NULL, uvk_is_direct(ctx) ? biased : slices(g->shape), uvk_is_direct(ctx) ? 0 : biased},
        .bindings = {uvk_whole(g->qkv), uvk_whole(g->stats), uvk_whole(g->d_o), uvk_whole(g->window.first), uvk_whole(g->delta), uvk_whole(s), uvk_whole(relevance), uvk_whole(d_qkv ? d_qkv : relevance),
                     uvk_whole(g->below.first), bias_span(g->shape, g->bias, g->qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->kv_heads * (uvk_is_direct(ctx) || !d_qkv ? 1 : parts(g->shape)) * uvk_divide_up(g->below.rows, ATTENTION_TILE),
        .flop = (d_qkv ? 4 : 2) * product_flop(g),
    };
    if (wide_attention(ctx, g->shape)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, d_qkv != NULL, biased};
        take_wide(&d, UVK_ATTENTION_COLUMNS_WIDE, constants, 3, (uint64_t)g->targets * g->shape->kv_heads * uvk_divide_up(g->below.rows, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_rows(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *d_qkv, uvk_error *err)
{
    struct { attention_push push; uint32_t rows_below; } push = {{*g->shape, g->window.rows}, g->below.rows};
    uint32_t biased = g->shape->bias_reach > 0;
    uvk_dispatch d = {
        .kernel = uvk_is_direct(ctx) ? UVK_ATTENTION_ROWS_DIRECT : UVK_ATTENTION_ROWS,
        .constants = {uvk_is_direct(ctx) ? biased : slices(g->shape), uvk_is_direct(ctx) ? 0 : biased},
        .bindings = {uvk_whole(g->qkv), uvk_whole(g->stats), uvk_whole(g->d_o), uvk_whole(g->window.first), uvk_whole(g->delta), uvk_whole(d_qkv), uvk_whole(g->below.first),
                     bias_span(g->shape, g->bias, g->qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->heads * (uvk_is_direct(ctx) ? 1 : parts(g->shape)) * uvk_divide_up(g->below.rows, ATTENTION_TILE),
        .flop = 3 * product_flop(g),
    };
    if (wide_attention(ctx, g->shape)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, biased};
        take_wide(&d, UVK_ATTENTION_ROWS_WIDE, constants, 2, (uint64_t)g->targets * g->shape->heads * uvk_divide_up(g->below.rows, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_relevance(uvk_context *ctx, const uvk_attention_gradient *g, uvk_window out, const uvk_tensor *map, uvk_error *err)
{
    struct { attention_push push; uint32_t rows_out, out_stride; } push = {{*g->shape, g->window.rows}, out.rows, (uint32_t)map->cols};
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_RELEVANCE,
        .bindings = {uvk_whole(g->qkv), uvk_whole(g->stats), uvk_whole(g->d_o), uvk_whole(g->window.first), uvk_whole(out.first), uvk_whole(map)},
        .push = &push,
        .push_size = sizeof push,
        .groups = g->targets * uvk_divide_up(out.rows, ATTENTION_TILE) * uvk_divide_up(g->shape->tokens, ATTENTION_TILE),
        .flop = 2 * product_flop(g),
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_dump(uvk_context *ctx, const uvk_attention_gradient *g, uint32_t head, const uvk_tensor *da, uvk_error *err)
{
    struct { attention_push push; uint32_t head; } push = {{*g->shape, g->window.rows}, head};
    uint64_t entries = (uint64_t)g->shape->tokens * g->shape->tokens;
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_GRADIENT,
        .bindings = {uvk_whole(g->qkv), uvk_whole(g->d_o), uvk_whole(g->window.first), uvk_whole(da)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(entries, THREADS),
        .flop = 2.0 * (double)entries * g->shape->head_dim,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

/* ---- Products of maps ---------------------------------------------------------------------------------------------------------- */

uvk_status uvk_rollout_step(uvk_context *ctx, const uvk_rows *rows, const uvk_attention_shape *shape, const uvk_tensor *relevance, uvk_window below, uvk_error *err)
{
    struct { uint32_t count, tokens, heads, kv_heads, columns; } push = {rows->targets * below.rows, rows->tokens, shape->heads, shape->kv_heads, below.rows};
    uvk_dispatch d = {
        .kernel = UVK_ROLLOUT_STEP,
        .bindings = {uvk_whole(rows->s), uvk_whole(rows->excess), uvk_whole(relevance), uvk_whole(rows->own), uvk_whole(below.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = (double)push.count * shape->kv_heads,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_row_times_map(uvk_context *ctx, const uvk_rows *rows, const uvk_tensor *map, uvk_window window, const uvk_tensor *s_out, uvk_error *err)
{
    struct { uint32_t count, tokens, rows, map_stride; } push = {rows->targets * rows->tokens, rows->tokens, window.rows, (uint32_t)map->cols};
    uvk_dispatch d = {
        .kernel = UVK_ROW_TIMES_MAP,
        .bindings = {uvk_whole(rows->s), uvk_whole(rows->excess), uvk_whole(map), uvk_whole(window.first), uvk_whole(rows->own), uvk_whole(s_out)},
        .push = &push,
        .push_size = sizeof push,
        .groups = uvk_divide_up(push.count, THREADS),
        .flop = 2.0 * push.count * window.rows,
    };
    return uvk_dispatch_record(ctx, &d, err);
}
