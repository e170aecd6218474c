/* Products in half precision, of the kernels that the argument names (half, cooperative): against double precision, within what rounding
 * both factors can do; and the rows that come of them. Exit code 77 where the device has no such kernels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops.h"
#include "rig.h"
#include "rows.h"
#include "statistics.h"

static uvk_context *ctx;
static uvk_pool *pool;
static uvk_tier tier = UVK_HALF;

static int open_context(void **state)
{
    (void)state;
    uvk_error err;
    uvk_context_params params = {.cache_dir = "", .precision = UVK_PRECISION_AUTO};
    if (uvk_context_create(&params, &ctx, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    if (!uvk_tier_applies(ctx, tier))
        exit(77);
    uvk_tier_use(ctx, tier);
    return 0;
}

static int close_context(void **state)
{
    (void)state;
    uvk_context_free(ctx);
    return 0;
}

/* ---- One product -------------------------------------------------------------------------------------------------------- */

/* y[M,N] = x[M,K] . w[K,N], x being columns first_col .. of rows that are `width` wide. */
typedef struct product {
    size_t M, N, K, first_col, width;
    float *x, *w, *y;
    uvk_tensor on_device[3];
} product;

static uint32_t random_state;

static float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) / (float)(1 << 23) - 1;
}

static float *random_floats(size_t count)
{
    float *const list = malloc(count * sizeof *list);
    assert_non_null(list);
    for (size_t i = 0; i < count; i++)
        list[i] = random_float();
    return list;
}

static void upload(const uvk_tensor *to, const float *from)
{
    uvk_error err;
    rig_expect(uvk_upload(ctx, to, 0, to->rows, from, &err), &err);
}

static void open_product(product *p)
{
    uvk_error err;
    p->width = p->width ? p->width : p->K;
    const size_t shapes[3][2] = {{p->M, p->width}, {p->K, p->N}, {p->M, p->N}};
    float **const host[3] = {&p->x, &p->w, &p->y};
    rig_expect(uvk_pool_create(ctx, "a product", &pool, &err), &err);
    for (int i = 0; i < 3; i++)
        rig_expect(uvk_pool_add(pool, &p->on_device[i], shapes[i][0], shapes[i][1], i != 1, &err), &err);
    rig_expect(uvk_pool_commit(pool, &err), &err);
    for (int i = 0; i < 3; i++) {
        *host[i] = random_floats(shapes[i][0] * shapes[i][1]);
        upload(&p->on_device[i], *host[i]);
    }
    p->on_device[1].largest = 1;
}

static void close_product(product *p)
{
    uvk_pool_free(pool);
    free(p->x);
    free(p->w);
    free(p->y);
}

/* Of M rows of x from row `first` on; owned by the caller. */
static float *run(const product *p, size_t first, size_t M, bool accumulate)
{
    uvk_error err;
    uvk_span row = p->on_device[0].parts[0];
    uvk_tensor dy = uvk_tensor_view_as(&p->on_device[0], M, p->width), dx = uvk_tensor_view_as(&p->on_device[2], M, p->N);
    float *const out = malloc(M * p->N * sizeof *out);
    assert_non_null(out);
    row.offset += first * p->width * sizeof(float);
    row.size -= first * p->width * sizeof(float);
    dy.parts = &row;
    rig_expect(uvk_linear_backward_columns(ctx, &dy, p->first_col, M, &p->on_device[1], &dx, accumulate, &err), &err);
    rig_expect(uvk_download(ctx, &dx, 0, M, out, &err), &err);
    return out;
}

/* Either factor may be off by 2^-10 of itself, and by 2^-27 of the largest beside it where it is that much smaller. */
static void expect_within_rounding(const product *p, const float *found, const float *before)
{
    for (size_t i = 0; i < p->M; i++) {
        const float *x = p->x + i * p->width + p->first_col;
        float largest = 0;
        for (size_t k = 0; k < p->K; k++)
            largest = fmaxf(largest, fabsf(x[k]));
        for (size_t j = 0; j < p->N; j++) {
            double exact = 0, size = 0, small = 0;
            for (size_t k = 0; k < p->K; k++) {
                const double w = p->w[k * p->N + j];
                exact += x[k] * w;
                size += fabs(x[k] * w);
                small += 0x1p-27 * (largest * fabs(w) + fabs(x[k]) * p->on_device[1].largest);
            }
            const double old = before ? before[i * p->N + j] : 0, allowed = 0x1p-9 * size + small + 0x1p-20 * (size + fabs(old));
            if (!(fabs(found[i * p->N + j] - (exact + old)) <= allowed))
                fail_msg("%zux%zux%zu [%zu, %zu]: %.9g, exact %.9g, %.3g allowed", p->M, p->N, p->K, i, j, found[i * p->N + j], exact + old, allowed);
        }
    }
}

static void test_products(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {64, 64, 32}, {65, 130, 70}, {130, 65, 33}, {33, 100, 257}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        product p = {.M = shapes[s][0], .N = shapes[s][1], .K = shapes[s][2]};
        open_product(&p);
        for (size_t i = 0; i < p.M; i++) /* rows of every magnitude, and numbers of every magnitude in a row */
            for (size_t k = 0; k < p.K; k++)
                p.x[i * p.K + k] = ldexpf(p.x[i * p.K + k], (int)(i * 37 % 140) - 70 - (int)(k * 11 % 23));
        upload(&p.on_device[0], p.x);
        static const int steps[] = {0, -30, 60}; /* w from 1 to 2^-30 to 2^30 */
        for (int i = 0; i < 3; i++) {
            for (size_t k = 0; k < p.K * p.N; k++)
                p.w[k] = ldexpf(p.w[k], steps[i]);
            upload(&p.on_device[1], p.w);
            p.on_device[1].largest = ldexpf(p.on_device[1].largest, steps[i]);
            float *const found = run(&p, 0, p.M, false);
            expect_within_rounding(&p, found, NULL);
            free(found);
        }
        close_product(&p);
    }
}

/* Some columns of wider rows, added to what is there; and they differ from float32, so that it was these kernels. */
static void test_columns_are_added(void **state)
{
    (void)state;
    product p = {.M = 37, .N = 70, .K = 66, .first_col = 13, .width = 90};
    open_product(&p);
    float *const found = run(&p, 0, p.M, true);
    expect_within_rounding(&p, found, p.y);
    upload(&p.on_device[2], p.y);
    p.on_device[1].largest = 0; /* not known */
    float *const exact = run(&p, 0, p.M, true);
    expect_within_rounding(&p, exact, p.y);
    assert_memory_not_equal(found, exact, p.M * p.N * sizeof *found);
    free(found);
    free(exact);
    close_product(&p);
}

/* A row's result does not depend on the rows beside it, nor on the tile that so many rows are worth. */
static void test_rows_alone(void **state)
{
    (void)state;
    product p = {.M = 2050, .N = 3970, .K = 40};
    open_product(&p);
    float *const all = run(&p, 0, p.M, false);
    static const size_t pieces[][2] = {{0, 1}, {1, 63}, {130, 64}, {1000, 100}, {2049, 1}};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        float *const piece = run(&p, pieces[i][0], pieces[i][1], false);
        assert_memory_equal(piece, all + pieces[i][0] * p.N, pieces[i][1] * p.N * sizeof *piece);
        free(piece);
    }
    free(all);
    close_product(&p);
}

/* Zeros stay zeros. What is no number, or too large for one, does not become a finite number, nor spoil other rows. */
static void test_no_numbers(void **state)
{
    (void)state;
    static const float odd[] = {0, INFINITY, -INFINITY, NAN};
    product p = {.M = 6, .N = 70, .K = 40};
    open_product(&p);
    memset(p.x, 0, p.K * sizeof *p.x);
    for (size_t i = 1; i < 4; i++)
        p.x[i * p.K + 17] = odd[i];
    p.x[4 * p.K + 3] = 3e38f;
    upload(&p.on_device[0], p.x);
    float *const found = run(&p, 0, p.M, false);
    for (size_t j = 0; j < p.N; j++) {
        assert_true(found[j] == 0);
        for (size_t i = 1; i < 4; i++)
            assert_false(isfinite(found[i * p.N + j]));
        for (size_t i = 4; i < 6; i++)
            assert_true(isfinite(found[i * p.N + j]));
    }
    free(found);
    close_product(&p);
}

/* ---- Rows of models -------------------------------------------------------------------------------------------------------- */

/* Mean Spearman, and the largest difference as a share of its row's largest entry. */
static void compare_rows(const float *exact, const float *found, size_t n, double *spearman, double *worst)
{
    double *const both = calloc(2 * n, sizeof *both);
    assert_non_null(both);
    *spearman = *worst = 0;
    for (size_t i = 0; i < n; i++) {
        const float *e = exact + i * n, *f = found + i * n;
        double largest = 0, rank;
        uvk_error err;
        for (size_t j = 0; j < n; j++) {
            both[j] = e[j];
            both[n + j] = f[j];
        }
        rig_expect(uvk_spearman(both, both + n, (int)n, &rank, &err), &err);
        *spearman += rank / (double)n;
        for (size_t j = 0; j < n; j++)
            largest = fmax(largest, fabsf(e[j]));
        for (size_t j = 0; j < n; j++)
            *worst = fmax(*worst, fabsf(e[j] - f[j]) / largest);
    }
    free(both);
}

static void expect_near_rows(const fixture_spec *spec)
{
    rig r;
    double spearman, worst;
    rig_open(&r, spec);
    const int n = fixture_tokens(spec);
    int32_t *const targets = rows_all_tokens(n);
    const uvk_explain_params params = {.targets = targets, .n_targets = n};
    float *const exact = rows_explain(&r, &params, NULL);
    r.precision = UVK_PRECISION_AUTO;
    rig_reopen(&r, 0);
    assert_string_equal(uvk_context_products(r.context), tier == UVK_HALF ? "half" : "cooperative");
    float *const found = rows_explain(&r, &params, NULL);
    compare_rows(exact, found, (size_t)n, &spearman, &worst);
    print_message("%s: Spearman %.6f, off by %.1e of a row's largest\n", spec->family ? spec->family : "vit", spearman, worst);
    assert_true(spearman >= 0.9995 && worst <= 1e-3 && worst > 0);
    free(exact);
    free(found);
    free(targets);
    rig_close(&r);
}

static void test_rows(void **state)
{
    (void)state;
    static const char *const families[] = {"gpt2", "llama", "qwen3", "bert"};
    const fixture_spec vit = fixture_shape(4, 64, 4, 160, 4, 24);
    expect_near_rows(&vit);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        fixture_spec spec = fixture_text(families[i], 4, 64, 4, 4, 16, 150, 20);
        spec.context = 24;
        expect_near_rows(&spec);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products), cmocka_unit_test(test_columns_are_added), cmocka_unit_test(test_rows_alone), cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_rows),
    };
    const bool cooperative = argc > 1 && !strcmp(argv[1], "cooperative");
    tier = cooperative ? UVK_COOPERATIVE : UVK_HALF;
    setenv("ULTRAVK_LIMITS", cooperative ? "products=cooperative" : "products=half", 1);
    if (cooperative)
        setenv("LP_NATIVE_VECTOR_WIDTH", "256", 1); /* runtime/half.c */
    return cmocka_run_group_tests(tests, open_context, close_context) || rig_end(NULL);
}
