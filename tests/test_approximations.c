/* The named approximations: each by its own definition, what it leaves out of the work, and that none of it is exact's business. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brute_force.h"
#include "rows.h"

enum { MODELS = 3 };

/* A norm before the MLP, one behind it, and a gated MLP behind an RMSNorm. */
static fixture_spec model_of(int model)
{
    return model == 0 ? fixture_shape(4, 27, 3, 24, 4, 12) : model == 1 ? fixture_text("bert", 3, 30, 3, 3, 10, 41, 9) : fixture_text("llama", 3, 20, 4, 2, 16, 31, 9);
}

/* On post-norm models the sum has next to no gradient. */
static uvk_scalar scalar_of(const fixture_spec *spec)
{
    return fixture_traits_of(spec).post_norm ? UVK_ENERGY : UVK_SUM;
}

static uvk_explain_params params_of(const fixture_spec *spec, const int32_t *targets, int layer, bool formula)
{
    return (uvk_explain_params){.layer = layer, .scalar = scalar_of(spec), .order = formula ? UVK_FORMULA : UVK_ROLLOUT, .targets = targets, .n_targets = fixture_tokens(spec)};
}

static void expect_brute(const rig *r, const brute_force *brute, const uvk_explain_params *params, int first_block)
{
    const int n = params->n_targets;
    const brute_row what = {.scalar = (int)params->scalar, .layer = params->layer, .first_block = first_block, .formula = params->order == UVK_FORMULA, .normalized = true};
    double *const expected = malloc((size_t)n * (size_t)n * sizeof *expected);
    float *const found = rows_explain(r, params, NULL);
    assert_non_null(expected);
    for (int i = 0; i < n; i++)
        brute_force_row(brute, &what, i, expected + i * n);
    if (!rows_agree(expected, found, n, NULL))
        fail_msg("%s, layer %d, blocks from %d, %s: rows are wrong", r->fixture->spec.family, what.layer, first_block, what.formula ? "formula" : "rollout");
    free(found);
    free(expected);
}

static bool same_rows(const rig *r, const uvk_explain_params *a, const uvk_explain_params *b)
{
    float *const first = rows_explain(r, a, NULL), *const second = rows_explain(r, b, NULL);
    const bool same = !memcmp(first, second, (size_t)a->n_targets * (size_t)fixture_tokens(&r->fixture->spec) * sizeof *first);
    free(second);
    free(first);
    return same;
}

/* ---- The last blocks, and no MLPs: by brute force -------------------------------------------------------------------------- */

static void expect_last_blocks(const rig *r, const brute_force *brute, uvk_explain_params params)
{
    const uvk_explain_params exact = params;
    for (int blocks = 1; blocks < params.layer - 1; blocks++) {
        params.approximation.gradient_blocks = blocks;
        expect_brute(r, brute, &params, params.layer - blocks);
        assert_false(same_rows(r, &params, &exact));
    }
    for (int blocks = params.layer - 1; blocks < params.layer + 2; blocks++) {
        params.approximation.gradient_blocks = blocks;
        assert_true(same_rows(r, &params, &exact));
    }
}

/* Of the blocks from first_block on the last ones. */
static void expect_both_ends(const rig *r, const int32_t *targets)
{
    const fixture_spec *const spec = &r->fixture->spec;
    uvk_explain_params last = params_of(spec, targets, spec->layers + 1, false), first = last;
    first.first_block = 2;
    last.first_block = 2;
    last.approximation.gradient_blocks = spec->layers - 1;
    assert_true(same_rows(r, &last, &first));
    last.approximation.gradient_blocks = 1;
    first.first_block = spec->layers;
    assert_true(same_rows(r, &last, &first));
}

static void expect_model(int model, bool hold)
{
    const fixture_spec spec = model_of(model);
    int32_t *const targets = rows_all_tokens(fixture_tokens(&spec));
    rig r;
    rig_open(&r, &spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    assert_true(!hold || reference_hold_mlps(ref));
    brute_force *const brute = brute_force_create(ref, &r.fixture->spec);
    assert_non_null(brute);
    for (int layer = 2; layer <= spec.layers + 1; layer++)
        for (int formula = 0; formula < 2; formula++) {
            uvk_explain_params params = params_of(&spec, targets, layer, formula);
            const uvk_explain_params exact = params;
            params.approximation.skip_mlp = hold;
            expect_brute(&r, brute, &params, 1);
            assert_true(same_rows(&r, &params, &exact) == !hold);
            expect_last_blocks(&r, brute, params);
        }
    if (!hold)
        expect_both_ends(&r, targets);
    brute_force_free(brute);
    reference_free(ref);
    rig_close(&r);
    free(targets);
}

static void test_last_blocks(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++)
        expect_model(model, false);
}

/* The same, and both together, of a model whose MLPs are constants. */
static void test_no_mlps(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++)
        expect_model(model, true);
}

/* ---- Landmarks, by their definition ------------------------------------------------------------------------------------------ */

enum { SIDE = 5, TOKENS = SIDE * SIDE + 1, WIDTH = 24 };

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int k = 0; k < WIDTH; k++) {
        ab += (double)a[k] * b[k];
        aa += (double)a[k] * a[k];
        bb += (double)b[k] * b[k];
    }
    return ab / sqrt(aa * bb);
}

/* distance[a][b] of all tokens; those of CLS mean nothing. */
static void distances(const rig *r, int layer, double distance[TOKENS][TOKENS])
{
    static float z[TOKENS * WIDTH];
    double mean = 0;
    uvk_error err;
    rig_expect(uvk_hidden(r->session, layer, z, &err), &err);
    for (int a = 0; a < TOKENS; a++)
        for (int b = 0; b < TOKENS; b++)
            mean += (distance[a][b] = 1 - cosine(z + a * WIDTH, z + b * WIDTH)) / (TOKENS * TOKENS);
    for (int a = 0; a < TOKENS; a++)
        for (int b = 0; b < TOKENS; b++)
            distance[a][b] = distance[a][b] / mean + hypot((a - 1) / SIDE - (b - 1) / SIDE, (a - 1) % SIDE - (b - 1) % SIDE) / SIDE;
}

static int central(double distance[TOKENS][TOKENS])
{
    int best = 0;
    double least = INFINITY;
    for (int a = 1; a < TOKENS; a++) {
        double sum = 0;
        for (int b = 1; b < TOKENS; b++)
            sum += distance[a][b];
        best = sum < least ? a : best;
        least = fmin(least, sum);
    }
    return best;
}

static void choose(double distance[TOKENS][TOKENS], int count, bool chosen[TOKENS])
{
    memset(chosen, 0, TOKENS * sizeof *chosen);
    chosen[central(distance)] = true;
    for (int i = 1; i < count; i++) {
        int best = 0;
        double farthest = -1;
        for (int a = 1; a < TOKENS; a++) {
            double nearest = INFINITY;
            for (int b = 1; b < TOKENS; b++)
                nearest = chosen[b] ? fmin(nearest, distance[a][b]) : nearest;
            if (!chosen[a] && nearest > farthest) {
                farthest = nearest;
                best = a;
            }
        }
        chosen[best] = true;
    }
}

/* The row of a target that is no landmark, from the exact ones. */
static void mean_row(double distance[TOKENS][TOKENS], const bool chosen[TOKENS], const float *exact, int target, double *row)
{
    bool used[TOKENS] = {false};
    double sum = 0;
    memset(row, 0, TOKENS * sizeof *row);
    for (int i = 0; i < 3; i++) {
        int nearest = 0;
        for (int a = 1; a < TOKENS; a++)
            if (chosen[a] && !used[a] && (!nearest || distance[target][a] < distance[target][nearest]))
                nearest = a;
        if (!nearest)
            break; /* there are fewer */
        used[nearest] = true;
        const double weight = pow(distance[target][nearest], -2);
        sum += weight;
        for (int j = 0; j < TOKENS; j++)
            row[j == nearest ? target : j == target ? nearest : j] += weight * exact[nearest * TOKENS + j];
    }
    for (int j = 0; j < TOKENS; j++)
        row[j] /= sum;
}

static void expect_landmarks(const rig *r, int layer, int count, uvk_order order)
{
    int32_t *const targets = rows_all_tokens(TOKENS);
    double distance[TOKENS][TOKENS], row[TOKENS];
    bool chosen[TOKENS];
    uvk_explain_params params = {.layer = layer, .order = order, .targets = targets, .n_targets = TOKENS};
    float *const exact = rows_explain(r, &params, NULL);
    params.approximation.landmarks = count;
    float *const found = rows_explain(r, &params, NULL);
    distances(r, layer, distance);
    choose(distance, count, chosen);
    for (int t = 0; t < TOKENS; t++) {
        if (t == 0 || chosen[t]) {
            assert_memory_equal(found + t * TOKENS, exact + t * TOKENS, TOKENS * sizeof *exact);
            continue;
        }
        mean_row(distance, chosen, exact, t, row);
        for (int j = 0; j < TOKENS; j++)
            assert_true(fabs(found[t * TOKENS + j] - row[j]) <= 2e-5 * row[j]); /* of weights that rest on float32 latents */
    }
    free(found);
    free(exact);
    free(targets);
}

static void open_square(rig *r)
{
    const fixture_spec spec = fixture_shape(3, WIDTH, 3, 40, 4, 4 * SIDE);
    rig_open(r, &spec);
    assert_int_equal(fixture_tokens(&r->fixture->spec), TOKENS);
}

static void test_landmarks(void **state)
{
    (void)state;
    rig r;
    open_square(&r);
    for (int layer = 2; layer <= 4; layer++)
        for (int count = 1; count < SIDE * SIDE; count += count < 5 ? 1 : 5)
            expect_landmarks(&r, layer, count, count % 2 ? UVK_ROLLOUT : UVK_FORMULA);
    rig_close(&r);
}

/* As many as there are patches, or more, and special tokens alone: nothing is left to estimate. A target that stands in the list twice has
 * one row. */
static void test_landmarks_that_are_all(void **state)
{
    (void)state;
    static const int32_t twice[] = {3, 9, 3, 21, 9, 0, 3};
    int32_t *const targets = rows_all_tokens(TOKENS);
    rig r;
    open_square(&r);
    uvk_explain_params exact = {.targets = targets, .n_targets = TOKENS}, landmarks = exact;
    for (int count = TOKENS - 1; count <= TOKENS + 1; count++) {
        landmarks.approximation.landmarks = count;
        assert_true(same_rows(&r, &landmarks, &exact));
    }
    exact.targets = landmarks.targets = twice;
    exact.n_targets = landmarks.n_targets = sizeof twice / sizeof *twice;
    landmarks.approximation.landmarks = 3;
    float *const right = rows_explain(&r, &exact, NULL), *const found = rows_explain(&r, &landmarks, NULL);
    for (int j = 0; j < exact.n_targets * TOKENS; j++)
        assert_true(fabsf(found[j] - right[j]) <= 1e-6f * fmaxf(1, right[j]));
    free(found);
    free(right);
    rig_close(&r);
    free(targets);
}

/* ---- What it costs ------------------------------------------------------------------------------------------------------------- */

static double gflop(const rig *r, const uvk_explain_params *params)
{
    uvk_cost cost;
    free(rows_explain(r, params, &cost));
    return cost.gflop;
}

static void expect_equal(double found, double expected)
{
    if (fabs(found - expected) > 1e-9 * expected)
        fail_msg("%.12g GFLOP, expected %.12g", found, expected);
}

static void test_counted_operations(void **state)
{
    (void)state;
    int32_t *const targets = rows_all_tokens(TOKENS);
    rig r;
    open_square(&r);
    const fixture_spec *const s = &r.fixture->spec;
    const uvk_explain_params exact = {.targets = targets, .n_targets = TOKENS};
    uvk_explain_params last = exact, first = exact, skip = exact, landmarks = exact, few = exact;
    last.approximation.gradient_blocks = 2;
    first.first_block = s->layers - 1;
    expect_equal(gflop(&r, &last), gflop(&r, &first));
    assert_true(gflop(&r, &last) < gflop(&r, &exact));

    /* Two products, the slopes, and a norm, in all rows of every block but the highest, which has one row. */
    const double rows = TOKENS * (1 + (s->layers - 1) * (double)TOKENS), mlp = 4.0 * s->width * s->mlp + 4.0 * s->mlp + 12.0 * s->width;
    skip.approximation.skip_mlp = true;
    expect_equal(gflop(&r, &exact) - gflop(&r, &skip), rows * mlp * 1e-9);

    landmarks.approximation.landmarks = 4; /* and CLS */
    few.n_targets = 5;
    expect_equal(gflop(&r, &landmarks), gflop(&r, &few));
    rig_close(&r);
    free(targets);
}

static uvk_plan plan_of(const rig *r, const uvk_explain_params *params)
{
    uvk_plan plan;
    uvk_error err;
    rig_expect(uvk_explain_plan(r->session, fixture_tokens(&r->fixture->spec), params, &plan, &err), &err);
    return plan;
}

/* The plan is that of what is computed. */
static void test_plans(void **state)
{
    (void)state;
    int32_t *const targets = rows_all_tokens(TOKENS);
    rig r;
    open_square(&r);
    const uvk_explain_params exact = {.targets = targets, .n_targets = TOKENS};
    uvk_explain_params landmarks = exact, skip = exact;
    landmarks.approximation.landmarks = 4;
    skip.approximation.skip_mlp = true;
    uvk_cost cost;
    free(rows_explain(&r, &landmarks, &cost));
    assert_int_equal(cost.chunk, plan_of(&r, &landmarks).chunk);
    assert_int_equal(cost.chunk, 5);
    assert_true(plan_of(&r, &skip).per_target <= plan_of(&r, &exact).per_target);
    rig_close(&r);
    free(targets);
}

/* ---- What is not touched, and what is refused --------------------------------------------------------------------------------- */

/* Gradient x input is a baseline, the same whatever it is compared with. */
static void test_baseline_is_exact(void **state)
{
    (void)state;
    static float exact[TOKENS * TOKENS], beside[TOKENS * TOKENS];
    int32_t *const targets = rows_all_tokens(TOKENS);
    rig r;
    uvk_error err;
    open_square(&r);
    uvk_explain_params params = {.targets = targets, .n_targets = TOKENS};
    rig_expect(uvk_gradient_x_input(r.session, &params, exact, &err), &err);
    params.approximation = (uvk_approximation){.gradient_blocks = 1, .skip_mlp = true, .landmarks = 3};
    rig_expect(uvk_gradient_x_input(r.session, &params, beside, &err), &err);
    assert_memory_equal(exact, beside, sizeof exact);
    rig_close(&r);
    free(targets);
}

static void expect_refusal(const rig *r, const uvk_explain_params *params)
{
    float row[TOKENS];
    uvk_error err;
    assert_int_equal(uvk_explain(r->session, params, row, NULL, &err), UVK_USAGE);
    assert_true(strlen(err.message) > 0 && !strchr(err.message, '\n'));
}

static void test_refusals(void **state)
{
    (void)state;
    const int32_t one = 1;
    const uvk_explain_params none = {.targets = &one, .n_targets = 1, .approximation.gradient_blocks = -1}, fewer = {.targets = &one, .n_targets = 1, .approximation.landmarks = -1},
                             text = {.targets = &one, .n_targets = 1, .approximation.landmarks = 1};
    rig r;
    open_square(&r);
    expect_refusal(&r, &none);
    expect_refusal(&r, &fewer);
    rig_close(&r);
    const fixture_spec spec = model_of(2);
    rig_open(&r, &spec);
    expect_refusal(&r, &text);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_blocks),
        cmocka_unit_test(test_no_mlps),
        cmocka_unit_test(test_landmarks),
        cmocka_unit_test(test_landmarks_that_are_all),
        cmocka_unit_test(test_counted_operations),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_baseline_is_exact),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
