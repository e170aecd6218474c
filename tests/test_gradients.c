/* What the device computes against a forward pass in double precision and its central differences. No derivative is
 * written down on this side. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reference.h"
#include "rig.h"

enum { TEXTS = 7, IMAGES = 2 };

/* ---- Hidden states ---------------------------------------------------------------------------------------------------- */

/* Every token's z within 1e-5 of the token's largest component. */
static void expect_hidden(const rig *r, const reference *ref, int layer)
{
    const int n = fixture_tokens(&r->fixture->spec), d = r->fixture->spec.width;
    const double *const expected = reference_hidden(ref, layer);
    float *const z = malloc((size_t)n * (size_t)d * sizeof *z);
    uvk_error err;
    assert_non_null(z);
    rig_expect(uvk_hidden(r->session, layer, z, &err), &err);
    for (int i = 0; i < n; i++) {
        double largest = 0, worst = 0;
        for (int k = i * d; k < (i + 1) * d; k++) {
            largest = fmax(largest, fabs(expected[k]));
            worst = fmax(worst, fabs(z[k] - expected[k]));
        }
        if (!(worst <= 1e-5 * largest))
            fail_msg("layer %d, token %d: off by %g of %g", layer, i, worst, largest);
    }
    free(z);
}

static void expect_all_hidden(const fixture_spec *spec)
{
    rig r;
    rig_open(&r, spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    for (int layer = 1; layer <= spec->layers + 1; layer++)
        expect_hidden(&r, ref, layer);
    reference_free(ref);
    rig_close(&r);
}

/* Language models in shapes that kernels and readers could get wrong. */
static void list_texts(fixture_spec specs[TEXTS])
{
    int n = 0;
    fixture_spec *s = &specs[n++];
    *s = fixture_text("gpt2", 3, 24, 3, 3, 0, 37, 10);
    s->by_block = true;
    s->context = 19;
    s = &specs[n++];
    *s = fixture_text("llama", 3, 20, 4, 2, 16, 31, 9); /* heads wider than the stream */
    s->theta = 5e5;
    s->rope = "llama3";
    s->untied = s->bias = true;
    s = &specs[n++];
    *s = fixture_text("mistral", 4, 33, 4, 1, 6, 50, 13);
    s->window = 4;
    s->prefix = "model.";
    s->untied = true;
    s = &specs[n++];
    *s = fixture_text("qwen2", 3, 24, 3, 3, 8, 40, 11);
    s->window = 3;
    s->window_from = 1;
    s->recent = true;
    s = &specs[n++];
    *s = fixture_text("qwen3", 3, 21, 6, 2, 10, 29, 8);
    s->rope = "linear";
    s->bias = true;
    s = &specs[n++];
    *s = fixture_text("llama", 1, 7, 1, 1, 2, 3, 1);
    s = &specs[n++];
    *s = fixture_text("bert", 3, 30, 3, 3, 10, 41, 9);
    s->act = "gelu";
    assert_int_equal(n, TEXTS);
}

/* Vision models that are built otherwise than ViT. The width of a SwiGLU is a multiple of 8. */
static void list_images(fixture_spec specs[IMAGES])
{
    specs[0] = fixture_shape(3, 27, 3, 24, 4, 12);
    specs[0].family = "dinov2_with_registers";
    specs[0].act = "silu";
    specs[1] = fixture_shape(3, 30, 2, 43, 3, 9);
    specs[1].family = "clip_vision_model";
    specs[1].act = "quick_gelu";
}

static void test_hidden_of_odd_shapes(void **state)
{
    (void)state;
    const fixture_spec specs[] = {fixture_shape(1, 3, 3, 1, 1, 1),    fixture_shape(2, 24, 3, 40, 4, 12),
                                  fixture_shape(3, 33, 3, 50, 5, 20), fixture_shape(2, 40, 5, 37, 3, 15),
                                  fixture_shape(12, 15, 5, 61, 2, 18), fixture_shape(1, 70, 1, 9, 7, 7)};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        expect_all_hidden(&specs[i]);
    fixture_spec texts[TEXTS];
    list_texts(texts);
    for (int i = 0; i < TEXTS; i++)
        expect_all_hidden(&texts[i]);
    fixture_spec images[IMAGES];
    list_images(images);
    for (int i = 0; i < IMAGES; i++)
        expect_all_hidden(&images[i]);
}

/* The files say the same in every form that they come in. */
static void test_hidden_of_every_file_form(void **state)
{
    (void)state;
    static const fixture_dtype dtypes[] = {FIXTURE_F32, FIXTURE_F16, FIXTURE_BF16};
    for (int form = 0; form < 6; form++) {
        fixture_spec spec = fixture_default();
        spec.dtype = dtypes[form / 2];
        spec.shard = form % 2 ? 5000 : 0;
        spec.prefix = form % 2 ? "vit." : "";
        spec.eps = form % 2 ? 1e-3 : 1e-12;
        expect_all_hidden(&spec);
        fixture_spec text = fixture_text(form % 2 ? "gpt2" : "qwen3", 2, 24, 4, form % 2 ? 4 : 2, 6, 40, 12);
        text.dtype = spec.dtype;
        text.shard = spec.shard;
        text.prefix = form == 1 ? "transformer." : form == 2 ? "model." : "";
        text.recent = form % 4 == 0;
        expect_all_hidden(&text);
    }
}

/* ---- Gradients: differences of every scalar of a model, with respect to all that can be moved --------------------------- */

typedef struct differences {
    int layers, heads, tokens, width;
    size_t scalars;    /* every scalar of a reference */
    double *attention; /* [L, H, n, n, scalars] */
    double *input;     /* [n, d, scalars] */
} differences;

static size_t attention_count(const differences *d, int blocks)
{
    return (size_t)blocks * (size_t)d->heads * (size_t)d->tokens * (size_t)d->tokens;
}

static size_t input_count(const differences *d)
{
    return (size_t)d->tokens * (size_t)d->width;
}

static void take_differences(differences *d, reference *ref)
{
    const int n = d->tokens;
    for (size_t i = 0; i < attention_count(d, d->layers); i++) {
        const int row = (int)(i / (size_t)n);
        const reference_move where = {.block = row / n / d->heads + 1, .head = row / n % d->heads, .row = row % n, .column = (int)(i % (size_t)n)};
        reference_difference(ref, &where, d->attention + i * d->scalars);
    }
    for (size_t i = 0; i < input_count(d); i++) {
        const reference_move where = {.row = (int)(i / (size_t)d->width), .column = (int)(i % (size_t)d->width)};
        reference_difference(ref, &where, d->input + i * d->scalars);
    }
}

static differences differences_of(reference *ref, const fixture_spec *spec)
{
    differences d = {.layers = spec->layers, .heads = spec->heads, .tokens = fixture_tokens(spec), .width = spec->width};
    d.scalars = reference_scalars(ref);
    d.attention = malloc(attention_count(&d, d.layers) * d.scalars * sizeof *d.attention);
    d.input = malloc(input_count(&d) * d.scalars * sizeof *d.input);
    assert_non_null(d.attention);
    assert_non_null(d.input);
    take_differences(&d, ref);
    return d;
}

static void free_differences(differences *d)
{
    free(d->attention);
    free(d->input);
}

/* ---- Gradients: the comparison ------------------------------------------------------------------------------------------ */

/* Entries of one array to compare: one scalar's differences over c, and what the device says. */
typedef struct comparison {
    const double *expected; /* entry i is expected[i * stride] / c */
    size_t stride;
    double c;
    const float *found;
    size_t count;
} comparison;

static double worst; /* of all entries above 1% of the largest that were compared, relative to themselves */

/* Every entry within 1e-3 of itself or, where it is below 1% of the largest, within 1e-3 of that. Returns how many are
 * above 1%, or -1 when one is out of bounds. */
static int compare(const comparison *x)
{
    double largest = 0;
    for (size_t i = 0; i < x->count; i++)
        largest = fmax(largest, fabs(x->expected[i * x->stride] / x->c));
    int above = 0;
    for (size_t i = 0; i < x->count; i++) {
        const double expected = x->expected[i * x->stride] / x->c, bound = 1e-3 * fmax(fabs(expected), 0.01 * largest);
        if (!(fabs(x->found[i] - expected) <= bound))
            return -1;
        if (fabs(expected) > 0.01 * largest) {
            above++;
            worst = fmax(worst, fabs(x->found[i] / expected - 1));
        }
    }
    return above;
}

typedef struct gradients {
    float *attention, *input;
} gradients;

static gradients gradients_of(const rig *r, const differences *d, const uvk_explain_params *params)
{
    gradients g = {malloc(attention_count(d, params->layer - 1) * sizeof *g.attention), malloc(input_count(d) * sizeof *g.input)};
    uvk_error err;
    assert_non_null(g.attention);
    assert_non_null(g.input);
    rig_expect(uvk_gradients(r->session, params, g.attention, g.input, &err), &err);
    return g;
}

static void free_gradients(gradients *g)
{
    free(g->attention);
    free(g->input);
}

static size_t scalar_index(const reference *ref, const uvk_explain_params *params)
{
    return reference_scalar(ref, (int)params->scalar, params->layer, params->targets[0]);
}

static double constant(const reference *ref, const uvk_explain_params *params)
{
    return params->normalize == UVK_NORM ? reference_constant(ref, (int)params->scalar, params->layer, params->targets[0]) : 1;
}

/* Every block and head has a largest entry of its own to be compared with. */
static comparison compare_head(const differences *d, const reference *ref, const uvk_explain_params *params, const gradients *g, int head)
{
    const size_t count = (size_t)d->tokens * (size_t)d->tokens, first = (size_t)head * count;
    return (comparison){.expected = d->attention + first * d->scalars + scalar_index(ref, params), .stride = d->scalars,
                        .c = constant(ref, params), .found = g->attention + first, .count = count};
}

static comparison compare_input(const differences *d, const reference *ref, const uvk_explain_params *params, const gradients *g)
{
    return (comparison){.expected = d->input + scalar_index(ref, params), .stride = d->scalars, .c = constant(ref, params),
                        .found = g->input, .count = input_count(d)};
}

/* Returns how many entries above 1% were compared. */
static int expect_gradients(const rig *r, const differences *d, const reference *ref, const uvk_explain_params *params)
{
    gradients g = gradients_of(r, d, params);
    int compared = 0;
    for (int head = 0; head < (params->layer - 1) * d->heads; head++) {
        const comparison x = compare_head(d, ref, params, &g, head);
        const int above = compare(&x);
        if (above < 0)
            fail_msg("layer %d, target %d, scalar %d, normalize %d: d f / d A(%d,%d) is wrong", params->layer, params->targets[0],
                     (int)params->scalar, (int)params->normalize, head / d->heads + 1, head % d->heads);
        compared += above;
    }
    const comparison x = compare_input(d, ref, params, &g);
    const int above = compare(&x);
    if (above < 0)
        fail_msg("layer %d, target %d, scalar %d, normalize %d: d f / d z(1) is wrong", params->layer, params->targets[0],
                 (int)params->scalar, (int)params->normalize);
    free_gradients(&g);
    return compared + above;
}

/* Every layer of a model, four targets, all scalars, with c and without. */
static int expect_all_gradients(const fixture_spec *spec)
{
    rig r;
    rig_open(&r, spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    differences d = differences_of(ref, spec);
    const int32_t targets[] = {0, d.tokens > 1, d.tokens / 2, d.tokens - 1};
    int compared = 0;
    worst = 0;
    for (int layer = 2; layer <= spec->layers + 1; layer++)
        for (int c = 0; c < 20; c++) {
            const uvk_explain_params params = {.layer = layer, .scalar = c < 8 ? UVK_SUM : c < 16 ? UVK_ENERGY : UVK_LOGPROB,
                                               .normalize = c < 16 && c / 4 % 2 ? UVK_NO_NORM : UVK_NORM, .targets = &targets[c % 4], .n_targets = 1};
            if (params.scalar != UVK_LOGPROB || (layer == spec->layers + 1 && fixture_traits_of(spec).causal))
                compared += expect_gradients(&r, &d, ref, &params);
        }
    free_differences(&d);
    reference_free(ref);
    rig_close(&r);
    print_message("%s, %d tokens, %d blocks: %d entries above 1%% of the largest compared, worst off by %.1e of itself\n", spec->family ? spec->family : "vit",
                  fixture_tokens(spec), spec->layers, compared, worst);
    return compared;
}

static void test_gradients(void **state)
{
    (void)state;
    const fixture_spec specs[] = {fixture_shape(3, 33, 3, 50, 4, 16), fixture_shape(2, 40, 5, 37, 3, 9),
                                  fixture_shape(1, 24, 3, 40, 5, 25), fixture_shape(4, 15, 3, 31, 2, 4)};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        assert_true(expect_all_gradients(&specs[i]) >= 200);
}

static void test_gradients_of_images(void **state)
{
    (void)state;
    fixture_spec specs[IMAGES];
    list_images(specs);
    for (int i = 0; i < IMAGES; i++)
        assert_true(expect_all_gradients(&specs[i]) >= 200);
}

static void test_gradients_of_texts(void **state)
{
    (void)state;
    fixture_spec specs[TEXTS];
    list_texts(specs);
    for (int i = 0; i < TEXTS; i++)
        assert_true(expect_all_gradients(&specs[i]) >= (specs[i].tokens > 1 ? 200 : 10));
}

static void test_every_activation(void **state)
{
    (void)state;
    static const char *const names[] = {"gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "silu", "relu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fixture_spec spec = fixture_shape(2, 24, 3, 40, 4, 8);
        spec.act = names[i];
        expect_all_hidden(&spec);
        assert_true(expect_all_gradients(&spec) >= 200);
        fixture_spec gated = fixture_text("llama", 2, 15, 3, 1, 4, 23, 5);
        gated.act = names[i];
        assert_true(expect_all_gradients(&gated) >= 200);
    }
}

/* ---- The comparison itself ---------------------------------------------------------------------------------------------- */

/* The entry that is the smallest of those above 1% of the largest: where a mistake is hardest to see. */
static size_t faintest(const comparison *x)
{
    double largest = 0;
    size_t at = 0;
    for (size_t i = 0; i < x->count; i++)
        if (fabs(x->expected[i * x->stride]) > largest) {
            largest = fabs(x->expected[i * x->stride]);
            at = i;
        }
    for (size_t i = 0; i < x->count; i++)
        if (fabs(x->expected[i * x->stride]) > 0.01 * largest && fabs(x->expected[i * x->stride]) < fabs(x->expected[at * x->stride]))
            at = i;
    return at;
}

static void expect_rejection(const comparison *x, float *found)
{
    const size_t at = faintest(x);
    const float right = found[at];
    assert_true(compare(x) > 0);
    found[at] = right * 1.01f;
    assert_int_equal(compare(x), -1);
    found[at] = -right;
    assert_int_equal(compare(x), -1);
    found[at] = NAN;
    assert_int_equal(compare(x), -1);
    found[at] = right;
}

static void test_planted_gradient_is_rejected(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_default();
    rig r;
    rig_open(&r, &spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    differences d = differences_of(ref, &spec);
    const uvk_explain_params params = {.layer = spec.layers + 1, .targets = &(int32_t){5}, .n_targets = 1};
    gradients g = gradients_of(&r, &d, &params);
    for (int head = 0; head < spec.layers * spec.heads; head++) {
        const comparison x = compare_head(&d, ref, &params, &g, head);
        expect_rejection(&x, g.attention + (x.found - g.attention));
    }
    const comparison x = compare_input(&d, ref, &params, &g);
    expect_rejection(&x, g.input);
    free_gradients(&g);
    free_differences(&d);
    reference_free(ref);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hidden_of_odd_shapes),
        cmocka_unit_test(test_hidden_of_every_file_form),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_of_images),
        cmocka_unit_test(test_gradients_of_texts),
        cmocka_unit_test(test_every_activation),
        cmocka_unit_test(test_planted_gradient_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
