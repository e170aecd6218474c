/* The operations that language models add, and attention in every shape of theirs, against double-precision arithmetic: norms, gated
 * activations, head norms, rotary positions, grouped-query heads, masks, windows, ranges of rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops.h"

/* ---- Helpers ---------------------------------------------------------------------------------------------------------- */

enum { MAX_TENSORS = 64 };
static uvk_context *ctx;
static uvk_pool *pools[MAX_TENSORS];
static void *memory[MAX_TENSORS * 2];
static size_t n_pools, n_memory;
static uint64_t random_state;

static int open_context(void **state)
{
    (void)state;
    uvk_error err;
    uvk_context_params params = {.cache_dir = ""};
    uvk_status status = uvk_context_create(&params, &ctx, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    return status;
}

static int close_context(void **state)
{
    (void)state;
    uvk_context_free(ctx);
    return 0;
}

/* After each test. */
static int release(void **state)
{
    (void)state;
    while (n_pools)
        uvk_pool_free(pools[--n_pools]);
    while (n_memory)
        free(memory[--n_memory]);
    return 0;
}

static void run(uvk_status status, const uvk_error *err)
{
    if (status)
        fail_msg("%s", err->message);
}
#define RUN(call) run(call, &err) /* call sets err */

static void *keep(size_t size)
{
    assert_true(n_memory < sizeof memory / sizeof *memory);
    void *m = calloc(1, size);
    assert_non_null(m);
    return memory[n_memory++] = m;
}

/* Uniform in -1..1 (splitmix64). */
static float random_float(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (float)((double)((z ^ z >> 31) >> 11) / 4503599627370496.0 - 1);
}

static float *random_floats(size_t count)
{
    float *list = keep(count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = random_float();
    return list;
}

static double *doubles(size_t count)
{
    return keep(count * sizeof(double));
}

static void upload(const uvk_tensor *t, const void *words)
{
    uvk_error err;
    RUN(uvk_upload(ctx, t, 0, t->rows, words, &err));
}

static uvk_tensor tensor_cut(size_t rows, size_t cols, const void *words, bool whole)
{
    uvk_error err;
    uvk_pool *pool;
    uvk_tensor *t = keep(sizeof *t);
    assert_true(n_pools < MAX_TENSORS);
    RUN(uvk_pool_create(ctx, "a test", &pool, &err));
    pools[n_pools++] = pool;
    RUN(uvk_pool_add(pool, t, rows, cols, whole, &err));
    RUN(uvk_pool_commit(pool, &err));
    upload(t, words ? words : random_floats(rows * cols)); /* what an operation must write was something else before */
    return *t;
}

static uvk_tensor tensor(size_t rows, size_t cols, const void *words)
{
    return tensor_cut(rows, cols, words, true);
}

static float *values(const uvk_tensor *t)
{
    uvk_error err;
    float *out = keep(t->rows * t->cols * sizeof *out);
    RUN(uvk_download(ctx, t, 0, t->rows, out, &err));
    return out;
}

/* Within `tolerance` of the largest. */
static void expect_near(const char *what, const float *found, const double *exact, size_t count, double tolerance)
{
    double size = 0;
    for (size_t i = 0; i < count; i++)
        size = fmax(size, fabs(exact[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(found[i] - exact[i]) <= tolerance * size))
            fail_msg("%s [%zu of %zu]: %.9g, exact %.9g, largest %.9g", what, i, count, found[i], exact[i], size);
}

/* ---- Single rows of a linear layer ------------------------------------------------------------------------------------- */

static void test_single_rows(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {7, 33}, {65, 16}, {601, 130}, {30, 897}};
    enum { M = 5 };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t N = shapes[i][0], K = shapes[i][1];
        uvk_error err;
        uvk_tensor x = tensor(M, K, NULL), w = tensor_cut(N, K, NULL, false), bias = tensor(1, N, NULL), all = tensor(M, N, NULL), single = tensor(M, N, values(&all));
        RUN(uvk_linear(ctx, &x, 0, M, &w, &bias, &all, 0, false, &err));
        RUN(uvk_linear(ctx, &x, 1, M - 1, &w, NULL, &all, 0, true, &err));
        for (size_t row = 0; row < M; row++)
            RUN(uvk_linear(ctx, &x, row, 1, &w, &bias, &single, row, false, &err));
        for (size_t row = 0; row + 1 < M; row++)
            RUN(uvk_linear(ctx, &x, row + 1, 1, &w, NULL, &single, row, true, &err));
        assert_memory_equal(values(&all), values(&single), M * N * sizeof(float));
        release(NULL);
    }
}

/* dx in rows of `wide` columns, wider than w; a sum over N. */
static void check_linear_backward(size_t M, size_t N, size_t K, size_t wide)
{
    uvk_error err;
    float *dy = random_floats(M * N), *w = random_floats(N * K), *before = random_floats(M * wide);
    double *exact = doubles(M * wide);
    uvk_tensor t_dy = tensor(M, N, dy), t_w = tensor_cut(N, K, w, false), dx = tensor(M, wide, before);
    for (size_t r = 0; r < M; r++)
        for (size_t k = 0; k < wide; k++) {
            exact[r * wide + k] = k < K ? 0 : before[r * wide + k];
            for (size_t j = 0; j < N && k < K; j++)
                exact[r * wide + k] += (double)dy[r * N + j] * w[j * K + k];
        }
    RUN(uvk_linear_backward(ctx, &t_dy, M, &t_w, &dx, &err));
    expect_near("dx", values(&dx), exact, M * wide, sqrt((double)N) * 0x1p-23); /* N roundings, each up or down */
}

static void test_linear_backward(void **state)
{
    (void)state;
    check_linear_backward(3, 5, 7, 11);
    check_linear_backward(21, 2500, 66, 66); /* a sum that some devices take in pieces */
}

/* ---- Norms ---------------------------------------------------------------------------------------------------------------- */

static void norm_row(bool rms, const double *x, const float *weight, const float *bias, size_t width, double epsilon, double *y)
{
    double mean = 0, squares = 0;
    for (size_t k = 0; k < width && !rms; k++)
        mean += x[k] / (double)width;
    for (size_t k = 0; k < width; k++)
        squares += (x[k] - mean) * (x[k] - mean) / (double)width;
    for (size_t k = 0; k < width; k++)
        y[k] = (x[k] - mean) / sqrt(squares + epsilon) * weight[k] + (bias ? bias[k] : 0);
}

/* d(dy . y)/dx by central differences. */
static void norm_row_gradient(bool rms, const double *x, const float *weight, const float *dy, size_t width, double epsilon, double *out)
{
    const double step = 1e-5;
    double *moved = doubles(width), *y = doubles(width);
    memcpy(moved, x, width * sizeof *x);
    for (size_t k = 0; k < width; k++) {
        out[k] = 0;
        for (int side = -1; side <= 1; side += 2) {
            moved[k] = x[k] + side * step;
            norm_row(rms, moved, weight, NULL, width, epsilon, y);
            for (size_t j = 0; j < width; j++)
                out[k] += side * dy[j] * y[j] / (2 * step);
        }
        moved[k] = x[k];
    }
}

static void widen(double *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}

static void check_norm(uvk_norm_kind kind, bool with_bias)
{
    enum { N = 9, WIDTH = 70, T = 2, ROWS_IN = 2, ROWS_OUT = 5 };
    const double epsilon = 0.01;
    bool rms = kind == UVK_RMS_NORM;
    uvk_error err;
    float *x = random_floats(N * WIDTH), *weight = random_floats(WIDTH), *bias = random_floats(WIDTH), *y_before = random_floats(N * WIDTH);
    double *exact = doubles(N * WIDTH), *x_row = doubles(WIDTH);
    uvk_tensor t_x = tensor(N, WIDTH, x), t_weight = tensor(1, WIDTH, weight), t_bias = tensor(1, WIDTH, bias), y = tensor(N, WIDTH, y_before), stats = tensor(N, 2, NULL);
    widen(exact, y_before, N * WIDTH);
    for (size_t r = 2; r < N; r++) {
        widen(x_row, x + r * WIDTH, WIDTH);
        norm_row(rms, x_row, weight, with_bias ? bias : NULL, WIDTH, epsilon, exact + r * WIDTH);
    }
    RUN(uvk_norm(ctx, kind, &t_x, (uvk_range){2, 4}, &t_weight, with_bias ? &t_bias : NULL, (float)epsilon, &y, &stats, &err));
    RUN(uvk_norm(ctx, kind, &t_x, (uvk_range){6, 3}, &t_weight, with_bias ? &t_bias : NULL, (float)epsilon, &y, &stats, &err));
    expect_near("norm", values(&y), exact, N * WIDTH, 1e-6);

    uint32_t first_in[T] = {5, 4}, first_out[T] = {4, 3};
    float *dy = random_floats(T * ROWS_OUT * WIDTH), *g_in = random_floats(T * ROWS_IN * WIDTH);
    double *g = doubles(T * ROWS_OUT * WIDTH);
    uvk_tensor t_dy = tensor(T * ROWS_OUT, WIDTH, dy), t_in = tensor(T * ROWS_IN, WIDTH, g_in), t_out = tensor(T * ROWS_OUT, WIDTH, NULL);
    uvk_tensor t_first_in = tensor(T, 1, first_in), t_first_out = tensor(T, 1, first_out);
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < ROWS_OUT; r++) {
            size_t at = (t * ROWS_OUT + r) * WIDTH, token = first_out[t] + r;
            widen(x_row, x + token * WIDTH, WIDTH);
            norm_row_gradient(rms, x_row, weight, dy + at, WIDTH, epsilon, g + at);
            for (size_t k = 0; k < WIDTH && token >= first_in[t] && token < first_in[t] + ROWS_IN; k++)
                g[at + k] += g_in[(t * ROWS_IN + token - first_in[t]) * WIDTH + k];
        }
    RUN(uvk_norm_backward(ctx, kind, &t_dy, &t_x, &stats, &t_weight, T, &t_in, (uvk_window){&t_first_in, ROWS_IN}, &t_out, (uvk_window){&t_first_out, ROWS_OUT}, &err));
    expect_near("norm backward", values(&t_out), g, T * ROWS_OUT * WIDTH, 3e-6);
    release(NULL);
}

static void test_norms(void **state)
{
    (void)state;
    check_norm(UVK_LAYER_NORM, true);
    check_norm(UVK_LAYER_NORM, false);
    check_norm(UVK_RMS_NORM, false);
}

/* ---- Activations ----------------------------------------------------------------------------------------------------------- */

static double activation(uvk_activation kind, double x)
{
    switch (kind) {
    case UVK_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case UVK_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case UVK_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case UVK_SILU: return x / (1 + exp(-x));
    default: return x > 0 ? x : 0;
    }
}

static void check_hidden_layer(uvk_activation kind, bool gated)
{
    enum { N = 7, M = 37, T = 2, ROWS = 3, FIRST = 2 };
    const double step = 1e-6;
    uvk_error err;
    size_t width = gated ? 2 * M : M;
    float *u = random_floats(N * width), *h_before = random_floats(N * M);
    for (size_t i = 0; i < N * width; i++)
        u[i] *= 3;
    double *h = doubles(N * M), *du = doubles(T * ROWS * width);
    uvk_tensor t_u = tensor(N, width, u), t_h = tensor(N, M, h_before);
    for (size_t r = 0; r < N; r++)
        for (size_t k = 0; k < M; k++)
            h[r * M + k] = r < FIRST ? h_before[r * M + k] : activation(kind, u[r * width + k]) * (gated ? u[r * width + M + k] : 1);
    RUN(uvk_activate(ctx, kind, &t_u, (uvk_range){FIRST, 1}, &t_h, &err));
    RUN(uvk_activate(ctx, kind, &t_u, (uvk_range){FIRST + 1, N - FIRST - 1}, &t_h, &err));
    expect_near("hidden", values(&t_h), h, N * M, 1e-6);
    assert_memory_equal(values(&t_u), u, FIRST * width * sizeof *u);

    uint32_t first[T] = {4, 2};
    float *dh = random_floats(T * ROWS * width);
    uvk_tensor t_first = tensor(T, 1, first), t_dh = tensor(T * ROWS, width, dh);
    for (size_t row = 0; row < T * ROWS; row++)
        for (size_t k = 0; k < M; k++) {
            const float *token = u + (first[row / ROWS] + row % ROWS) * width;
            double slope = (activation(kind, token[k] + step) - activation(kind, token[k] - step)) / (2 * step);
            du[row * width + k] = dh[row * width + k] * slope * (gated ? token[M + k] : 1);
            if (gated)
                du[row * width + M + k] = dh[row * width + k] * activation(kind, token[k]);
        }
    RUN(uvk_activate_backward(ctx, &t_dh, &t_u, M, T, (uvk_window){&t_first, ROWS}, &err));
    expect_near("hidden backward", values(&t_dh), du, T * ROWS * width, 1e-6);
    release(NULL);
}

static void test_hidden_layers(void **state)
{
    (void)state;
    for (int kind = UVK_GELU; kind <= UVK_RELU; kind++) {
        check_hidden_layer((uvk_activation)kind, false);
        check_hidden_layer((uvk_activation)kind, true);
    }
}

/* ---- Norms and positions of heads ------------------------------------------------------------------------------------------- */

static void test_head_norms(void **state)
{
    (void)state;
    enum { N = 6, HEADS = 3, KV = 1, D = 10, SLOTS = HEADS + 2 * KV, WIDTH = SLOTS * D, T = 2, ROWS = 3, FIRST = 1 };
    const uvk_attention_shape shape = {N, HEADS, KV, D, 1, 1, UVK_NO_WINDOW, 0, 0, 0};
    const double epsilon = 0.01;
    uvk_error err;
    float *raw = random_floats(N * WIDTH), *before = random_floats(N * WIDTH), *query = random_floats(D), *key = random_floats(D);
    double *exact = doubles(N * WIDTH), x[D];
    uvk_tensor t_raw = tensor(N, WIDTH, raw), t_query = tensor(1, D, query), t_key = tensor(1, D, key), qkv = tensor(N, WIDTH, before), stats = tensor(N, HEADS + KV, NULL);
    widen(exact, raw, N * WIDTH);
    widen(exact, before, FIRST * WIDTH);
    for (size_t r = FIRST; r < N; r++)
        for (size_t slot = 0; slot < HEADS + KV; slot++) {
            widen(x, raw + r * WIDTH + slot * D, D);
            norm_row(true, x, slot < HEADS ? query : key, NULL, D, epsilon, exact + r * WIDTH + slot * D);
        }
    RUN(uvk_head_norm(ctx, &shape, &t_raw, (uvk_range){FIRST, N - FIRST}, &t_query, &t_key, (float)epsilon, &qkv, &stats, &err));
    expect_near("head norm", values(&qkv), exact, N * WIDTH, 1e-6);

    uint32_t first[T] = {3, 1};
    float *d_qkv = random_floats(T * ROWS * WIDTH);
    double *gradient = doubles(T * ROWS * WIDTH);
    uvk_tensor t_first = tensor(T, 1, first), t_d_qkv = tensor(T * ROWS, WIDTH, d_qkv);
    widen(gradient, d_qkv, T * ROWS * WIDTH);
    for (size_t row = 0; row < T * ROWS; row++)
        for (size_t slot = 0; slot < HEADS + KV; slot++) {
            size_t at = row * WIDTH + slot * D;
            widen(x, raw + (first[row / ROWS] + row % ROWS) * WIDTH + slot * D, D);
            norm_row_gradient(true, x, slot < HEADS ? query : key, d_qkv + at, D, epsilon, gradient + at);
        }
    RUN(uvk_head_norm_backward(ctx, &shape, &t_d_qkv, T, (uvk_window){&t_first, ROWS}, &t_raw, &t_query, &t_key, &stats, &err));
    expect_near("head norm backward", values(&t_d_qkv), gradient, T * ROWS * WIDTH, 3e-6);
}

/* All heads of a row but the values turned by sign * angle(token, k). */
static void turn(double *row, size_t heads, size_t dim, size_t token, double sign)
{
    for (size_t head = 0; head < heads; head++)
        for (size_t k = 0; k < dim / 2; k++) {
            double *a = row + head * dim + k, *b = a + dim / 2, angle = sign * (double)token / (double)(k + 1), x = *a;
            *a = x * cos(angle) - *b * sin(angle);
            *b = *b * cos(angle) + x * sin(angle);
        }
}

static void test_rotations(void **state)
{
    (void)state;
    enum { N = 7, HEADS = 4, KV = 2, D = 6, WIDTH = (HEADS + 2 * KV) * D, T = 2, ROWS = 3, FIRST = 2 };
    const uvk_attention_shape shape = {N, HEADS, KV, D, 1, 1, UVK_NO_WINDOW, 0, 0, 0};
    uvk_error err;
    float *qkv = random_floats(N * WIDTH), *d_qkv = random_floats(T * ROWS * WIDTH), table[N * D];
    double *exact = doubles(N * WIDTH), *gradient = doubles(T * ROWS * WIDTH);
    uint32_t first[T] = {4, 1};
    for (size_t r = 0; r < N; r++)
        for (size_t k = 0; k < D / 2; k++) {
            table[r * D + k] = (float)cos((double)r / (double)(k + 1));
            table[r * D + D / 2 + k] = (float)sin((double)r / (double)(k + 1));
        }
    uvk_tensor t_qkv = tensor(N, WIDTH, qkv), t_d_qkv = tensor(T * ROWS, WIDTH, d_qkv), t_table = tensor(N, D, table), t_first = tensor(T, 1, first);
    widen(exact, qkv, N * WIDTH);
    widen(gradient, d_qkv, T * ROWS * WIDTH);
    for (size_t r = FIRST; r < N; r++)
        turn(exact + r * WIDTH, HEADS + KV, D, r, 1);
    for (size_t row = 0; row < T * ROWS; row++)
        turn(gradient + row * WIDTH, HEADS + KV, D, first[row / ROWS] + row % ROWS, -1);
    RUN(uvk_rotate(ctx, &shape, &t_qkv, (uvk_range){FIRST, 1}, &t_table, &err));
    RUN(uvk_rotate(ctx, &shape, &t_qkv, (uvk_range){FIRST + 1, N - FIRST - 1}, &t_table, &err));
    RUN(uvk_rotate_backward(ctx, &shape, &t_d_qkv, T, (uvk_window){&t_first, ROWS}, &t_table, &err));
    expect_near("rotated", values(&t_qkv), exact, N * WIDTH, 1e-6);
    expect_near("rotated backward", values(&t_d_qkv), gradient, T * ROWS * WIDTH, 1e-6);
}

/* ---- Attention --------------------------------------------------------------------------------------------------------------- */

enum { TARGETS = 3 };

/* Everything exact of one attention, whole matrices. */
typedef struct attention {
    uvk_attention_shape shape;
    size_t n, heads, kv, dim, width; /* of the shape; width of qkv */
    float *qkv, *d_o, *s;            /* d_o [TARGETS, rows, heads dim], s [TARGETS, n] */
    double *a, *o;                   /* [heads, n, n], [n, heads dim] */
    uint32_t first[TARGETS], first_below[TARGETS], rows, rows_below;
} attention;

static size_t kv_of(const attention *t, size_t head)
{
    return head / (t->heads / t->kv);
}

static bool shown(const attention *t, size_t row, size_t col)
{
    return !t->shape.causal || (col <= row && (t->shape.window == (uint32_t)UVK_NO_WINDOW || col + t->shape.window > row));
}

static const float *query_of(const attention *t, size_t row, size_t head) { return t->qkv + row * t->width + head * t->dim; }
static const float *key_of(const attention *t, size_t row, size_t kv) { return t->qkv + row * t->width + (t->heads + kv) * t->dim; }
static const float *value_of(const attention *t, size_t row, size_t kv) { return t->qkv + row * t->width + (t->heads + t->kv + kv) * t->dim; }

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)a[k] * b[k];
    return sum;
}

static void attend(attention *t)
{
    size_t n = t->n;
    for (size_t h = 0; h < t->heads; h++)
        for (size_t r = 0; r < n; r++) {
            double *a = t->a + (h * n + r) * n, *o = t->o + (r * t->heads + h) * t->dim, largest = -HUGE_VAL, sum = 0;
            for (size_t j = 0; j < n; j++) {
                a[j] = shown(t, r, j) ? t->shape.scale * dot(query_of(t, r, h), key_of(t, j, kv_of(t, h)), t->dim) : -HUGE_VAL;
                largest = fmax(largest, a[j]);
            }
            for (size_t j = 0; j < n; j++)
                sum += a[j] = exp(a[j] - largest);
            for (size_t j = 0; j < n; j++) {
                a[j] /= sum;
                for (size_t k = 0; k < t->dim; k++)
                    o[k] += a[j] * value_of(t, j, kv_of(t, h))[k];
            }
        }
}

static attention make_attention(uvk_attention_shape shape)
{
    attention t = {.shape = shape, .n = shape.tokens, .heads = shape.heads, .kv = shape.kv_heads, .dim = shape.head_dim, .width = uvk_qkv_width(&shape)};
    t.qkv = random_floats(t.n * t.width);
    for (size_t i = 0; i < t.n * t.width; i++)
        t.qkv[i] *= 2;
    t.rows = t.n >= 75 ? (uint32_t)t.n - 6 : 7; /* of several tiles, or a few */
    t.d_o = random_floats(TARGETS * t.rows * t.heads * t.dim);
    t.s = random_floats(TARGETS * t.n);
    t.a = doubles(t.heads * t.n * t.n);
    t.o = doubles(t.n * t.heads * t.dim);
    attend(&t);
    /* Windows of rows at the end, in the middle and at the beginning, and the keys that they see. */
    bool sliding = shape.causal && shape.window < shape.tokens;
    t.rows_below = sliding && t.rows + shape.window - 1 < shape.tokens ? t.rows + shape.window - 1 : shape.tokens;
    t.first[0] = shape.tokens - t.rows;
    t.first[1] = (shape.tokens - t.rows) / 2;
    for (size_t i = 0; i < TARGETS; i++)
        t.first_below[i] = t.rows_below < shape.tokens && t.first[i] + 1 > shape.window ? t.first[i] + 1 - shape.window : 0;
    return t;
}

typedef struct exact_gradient {
    double *relevance; /* [TARGETS, kv, n] */
    double *d_qkv;     /* [TARGETS, n, width] */
    double *map;       /* [TARGETS, rows, n] */
} exact_gradient;

static exact_gradient differentiate(const attention *t)
{
    size_t n = t->n, dim = t->dim;
    double *da = doubles(n);
    exact_gradient e = {doubles(TARGETS * t->kv * n), doubles(TARGETS * n * t->width), doubles(TARGETS * t->rows * n)};
    for (size_t target = 0; target < TARGETS; target++)
        for (size_t h = 0; h < t->heads; h++)
            for (size_t w = 0; w < t->rows; w++) {
                size_t r = t->first[target] + w, kv = kv_of(t, h);
                const double *a = t->a + (h * n + r) * n;
                const float *d_o = t->d_o + ((target * t->rows + w) * t->heads + h) * dim;
                double delta = 0, *out = e.d_qkv + target * n * t->width;
                for (size_t j = 0; j < n; j++)
                    delta += a[j] * (da[j] = dot(d_o, value_of(t, j, kv), dim));
                for (size_t j = 0; j < n; j++) {
                    double ds = t->shape.scale * a[j] * (da[j] - delta), relevant = fmax(da[j], 0) * a[j];
                    e.relevance[(target * t->kv + kv) * n + j] += t->s[target * n + r] * relevant;
                    e.map[(target * t->rows + w) * n + j] += relevant / (double)t->heads;
                    for (size_t k = 0; k < dim; k++) {
                        out[r * t->width + h * dim + k] += ds * key_of(t, j, kv)[k];
                        out[j * t->width + (t->heads + kv) * dim + k] += ds * query_of(t, r, h)[k];
                        out[j * t->width + (t->heads + t->kv + kv) * dim + k] += a[j] * d_o[k];
                    }
                }
            }
    return e;
}

/* The maps of a part of the window, and dA of one head. */
static void check_maps(const attention *t, const exact_gradient *e, uvk_attention_gradient g)
{
    uvk_error err;
    uint32_t rows = t->rows - 3;
    size_t n = t->n;
    uint32_t first[TARGETS];
    double *exact = doubles(TARGETS * rows * n), *exact_da = doubles(n * n);
    for (size_t target = 0; target < TARGETS; target++) {
        first[target] = t->first[target] + 2;
        memcpy(exact + target * rows * n, e->map + (target * t->rows + 2) * n, rows * n * sizeof *exact);
    }
    uvk_tensor t_first = tensor(TARGETS, 1, first), map = tensor(TARGETS, rows * n, NULL), da = tensor(n, n, NULL);
    RUN(uvk_attention_relevance(ctx, &g, (uvk_window){&t_first, rows}, &map, &err));
    expect_near("map", values(&map), exact, TARGETS * rows * n, 1e-5);

    size_t head = t->heads - 1;
    for (size_t w = 0; w < t->rows; w++)
        for (size_t j = 0; j < n; j++)
            exact_da[(t->first[0] + w) * n + j] = dot(t->d_o + (w * t->heads + head) * t->dim, value_of(t, j, kv_of(t, head)), t->dim);
    RUN(uvk_attention_dump(ctx, &g, (uint32_t)head, &da, &err));
    expect_near("dA", values(&da), exact_da, n * n, 2e-6);
}

static void check_gradient(const attention *t, const uvk_tensor *qkv, const uvk_tensor *o, const uvk_tensor *stats)
{
    uvk_error err;
    size_t n = t->n, rows = t->rows_below;
    exact_gradient e = differentiate(t);
    uvk_tensor d_o = tensor(TARGETS * t->rows, t->heads * t->dim, t->d_o), delta = tensor(TARGETS, t->rows * t->heads, NULL);
    uvk_tensor first = tensor(TARGETS, 1, t->first), first_below = tensor(TARGETS, 1, t->first_below);
    uvk_tensor s = tensor(TARGETS, n, t->s), relevance = tensor(TARGETS, t->kv * n, NULL), d_qkv = tensor(TARGETS * rows, t->width, NULL);
    float *before = values(&relevance);
    double *exact = doubles(TARGETS * rows * t->width);
    uvk_attention_gradient g = {&t->shape, qkv, NULL, o, stats, &d_o, &delta, TARGETS, {&first, t->rows}, {&first_below, t->rows_below}};
    for (size_t target = 0; target < TARGETS; target++) {
        memcpy(exact + target * rows * t->width, e.d_qkv + (target * n + t->first_below[target]) * t->width, rows * t->width * sizeof *exact);
        for (size_t i = 0; i < t->kv * n; i++)
            if (i % n < t->first_below[target] || i % n >= t->first_below[target] + rows)
                e.relevance[target * t->kv * n + i] = before[target * t->kv * n + i]; /* not touched */
    }
    RUN(uvk_attention_delta(ctx, &g, &err));
    RUN(uvk_attention_columns(ctx, &g, &s, &relevance, NULL, &err));
    expect_near("relevance alone", values(&relevance), e.relevance, TARGETS * t->kv * n, 1e-5);
    upload(&relevance, before);
    RUN(uvk_attention_columns(ctx, &g, &s, &relevance, &d_qkv, &err));
    RUN(uvk_attention_rows(ctx, &g, &d_qkv, &err));
    expect_near("relevance", values(&relevance), e.relevance, TARGETS * t->kv * n, 1e-5);
    expect_near("d_qkv", values(&d_qkv), exact, TARGETS * rows * t->width, 1e-5);
    check_maps(t, &e, g);

    uint32_t own[TARGETS];
    float *excess = random_floats(TARGETS * n);
    double *x = doubles(TARGETS * n), *one = doubles(TARGETS * n);
    widen(x, excess, TARGETS * n);
    widen(one, t->s, TARGETS * n);
    for (size_t target = 0; target < TARGETS; target++) {
        own[target] = t->first[target] + 1;
        for (size_t j = t->first_below[target]; j < t->first_below[target] + rows; j++) {
            for (size_t kv = 0; kv < t->kv; kv++)
                x[target * n + j] += e.relevance[(target * t->kv + kv) * n + j] / (double)t->heads;
            one[target * n + j] = x[target * n + j] + (j == own[target]);
        }
    }
    uvk_tensor t_own = tensor(TARGETS, 1, own), t_excess = tensor(TARGETS, n, excess);
    uvk_rows product = {&s, &t_excess, &t_own, TARGETS, t->shape.tokens};
    RUN(uvk_rollout_step(ctx, &product, &t->shape, &relevance, g.below, &err));
    expect_near("excess", values(&t_excess), x, TARGETS * n, 1e-5);
    expect_near("s", values(&s), one, TARGETS * n, 1e-5);
}

static void check_attention(uvk_attention_shape shape)
{
    uvk_error err;
    attention t = make_attention(shape);
    uvk_tensor qkv = tensor(t.n, t.width, t.qkv), o = tensor(t.n, t.heads * t.dim, NULL), stats = tensor(t.n, 2 * t.heads, NULL);
    RUN(uvk_attention(ctx, &shape, &qkv, NULL, (uvk_range){0, shape.tokens}, &o, &stats, &err));
    expect_near("o", values(&o), t.o, t.n * t.heads * t.dim, 3e-6);
    check_gradient(&t, &qkv, &o, &stats);
    release(NULL);
}

static void test_attention(void **state)
{
    (void)state;
    static const uvk_attention_shape shapes[] = {
        {37, 2, 2, 16, 0.25f, 0, 5, 0, 0, 0}, /* a window without a causal mask is none */
        {45, 4, 2, 24, 0.2f, 1, UVK_NO_WINDOW, 0, 0, 0},
        {60, 4, 1, 5, 0.5f, 1, 9, 0, 0, 0},
        {75, 4, 1, 5, 0.5f, 1, 9, 0, 0, 0},
        {75, 2, 1, 12, 0.3f, 1, 40, 0, 0, 0},
        {20, 3, 3, 10, 0.3f, 1, 1, 0, 0, 0},
        {17, 2, 1, 136, 0.1f, 1, UVK_NO_WINDOW, 0, 0, 0},
        {17, 1, 1, 256, 0.06f, 0, UVK_NO_WINDOW, 0, 0, 0},
        {100, 1, 1, 8, 0.4f, 0, UVK_NO_WINDOW, 0, 0, 0},
        {45, 2, 2, 64, 0.12f, 0, UVK_NO_WINDOW, 0, 0, 0}, /* heads of 64: the wide kernels, where the device has them */
        {41, 4, 2, 64, 0.12f, 1, UVK_NO_WINDOW, 0, 0, 0},
        {75, 2, 1, 64, 0.12f, 1, 9, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_attention(shapes[i]);
}

/* A text read at once, and as a beginning and single tokens after it, whose rows held NaN until their turn. */
static void check_ranges(uvk_attention_shape shape, uint32_t prefill)
{
    uvk_error err;
    size_t width = uvk_qkv_width(&shape), out = (size_t)shape.heads * shape.head_dim;
    float *words = random_floats(shape.tokens * width), *part = keep(shape.tokens * width * sizeof *part);
    for (size_t i = 0; i < shape.tokens * width; i++)
        part[i] = i < prefill * width ? words[i] : NAN;
    uvk_tensor qkv = tensor(shape.tokens, width, words), o = tensor(shape.tokens, out, NULL), stats = tensor(shape.tokens, 2 * shape.heads, NULL);
    uvk_tensor grown = tensor(shape.tokens, width, part), o_grown = tensor(shape.tokens, out, NULL), stats_grown = tensor(shape.tokens, 2 * shape.heads, NULL);
    RUN(uvk_attention(ctx, &shape, &qkv, NULL, (uvk_range){0, shape.tokens}, &o, &stats, &err));
    RUN(uvk_attention(ctx, &shape, &grown, NULL, (uvk_range){0, prefill}, &o_grown, &stats_grown, &err));
    for (uint32_t r = prefill; r < shape.tokens; r++) {
        RUN(uvk_upload(ctx, &grown, r, 1, words + r * width, &err));
        RUN(uvk_attention(ctx, &shape, &grown, NULL, (uvk_range){r, 1}, &o_grown, &stats_grown, &err));
    }
    assert_memory_equal(values(&o), values(&o_grown), shape.tokens * out * sizeof(float));
    assert_memory_equal(values(&stats), values(&stats_grown), shape.tokens * 2 * shape.heads * sizeof(float));
    release(NULL);
}

static void test_ranges(void **state)
{
    (void)state;
    check_ranges((uvk_attention_shape){70, 4, 2, 12, 1, 1, UVK_NO_WINDOW, 0, 0, 0}, 37);
    check_ranges((uvk_attention_shape){80, 2, 2, 12, 1, 1, 17, 0, 0, 0}, 41);
    check_ranges((uvk_attention_shape){50, 5, 1, 7, 1, 1, 3, 0, 0, 0}, 1);
    check_ranges((uvk_attention_shape){80, 2, 1, 64, 1, 1, 17, 0, 0, 0}, 41);
}

/* The product in the printed order: s_out = s + s M. */
static void test_row_times_map(void **state)
{
    (void)state;
    enum { N = 11, T = 2, ROWS = 4 };
    uvk_error err;
    float *s = random_floats(T * N), *excess = random_floats(T * N), *map = random_floats(T * ROWS * N);
    uint32_t first[T] = {7, 0}, own[T] = {8, 3};
    double x[T * N], one[T * N];
    widen(x, excess, T * N);
    for (size_t i = 0; i < T * N; i++) {
        for (size_t r = 0; r < ROWS; r++)
            x[i] += (double)s[i / N * N + first[i / N] + r] * map[(i / N * ROWS + r) * N + i % N];
        one[i] = x[i] + (i % N == own[i / N]);
    }
    uvk_tensor t_s = tensor(T, N, s), t_excess = tensor(T, N, excess), t_map = tensor(T, ROWS * N, map), t_first = tensor(T, 1, first), t_own = tensor(T, 1, own);
    uvk_tensor out = tensor(T, N, NULL);
    RUN(uvk_row_times_map(ctx, &(uvk_rows){&t_s, &t_excess, &t_own, T, N}, &t_map, (uvk_window){&t_first, ROWS}, &out, &err));
    expect_near("excess", values(&t_excess), x, T * N, 1e-6);
    expect_near("s", values(&out), one, T * N, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_single_rows, release),
        cmocka_unit_test_teardown(test_linear_backward, release),
        cmocka_unit_test_teardown(test_norms, release),
        cmocka_unit_test_teardown(test_hidden_layers, release),
        cmocka_unit_test_teardown(test_head_norms, release),
        cmocka_unit_test_teardown(test_rotations, release),
        cmocka_unit_test_teardown(test_attention, release),
        cmocka_unit_test_teardown(test_ranges, release),
        cmocka_unit_test_teardown(test_row_times_map, release),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
