#include "ops.h"

#include <math.h>
#include <string.h>

/* Tile sizes of the shaders, tiled and direct. */
enum { MATMUL_TILE_M = 32, MATMUL_TILE_N = 64, MATMUL_WIDE_TILE = 64, MATMUL_WIDE_STEP = 16, MATMUL_WIDE_DEPTH = 1024, MATVEC_OUTPUTS = 8, MATVEC_DIRECT_OUTPUTS = 32, ATTENTION_TILE = 32, ATTENTION_SLICE = 8, THREADS = 64 };
enum { ATTENTION_PART = 128, ATTENTION_WIDE_HEAD = 64, FEW_QUERIES = 16 };

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* The one binding of a tensor that is not cut. */
static uvk_span whole(const uvk_tensor *tensor)
{
    return tensor->parts[0];
}

static bool direct(uvk_context *ctx)
{
    return uvk_context_limits(ctx)->direct;
}

static bool wide(const uvk_context *ctx)
{
    return uvk_context_limits(ctx)->wide;
}

/* ---- Matrix products ---------------------------------------------------------------------------------------------------- */

typedef struct matmul_push {
    uint32_t M, N, K, x_offset, x_stride, w_offset, w_stride, y_offset, y_stride, use_bias, bias_offset, accumulate;
} matmul_push;

/* The wide kernel takes two words of a row at a time, one step of them at least, and columns enough for a tile. */
static bool suits_wide(bool w_is_nk, const matmul_push *push)
{
    if (push->K < MATMUL_WIDE_STEP)
        return false;
    return w_is_nk ? push->w_offset % 2 == 0 && push->w_stride % 2 == 0 : push->x_offset % 2 == 0 && push->x_stride % 2 == 0 && push->N >= MATMUL_WIDE_TILE;
}

static void choose_matmul(uvk_context *ctx, bool w_is_nk, const matmul_push *push, uvk_dispatch *d)
{
    uint32_t lanes = uvk_context_limits(ctx)->lanes;
    if (wide(ctx) && suits_wide(w_is_nk, push)) {
        d->kernel = UVK_MATMUL_WIDE;
        d->constants[0] = lanes;
        d->constants[1] = w_is_nk;
        d->groups = divide_up(w_is_nk ? push->M : push->N, MATMUL_WIDE_TILE) * divide_up(w_is_nk ? push->N : push->M, lanes);
    } else {
        d->kernel = direct(ctx) ? UVK_MATMUL_DIRECT : UVK_MATMUL;
        d->constants[0] = w_is_nk;
        d->groups = divide_up(push->M, MATMUL_TILE_M) * divide_up(push->N, MATMUL_TILE_N);
    }
}

static uvk_status matmul(uvk_context *ctx, bool w_is_nk, uvk_span x, uvk_span w, uvk_span y, uvk_span bias, const matmul_push *push, uvk_error *err)
{
    uvk_dispatch d = {.bindings = {x, w, y, bias}, .push = push, .push_size = sizeof *push, .flop = 2.0 * push->M * push->N * push->K};
    choose_matmul(ctx, w_is_nk, push, &d);
    return uvk_dispatch_record(ctx, &d, err);
}

/* One row by a linear layer: y = x . w^T. */
static uvk_status matvec(uvk_context *ctx, uvk_span x, uvk_span w, uvk_span y, uvk_span bias, const matmul_push *push, uvk_error *err)
{
    uvk_dispatch d = {
        .kernel = direct(ctx) ? UVK_MATVEC_DIRECT : UVK_MATVEC,
        .bindings = {x, w, y, bias},
        .push = push,
        .push_size = sizeof *push,
        .groups = divide_up(push->N, direct(ctx) ? MATVEC_DIRECT_OUTPUTS : MATVEC_OUTPUTS),
        .flop = 2.0 * push->N * push->K,
    };
    return uvk_dispatch_record(ctx, &d, err);
}

static uint64_t rows_of_part(const uvk_tensor *w, uint32_t part)
{
    uint64_t first = part * w->part_rows;
    return w->rows - first < w->part_rows ? w->rows - first : w->part_rows;
}

uvk_status uvk_linear(uvk_context *ctx, const uvk_tensor *x, uint64_t x_row, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row,
                      bool accumulate, uvk_error *err)
{
    return uvk_linear_columns(ctx, x, x_row, M, w, bias, y, y_row, 0, accumulate, err);
}

/* Each part of w makes some columns of y. */
uvk_status uvk_linear_columns(uvk_context *ctx, const uvk_tensor *x, uint64_t x_row, uint64_t M, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *y, uint64_t y_row,
                              uint64_t y_col, bool accumulate, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint32_t p = 0; p < w->n_parts && status == UVK_OK; p++) {
        uint64_t first = p * w->part_rows;
        matmul_push push = {
            .M = (uint32_t)M, .N = (uint32_t)rows_of_part(w, p), .K = (uint32_t)w->cols,
            .x_offset = (uint32_t)(x_row * x->cols), .x_stride = (uint32_t)x->cols, .w_stride = (uint32_t)w->cols,
            .y_offset = (uint32_t)(y_row * y->cols + y_col + first), .y_stride = (uint32_t)y->cols,
            .use_bias = bias != NULL, .bias_offset = (uint32_t)first, .accumulate = accumulate,
        };
        uvk_span bias_span = whole(bias ? bias : x);
        status = M == 1 ? matvec(ctx, whole(x), w->parts[p], whole(y), bias_span, &push, err) : matmul(ctx, true, whole(x), w->parts[p], whole(y), bias_span, &push, err);
    }
    return status;
}

uvk_status uvk_linear_backward(uvk_context *ctx, const uvk_tensor *dy, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, uvk_error *err)
{
    uvk_tensor rows = uvk_tensor_view_as(dy, M, w->rows);
    return uvk_linear_backward_columns(ctx, &rows, 0, M, w, dx, false, err);
}

/* A long sum in pieces, each added to what is there: the wide kernel walks down columns of W, of which the cache then holds a piece.
 * Where the pieces end depends on K alone, so that results do not depend on how rows are batched. */
static uvk_status matmul_backward(uvk_context *ctx, uvk_span x, uvk_span w, uvk_span y, matmul_push push, uvk_error *err)
{
    uvk_status status = UVK_OK;
    uint32_t end = push.K, piece = wide(ctx) ? MATMUL_WIDE_DEPTH : end;
    for (uint32_t k = 0; k < end && status == UVK_OK; k += push.K) {
        push.K = end - k < piece ? end - k : piece;
        status = matmul(ctx, false, x, w, y, x, &push, err);
        push.x_offset += push.K;
        push.w_offset += push.K * push.w_stride;
        push.accumulate = true;
    }
    return status;
}

/* ---- In half precision -------------------------------------------------------------------------------------------------- */

/* Tiles of a workgroup, and of each of its subgroups, of matmul_cooperative.comp; the last is for products that fill a large device with it. */
typedef struct cooperative_tile { uint32_t m, n, sub_m, sub_n, shared; } cooperative_tile;
static const cooperative_tile cooperative_tiles[] = {{64, 64, 32, 32, 16 << 10}, {128, 128, 64, 32, 32 << 10}};
enum { HALF_TILE = 64, GROUPS_TO_FILL = 512 };

static uint64_t tiles(const matmul_push *push, uint32_t m, uint32_t n)
{
    return divide_up(push->M, m) * divide_up(push->N, n);
}

static const cooperative_tile *choose_tile(const uvk_context *ctx, const matmul_push *push)
{
    const cooperative_tile *large = &cooperative_tiles[1];
    const uvk_device_info *device = uvk_context_device(ctx);
    uint32_t threads = large->m / large->sub_m * (large->n / large->sub_n) * uvk_context_limits(ctx)->lanes;
    bool fits = device->shared_memory >= large->shared && device->max_invocations >= threads;
    return fits && tiles(push, large->m, large->n) >= GROUPS_TO_FILL ? large : &cooperative_tiles[0];
}

static void choose_cooperative(const uvk_context *ctx, const matmul_push *push, uvk_dispatch *d)
{
    const uvk_limits *l = uvk_context_limits(ctx);
    const cooperative_tile *t = choose_tile(ctx, push);
    uint32_t constants[] = {t->m / t->sub_m * (t->n / t->sub_n) * l->lanes, l->matrix[0], l->matrix[1], l->matrix[2], t->m, t->n, t->sub_m, t->sub_n};
    d->kernel = UVK_MATMUL_COOPERATIVE;
    memcpy(d->constants, constants, sizeof constants);
    d->groups = tiles(push, t->m, t->n);
}

/* w in 0..largest to 0..2^13 or 2^14: half precision has its smallest and its largest numbers far from that. */
static float half_scale(float largest)
{
    int exponent;
    frexpf(largest, &exponent);
    return ldexpf(1, 14 - exponent < 100 ? 14 - exponent : 100);
}

static uvk_status matmul_half(uvk_context *ctx, uvk_span x, uvk_span w, uvk_span y, const matmul_push *p, float largest, uvk_error *err)
{
    struct { uint32_t M, N, K, x_offset, x_stride, w_offset, w_stride, y_offset, y_stride, accumulate; float w_scale; } push = {
        p->M, p->N, p->K, p->x_offset, p->x_stride, p->w_offset, p->w_stride, p->y_offset, p->y_stride, p->accumulate, half_scale(largest)};
    uvk_dispatch d = {.kernel = UVK_MATMUL_HALF, .bindings = {x, w, y}, .push = &push, .push_size = sizeof push,
                      .groups = tiles(p, HALF_TILE, HALF_TILE), .flop = 2.0 * p->M * p->N * p->K};
    if (uvk_context_limits(ctx)->products == UVK_COOPERATIVE_PRODUCTS)
        choose_cooperative(ctx, p, &d);
    return uvk_dispatch_record(ctx, &d, err);
}

/* Each part of w takes some columns of dy and adds to all of dx. */
uvk_status uvk_linear_backward_columns(uvk_context *ctx, const uvk_tensor *dy, uint64_t dy_col, uint64_t M, const uvk_tensor *w, const uvk_tensor *dx, bool accumulate, uvk_error *err)
{
    uvk_status status = UVK_OK;
    bool half = w->largest > 0 && isfinite(w->largest) && uvk_context_limits(ctx)->products != UVK_FLOAT_PRODUCTS;
    for (uint32_t p = 0; p < w->n_parts && status == UVK_OK; p++) {
        matmul_push push = {
            .M = (uint32_t)M, .N = (uint32_t)w->cols, .K = (uint32_t)rows_of_part(w, p),
            .x_offset = (uint32_t)(dy_col + p * w->part_rows), .x_stride = (uint32_t)dy->cols, .w_stride = (uint32_t)w->cols,
            .y_stride = (uint32_t)dx->cols, .accumulate = accumulate || p > 0,
        };
        status = half ? matmul_half(ctx, whole(dy), w->parts[p], whole(dx), &push, w->largest, err) : matmul_backward(ctx, whole(dy), w->parts[p], whole(dx), push, err);
    }
    return status;
}

/* ---- Norms and activations ------------------------------------------------------------------------------------------------ */

uvk_status uvk_norm(uvk_context *ctx, uvk_norm_kind kind, const uvk_tensor *x, uvk_range range, const uvk_tensor *weight, const uvk_tensor *bias, float epsilon,
                    const uvk_tensor *y, const uvk_tensor *stats, uvk_error *err)
{
    struct { uint32_t width, first_row, use_bias; float epsilon; } push = {(uint32_t)x->cols, range.first, bias != NULL, epsilon};
    uvk_dispatch d = {
        .kernel = UVK_NORM_FORWARD,
        .constants = {kind == UVK_RMS_NORM},
        .bindings = {whole(x), whole(weight), whole(bias ? bias : weight), whole(y), whole(stats)},
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
        .bindings = {whole(dy), whole(x), whole(stats), whole(weight), whole(g_in), whole(g_out), whole(in.first), whole(out.first)},
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
        .bindings = {whole(u), whole(h)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
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
        .bindings = {whole(dh), whole(slope), whole(window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
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
        .bindings = {whole(raw), whole(query), whole(key), whole(qkv), whole(stats)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
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
        .bindings = {whole(d_qkv), whole(raw), whole(query), whole(key), whole(stats), whole(window.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
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
        .bindings = {whole(qkv), whole(table), whole(window ? window->first : table)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
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
    return (uint32_t)divide_up(s->head_dim, ATTENTION_PART);
}

static uint32_t slices(const uvk_attention_shape *s)
{
    return (uint32_t)divide_up(divide_up(s->head_dim, parts(s)), ATTENTION_SLICE);
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
    return wide(ctx) && s->head_dim == ATTENTION_WIDE_HEAD;
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
    return whole(s->bias_reach ? bias : other);
}

uvk_status uvk_attention(uvk_context *ctx, const uvk_attention_shape *s, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range range, const uvk_tensor *o, const uvk_tensor *stats, uvk_error *err)
{
    struct { uvk_attention_shape shape; uint32_t first_row, row_count; } push = {*s, range.first, range.count};
    uint64_t queries = (uint64_t)range.count * (s->heads / s->kv_heads);
    uint32_t own = queries <= FEW_QUERIES ? 1 : ATTENTION_TILE / 8; /* of a thread of the direct kernel */
    uvk_dispatch d = {
        .kernel = direct(ctx) ? UVK_ATTENTION_FORWARD_DIRECT : UVK_ATTENTION_FORWARD,
        .constants = {direct(ctx) ? own : slices(s), s->bias_reach > 0},
        .bindings = {whole(qkv), whole(o), whole(stats), bias_span(s, bias, qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = direct(ctx) ? s->kv_heads * divide_up(queries, 8 * own) : (uint64_t)s->kv_heads * parts(s) * divide_up(queries, ATTENTION_TILE),
        .flop = 4.0 * range.count * (range.count < s->tokens && s->causal ? range.first + range.count : keys_seen(s)) * s->heads * s->head_dim,
    };
    if (wide_attention(ctx, s)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, s->bias_reach > 0};
        take_wide(&d, UVK_ATTENTION_FORWARD_WIDE, constants, 2, s->kv_heads * divide_up(queries, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_mean(uvk_context *ctx, const uvk_attention_shape *s, const uvk_tensor *qkv, const uvk_tensor *bias, uvk_range queries, const uvk_tensor *stats,
                              const uvk_tensor *factor, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint32_t p = 0; p < factor->n_parts && status == UVK_OK; p++) {
        struct { uvk_attention_shape shape; uint32_t first_row, rows; uvk_range queries; } push = {*s, (uint32_t)(p * factor->part_rows), (uint32_t)rows_of_part(factor, p), queries};
        uint64_t entries = (uint64_t)push.rows * s->tokens;
        uvk_dispatch d = {
            .kernel = UVK_ATTENTION_MEAN,
            .constants = {s->bias_reach > 0},
            .bindings = {whole(qkv), whole(stats), factor->parts[p], bias_span(s, bias, qkv)},
            .push = &push,
            .push_size = sizeof push,
            .groups = divide_up(entries, THREADS),
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
    struct { attention_push push; uint32_t rows_below; } push = {{*g->shape, g->window.rows}, g->below.rows};
    uint32_t biased = g->shape->bias_reach > 0;
    uvk_dispatch d = {
        .kernel = direct(ctx) ? UVK_ATTENTION_COLUMNS_DIRECT : UVK_ATTENTION_COLUMNS,
        .constants = {d_qkv != NULL, direct(ctx) ? biased : slices(g->shape), direct(ctx) ? 0 : biased},
        .bindings = {whole(g->qkv), whole(g->stats), whole(g->d_o), whole(g->window.first), whole(g->delta), whole(s), whole(relevance), whole(d_qkv ? d_qkv : relevance),
                     whole(g->below.first), bias_span(g->shape, g->bias, g->qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->kv_heads * (direct(ctx) || !d_qkv ? 1 : parts(g->shape)) * divide_up(g->below.rows, ATTENTION_TILE),
        .flop = (d_qkv ? 4 : 2) * product_flop(g),
    };
    if (wide_attention(ctx, g->shape)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, d_qkv != NULL, biased};
        take_wide(&d, UVK_ATTENTION_COLUMNS_WIDE, constants, 3, (uint64_t)g->targets * g->shape->kv_heads * divide_up(g->below.rows, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_rows(uvk_context *ctx, const uvk_attention_gradient *g, const uvk_tensor *d_qkv, uvk_error *err)
{
    struct { attention_push push; uint32_t rows_below; } push = {{*g->shape, g->window.rows}, g->below.rows};
    uint32_t biased = g->shape->bias_reach > 0;
    uvk_dispatch d = {
        .kernel = direct(ctx) ? UVK_ATTENTION_ROWS_DIRECT : UVK_ATTENTION_ROWS,
        .constants = {direct(ctx) ? biased : slices(g->shape), direct(ctx) ? 0 : biased},
        .bindings = {whole(g->qkv), whole(g->stats), whole(g->d_o), whole(g->window.first), whole(g->delta), whole(d_qkv), whole(g->below.first),
                     bias_span(g->shape, g->bias, g->qkv)},
        .push = &push,
        .push_size = sizeof push,
        .groups = (uint64_t)g->targets * g->shape->heads * (direct(ctx) ? 1 : parts(g->shape)) * divide_up(g->below.rows, ATTENTION_TILE),
        .flop = 3 * product_flop(g),
    };
    if (wide_attention(ctx, g->shape)) {
        const uint32_t constants[] = {uvk_context_limits(ctx)->lanes, biased};
        take_wide(&d, UVK_ATTENTION_ROWS_WIDE, constants, 2, (uint64_t)g->targets * g->shape->heads * divide_up(g->below.rows, constants[0]));
    }
    return uvk_dispatch_record(ctx, &d, err);
}

uvk_status uvk_attention_relevance(uvk_context *ctx, const uvk_attention_gradient *g, uvk_window out, const uvk_tensor *map, uvk_error *err)
{
    struct { attention_push push; uint32_t rows_out, out_stride; } push = {{*g->shape, g->window.rows}, out.rows, (uint32_t)map->cols};
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
    struct { attention_push push; uint32_t head; } push = {{*g->shape, g->window.rows}, head};
    uint64_t entries = (uint64_t)g->shape->tokens * g->shape->tokens;
    uvk_dispatch d = {
        .kernel = UVK_ATTENTION_GRADIENT,
        .bindings = {whole(g->qkv), whole(g->d_o), whole(g->window.first), whole(da)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(entries, THREADS),
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
        .bindings = {whole(rows->s), whole(rows->excess), whole(relevance), whole(rows->own), whole(below.first)},
        .push = &push,
        .push_size = sizeof push,
        .groups = divide_up(push.count, THREADS),
        .flop = (double)push.count * shape->kv_heads,
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
