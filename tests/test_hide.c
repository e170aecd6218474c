/* What a model makes of an input of which tokens are hidden, against a forward pass in double over an input changed by hand; gradient x
 * input; and weights drawn anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drift.h"
#include "hide.h"
#include "reference.h"
#include "reinitialize.h"
#include "rig.h"

enum { MOST = 64, WIDE = 64 };

/* |found - expected| within a hundred-thousandth of the longest. */
static void expect_latent(const double *expected, const float *found, int d)
{
    double largest = 0;
    for (int k = 0; k < d; k++)
        largest = fmax(largest, fabs(expected[k]));
    for (int k = 0; k < d; k++)
        assert_true(fabs(found[k] - expected[k]) <= 1e-5 * largest);
}

/* ---- Images ----------------------------------------------------------------------------------------------------------------------- */

static const fixture_spec *image_spec(void)
{
    static fixture_spec spec;
    spec = fixture_shape(2, 24, 3, 40, 4, 16);
    return &spec;
}

/* By definition, one pixel. The image's mean is over all pixels; the fixture's mean and deviation are 0.5 each, so black is -1. */
static double filled(const float *plane, int side, int patch, uvk_mask mask, int x, int y)
{
    double sum = 0, weights = 0;
    if (mask == UVK_MASK_BLACK)
        return -1;
    for (int v = 0; v < side && mask == UVK_MASK_MEAN; v++)
        for (int u = 0; u < side; u++)
            sum += plane[v * side + u] / side / side;
    for (int dy = -3 * patch; dy <= 3 * patch && mask == UVK_MASK_BLUR; dy++)
        for (int dx = -3 * patch; dx <= 3 * patch; dx++) {
            const int v = y + dy < 0 ? 0 : y + dy >= side ? side - 1 : y + dy, u = x + dx < 0 ? 0 : x + dx >= side ? side - 1 : x + dx;
            const double weight = exp(-(dx * dx + dy * dy) / 2.0 / patch / patch);
            sum += weight * plane[v * side + u];
            weights += weight;
        }
    return weights > 0 ? sum / weights : sum;
}

static void hide_by_hand(fixture *f, const float *whole, const bool *hidden, uvk_mask mask)
{
    const int side = f->spec.image, patch = f->spec.patch, across = side / patch;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                const bool seen = x / patch < across && y / patch < across;
                if (seen && hidden[1 + y / patch * across + x / patch])
                    f->pixels[(c * side + y) * side + x] = (float)filled(whole + c * side * side, side, patch, mask, x, y);
            }
}

static void expect_masked(rig *r, uvk_mask mask, const bool *hidden)
{
    fixture *const f = r->fixture;
    const int n = fixture_tokens(&f->spec), d = f->spec.width, side = f->spec.image;
    float *const whole = malloc((size_t)(3 * side * side) * sizeof *whole), found[WIDE];
    uvk_hider h;
    uvk_error err;
    memcpy(whole, f->pixels, (size_t)(3 * side * side) * sizeof *whole);
    hide_by_hand(f, whole, hidden, mask);
    reference *const ref = reference_create(f);
    rig_expect(uvk_hider_open(&h, r->session, r->input, mask, UVK_REMOVE_DELETE, &err), &err);
    rig_expect(uvk_hider_run(&h, hidden, &err), &err);
    for (int layer = 2; layer <= f->spec.layers + 1; layer++)
        for (int i = 0; i < n; i++) {
            rig_expect(uvk_hider_latent(&h, layer, i, found, &err), &err);
            expect_latent(reference_hidden(ref, layer) + i * d, found, d);
        }
    uvk_hider_close(&h);
    reference_free(ref);
    memcpy(f->pixels, whole, (size_t)(3 * side * side) * sizeof *whole);
    free(whole);
}

static void test_masked_images(void **state)
{
    (void)state;
    const bool none[MOST] = {false}, some[MOST] = {[1] = true, [4] = true, [7] = true, [16] = true};
    bool all[MOST];
    memset(all, true, sizeof all);
    all[0] = false;
    rig r;
    rig_open(&r, image_spec());
    for (uvk_mask mask = UVK_MASK_BLACK; mask <= UVK_MASK_BLUR; mask++) {
        expect_masked(&r, mask, none);
        expect_masked(&r, mask, some);
        expect_masked(&r, mask, all);
    }
    uvk_hider h;
    uvk_error err;
    all[0] = true;
    rig_expect(uvk_hider_open(&h, r.session, r.input, UVK_MASK_BLACK, UVK_REMOVE_DELETE, &err), &err);
    assert_int_equal(uvk_hider_run(&h, all, &err), UVK_USAGE);
    uvk_hider_close(&h);
    rig_close(&r);
}

/* Curves by hand: scores that fall with the index, so that the order is known. */
static void test_drift_curves(void **state)
{
    (void)state;
    enum { TARGET = 6 };
    rig r;
    rig_open(&r, image_spec());
    const int n = fixture_tokens(&r.fixture->spec), d = r.fixture->spec.width, layer = r.fixture->spec.layers + 1;
    float scores[MOST], z[MOST * WIDE], moved[WIDE];
    bool hidden[MOST] = {false};
    uvk_hider h;
    uvk_drift drift;
    uvk_error err;
    for (int i = 0; i < n; i++)
        scores[i] = (float)(n - i);
    rig_expect(uvk_hidden(r.session, layer, z, &err), &err);
    rig_expect(uvk_hider_open(&h, r.session, r.input, UVK_MASK_BLACK, UVK_REMOVE_DELETE, &err), &err);
    rig_expect(uvk_drift_measure(&h, layer, TARGET, z + TARGET * d, scores, &drift, &err), &err);
    /* 15 others: 1.5 is 2, 3, 4.5 is 4 ... */
    const int counts[] = {2, 3, 4, 6, 8, 9, 10, 12, 14};
    for (int step = 0, next = 1, done = 0; step < UVK_DRIFT_STEPS; step++) {
        for (; done < counts[step]; next++)
            if (next != TARGET) {
                hidden[next] = true;
                done++;
            }
        rig_expect(uvk_hider_run(&h, hidden, &err), &err);
        rig_expect(uvk_hider_latent(&h, layer, TARGET, moved, &err), &err);
        assert_true(drift.positive[step] == uvk_relative_drift(moved, z + TARGET * d, (size_t)d));
    }
    memset(hidden, 0, sizeof hidden);
    hidden[n - 1] = hidden[n - 2] = true;
    rig_expect(uvk_hider_run(&h, hidden, &err), &err);
    rig_expect(uvk_hider_latent(&h, layer, TARGET, moved, &err), &err);
    assert_true(drift.negative[0] == uvk_relative_drift(moved, z + TARGET * d, (size_t)d));
    uvk_hider_close(&h);
    rig_close(&r);
}

/* ---- Texts ------------------------------------------------------------------------------------------------------------------------ */

static fixture_spec text_spec(int model)
{
    static const char *const families[] = {"gpt2", "llama", "mistral"};
    fixture_spec s = fixture_text(families[model], 3, 24, 3, model == 0 ? 3 : 1, 8, 37, 30);
    s.vocabulary = 50;
    s.window = model == 2 ? 4 : 0;
    return s;
}

/* Another text in which the ids stand as they do in the fixture: 24 of context, 6 of summary. */
static uvk_input *summarized(const rig *r)
{
    uvk_input *input = NULL;
    uvk_error err;
    const uvk_text_params params = {.name = "ids", .context_ids = r->fixture->ids, .n_context_ids = 24, .summary_ids = r->fixture->ids + 24, .n_summary_ids = 6};
    rig_expect(uvk_input_create_text(r->model, &params, &input, &err), &err);
    return input;
}

/* exp of the mean log p of the last six ids. */
static double expected_probability(const reference *ref, const fixture *f, int n)
{
    double logits[50], sum = 0;
    for (int t = 0; t < 6; t++) {
        reference_logits(ref, n - 7 + t, logits);
        reference_log_softmax(logits, f->spec.vocabulary);
        sum += logits[f->ids[24 + t]];
    }
    return exp(sum / 6);
}

static void expect_shortened(rig *r, uvk_hider *h, const bool *hidden)
{
    const fixture *const f = r->fixture;
    const int d = f->spec.width;
    int32_t kept[MOST];
    int n = 0;
    float found[WIDE];
    double p;
    uvk_error err;
    for (int i = 0; i < 30; i++)
        if (!hidden[i])
            kept[n++] = f->ids[i];
    reference *const ref = reference_create_text(f, kept, n);
    rig_expect(uvk_hider_run(h, hidden, &err), &err);
    for (int layer = 1; layer <= f->spec.layers + 1; layer++)
        for (int i = 0, at = 0; i < 30; i++) {
            if (hidden[i]) {
                assert_int_equal(uvk_hider_latent(h, layer, i, found, &err), UVK_USAGE);
                continue;
            }
            rig_expect(uvk_hider_latent(h, layer, i, found, &err), &err);
            expect_latent(reference_hidden(ref, layer) + at++ * d, found, d);
        }
    rig_expect(uvk_hider_probability(h, &p, &err), &err);
    assert_true(fabs(p - expected_probability(ref, f, n)) <= 1e-5 * p);
    reference_free(ref);
}

/* One after the other, so that each starts from what the one before left: some removed early, some late, none, all but one. */
static void test_shortened_texts(void **state)
{
    (void)state;
    for (int model = 0; model < 3; model++) {
        const fixture_spec spec = text_spec(model);
        rig r;
        rig_open(&r, &spec);
        uvk_input *const input = summarized(&r);
        uvk_hider h;
        uvk_error err;
        rig_expect(uvk_hider_open(&h, r.session, input, UVK_MASK_BLACK, UVK_REMOVE_DELETE, &err), &err);
        const bool late[MOST] = {[20] = true, [23] = true}, early[MOST] = {[0] = true, [9] = true, [10] = true}, none[MOST] = {false};
        bool most[MOST] = {false};
        memset(most + 1, true, 23);
        const bool *const cases[] = {none, late, none, late, early, most, early, none};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            expect_shortened(&r, &h, cases[i]);
        uvk_hider_close(&h);
        uvk_input_free(input);
        rig_close(&r);
    }
}

/* To the bit what a whole pass gives. */
static void test_shared_beginnings_change_nothing(void **state)
{
    (void)state;
    const fixture_spec spec = text_spec(1);
    rig r;
    rig_open(&r, &spec);
    uvk_input *const input = summarized(&r);
    uvk_hider h;
    uvk_error err;
    const bool hidden[MOST] = {[13] = true}, before[MOST] = {[17] = true};
    float whole[WIDE], rest[WIDE];
    int32_t kept[MOST];
    for (int i = 0, n = 0; i < 30; i++)
        if (!hidden[i])
            kept[n++] = r.fixture->ids[i];
    uvk_input *const shorter = rig_text(&r, kept, 29);
    rig_expect(uvk_forward(r.session, shorter, &err), &err);
    rig_expect(uvk_hider_open(&h, r.session, input, UVK_MASK_BLACK, UVK_REMOVE_DELETE, &err), &err);
    rig_expect(uvk_download(r.session->ctx, uvk_session_z(r.session, 4), 28, 1, whole, &err), &err);
    rig_expect(uvk_hider_run(&h, before, &err), &err);
    rig_expect(uvk_hider_run(&h, hidden, &err), &err);
    rig_expect(uvk_hider_latent(&h, 4, 29, rest, &err), &err);
    assert_memory_equal(whole, rest, (size_t)spec.width * sizeof *whole);
    uvk_hider_close(&h);
    uvk_input_free(shorter);
    uvk_input_free(input);
    rig_close(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    const fixture_spec spec = text_spec(1);
    rig r;
    rig_open(&r, &spec);
    uvk_hider h;
    uvk_error err;
    bool all[MOST];
    memset(all, true, sizeof all);
    assert_int_equal(uvk_hider_open(&h, r.session, r.input, UVK_MASK_BLACK, UVK_REMOVE_MASK, &err), UVK_BAD_INPUT); /* no tokenizer */
    assert_non_null(strstr(err.message, "mask_token"));
    uvk_hider_close(&h);
    rig_expect(uvk_hider_open(&h, r.session, r.input, UVK_MASK_BLACK, UVK_REMOVE_DELETE, &err), &err);
    assert_int_equal(uvk_hider_run(&h, all, &err), UVK_USAGE);
    uvk_hider_close(&h);
    rig_close(&r);
}

/* ---- Gradient x input --------------------------------------------------------------------------------------------------------------- */

static void expect_gradient_x_input(const fixture_spec *spec)
{
    rig r;
    rig_open(&r, spec);
    const int n = fixture_tokens(spec), d = spec->width;
    float *const gradient = malloc((size_t)(n * d) * sizeof *gradient), *const z = malloc((size_t)(n * d) * sizeof *z), *const rows = malloc((size_t)(n * n) * sizeof *rows);
    int32_t targets[MOST];
    uvk_error err;
    for (int i = 0; i < n; i++)
        targets[i] = n - 1 - i;
    rig_expect(uvk_hidden(r.session, 1, z, &err), &err);
    for (int layer = 2; layer <= spec->layers + 1; layer++) {
        uvk_explain_params params = {.layer = layer, .scalar = layer % 2 ? UVK_ENERGY : UVK_SUM, .targets = targets, .n_targets = n};
        rig_expect(uvk_gradient_x_input(r.session, &params, rows, &err), &err);
        params.n_targets = 1;
        for (int t = 0; t < n; t++) {
            double largest = 0, expected[MOST];
            params.targets = targets + t;
            rig_expect(uvk_gradients(r.session, &params, NULL, gradient, &err), &err);
            for (int j = 0; j < n; j++) {
                expected[j] = 0;
                for (int k = 0; k < d; k++)
                    expected[j] += (double)gradient[j * d + k] * z[j * d + k];
                largest = fmax(largest, fabs(expected[j]));
            }
            for (int j = 0; j < n; j++)
                assert_true(fabs(rows[t * n + j] - fabs(expected[j])) <= 1e-5 * largest);
        }
    }
    free(rows);
    free(z);
    free(gradient);
    rig_close(&r);
}

/* uvk_gradients is test_gradients': here only that many targets at once, and windows, give the same. */
static void test_gradient_x_input(void **state)
{
    (void)state;
    const fixture_spec image = fixture_shape(3, 24, 3, 40, 4, 16), text = text_spec(0), window = text_spec(2);
    expect_gradient_x_input(&image);
    expect_gradient_x_input(&text);
    expect_gradient_x_input(&window);
}

/* ---- Weights drawn anew --------------------------------------------------------------------------------------------------------------- */

static void latents(const rig *r, int layer, float *out)
{
    uvk_error err;
    rig_expect(uvk_forward(r->session, r->input, &err), &err);
    rig_expect(uvk_hidden(r->session, layer, out, &err), &err);
}

/* Drawing block 2 anew changes what lies above it and nothing below; a seed fixes it; the model's weights come back to the bit. */
static void test_weights_drawn_anew(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(2, 24, 3, 40, 4, 12);
    rig r;
    rig_open(&r, &spec);
    enum { N = 10 * 24 };
    float before[N], below[N], found[N], again[N];
    uvk_error err;
    latents(&r, 2, below);
    latents(&r, 3, before);
    rig_expect(uvk_reinitialize_block(r.session, 2, 4, &err), &err);
    latents(&r, 2, found);
    assert_memory_equal(found, below, sizeof found);
    latents(&r, 3, found);
    assert_memory_not_equal(found, before, sizeof found);
    rig_expect(uvk_restore_weights(r.session, &err), &err);
    assert_int_equal(uvk_hidden(r.session, 3, again, &err), UVK_USAGE); /* of which weights? */
    latents(&r, 3, again);
    assert_memory_equal(again, before, sizeof again);
    rig_expect(uvk_reinitialize_block(r.session, 2, 4, &err), &err);
    latents(&r, 3, again);
    assert_memory_equal(again, found, sizeof again);
    rig_expect(uvk_reinitialize_block(r.session, 2, 5, &err), &err);
    latents(&r, 3, again);
    assert_memory_not_equal(again, found, sizeof again);
    rig_close(&r);
}

/* The deviation of a matrix stays, to what so many numbers allow; norms and biases start. */
static void test_what_is_drawn(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(1, 60, 3, 64, 4, 8);
    rig r;
    rig_open(&r, &spec);
    const uvk_block_weights *const w = &r.session->weights[0];
    enum { COUNT = 180 * 60 };
    float *const values = malloc(COUNT * sizeof *values);
    double before = 0, after = 0, mean = 0;
    uvk_error err;
    rig_expect(uvk_download(r.session->ctx, &w->qkv, 0, 180, values, &err), &err);
    for (int i = 0; i < COUNT; i++)
        before += (double)values[i] * values[i] / COUNT;
    rig_expect(uvk_reinitialize_block(r.session, 1, 0, &err), &err);
    rig_expect(uvk_download(r.session->ctx, &w->qkv, 0, 180, values, &err), &err);
    for (int i = 0; i < COUNT; i++) {
        after += (double)values[i] * values[i] / COUNT;
        mean += values[i] / COUNT;
    }
    assert_true(fabs(after / before - 1) < 0.06 && fabs(mean) < 0.05 * sqrt(before));
    rig_expect(uvk_download(r.session->ctx, &w->norm1_weight, 0, 1, values, &err), &err);
    assert_true(values[0] == 1 && values[59] == 1);
    rig_expect(uvk_download(r.session->ctx, &w->qkv_bias, 0, 1, values, &err), &err);
    assert_true(values[0] == 0 && values[179] == 0);
    free(values);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_images), cmocka_unit_test(test_drift_curves), cmocka_unit_test(test_shortened_texts),
        cmocka_unit_test(test_shared_beginnings_change_nothing), cmocka_unit_test(test_refusals), cmocka_unit_test(test_gradient_x_input),
        cmocka_unit_test(test_weights_drawn_anew), cmocka_unit_test(test_what_is_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
