/* ULTraW: both solvers against the condition that the minimum meets and against each other, perturbations against what they promise, and the
 * learned scalar against sum and energy, which it includes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "perturb.h"
#include "refine.h"
#include "rig.h"

enum { PATCHES = 4, WIDTH = 10 };
static const double lambda = 0.1;

/* Patch 0 has none, 1 fewer differences than dimensions, 2 more, 3 only zeros. */
static void draw(uvk_differences *d)
{
    static const int counts[PATCHES] = {0, 4, 25, 3};
    static const float nothing[WIDTH];
    fixture_random random = {7};
    uvk_error err;
    rig_expect(uvk_differences_create(PATCHES, WIDTH, d, &err), &err);
    for (int i = 0; i < PATCHES; i++)
        for (int r = 0; r < counts[i]; r++) {
            float z[WIDTH];
            for (int k = 0; k < WIDTH; k++)
                z[k] = i == 3 ? 0 : (float)(fixture_normal(&random) + (k < 2));
            rig_expect(uvk_differences_add(d, i, z, nothing, &err), &err);
        }
}

static uvk_refine_report refine(const uvk_differences *d, bool closed, int steps, float *weights)
{
    uvk_refine_params params = {.lambda = lambda, .closed = closed, .steps = steps};
    uvk_refine_report report;
    uvk_error err;
    rig_expect(uvk_refine(d, &params, weights, &report, &err), &err);
    return report;
}

/* At the minimum (D^T D + alpha I) w = alpha w0, whatever the length that w was given afterwards: D^T D w + alpha w is along w0. */
static void expect_minimum(const uvk_differences *d, int patch, const float *w)
{
    double gradient[WIDTH] = {0}, squares = 0, mean = 0, length = 0;
    for (int r = 0; r < d->counts[patch]; r++) {
        const float *row = d->rows[patch] + r * WIDTH;
        double value = 0;
        for (int k = 0; k < WIDTH; k++) {
            value += (double)row[k] * w[k];
            squares += (double)row[k] * row[k];
        }
        for (int k = 0; k < WIDTH; k++)
            gradient[k] += value * row[k];
    }
    for (int k = 0; k < WIDTH; k++) {
        gradient[k] += lambda * squares / WIDTH * w[k];
        mean += gradient[k] / WIDTH;
        length += (double)w[k] * w[k];
    }
    assert_true(mean > 0 && fabs(length - WIDTH) < 1e-5);
    for (int k = 0; k < WIDTH; k++)
        assert_true(fabs(gradient[k] - mean) <= 1e-5 * mean);
}

static void closed_form_is_the_minimum(void **state)
{
    (void)state;
    uvk_differences d;
    float w[PATCHES * WIDTH];
    draw(&d);
    uvk_refine_report report = refine(&d, true, 0, w);
    expect_minimum(&d, 1, w + WIDTH);
    expect_minimum(&d, 2, w + 2 * WIDTH);
    for (int k = 0; k < WIDTH; k++)
        assert_true(w[k] == 1 && w[3 * WIDTH + k] == 1);
    assert_int_equal(report.terms, 32);
    assert_true(report.loss_after < report.loss_before && report.kept > 0 && report.kept < 1);
    uvk_differences_free(&d);
}

static void adam_gets_there_too(void **state)
{
    (void)state;
    uvk_differences d;
    float closed[PATCHES * WIDTH], adam[PATCHES * WIDTH], again[PATCHES * WIDTH];
    draw(&d);
    double least = refine(&d, true, 0, closed).objective;
    double few = refine(&d, false, 200, adam).objective, many = refine(&d, false, 5000, again).objective;
    assert_true(few >= least * (1 - 1e-12) && few <= 1.05 * least);
    assert_true(many >= least * (1 - 1e-12) && many <= (1 + 1e-6) * least);
    for (int k = 0; k < PATCHES * WIDTH; k++)
        assert_true(fabs((double)again[k] - closed[k]) <= 1e-3);
    refine(&d, false, 200, again);
    assert_memory_equal(adam, again, sizeof adam);
    uvk_differences_free(&d);
}

static void systems_are_solved(void **state)
{
    (void)state;
    double a[9] = {4, 2, 0.6, 2, 5, 1, 0.6, 1, 3}, b[3] = {1, -2, 0.5}, zero[1] = {0}, one[1] = {1};
    const double before[9] = {4, 2, 0.6, 2, 5, 1, 0.6, 1, 3}, wanted[3] = {1, -2, 0.5};
    assert_true(uvk_solve_positive(a, 3, b));
    for (int i = 0; i < 3; i++)
        assert_true(fabs(before[3 * i] * b[0] + before[3 * i + 1] * b[1] + before[3 * i + 2] * b[2] - wanted[i]) < 1e-12);
    assert_false(uvk_solve_positive(zero, 1, one));
}

/* ---- Perturbations ---------------------------------------------------------------------------------------------------------- */

enum { SIDE = 12, PATCH = 4, GRID = SIDE / PATCH, PIXELS = 3 * SIDE * SIDE };

static bool is_changed(const bool *changed, int k)
{
    int y = k / SIDE % SIDE, x = k % SIDE;
    return changed[y / PATCH * GRID + x / PATCH];
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void only_the_changed_patches_change(void **state)
{
    (void)state;
    const bool changed[GRID * GRID] = {true, false, true, true, false, true, true, false, true};
    const fixture_spec spec = fixture_shape(1, 12, 2, 24, PATCH, SIDE);
    rig r;
    uvk_error err;
    rig_open(&r, &spec);
    const float *original = uvk_input_pixels(r.input);
    for (int kind = UVK_PERTURB_NOISE; kind <= UVK_PERTURB_SHUFFLE; kind++) {
        float pixels[PIXELS], again[PIXELS], none[PIXELS];
        uvk_random random = uvk_random_start(5, 1), same = random, other = uvk_random_start(6, 1);
        int moved = 0;
        rig_expect(uvk_perturb(r.input, (uvk_perturbation)kind, 1, changed, &random, pixels, &err), &err);
        rig_expect(uvk_perturb(r.input, (uvk_perturbation)kind, 1, changed, &same, again, &err), &err);
        rig_expect(uvk_perturb(r.input, (uvk_perturbation)kind, 0, changed, &other, none, &err), &err);
        assert_memory_equal(pixels, again, sizeof pixels);
        for (int k = 0; k < PIXELS; k++) {
            assert_true(is_changed(changed, k) || pixels[k] == original[k]);
            assert_true(none[k] == original[k]);
            moved += pixels[k] != original[k];
        }
        assert_true(moved > PIXELS / 4);
        if (kind == UVK_PERTURB_SHUFFLE) { /* the same values in another order */
            memcpy(again, original, sizeof again);
            qsort(again, PIXELS, sizeof *again, compare);
            qsort(pixels, PIXELS, sizeof *pixels, compare);
            for (int k = 0; k < PIXELS; k++)
                assert_true(fabs((double)pixels[k] - again[k]) < 1e-5);
        }
    }
    rig_close(&r);
}

/* ---- The learned scalar ------------------------------------------------------------------------------------------------------- */

/* The rows of `scalar` are those that the weights give. */
static void expect_rows(rig *r, uvk_scalar scalar, int layer, const float *weights, float within)
{
    enum { TOKENS = GRID * GRID };
    int32_t targets[TOKENS];
    float rows[TOKENS * (TOKENS + 1)], found[TOKENS * (TOKENS + 1)];
    uvk_error err;
    for (int i = 0; i < TOKENS; i++)
        targets[i] = 1 + i;
    uvk_explain_params params = {.layer = layer, .scalar = scalar, .targets = targets, .n_targets = TOKENS}, learned = params;
    learned.scalar = UVK_LEARNED;
    learned.weights = weights;
    rig_expect(uvk_explain(r->session, &params, rows, NULL, &err), &err);
    rig_expect(uvk_explain(r->session, &learned, found, NULL, &err), &err);
    for (int k = 0; k < TOKENS * (TOKENS + 1); k++)
        assert_true(fabsf(found[k] - rows[k]) <= within);
}

static void learned_includes_sum_and_energy(void **state)
{
    (void)state;
    enum { D = 12, TOKENS = GRID * GRID };
    const fixture_spec spec = fixture_shape(3, D, 2, 24, PATCH, SIDE);
    float ones[TOKENS * D], directions[TOKENS * D], z[(TOKENS + 1) * D];
    rig r;
    uvk_error err;
    rig_open(&r, &spec);
    for (int layer = 2; layer <= 4; layer++) {
        rig_expect(uvk_hidden(r.session, layer, z, &err), &err);
        for (int i = 0; i < TOKENS; i++) {
            double squares = 0;
            for (int k = 0; k < D; k++)
                squares += (double)z[(i + 1) * D + k] * z[(i + 1) * D + k];
            for (int k = 0; k < D; k++) {
                ones[i * D + k] = 1;
                directions[i * D + k] = (float)(z[(i + 1) * D + k] / sqrt(squares));
            }
        }
        expect_rows(&r, UVK_SUM, layer, ones, 0);
        expect_rows(&r, UVK_ENERGY, layer, directions, 1e-6f);
    }
    rig_close(&r);
}

static void learned_is_for_patches_with_weights(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(1, 12, 2, 24, PATCH, SIDE);
    float rows[2 * 10], weights[9 * 12] = {0};
    const int32_t with_cls[2] = {1, 0};
    uvk_explain_params params = {.scalar = UVK_LEARNED, .targets = with_cls, .n_targets = 2, .weights = weights};
    rig r;
    uvk_error err;
    rig_open(&r, &spec);
    assert_int_equal(uvk_explain(r.session, &params, rows, NULL, &err), UVK_USAGE);
    assert_non_null(strstr(err.message, "special"));
    params.n_targets = 1;
    rig_expect(uvk_explain(r.session, &params, rows, NULL, &err), &err);
    params.weights = NULL;
    assert_int_equal(uvk_explain(r.session, &params, rows, NULL, &err), UVK_USAGE);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_form_is_the_minimum),
        cmocka_unit_test(adam_gets_there_too),
        cmocka_unit_test(systems_are_solved),
        cmocka_unit_test(only_the_changed_patches_change),
        cmocka_unit_test(learned_includes_sum_and_energy),
        cmocka_unit_test(learned_is_for_patches_with_weights),
    };
    return cmocka_run_group_tests_name("refinement", tests, NULL, rig_end);
}
