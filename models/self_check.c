#include "self_check.h"

#include "ops.h"
#include "session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_TENSORS = 8, NEEDED_RANGE = 64 << 10, NEEDED_BYTES = 512 << 10 };

/* ---- Operands on the device and on the host ------------------------------------------------------------------------------------ */

typedef struct extent { uint32_t rows, cols; } extent;

typedef struct operands {
    uvk_context *ctx;
    uvk_pool *pool;
    uvk_tensor t[MOST_TENSORS];
    float *host[MOST_TENSORS]; /* what t began with: noise in -1..1 */
    int n;
} operands;

static void close_operands(operands *o)
{
    uvk_pool_free(o->pool);
    for (int i = 0; i < o->n; i++)
        free(o->host[i]);
}

static float *noise(size_t count, uint32_t seed)
{
    float *list = malloc(count * sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        list[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
    return list;
}

static uvk_status open_operands(operands *o, uvk_context *ctx, const extent *extents, int n, uvk_error *err)
{
    *o = (operands){.ctx = ctx, .n = n};
    uvk_status status = uvk_pool_create(ctx, "the self-check", &o->pool, err);
    for (int i = 0; i < n && status == UVK_OK; i++)
        status = uvk_pool_add(o->pool, &o->t[i], extents[i].rows, extents[i].cols, true, err);
    if (status == UVK_OK)
        status = uvk_pool_commit(o->pool, err);
    for (int i = 0; i < n && status == UVK_OK; i++) {
        size_t count = (size_t)extents[i].rows * extents[i].cols;
        o->host[i] = noise(count, (uint32_t)i + 1);
        status = o->host[i] ? uvk_upload(ctx, &o->t[i], 0, extents[i].rows, o->host[i], err) : uvk_fail_memory(err, count * sizeof(float), "the self-check");
    }
    return status;
}

/* The largest difference of rows first .. end - 1 of tensor i from expected, as a share of the largest value; what is no number is infinitely
 * far off. */
static uvk_status compare_rows(operands *o, int i, size_t first, size_t end, const double *expected, double *error, uvk_error *err)
{
    size_t cols = (size_t)o->t[i].cols;
    double largest = 0, difference = 0;
    uvk_status status = uvk_download(o->ctx, &o->t[i], 0, o->t[i].rows, o->host[i], err);
    for (size_t k = first * cols; k < end * cols && status == UVK_OK; k++) {
        double d = fabs(o->host[i][k] - expected[k]);
        largest = fmax(largest, fabs(expected[k]));
        difference = isfinite(d) ? fmax(difference, d) : INFINITY;
    }
    *error = fmax(*error, difference / largest);
    return status;
}

static uvk_status compare(operands *o, int i, const double *expected, double *error, uvk_error *err)
{
    return compare_rows(o, i, 0, (size_t)o->t[i].rows, expected, error, err);
}

/* ---- Matrix products and norm ---------------------------------------------------------------------------------------------------- */

/* More than one tile each way, and no whole number of them. */
enum { M = 35, N = 66, K = 70 }; /* even and wide enough for every kernel */

static void product(const float *x, const float *w, const float *bias, double *y)
{
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            y[i * N + j] = bias[j];
            for (int k = 0; k < K; k++)
                y[i * N + j] += (double)x[i * K + k] * w[j * K + k];
        }
}

static void product_backward(const float *dy, const float *w, double *dx)
{
    for (int i = 0; i < M; i++)
        for (int k = 0; k < K; k++) {
            dx[i * K + k] = 0;
            for (int j = 0; j < N; j++)
                dx[i * K + k] += (double)dy[i * N + j] * w[j * K + k];
        }
}

static uvk_status check_product(operands *o, double *error, uvk_error *err)
{
    enum { X, W, BIAS, Y, DY, DX, ONE };
    static const extent extents[] = {{M, K}, {N, K}, {1, N}, {M, N}, {M, N}, {M, K}, {1, N}};
    double y[M * N], dx[M * K];
    uvk_status status = open_operands(o, o->ctx, extents, 7, err);
    if (status || (status = uvk_linear(o->ctx, &o->t[X], 0, M, &o->t[W], &o->t[BIAS], &o->t[Y], 0, false, err)) ||
        (status = uvk_linear_backward(o->ctx, &o->t[DY], M, &o->t[W], &o->t[DX], err)) ||
        (status = uvk_linear(o->ctx, &o->t[X], 0, 1, &o->t[W], &o->t[BIAS], &o->t[ONE], 0, false, err)))
        return status;
    product(o->host[X], o->host[W], o->host[BIAS], y);
    product_backward(o->host[DY], o->host[W], dx);
    status = compare(o, Y, y, error, err);
    if (status == UVK_OK)
        status = compare(o, DX, dx, error, err);
    return status == UVK_OK ? compare(o, ONE, y, error, err) : status;
}

/* Of two kinds of rows: the second half is 2^60 times as large. */
static uvk_status check_half_product(operands *o, double *error, uvk_error *err)
{
    enum { W, DY, DX };
    static const extent extents[] = {{N, K}, {M, N}, {M, K}};
    double dx[M * K];
    uvk_status status = open_operands(o, o->ctx, extents, 3, err);
    if (status)
        return status;
    for (int i = M / 2 * N; i < M * N; i++)
        o->host[DY][i] *= 0x1p60f;
    o->t[W].largest = 1;
    if ((status = uvk_upload(o->ctx, &o->t[DY], 0, M, o->host[DY], err)) || (status = uvk_linear_backward(o->ctx, &o->t[DY], M, &o->t[W], &o->t[DX], err)))
        return status;
    product_backward(o->host[DY], o->host[W], dx);
    status = compare_rows(o, DX, 0, M / 2, dx, error, err);
    return status == UVK_OK ? compare_rows(o, DX, M / 2, M, dx, error, err) : status;
}

static uvk_status check_large_tiles(operands *o, double *error, uvk_error *err)
{
    uvk_products_fill(o->ctx, 1);
    uvk_status status = check_half_product(o, error, err);
    uvk_products_fill(o->ctx, 0);
    return status;
}

static uvk_status check_norm(operands *o, double *error, uvk_error *err)
{
    enum { X, WEIGHT, BIAS, Y, STATS };
    static const extent extents[] = {{M, N}, {1, N}, {1, N}, {M, N}, {M, 2}};
    static const float epsilon = 1e-6f;
    double y[M * N];
    uvk_status status = open_operands(o, o->ctx, extents, 5, err);
    if (status || (status = uvk_norm(o->ctx, UVK_LAYER_NORM, &o->t[X], (uvk_range){0, M}, &o->t[WEIGHT], &o->t[BIAS], epsilon, &o->t[Y], &o->t[STATS], err)))
        return status;
    for (int i = 0; i < M; i++) {
        const float *x = o->host[X] + i * N;
        double mean = 0, variance = 0;
        for (int j = 0; j < N; j++)
            mean += x[j] / (double)N;
        for (int j = 0; j < N; j++)
            variance += (x[j] - mean) * (x[j] - mean) / N;
        for (int j = 0; j < N; j++)
            y[i * N + j] = (x[j] - mean) / sqrt(variance + (double)epsilon) * o->host[WEIGHT][j] + o->host[BIAS][j];
    }
    return compare(o, Y, y, error, err);
}

/* ---- Attention --------------------------------------------------------------------------------------------------------------------- */

/* Two query heads share a key head. */
enum { TOKENS = 37, HEADS = 2, D = 64, O_WIDTH = HEADS * D, KEY = HEADS * D, VALUE = KEY + D, WIDTH = VALUE + D };
enum { QKV, O, STATS, D_O, DELTA, S, RELEVANCE, D_QKV };
static const double scale = 0.125;
static const uvk_attention_shape shape = {.tokens = TOKENS, .heads = HEADS, .kv_heads = 1, .head_dim = D, .scale = 0.125f, .window = (uint32_t)UVK_NO_WINDOW};

typedef struct attention {
    double o[TOKENS * O_WIDTH], stats[TOKENS * 2 * HEADS], relevance[TOKENS], d_qkv[TOKENS * WIDTH];
} attention;

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int k = 0; k < D; k++)
        sum += (double)a[k] * b[k];
    return sum;
}

/* Row r of head h: its softmax p, and what of the output and of all gradients goes through it. */
static void add_row(const operands *in, int r, int h, attention *out)
{
    const float *qkv = in->host[QKV], *query = qkv + r * WIDTH + h * D, *d_o = in->host[D_O] + r * O_WIDTH + h * D;
    double p[TOKENS], dp[TOKENS], most = -INFINITY, sum = 0, delta = 0, *o = out->o + r * O_WIDTH + h * D;
    for (int j = 0; j < TOKENS; j++) {
        p[j] = scale * dot(query, qkv + j * WIDTH + KEY);
        dp[j] = dot(d_o, qkv + j * WIDTH + VALUE);
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < TOKENS; j++)
        sum += p[j] = exp(p[j] - most);
    out->stats[r * 2 * HEADS + 2 * h] = most;
    out->stats[r * 2 * HEADS + 2 * h + 1] = 1 / sum;
    for (int j = 0; j < TOKENS; j++) {
        p[j] /= sum;
        delta += p[j] * dp[j];
        out->relevance[j] += in->host[S][r] * fmax(dp[j], 0) * p[j];
        for (int k = 0; k < D; k++)
            o[k] += p[j] * qkv[j * WIDTH + VALUE + k];
    }
    for (int j = 0; j < TOKENS; j++)
        for (int k = 0; k < D; k++) {
            double ds = scale * p[j] * (dp[j] - delta);
            out->d_qkv[r * WIDTH + h * D + k] += ds * qkv[j * WIDTH + KEY + k];
            out->d_qkv[j * WIDTH + KEY + k] += ds * query[k];
            out->d_qkv[j * WIDTH + VALUE + k] += p[j] * d_o[k];
        }
}

static uvk_status run_attention(operands *o, uvk_error *err)
{
    static const extent extents[] = {{TOKENS, WIDTH}, {TOKENS, O_WIDTH}, {TOKENS, 2 * HEADS}, {1, TOKENS * O_WIDTH}, {1, TOKENS * HEADS}, {1, TOKENS}, {1, TOKENS},
                                     {1, TOKENS * WIDTH}};
    uvk_status status = open_operands(o, o->ctx, extents, 8, err);
    return status ? status : uvk_attention(o->ctx, &shape, &o->t[QKV], NULL, (uvk_range){0, TOKENS}, &o->t[O], &o->t[STATS], err);
}

static uvk_status run_attention_backward(operands *o, const uvk_tensor *first, uvk_error *err)
{
    static const uint32_t zero;
    uvk_window all = {first, TOKENS};
    uvk_attention_gradient g = {.shape = &shape, .qkv = &o->t[QKV], .o = &o->t[O], .stats = &o->t[STATS], .d_o = &o->t[D_O], .delta = &o->t[DELTA], .targets = 1,
                                .window = all, .below = all};
    uvk_status status = uvk_upload(o->ctx, first, 0, 1, &zero, err);
    if (status || (status = uvk_attention_delta(o->ctx, &g, err)) || (status = uvk_attention_columns(o->ctx, &g, &o->t[S], &o->t[RELEVANCE], &o->t[D_QKV], err)))
        return status;
    return uvk_attention_rows(o->ctx, &g, &o->t[D_QKV], err);
}

/* Where the first row of the one target stands: in a pool of its own, since a chunk's windows are. */
static uvk_status run_both(operands *o, uvk_error *err)
{
    uvk_pool *pool = NULL;
    uvk_tensor first;
    uvk_status status = run_attention(o, err);
    if (status == UVK_OK)
        status = uvk_pool_create(o->ctx, "the self-check", &pool, err);
    if (status == UVK_OK && (status = uvk_pool_add(pool, &first, 1, 1, true, err)) == UVK_OK && (status = uvk_pool_commit(pool, err)) == UVK_OK &&
        (status = run_attention_backward(o, &first, err)) == UVK_OK)
        status = uvk_flush(o->ctx, err);
    uvk_pool_free(pool);
    return status;
}

static uvk_status check_attention(operands *o, double *error, uvk_error *err)
{
    static const int outputs[] = {O, STATS, RELEVANCE, D_QKV};
    attention *exact = calloc(1, sizeof *exact);
    if (!exact)
        return uvk_fail_memory(err, sizeof *exact, "the self-check");
    uvk_status status = run_both(o, err);
    for (int r = 0; r < TOKENS && status == UVK_OK; r++)
        for (int h = 0; h < HEADS; h++)
            add_row(o, r, h, exact);
    const double *expected[] = {exact->o, exact->stats, exact->relevance, exact->d_qkv};
    for (int i = 0; i < 4 && status == UVK_OK; i++)
        status = compare(o, outputs[i], expected[i], error, err);
    free(exact);
    return status;
}

/* ---- The check -------------------------------------------------------------------------------------------------------------------- */

typedef struct check {
    const char *what;
    uvk_status (*run)(operands *o, double *error, uvk_error *err);
    double tolerance; /* of the largest value */
} check;

/* Rounding of float32 stays a hundred times below its tolerance, that of half precision five times; a wrong kernel does not. */
static const check float_checks[] = {{"matrix product", check_product, 1e-4}, {"norm", check_norm, 1e-4}, {"softmax and attention", check_attention, 1e-4}, {0}};
static const check half_checks[] = {{"matrix product", check_half_product, 2e-3}, {"matrix product in large tiles", check_large_tiles, 2e-3}, {0}};

static uvk_status check_kernels(uvk_context *ctx, const check *checks, uvk_verdict *out, uvk_error *err)
{
    *out = (uvk_verdict){.outcome = UVK_PASSED};
    for (size_t i = 0; checks[i].what && out->outcome == UVK_PASSED; i++) {
        operands o = {.ctx = ctx};
        double error = 0;
        uvk_status status = checks[i].run(&o, &error, err);
        close_operands(&o);
        if (status)
            return status;
        if (error <= checks[i].tolerance)
            continue;
        out->outcome = UVK_WRONG;
        snprintf(out->what, sizeof out->what, "%s off by %.2g of the largest value", checks[i].what, error);
    }
    return UVK_OK;
}

/* ---- Whether half precision is worth it ------------------------------------------------------------------------------------------- */

enum { TIMED_ROWS = 1024, TIMED_WIDTH = 512, TIMED_RUNS = 4, TIMED_PRODUCTS = 16, TIMED_BYTES = 4 * (2 * TIMED_ROWS + TIMED_WIDTH) * TIMED_WIDTH };
static const double worth_it = 1.05; /* times as fast as float32 */

/* Seconds of the device, or, where it does not tell, by the clock; of so many products at once that handing them over counts for little. */
static uvk_status time_products(operands *o, float largest, double *seconds, uvk_error *err)
{
    enum { W, DY, DX };
    int products = uvk_context_is_cpu(o->ctx) ? 1 : TIMED_PRODUCTS;
    double before = uvk_device_seconds(o->ctx), started = uvk_clock();
    uvk_status status = UVK_OK;
    o->t[W].largest = largest;
    for (int i = 0; i < products && status == UVK_OK; i++)
        status = uvk_linear_backward(o->ctx, &o->t[DY], TIMED_ROWS, &o->t[W], &o->t[DX], err);
    if (status == UVK_OK)
        status = uvk_flush(o->ctx, err);
    *seconds = uvk_device_seconds(o->ctx) - before;
    if (*seconds <= 0)
        *seconds = uvk_clock() - started;
    return status;
}

static uvk_status compare_speed(uvk_context *ctx, uvk_verdict *out, uvk_error *err)
{
    static const extent extents[] = {{TIMED_WIDTH, TIMED_WIDTH}, {TIMED_ROWS, TIMED_WIDTH}, {TIMED_ROWS, TIMED_WIDTH}};
    operands o;
    double exact = INFINITY, half = INFINITY;
    uvk_status status = open_operands(&o, ctx, extents, 3, err);
    for (int i = 0; i <= TIMED_RUNS && status == UVK_OK; i++) { /* in turn, so that neither has the device at its coldest; the first compiles */
        double one = 0, other = 0;
        if ((status = time_products(&o, 0, &one, err)) || (status = time_products(&o, 1, &other, err)) || i == 0)
            continue;
        exact = fmin(exact, one);
        half = fmin(half, other);
    }
    close_operands(&o);
    if (status)
        return status;
    out->outcome = half > 0 && exact >= worth_it * half ? UVK_PASSED : UVK_SLOW;
    snprintf(out->what, sizeof out->what, "(%.2g times as fast as float32)", half > 0 ? exact / half : 1);
    return UVK_OK;
}

static bool has_room(const uvk_context *ctx, uint64_t bytes, uint64_t range)
{
    uint64_t left = uvk_context_budget(ctx) > uvk_context_used(ctx) ? uvk_context_budget(ctx) - uvk_context_used(ctx) : 0;
    return left >= bytes && uvk_context_limits(ctx)->range >= range && uvk_context_limits(ctx)->allocation >= range;
}

/* The verdict on the tier in use; unchecked where there is no room to find it. */
static uvk_status judge(uvk_context *ctx, uvk_tier tier, uvk_verdict *out, uvk_error *err)
{
    bool half = tier > UVK_TILED;
    *out = uvk_verdict_of(ctx, tier);
    if (out->outcome != UVK_UNCHECKED || !(half ? has_room(ctx, 2 * TIMED_BYTES, TIMED_BYTES) : has_room(ctx, NEEDED_BYTES, NEEDED_RANGE)))
        return UVK_OK;
    uvk_status status = check_kernels(ctx, half ? half_checks : float_checks, out, err);
    if (status == UVK_OK && half && out->outcome == UVK_PASSED)
        status = compare_speed(ctx, out, err);
    if (status == UVK_OK)
        uvk_verdict_keep(ctx, tier, out);
    return status;
}

static uvk_status choose_kernels(uvk_context *ctx, uvk_error *err)
{
    uvk_verdict verdict = {0};
    for (uvk_tier tier = UVK_WIDE; tier <= UVK_TILED; tier++) {
        if (!uvk_tier_applies(ctx, tier))
            continue;
        uvk_tier_use(ctx, tier);
        uvk_status status = judge(ctx, tier, &verdict, err);
        if (status || verdict.outcome != UVK_WRONG)
            return status;
        if (tier < UVK_TILED)
            uvk_tier_drop(ctx, tier, verdict.what);
    }
    return uvk_fail(err, UVK_NO_DEVICE, "%s (%s): computes wrong results (self-check: %s); another driver or --device may do better", uvk_context_device(ctx)->name,
                    uvk_context_device(ctx)->driver, verdict.what);
}

/* What has not passed, or cannot be checked, is not taken: float32 does as well. */
static uvk_status try_products(uvk_context *ctx, uvk_tier tier, bool *taken, uvk_error *err)
{
    uvk_verdict verdict;
    uvk_error own;
    uvk_tier_use(ctx, tier);
    uvk_status status = judge(ctx, tier, &verdict, &own);
    bool refused = status == UVK_FAILED; /* by the driver's compiler, as it may an extension of its own */
    *taken = status == UVK_OK && (verdict.outcome == UVK_PASSED || (verdict.outcome == UVK_SLOW && uvk_context_limits(ctx)->forced));
    if (!*taken)
        uvk_products_of_float(ctx);
    if (refused || (status == UVK_OK && verdict.outcome == UVK_WRONG))
        uvk_tier_drop(ctx, tier, refused ? own.message : verdict.what);
    if (!status || refused)
        return UVK_OK;
    if (err)
        *err = own;
    return status;
}

static uvk_status choose_products(uvk_context *ctx, uvk_error *err)
{
    bool taken = false;
    uvk_status status = UVK_OK;
    for (uvk_tier tier = UVK_COOPERATIVE; tier < UVK_TIERS && !taken && status == UVK_OK; tier++)
        if (uvk_tier_applies(ctx, tier))
            status = try_products(ctx, tier, &taken, err);
    if (status == UVK_OK)
        uvk_products_settle(ctx);
    return status;
}

uvk_status uvk_self_check(uvk_context *ctx, uvk_error *err)
{
    uvk_status status = choose_kernels(ctx, err);
    return status == UVK_OK && !uvk_products_settled(ctx) ? choose_products(ctx, err) : status;
}
