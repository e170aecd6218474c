/* Raw attention rollout against the product multiplied out, from the probabilities of a forward pass in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reference.h"
#include "rig.h"

enum { MOST = 64 };

/* out = row . (mean_h A(block) + I) / 2 */
static void multiply(const reference *ref, int block, int heads, int n, const double *row, double *out)
{
    for (int j = 0; j < n; j++) {
        out[j] = row[j] / 2;
        for (int head = 0; head < heads; head++)
            for (int i = 0; i < n; i++)
                out[j] += row[i] * reference_attention(ref, block, head)[i * n + j] / heads / 2;
    }
}

static void expected_row(const reference *ref, const fixture_spec *spec, int n, int layer, int target, double *row)
{
    double next[MOST];
    for (int j = 0; j < n; j++)
        row[j] = j == target;
    for (int block = layer - 1; block >= 1; block--) {
        multiply(ref, block, spec->heads, n, row, next);
        memcpy(row, next, (size_t)n * sizeof *row);
    }
}

static void expect_rollout(const fixture_spec *spec)
{
    rig r;
    rig_open(&r, spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    const int n = fixture_tokens(spec);
    assert_true(n <= MOST);
    int32_t targets[MOST];
    float rows[MOST * MOST];
    double expected[MOST];
    uvk_error err;
    for (int k = 0; k < n; k++)
        targets[k] = n - 1 - k;
    for (int layer = 2; layer <= spec->layers + 1; layer++) {
        rig_expect(uvk_raw_rollout(r.session, layer <= spec->layers ? layer : 0, targets, n, rows, &err), &err);
        for (int k = 0; k < n; k++) {
            double sum = 0;
            expected_row(ref, spec, n, layer, targets[k], expected);
            for (int j = 0; j < n; j++) {
                assert_true(fabs(rows[k * n + j] - expected[j]) <= 1e-6);
                sum += rows[k * n + j];
            }
            assert_true(fabs(sum - 1) <= 1e-6);
        }
    }
    reference_free(ref);
    rig_close(&r);
}

static void test_images(void **state)
{
    (void)state;
    const fixture_spec specs[] = {fixture_shape(4, 33, 3, 50, 2, 6), fixture_shape(1, 12, 3, 30, 2, 14)};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        expect_rollout(&specs[i]);
}

/* Causal, with grouped queries, with windows in all blocks and in some. */
static void test_texts(void **state)
{
    (void)state;
    fixture_spec mistral = fixture_text("mistral", 3, 24, 4, 1, 4, 37, 20), qwen2 = fixture_text("qwen2", 4, 18, 6, 2, 6, 40, 13);
    mistral.window = 3;
    qwen2.window = 5;
    qwen2.window_from = 2;
    const fixture_spec gpt2 = fixture_text("gpt2", 3, 15, 5, 5, 0, 31, 14), lone = fixture_text("llama", 2, 6, 3, 1, 2, 5, 1);
    const fixture_spec *const specs[] = {&mistral, &qwen2, &gpt2, &lone};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        expect_rollout(specs[i]);
}

static void test_refusals(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(2, 24, 3, 40, 4, 12);
    const int32_t good = 4, above = 10;
    float row[10];
    uvk_error err;
    rig r;
    rig_open(&r, &spec);
    assert_int_equal(uvk_raw_rollout(r.session, 1, &good, 1, row, &err), UVK_USAGE);
    assert_int_equal(uvk_raw_rollout(r.session, 4, &good, 1, row, &err), UVK_USAGE);
    assert_int_equal(uvk_raw_rollout(r.session, 3, &above, 1, row, &err), UVK_USAGE);
    assert_int_equal(uvk_raw_rollout(r.session, 3, &good, 0, row, &err), UVK_USAGE);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_images), cmocka_unit_test(test_texts), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
