/* Matrix products: which kernel makes them, with which tile, and what is cut. */
#include "dispatch.h"
#include "ops.h"

#include <math.h>
#include <string.h>

/* Tile sizes of the shaders. */
enum { TILE_M = 32, TILE_N = 64, WIDE_TILE = 64, WIDE_LARGE_TILE = 128, WIDE_STEP = 16, WIDE_DEPTH = 512, MATVEC_OUTPUTS = 8, MATVEC_DIRECT_OUTPUTS = 32 };

typedef struct matmul_push {
    uint32_t M, N, K, x_offset, x_stride, w_offset, w_stride, y_offset, y_stride, use_bias, bias_offset, accumulate;
} matmul_push;

/* The wide kernel takes two words of a row at a time, one step of them at least, and columns enough for a tile. */
static bool suits_wide(bool w_is_nk, const matmul_push *push)
{
    if (push->K < WIDE_STEP)
        return false;
    return w_is_nk ? push->w_offset % 2 == 0 && push->w_stride % 2 == 0 : push->x_offset % 2 == 0 && push->x_stride % 2 == 0 && push->N >= WIDE_TILE;
}

/* Down columns a wider tile pays, unless much of its last one would be done twice. */
static uint32_t wide_tile(bool w_is_nk, const matmul_push *push)
{
    bool large = !w_is_nk && (push->N % WIDE_LARGE_TILE == 0 || push->N >= 4 * WIDE_LARGE_TILE);
    return large ? WIDE_LARGE_TILE : WIDE_TILE;
}

static void choose_matmul(uvk_context *ctx, bool w_is_nk, const matmul_push *push, uvk_dispatch *d)
{
    uint32_t lanes = uvk_context_limits(ctx)->lanes;
    if (uvk_is_wide(ctx) && suits_wide(w_is_nk, push)) {
        d->kernel = UVK_MATMUL_WIDE;
        d->constants[0] = lanes;
        d->constants[1] = w_is_nk;
        d->constants[2] = wide_tile(w_is_nk, push);
        d->groups = uvk_divide_up(w_is_nk ? push->M : push->N, d->constants[2]) * uvk_divide_up(w_is_nk ? push->N : push->M, lanes);
    } else {
        d->kernel = uvk_is_direct(ctx) ? UVK_MATMUL_DIRECT : UVK_MATMUL;
        d->constants[0] = w_is_nk;
        d->groups = uvk_divide_up(push->M, TILE_M) * uvk_divide_up(push->N, TILE_N);
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
        .kernel = uvk_is_direct(ctx) ? UVK_MATVEC_DIRECT : UVK_MATVEC,
        .bindings = {x, w, y, bias},
        .push = push,
        .push_size = sizeof *push,
        .groups = uvk_divide_up(push->N, uvk_is_direct(ctx) ? MATVEC_DIRECT_OUTPUTS : MATVEC_OUTPUTS),
        .flop = 2.0 * push->N * push->K,
    };
    return uvk_dispatch_record(ctx, &d, err);
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
            .M = (uint32_t)M, .N = (uint32_t)uvk_part_rows(w, p), .K = (uint32_t)w->cols,
            .x_offset = (uint32_t)(x_row * x->cols), .x_stride = (uint32_t)x->cols, .w_stride = (uint32_t)w->stride,
            .y_offset = (uint32_t)(y_row * y->cols + y_col + first), .y_stride = (uint32_t)y->cols,
            .use_bias = bias != NULL, .bias_offset = (uint32_t)first, .accumulate = accumulate,
        };
        uvk_span bias_span = uvk_whole(bias ? bias : x);
        status = M == 1 ? matvec(ctx, uvk_whole(x), w->parts[p], uvk_whole(y), bias_span, &push, err) : matmul(ctx, true, uvk_whole(x), w->parts[p], uvk_whole(y), bias_span, &push, err);
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
    uint32_t end = push.K, piece = uvk_is_wide(ctx) ? WIDE_DEPTH : end;
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
enum { HALF_TILE = 64 };

static uint64_t tiles(const matmul_push *push, uint32_t m, uint32_t n)
{
    return uvk_divide_up(push->M, m) * uvk_divide_up(push->N, n);
}

static const cooperative_tile *choose_tile(const uvk_context *ctx, const matmul_push *push)
{
    const cooperative_tile *large = &cooperative_tiles[1];
    const uvk_device_info *device = uvk_context_device(ctx);
    uint32_t threads = large->m / large->sub_m * (large->n / large->sub_n) * uvk_context_limits(ctx)->lanes;
    bool fits = device->shared_memory >= large->shared && device->max_invocations >= threads;
    return fits && tiles(push, large->m, large->n) >= uvk_context_limits(ctx)->fill ? large : &cooperative_tiles[0];
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
    float scale = half_scale(largest);
    struct { uint32_t M, N, K, x_offset, x_stride, w_offset, w_stride, y_offset, y_stride, accumulate; float w_scale, w_unscale; } push = {
        p->M, p->N, p->K, p->x_offset, p->x_stride, p->w_offset, p->w_stride, p->y_offset, p->y_stride, p->accumulate, scale, 1 / scale};
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
            .M = (uint32_t)M, .N = (uint32_t)w->cols, .K = (uint32_t)uvk_part_rows(w, p),
            .x_offset = (uint32_t)(dy_col + p * w->part_rows), .x_stride = (uint32_t)dy->cols, .w_stride = (uint32_t)w->stride,
            .y_stride = (uint32_t)dx->cols, .accumulate = accumulate || p > 0,
        };
        status = half ? matmul_half(ctx, uvk_whole(dy), w->parts[p], uvk_whole(dx), &push, w->largest, err) : matmul_backward(ctx, uvk_whole(dy), w->parts[p], uvk_whole(dx), push, err);
    }
    return status;
}
