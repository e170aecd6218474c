/* Whole explanation rows against brute force, their independence of how they are computed, and the numbers of a map. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brute_force.h"
#include "memory_counter.h"
#include "rows.h"

/* ---- Rows by brute force ------------------------------------------------------------------------------------------------ */

static rows_off worst; /* of all rows that agreed */

static void expect_rows(const rig *r, const brute_force *brute, const brute_row *what, double *expected)
{
    const int n = fixture_tokens(&r->fixture->spec);
    int32_t *const targets = rows_all_tokens(n);
    const uvk_explain_params params = {
        .layer = what->layer, .first_block = what->first_block, .scalar = (uvk_scalar)what->scalar,
        .order = what->formula ? UVK_FORMULA : UVK_ROLLOUT, .normalize = what->normalized ? UVK_NORM : UVK_NO_NORM,
        .targets = targets, .n_targets = n};
    float *const found = rows_explain(r, &params, NULL);
    for (int i = 0; i < n; i++)
        brute_force_row(brute, what, i, expected + i * n);
    if (!rows_agree(expected, found, n, &worst))
        fail_msg("%d tokens, layer %d, blocks from %d, scalar %d, %s, %s: rows are wrong", n, what->layer, what->first_block,
                 what->scalar, what->formula ? "formula" : "rollout", what->normalized ? "norm" : "none");
    free(found);
    free(targets);
}

/* One layer and first block: every scalar that stands there and both orders; without c for whole products only. */
static void expect_product(const rig *r, const brute_force *brute, int layer, int first, double *expected)
{
    const fixture_spec *const spec = &r->fixture->spec;
    const bool logits = fixture_traits_of(spec).causal && layer == spec->layers + 1;
    for (int scalar = REFERENCE_SUM; scalar <= (logits ? REFERENCE_LOGPROB : REFERENCE_ENERGY); scalar++)
        for (int c = 0; c < (first == 1 && scalar != REFERENCE_LOGPROB ? 4 : 2); c++) {
            const brute_row what = {.scalar = scalar, .layer = layer, .first_block = first, .formula = c % 2, .normalized = c < 2};
            expect_rows(r, brute, &what, expected);
        }
}

static void expect_all_rows(const fixture_spec *spec)
{
    rig r;
    rig_open(&r, spec);
    reference *const ref = reference_create(r.fixture);
    assert_non_null(ref);
    brute_force *const brute = brute_force_create(ref, spec);
    const int n = fixture_tokens(spec);
    double *const expected = malloc((size_t)n * (size_t)n * sizeof *expected);
    assert_non_null(brute);
    assert_non_null(expected);
    worst = (rows_off){0};
    for (int layer = 2; layer <= spec->layers + 1; layer++)
        for (int first = 1; first < layer; first++)
            expect_product(&r, brute, layer, first, expected);
    print_message("%s, %d tokens, %d blocks: off by %.1e of the largest entry, %.1e of a row's own\n", r.fixture->spec.family, n, spec->layers, worst.largest, worst.own);
    free(expected);
    brute_force_free(brute);
    reference_free(ref);
    rig_close(&r);
}

static void test_rows_of_odd_shapes(void **state)
{
    (void)state;
    const fixture_spec specs[] = {fixture_shape(4, 33, 3, 50, 2, 6),  fixture_shape(2, 40, 5, 37, 4, 16),
                                  fixture_shape(2, 15, 3, 31, 3, 15), fixture_shape(1, 24, 3, 40, 5, 25),
                                  fixture_shape(3, 35, 5, 70, 7, 14), fixture_shape(2, 21, 3, 40, 4, 4)};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        expect_all_rows(&specs[i]);
}

/* Every family; grouped-query ratios of 1 to 4; heads as wide as the stream's share, narrower and wider; sliding windows in all
 * blocks and in some; rescaled rotary positions; tied heads and others; every form of file. */
static void test_rows_of_texts(void **state)
{
    (void)state;
    fixture_spec gpt2 = fixture_text("gpt2", 3, 15, 5, 5, 0, 31, 14);
    gpt2.by_block = gpt2.untied = true;
    fixture_spec llama = fixture_text("llama", 3, 33, 4, 2, 16, 50, 12);
    llama.theta = 5e5;
    llama.rope = "llama3";
    llama.bias = true;
    fixture_spec mistral = fixture_text("mistral", 4, 24, 4, 1, 4, 37, 15);
    mistral.window = 3;
    mistral.untied = mistral.recent = true;
    mistral.dtype = FIXTURE_BF16;
    mistral.shard = 4000;
    mistral.prefix = "model.";
    fixture_spec qwen2 = fixture_text("qwen2", 4, 18, 3, 3, 6, 40, 13);
    qwen2.window = 5;
    qwen2.window_from = 2;
    fixture_spec qwen3 = fixture_text("qwen3", 2, 21, 6, 2, 10, 70, 11);
    qwen3.dtype = FIXTURE_F16;
    qwen3.window = 2;
    qwen3.recent = true;
    const fixture_spec lone = fixture_text("llama", 2, 6, 3, 1, 2, 5, 1);
    const fixture_spec *const specs[] = {&gpt2, &llama, &mistral, &qwen2, &qwen3, &lone};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        expect_all_rows(specs[i]);
}

/* Neither one entry a little off nor rows of another target pass for right. */
static void test_wrong_rows_are_rejected(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(2, 24, 3, 40, 4, 12);
    fixture *const f = fixture_create(&spec);
    assert_non_null(f);
    reference *const ref = reference_create(f);
    assert_non_null(ref);
    brute_force *const brute = brute_force_create(ref, &spec);
    assert_non_null(brute);
    enum { N = 10 };
    double expected[N * N];
    float found[N * N];
    const brute_row what = {.layer = 3, .first_block = 1, .normalized = true};
    for (int i = 0; i < N; i++)
        brute_force_row(brute, &what, i, expected + i * N);
    for (int i = 0; i < N * N; i++)
        found[i] = (float)expected[i];
    assert_true(rows_agree(expected, found, N, NULL));
    found[3 * N + 7] += (float)(2.5e-4 * rows_off_diagonal(expected + 3 * N, N, 3));
    assert_false(rows_agree(expected, found, N, NULL));
    found[3 * N + 7] = (float)expected[3 * N + 7];
    found[3 * N + 3] += 4e-5f;
    assert_false(rows_agree(expected, found, N, NULL));
    brute_force_free(brute);
    reference_free(ref);
    fixture_free(f);
}

/* ---- The same bytes, however computed --------------------------------------------------------------------------------- */

enum { REPEATED = 4 };

/* Models whose rows must not depend on how they are computed: 37 tokens each. */
static fixture_spec repeat_spec(int model)
{
    fixture_spec spec = model == 0   ? fixture_shape(2, 15, 3, 31, 3, 18)
                        : model == 1 ? fixture_text("mistral", 3, 20, 4, 2, 6, 33, 37)
                        : model == 2 ? fixture_text("qwen3", 3, 15, 3, 1, 8, 31, 37)
                                     : fixture_text("gpt2", 2, 15, 3, 3, 0, 31, 37);
    spec.window = model == 1 ? 6 : model == 2 ? 11 : 0;
    spec.window_from = 1;
    return spec;
}

static uvk_explain_params repeat_params(int variant, const int32_t *targets, int n)
{
    return (uvk_explain_params){.scalar = variant % 2 ? UVK_ENERGY : UVK_SUM, .order = variant / 2 ? UVK_FORMULA : UVK_ROLLOUT,
                                .targets = targets, .n_targets = n};
}

/* Whether a run of params fits a budget of so many bytes, and what it would hold. A budget is refused with UVK_FAILED alone. */
static bool fits(rig *r, uint64_t memory, const uvk_explain_params *params, uvk_plan *plan)
{
    uvk_error err;
    uvk_status status = rig_device(r, memory, &err);
    if (!status)
        status = uvk_explain_plan(r->session, fixture_tokens(&r->fixture->spec), params, plan, &err);
    if (status)
        assert_int_equal(status, UVK_FAILED);
    return !status;
}

enum { BUDGET_STEP = 2048 };

/* The smallest budget, to a step, that a run of params fits. */
static uint64_t smallest_budget(rig *r, const uvk_explain_params *params)
{
    uvk_plan plan;
    uint64_t low = 0, high = 1u << 26;
    assert_true(fits(r, high, params, &plan));
    while (high - low > BUDGET_STEP) {
        const uint64_t middle = low + (high - low) / 2;
        *(fits(r, middle, params, &plan) ? &high : &low) = middle;
    }
    return high;
}

/* A session anew on the rig's own device, its budget changed. */
static void change_budget(rig *r, uint64_t memory)
{
    uvk_error err;
    uvk_session_free(r->session);
    r->session = NULL;
    memory_set_budget(r->context, memory);
    rig_expect(uvk_session_create(r->context, r->model, &r->session, &err), &err);
}

/* The rows under a budget, byte for byte those expected. Returns how many targets went together. */
static int expect_same_bytes(rig *r, uint64_t memory, const uvk_explain_params *params, const float *expected)
{
    const int n = fixture_tokens(&r->fixture->spec);
    uvk_plan plan;
    uvk_cost cost;
    uvk_error err;
    change_budget(r, memory);
    rig_expect(uvk_explain_plan(r->session, n, params, &plan, &err), &err);
    rig_expect(uvk_forward(r->session, r->input, &err), &err);
    float *const rows = rows_explain(r, params, &cost);
    assert_int_equal(cost.chunk, plan.chunk);
    assert_memory_equal(rows, expected, (size_t)params->n_targets * (size_t)n * sizeof *rows);
    assert_true(plan.total <= memory && uvk_context_peak(r->context) <= memory);
    free(rows);
    return cost.chunk;
}

/* From one target at a time, with the hidden layers' derivatives rebuilt for each, to all at once. */
static void expect_same_bytes_for_every_chunk(int model, int variant)
{
    const fixture_spec spec = repeat_spec(model);
    const int n = fixture_tokens(&spec);
    int32_t *const targets = rows_all_tokens(n);
    const uvk_explain_params params = repeat_params(variant, targets, n);
    rig r;
    rig_open(&r, &spec);
    uvk_cost cost;
    float *const rows = rows_explain(&r, &params, &cost);
    uint64_t memory = smallest_budget(&r, &params);
    rig_reopen(&r, memory);
    assert_int_equal(expect_same_bytes(&r, memory, &params, rows), 1);
    int sizes = 1;
    for (int chunk = 1; chunk < cost.chunk; memory += memory / 2) {
        const int larger = expect_same_bytes(&r, memory, &params, rows);
        assert_true(larger >= chunk);
        sizes += larger > chunk;
        chunk = larger;
    }
    assert_true(sizes >= 3);
    free(rows);
    rig_close(&r);
    free(targets);
}

static void test_same_bytes_for_every_chunk(void **state)
{
    (void)state;
    for (int model = 0; model < 3; model++) /* the fourth differs from these in nothing that a chunk knows */
        expect_same_bytes_for_every_chunk(model, model % 2 ? 0 : 3);
}

static void expect_same_bytes_on_a_second_run(int model, int variant)
{
    const fixture_spec spec = repeat_spec(model);
    const int n = fixture_tokens(&spec);
    int32_t *const targets = rows_all_tokens(n);
    const uvk_explain_params params = repeat_params(variant, targets, n);
    rig r;
    rig_open(&r, &spec);
    float *const first = rows_explain(&r, &params, NULL), *const second = rows_explain(&r, &params, NULL);
    assert_memory_equal(first, second, (size_t)n * (size_t)n * sizeof *first);
    free(second);
    free(first);
    rig_close(&r);
    free(targets);
}

static void test_same_bytes_on_a_second_run(void **state)
{
    (void)state;
    for (int model = 0; model < REPEATED; model++)
        for (int variant = 0; variant < 4; variant += 3)
            expect_same_bytes_on_a_second_run(model, variant);
}

static void expect_same_bytes_for_any_targets(int model)
{
    static const int32_t some[] = {36, 0, 17, 17, 5, 1, 30};
    const int n_some = sizeof some / sizeof *some;
    const fixture_spec spec = repeat_spec(model);
    const int n = fixture_tokens(&spec);
    int32_t *const targets = rows_all_tokens(n);
    rig r;
    rig_open(&r, &spec);
    for (int variant = 0; variant < 4; variant++) {
        const uvk_explain_params whole = repeat_params(variant, targets, n), part = repeat_params(variant, some, n_some);
        float *const rows = rows_explain(&r, &whole, NULL), *const few = rows_explain(&r, &part, NULL);
        for (int k = 0; k < n_some; k++)
            assert_memory_equal(few + k * n, rows + some[k] * n, (size_t)n * sizeof *rows);
        free(few);
        free(rows);
    }
    rig_close(&r);
    free(targets);
}

static void test_same_bytes_for_any_targets(void **state)
{
    (void)state;
    for (int model = 0; model < REPEATED; model++)
        expect_same_bytes_for_any_targets(model);
}

/* A budget that holds the model but not one target more: a message with both numbers, and the output as it was. */
static void test_too_small_a_budget_is_refused(void **state)
{
    (void)state;
    const fixture_spec spec = repeat_spec(0);
    const int32_t target = 4;
    const uvk_explain_params params = {.targets = &target, .n_targets = 1};
    rig r;
    rig_open(&r, &spec);
    const uint64_t memory = smallest_budget(&r, &params) - BUDGET_STEP;
    rig_reopen(&r, memory);
    float row[37] = {7};
    uvk_error err;
    char budget[32];
    snprintf(budget, sizeof budget, "%" PRIu64, memory);
    assert_int_equal(uvk_explain(r.session, &params, row, NULL, &err), UVK_FAILED);
    assert_non_null(strstr(err.message, budget));
    assert_null(strchr(err.message, '\n'));
    assert_true(row[0] == 7);
    rig_close(&r);
}

static void test_parameters_out_of_range_are_refused(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_shape(2, 24, 3, 40, 4, 12);
    const int32_t good = 4, below = -1, above = 10;
    const uvk_explain_params bad[] = {
        {.layer = 1, .targets = &good, .n_targets = 1},  {.layer = 4, .targets = &good, .n_targets = 1},
        {.layer = -1, .targets = &good, .n_targets = 1}, {.layer = 2, .first_block = 2, .targets = &good, .n_targets = 1},
        {.first_block = -1, .targets = &good, .n_targets = 1}, {.targets = &below, .n_targets = 1}, {.targets = &above, .n_targets = 1}};
    rig r;
    rig_open(&r, &spec);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float row[10];
        uvk_error err;
        assert_int_equal(uvk_explain(r.session, &bad[i], row, NULL, &err), UVK_USAGE);
        assert_true(strlen(err.message) > 0 && !strchr(err.message, '\n'));
    }
    rig_close(&r);
}

/* ---- The numbers of a map ------------------------------------------------------------------------------------------------ */

/* Patches in rows of cols, behind so many special tokens (at most 5); what stands anywhere is test_map's. */
static uvk_layout grid(int tokens, int special, int cols, bool causal)
{
    static uvk_token lists[6][128];
    for (int j = 0; j < special; j++)
        lists[special][j].special = true;
    return (uvk_layout){.tokens = tokens, .list = lists[special], .grid_cols = cols, .causal = causal};
}

static int n_special(const uvk_layout *at)
{
    int n = 0;
    while (at->list[n].special)
        n++;
    return n;
}

/* METHOD's definitions, one loop a number. */
static uvk_map_stats expected_stats(const uvk_layout *at, int target, const float *row, uvk_own_token own, float *scores)
{
    const int n = at->tokens, special = n_special(at), cols = at->grid_cols;
    uvk_map_stats s = {.n_sources = n - special, .score_min = INFINITY, .score_max = -INFINITY, .self_score = row[target]};
    double x[1024], distance[1024], others = 0, specials = 0, sum = 0, weighted = 0, plain = 0, gaps = 0, top = 0;
    float largest = 0;
    int count = 0;
    memset(scores, 0, (size_t)special * sizeof *scores);
    for (int j = 0; j < n; j++)
        if (j != target) {
            others += row[j];
            specials += j < special ? row[j] : 0;
            largest = j >= special ? fmaxf(largest, row[j]) : largest;
        }
    for (int j = special; j < n; j++) {
        const bool replaced = j == target && own != UVK_OWN_KEEP;
        const float score = !replaced ? row[j] : own == UVK_OWN_MAX ? largest : 0;
        scores[j] = score;
        s.score_min = fmin(s.score_min, score);
        s.score_max = fmax(s.score_max, score);
        s.score_sum += score;
        const bool visible = !at->causal || j <= target;
        s.n_visible += visible;
        if (visible && j != target) {
            const int here = j - special, there = target - special;
            distance[count] = hypot(here / cols - there / cols, here % cols - there % cols);
            x[count++] = score;
            sum += score;
        }
    }
    s.special_share = others > 0 ? specials / others : NAN;
    double nats = 0;
    for (int a = 0; a < count; a++) {
        nats -= x[a] > 0 ? x[a] / sum * log(x[a] / sum) : 0;
        weighted += x[a] / sum * distance[a];
        plain += distance[a] / count;
        int rank = 0; /* how many stand before a when sorted from the largest */
        for (int b = 0; b < count; b++) {
            gaps += fabs(x[a] - x[b]);
            rank += x[b] > x[a] || (x[b] == x[a] && b < a);
        }
        top += rank < (count + 9) / 10 ? x[a] : 0;
    }
    const bool defined = sum > 0;
    s.entropy = !defined ? NAN : count == 1 ? 0 : nats / log(count);
    s.effective_tokens = defined ? exp(nats) : NAN;
    s.gini = defined ? gaps / (2 * count * sum) : NAN;
    s.top10_share = defined ? top / sum : NAN;
    s.locality = defined && target >= special ? weighted / plain : NAN;
    return s;
}

static void map_of(const uvk_layout *at, int target, const float *row, uvk_own_token own, float *scores, uvk_map_stats *stats)
{
    uvk_error err;
    rig_expect(uvk_map(at, target, row, own, scores, stats, &err), &err);
}

static void expect_number(const char *name, double found, double expected)
{
    if (isnan(expected) ? !isnan(found) : !(fabs(found - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%s: %.17g, expected %.17g", name, found, expected);
}

static void expect_map(const uvk_layout *at, int target, const float *row, uvk_own_token own)
{
    float expected_scores[1024], scores[1024];
    const uvk_map_stats expected = expected_stats(at, target, row, own, expected_scores);
    uvk_map_stats found;
    map_of(at, target, row, own, scores, &found);
    assert_memory_equal(scores, expected_scores, (size_t)at->tokens * sizeof *scores);
    assert_int_equal(found.n_sources, expected.n_sources);
    assert_int_equal(found.n_visible, expected.n_visible);
    expect_number("score_min", found.score_min, expected.score_min);
    expect_number("score_max", found.score_max, expected.score_max);
    expect_number("score_sum", found.score_sum, expected.score_sum);
    expect_number("self_score", found.self_score, expected.self_score);
    expect_number("special_share", found.special_share, expected.special_share);
    expect_number("entropy", found.entropy, expected.entropy);
    expect_number("effective_tokens", found.effective_tokens, expected.effective_tokens);
    expect_number("gini", found.gini, expected.gini);
    expect_number("top10_share", found.top10_share, expected.top10_share);
    expect_number("locality", found.locality, expected.locality);
}

static void expect_maps(const uvk_layout *at, int target, const float *row)
{
    static const uvk_own_token rules[] = {UVK_OWN_MAX, UVK_OWN_KEEP, UVK_OWN_ZERO};
    for (int i = 0; i < 3; i++)
        expect_map(at, target, row, rules[i]);
}

static void test_map_numbers(void **state)
{
    (void)state;
    /* 11, 31 and 101 tokens: 10, 30 and 100 sources, whose tenth is a whole number that 0.1 * count is not. */
    const uvk_layout layouts[] = {grid(10, 1, 3, false), grid(11, 1, 5, false), grid(31, 1, 6, false), grid(32, 1, 6, false), grid(101, 1, 10, false),
                                  grid(38, 5, 11, false), grid(26, 0, 5, false), grid(21, 1, 5, true), grid(3, 1, 2, false)};
    fixture_random random = {7};
    for (size_t l = 0; l < sizeof layouts / sizeof *layouts; l++)
        for (int target = 0; target < layouts[l].tokens; target++) {
            float row[128];
            for (int j = 0; j < layouts[l].tokens; j++) /* about a third are zero, as relu leaves them, and none lies ahead of a causal target */
                row[j] = (float)(j == target) + (float)fmax(0, fixture_normal(&random) + 0.5) * (!layouts[l].causal || j <= target);
            expect_maps(&layouts[l], target, row);
        }
}

static void test_map_of_zeros_is_undefined(void **state)
{
    (void)state;
    const uvk_layout at = grid(10, 1, 3, false);
    for (int target = 0; target < at.tokens; target++) {
        float row[10] = {0};
        row[target] = 1;
        expect_maps(&at, target, row);
        uvk_map_stats s;
        map_of(&at, target, row, UVK_OWN_MAX, NULL, &s);
        assert_true(isnan(s.entropy) && isnan(s.effective_tokens) && isnan(s.gini) && isnan(s.top10_share) && isnan(s.locality) &&
                    isnan(s.special_share));
        assert_true(s.self_score == 1 && s.score_sum == 0);
    }
}

static void test_map_of_constants_is_flat(void **state)
{
    (void)state;
    const uvk_layout at = grid(26, 1, 5, false);
    float row[26];
    for (int j = 0; j < at.tokens; j++)
        row[j] = 0.25f;
    for (int target = 0; target < at.tokens; target++) {
        expect_maps(&at, target, row);
        const int count = target ? 24 : 25;
        uvk_map_stats s;
        map_of(&at, target, row, UVK_OWN_MAX, NULL, &s);
        expect_number("entropy", s.entropy, 1);
        expect_number("effective_tokens", s.effective_tokens, count);
        expect_number("gini", s.gini, 0);
        expect_number("top10_share", s.top10_share, 3.0 / count);
        expect_number("locality", s.locality, target ? 1 : NAN);
    }
}

static void test_map_of_one_patch(void **state)
{
    (void)state;
    const uvk_layout at = grid(2, 1, 1, false);
    static const float rows[][2] = {{1, 0.5f}, {0.5f, 1}, {1, 0}, {0, 1}};
    for (int i = 0; i < 4; i++)
        for (int target = 0; target < 2; target++)
            expect_maps(&at, target, rows[i]);
    uvk_map_stats s;
    map_of(&at, 0, rows[0], UVK_OWN_MAX, NULL, &s);
    assert_true(s.entropy == 0 && s.effective_tokens == 1 && s.gini == 0 && s.top10_share == 1 && isnan(s.locality));
    map_of(&at, 1, rows[1], UVK_OWN_MAX, NULL, &s);
    assert_true(isnan(s.entropy) && s.special_share == 1 && s.self_score == 1);
}

static void test_map_outputs_are_optional(void **state)
{
    (void)state;
    const uvk_layout at = grid(5, 1, 2, false);
    const float row[] = {0.1f, 1, 0.2f, 0, 0.4f}, expected[] = {0, 0.4f, 0.2f, 0, 0.4f};
    float scores[5];
    map_of(&at, 1, row, UVK_OWN_MAX, NULL, NULL);
    map_of(&at, 1, row, UVK_OWN_MAX, scores, NULL);
    assert_memory_equal(scores, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_odd_shapes),
        cmocka_unit_test(test_rows_of_texts),
        cmocka_unit_test(test_wrong_rows_are_rejected),
        cmocka_unit_test(test_same_bytes_for_every_chunk),
        cmocka_unit_test(test_same_bytes_on_a_second_run),
        cmocka_unit_test(test_same_bytes_for_any_targets),
        cmocka_unit_test(test_too_small_a_budget_is_refused),
        cmocka_unit_test(test_parameters_out_of_range_are_refused),
        cmocka_unit_test(test_map_numbers),
        cmocka_unit_test(test_map_of_zeros_is_undefined),
        cmocka_unit_test(test_map_of_constants_is_flat),
        cmocka_unit_test(test_map_of_one_patch),
        cmocka_unit_test(test_map_outputs_are_optional),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
