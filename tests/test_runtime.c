/* The runtime and the kernels on their own, against double-precision arithmetic: matrix products whole and cut into parts, the
 * activations, dispatches folded into tiny grids, transfers, the memory budget, the pipeline cache. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops.h"

/* ---- Helpers ---------------------------------------------------------------------------------------------------------- */

static void expect(uvk_status status, const uvk_error *err)
{
    if (status)
        fail_msg("%s", err->message);
}

/* A context on a device that plays the given limits ("" for its own). */
static uvk_context *open_with(const char *limits, uint64_t memory, const char *cache_dir)
{
    uvk_context *ctx;
    uvk_error err;
    uvk_context_params params = {.memory = memory, .cache_dir = cache_dir};
    setenv("ULTRAVK_LIMITS", limits, 1);
    expect(uvk_context_create(&params, &ctx, &err), &err);
    unsetenv("ULTRAVK_LIMITS");
    return ctx;
}

static uint64_t random_state;

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
    float *list = malloc(count * sizeof *list);
    assert_non_null(list);
    for (size_t i = 0; i < count; i++)
        list[i] = random_float();
    return list;
}

/* ---- Matrix products ---------------------------------------------------------------------------------------------------- */

typedef struct product {
    uvk_pool *pool;
    uvk_tensor x, w, bias, y, dx;
    float *host_x, *host_w, *host_bias, *host_y, *host_dx;
    size_t M, N, K;
} product;

static void open_product(product *p, uvk_context *ctx, size_t M, size_t N, size_t K)
{
    uvk_error err;
    *p = (product){.M = M, .N = N, .K = K, .host_x = random_floats(M * K), .host_w = random_floats(N * K), .host_bias = random_floats(N),
                   .host_y = random_floats(M * N), .host_dx = random_floats(M * K)};
    expect(uvk_pool_create(ctx, "a product", &p->pool, &err), &err);
    expect(uvk_pool_add(p->pool, &p->x, M, K, true, &err), &err);
    expect(uvk_pool_add_weights(p->pool, &p->w, N, K, &err), &err);
    expect(uvk_pool_add(p->pool, &p->bias, 1, N, true, &err), &err);
    expect(uvk_pool_add(p->pool, &p->y, M, N, true, &err), &err);
    expect(uvk_pool_add(p->pool, &p->dx, M, K, true, &err), &err);
    expect(uvk_pool_commit(p->pool, &err), &err);
    expect(uvk_upload(ctx, &p->x, 0, M, p->host_x, &err), &err);
    expect(uvk_upload(ctx, &p->w, 0, N, p->host_w, &err), &err);
    expect(uvk_upload(ctx, &p->bias, 0, 1, p->host_bias, &err), &err);
    expect(uvk_upload(ctx, &p->y, 0, M, p->host_y, &err), &err);
}

static void close_product(product *p)
{
    uvk_pool_free(p->pool);
    free(p->host_x);
    free(p->host_w);
    free(p->host_bias);
    free(p->host_y);
    free(p->host_dx);
}

/* The rounding of a sum of `terms` terms whose sizes add up to `size` is at most this. */
static void expect_near(float found, double exact, double terms, double size)
{
    if (!(fabs(found - exact) <= terms * 0x1p-24 * size))
        fail_msg("found %.9g, exact %.9g", found, exact);
}

/* y = x w^T + bias, then y += x w^T, then dx = y w, each against double. */
static void check_product(uvk_context *ctx, size_t M, size_t N, size_t K, uint32_t parts)
{
    product p;
    uvk_error err;
    open_product(&p, ctx, M, N, K);
    assert_true(p.w.n_parts >= parts);
    expect(uvk_linear(ctx, &p.x, 0, M, &p.w, &p.bias, &p.y, 0, false, &err), &err);
    expect(uvk_linear(ctx, &p.x, 0, M, &p.w, NULL, &p.y, 0, true, &err), &err);
    expect(uvk_linear_backward(ctx, &p.y, M, &p.w, &p.dx, &err), &err);
    expect(uvk_download(ctx, &p.y, 0, M, p.host_y, &err), &err);
    expect(uvk_download(ctx, &p.dx, 0, M, p.host_dx, &err), &err);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < K; k++) {
                double term = (double)p.host_x[i * K + k] * p.host_w[j * K + k];
                sum += term;
                size += fabs(term);
            }
            expect_near(p.host_y[i * N + j], 2 * sum + p.host_bias[j], (double)K + 3, 2 * size + fabs(p.host_bias[j]));
        }
    for (size_t i = 0; i < M; i++)
        for (size_t k = 0; k < K; k++) {
            double sum = 0, size = 0;
            for (size_t j = 0; j < N; j++) {
                double term = (double)p.host_y[i * N + j] * p.host_w[j * K + k];
                sum += term;
                size += fabs(term);
            }
            expect_near(p.host_dx[i * K + k], sum, (double)N + 1, size);
        }
    close_product(&p);
}

static void check_shapes(const char *limits, uint32_t parts)
{
    uvk_context *ctx = open_with(limits, 0, "");
    static const size_t shapes[][3] = {{1, 1, 1}, {33, 65, 17}, {3, 200, 7}, {70, 5, 130}, {64, 64, 64}, {70, 34, 130}, {90, 70, 98}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_product(ctx, shapes[i][0], shapes[i][1], shapes[i][2], 1);
    check_product(ctx, 9, 401, 33, parts);
    uvk_context_free(ctx);
}

static void test_products_tiled(void **state)
{
    (void)state;
    check_shapes("kernels=tiled", 1);
}

/* The direct kernels are lavapipe's; other compilers unroll them for minutes. */
static void test_products_direct(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("groups=64", 0, "");
    bool direct = uvk_context_limits(ctx)->direct;
    uvk_context_free(ctx);
    if (!direct)
        skip();
    check_shapes("kernels=direct", 1);
}

/* The wide kernels are those of lavapipe since Mesa 25.3. */
static void test_products_wide(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("groups=64", 0, "");
    bool wide = uvk_context_limits(ctx)->wide;
    uvk_context_free(ctx);
    if (!wide)
        skip();
    check_shapes("kernels=wide", 1);
}

/* Rows that lie apart: some of them, all of them, and a part of one go through the staging buffer at a time. */
static void test_products_of_weights_apart(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{20, 70, 512}, {20, 1100, 1024}, {2, 3, 16896}};
    uvk_context *ctx = open_with("groups=64", 1 << 20, "");
    bool wide = uvk_context_limits(ctx)->wide;
    uvk_context_free(ctx);
    if (!wide)
        skip();
    for (size_t i = 0; i < 3; i++) {
        ctx = open_with("range=64M", shapes[i][1] > 1000 ? 8 << 20 : 1 << 20, "");
        check_product(ctx, shapes[i][0], shapes[i][1], shapes[i][2], 1);
        uvk_context_free(ctx);
    }
}

/* A matrix beyond what a binding sees or an allocation holds is cut, and the products do not notice. */
static void test_products_of_cut_matrices(void **state)
{
    (void)state;
    check_shapes("range=40K", 2);
    check_shapes("allocation=40K", 2);
}

static void test_products_in_tiny_grids(void **state)
{
    (void)state;
    check_shapes("groups=2", 1);
    check_shapes("groups=1", 1);
}

static void test_wrong_limits_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"range", "range=", "range=0", "range=-1", "range=1T", "speed=9", "kernels=fast"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uvk_context *ctx;
        uvk_error err;
        setenv("ULTRAVK_LIMITS", wrong[i], 1);
        assert_int_equal(uvk_context_create(NULL, &ctx, &err), UVK_USAGE);
        unsetenv("ULTRAVK_LIMITS");
    }
}

/* ---- Activations ---------------------------------------------------------------------------------------------------------- */

static double exact_activation(uvk_activation kind, double x)
{
    switch (kind) {
    case UVK_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case UVK_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case UVK_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case UVK_SILU: return x / (1 + exp(-x));
    default: return x > 0 ? x : 0;
    }
}

static void check_activation(uvk_context *ctx, uvk_activation kind)
{
    enum { COUNT = 4001 };
    const double step = 1e-5;
    uvk_pool *pool;
    uvk_tensor u, h;
    uvk_error err;
    float x[COUNT], value[COUNT], slope[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)((i - COUNT / 2) * 0.01 + 0.003); /* -20..20, not the kink of relu */
    expect(uvk_pool_create(ctx, "activations", &pool, &err), &err);
    expect(uvk_pool_add(pool, &u, 1, COUNT, true, &err), &err);
    expect(uvk_pool_add(pool, &h, 1, COUNT, true, &err), &err);
    expect(uvk_pool_commit(pool, &err), &err);
    expect(uvk_upload(ctx, &u, 0, 1, x, &err), &err);
    expect(uvk_activate(ctx, kind, &u, (uvk_range){0, 1}, &h, &err), &err);
    expect(uvk_download(ctx, &h, 0, 1, value, &err), &err);
    expect(uvk_download(ctx, &u, 0, 1, slope, &err), &err);
    for (int i = 0; i < COUNT; i++) {
        double exact = exact_activation(kind, x[i]);
        double exact_slope = (exact_activation(kind, x[i] + step) - exact_activation(kind, x[i] - step)) / (2 * step);
        if (!(fabs(value[i] - exact) <= 4e-7 * (fabs(exact) + 0.1) && fabs(slope[i] - exact_slope) <= 1e-6))
            fail_msg("activation %d at %g: %.9g, slope %.9g; exact %.9g, %.9g", (int)kind, x[i], value[i], slope[i], exact, exact_slope);
    }
    uvk_pool_free(pool);
}

static void test_activations(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("groups=64", 0, "");
    for (int kind = UVK_GELU; kind <= UVK_RELU; kind++)
        check_activation(ctx, (uvk_activation)kind);
    uvk_context_free(ctx);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------------------ */

static void test_transfers_of_cut_tensors(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("range=4K,allocation=16K", 1 << 20, ""); /* a small budget makes a small staging buffer */
    uvk_pool *pool;
    uvk_tensor t;
    uvk_error err;
    enum { ROWS = 500, COLS = 77 };
    float *there = random_floats(ROWS * COLS), *back = random_floats(ROWS * COLS);
    expect(uvk_pool_create(ctx, "a test", &pool, &err), &err);
    expect(uvk_pool_add(pool, &t, ROWS, COLS, false, &err), &err);
    expect(uvk_pool_commit(pool, &err), &err);
    assert_true(t.n_parts > 10);
    expect(uvk_upload(ctx, &t, 0, ROWS, there, &err), &err);
    expect(uvk_upload(ctx, &t, 123, 200, there, &err), &err);
    memmove(there + 123 * COLS, there, 200 * COLS * sizeof *there);
    expect(uvk_download(ctx, &t, 0, ROWS, back, &err), &err);
    assert_memory_equal(there, back, ROWS * COLS * sizeof *there);
    free(there);
    free(back);
    uvk_pool_free(pool);
    uvk_context_free(ctx);
}

static void test_budget(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("groups=64", 1 << 20, "");
    uint64_t before = uvk_context_used(ctx);
    uvk_pool *pool;
    uvk_tensor t;
    uvk_error err;
    expect(uvk_pool_create(ctx, "a test", &pool, &err), &err);
    expect(uvk_pool_add(pool, &t, 512, 512, false, &err), &err);
    assert_int_equal(uvk_pool_bytes(pool), 1 << 20);
    assert_int_equal(uvk_pool_commit(pool, &err), UVK_FAILED);
    assert_non_null(strstr(err.message, "1048576"));
    uvk_pool_free(pool);
    assert_int_equal(uvk_context_used(ctx), before);
    assert_true(uvk_context_peak(ctx) <= uvk_context_budget(ctx));
    uvk_context_free(ctx);
}

static void test_impossible_tensors(void **state)
{
    (void)state;
    uvk_context *ctx = open_with("range=4K", 0, "");
    uvk_pool *pool;
    uvk_tensor t;
    uvk_error err;
    expect(uvk_pool_create(ctx, "a test", &pool, &err), &err);
    assert_int_equal(uvk_pool_add(pool, &t, 0, 5, false, &err), UVK_FAILED);
    assert_int_equal(uvk_pool_add(pool, &t, UINT64_MAX / 2, 9, false, &err), UVK_FAILED);
    assert_int_equal(uvk_pool_add(pool, &t, 1, 1025, false, &err), UVK_FAILED); /* a row beyond the range */
    assert_int_equal(uvk_pool_add(pool, &t, 2, 600, true, &err), UVK_FAILED);   /* whole, and beyond it */
    uvk_pool_free(pool);
    uvk_context_free(ctx);
}

/* ---- Pipeline cache ------------------------------------------------------------------------------------------------------------ */

static void find_cache(const char *dir, char *path, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "ls %s/pipelines-*.bin", dir);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(path, (int)size, list));
    path[strcspn(path, "\n")] = 0;
    pclose(list);
}

/* Every byte of the file counts: whichever is wrong, the products come out right and the file is made anew. */
static void test_damaged_pipeline_cache(void **state)
{
    (void)state;
    char dir[] = "/tmp/uvk-cache-XXXXXX", path[300];
    assert_non_null(mkdtemp(dir));
    uvk_context *ctx = open_with("groups=64", 0, dir);
    check_product(ctx, 5, 6, 7, 1);
    uvk_context_free(ctx);
    find_cache(dir, path, sizeof path);
    struct stat sound;
    assert_int_equal(stat(path, &sound), 0);
    static const double places[] = {0, 0.3, 0.6, 0.99, -1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        if (places[i] < 0)
            assert_int_equal(ftruncate(fileno(file), sound.st_size / 2), 0);
        else {
            long at = (long)(places[i] * (double)sound.st_size);
            fseek(file, at, SEEK_SET);
            int byte = fgetc(file);
            fseek(file, at, SEEK_SET);
            fputc(byte ^ 0x40, file);
        }
        fclose(file);
        ctx = open_with("groups=64", 0, dir);
        check_product(ctx, 5, 6, 7, 1);
        uvk_context_free(ctx);
        struct stat again;
        assert_int_equal(stat(path, &again), 0);
        assert_int_equal(again.st_size, sound.st_size);
    }
    unlink(path);
    rmdir(dir);
}

/* ---- Interruption ---------------------------------------------------------------------------------------------------------------- */

static bool always(void *user)
{
    (void)user;
    return true;
}

static void test_interruption(void **state)
{
    (void)state;
    uvk_context *ctx;
    uvk_error err;
    uvk_context_params params = {.cache_dir = "", .interrupted = always};
    expect(uvk_context_create(&params, &ctx, &err), &err);
    uvk_pool *pool;
    uvk_tensor t;
    float word = 1;
    expect(uvk_pool_create(ctx, "a test", &pool, &err), &err);
    expect(uvk_pool_add(pool, &t, 1, 1, false, &err), &err);
    expect(uvk_pool_commit(pool, &err), &err);
    assert_int_equal(uvk_upload(ctx, &t, 0, 1, &word, &err), UVK_INTERRUPTED);
    uvk_pool_free(pool);
    uvk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_tiled),
        cmocka_unit_test(test_products_direct),
        cmocka_unit_test(test_products_wide), cmocka_unit_test(test_products_of_weights_apart),
        cmocka_unit_test(test_products_of_cut_matrices),
        cmocka_unit_test(test_products_in_tiny_grids),
        cmocka_unit_test(test_wrong_limits_are_refused),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_transfers_of_cut_tensors),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_impossible_tensors),
        cmocka_unit_test(test_damaged_pipeline_cache),
        cmocka_unit_test(test_interruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
