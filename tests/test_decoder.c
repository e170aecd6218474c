/* Language models: logits, generation, token by token or all at once, one session for many texts, and what all of it takes of a
 * device. Gradients and rows: test_gradients, test_rows. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "head.h"
#include "memory_counter.h"
#include "reference.h"
#include "rig.h"

/* ---- Models ----------------------------------------------------------------------------------------------------------------- */

enum { MODELS = 5, PROMPT = 9, NEW = 12, VOCABULARY = 61 };

/* One of each family, with room to go on after the prompt. */
static fixture_spec model_spec(int model)
{
    static const char *const families[MODELS] = {"gpt2", "llama", "mistral", "qwen2", "qwen3"};
    static const int heads[MODELS][3] = {{3, 3, 8}, {4, 2, 16}, {4, 1, 6}, {3, 3, 8}, {6, 2, 10}};
    fixture_spec s = fixture_text(families[model], 3, model == 0 ? 24 : 20 + model, heads[model][0], heads[model][1], heads[model][2], 37 + model, PROMPT);
    s.context = 40;
    s.vocabulary = VOCABULARY;
    s.untied = model % 2;
    s.recent = model == 4;
    s.rope = model == 1 ? "llama3" : NULL;
    s.theta = model == 1 ? 5e5 : 10000;
    s.window = model == 2 ? 4 : model == 3 ? 6 : 0;
    s.window_from = 1;
    s.dtype = model == 3 ? FIXTURE_BF16 : FIXTURE_F32;
    s.shard = model == 3 ? 9000 : 0;
    return s;
}

static float *allocate(size_t count)
{
    float *const p = malloc(count * sizeof *p);
    assert_non_null(p);
    return p;
}

/* Logits of every position of the last forward. */
static float *logits_of(const rig *r, int n)
{
    float *const logits = allocate((size_t)n * VOCABULARY);
    uvk_error err;
    rig_expect(uvk_logits(r->session, 0, n, logits, &err), &err);
    return logits;
}

static void forward(const rig *r, const int32_t *ids, int n)
{
    uvk_input *const input = rig_text(r, ids, n);
    uvk_error err;
    rig_expect(uvk_forward(r->session, input, &err), &err);
    uvk_input_free(input);
}

/* ---- Logits ----------------------------------------------------------------------------------------------------------------- */

/* Within 1e-4, and log p as well, of whatever token. */
static double expect_logits(const rig *r, const reference *ref, int position, const float *found)
{
    double expected[VOCABULARY], off = 0;
    reference_logits(ref, position, expected);
    for (int v = 0; v < VOCABULARY; v++)
        off = fmax(off, fabs(found[v] - expected[v]));
    reference_log_softmax(expected, VOCABULARY);
    for (int32_t v = 0; v < VOCABULARY; v += 7) {
        double p;
        uvk_error err;
        rig_expect(uvk_log_probabilities(r->session, &(int32_t){position}, &v, 1, &p, &err), &err);
        off = fmax(off, fabs(p - expected[v]));
    }
    if (!(off <= 1e-4))
        fail_msg("%s, position %d: logits or log p are off by %g", r->fixture->spec.family, position, off);
    return off;
}

static void test_logits(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++) {
        const fixture_spec spec = model_spec(model);
        rig r;
        rig_open(&r, &spec);
        reference *const ref = reference_create(r.fixture);
        assert_non_null(ref);
        float *const logits = logits_of(&r, PROMPT);
        double off = 0;
        for (int i = 0; i < PROMPT; i++)
            off = fmax(off, expect_logits(&r, ref, i, logits + i * VOCABULARY));
        print_message("%s: logits off by at most %.1e\n", spec.family, off);
        free(logits);
        reference_free(ref);
        rig_close(&r);
    }
}

/* ---- Generation --------------------------------------------------------------------------------------------------------------- */

static int generate(const rig *r, int32_t ids[NEW])
{
    int count = -1;
    uvk_error err;
    rig_expect(uvk_generate(r->session, r->input, NEW, NULL, NULL, ids, &count, &err), &err);
    return count;
}

/* Each token is the likeliest of a whole forward pass in double over all before it. */
static void expect_likeliest(const rig *r, const int32_t *text, int n)
{
    for (int end = PROMPT; end < n; end++) {
        reference *const ref = reference_create_text(r->fixture, text, end);
        double logits[VOCABULARY];
        assert_non_null(ref);
        reference_logits(ref, end - 1, logits);
        const int best = reference_argmax(logits, VOCABULARY);
        if (text[end] != best && logits[best] - logits[text[end]] > 1e-4)
            fail_msg("%s: token %d is %d, the likeliest is %d", r->fixture->spec.family, end, (int)text[end], best);
        reference_free(ref);
    }
}

static void test_generation_takes_the_likeliest(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++) {
        const fixture_spec spec = model_spec(model);
        int32_t text[PROMPT + NEW];
        rig r;
        rig_open(&r, &spec);
        memcpy(text, r.fixture->ids, PROMPT * sizeof *text);
        assert_int_equal(generate(&r, text + PROMPT), NEW);
        expect_likeliest(&r, text, PROMPT + NEW);
        forward(&r, text, PROMPT + NEW);
        float *const logits = logits_of(&r, PROMPT + NEW);
        for (int i = PROMPT; i < PROMPT + NEW; i++)
            assert_int_equal(uvk_argmax(logits + (i - 1) * VOCABULARY, VOCABULARY), text[i]);
        free(logits);
        rig_close(&r);
    }
}

/* The forward pass as generation runs it: a part, then one token after the other. */
static void forward_by_rows(const rig *r, const int32_t *text, int part, int n)
{
    uvk_error err;
    rig_expect(uvk_session_reserve(r->session, (uint32_t)n, &err), &err);
    forward(r, text, part);
    for (int i = part; i < n; i++) {
        const uvk_range row = {(uint32_t)i, 1};
        rig_expect(uvk_embed_ids(r->session, &text[i], row, &err), &err);
        rig_expect(uvk_forward_rows(r->session, row, &err), &err);
    }
    r->session->tokens = (uint32_t)n;
}

static void expect_same_latents(const rig *r, const float *expected, int n)
{
    const size_t count = (size_t)n * (size_t)r->fixture->spec.width;
    float *const z = allocate(count);
    for (int layer = 1; layer <= r->fixture->spec.layers + 1; layer++) {
        uvk_error err;
        rig_expect(uvk_hidden(r->session, layer, z, &err), &err);
        assert_memory_equal(z, expected + (size_t)(layer - 1) * count, count * sizeof *z);
    }
    free(z);
}

/* Bit for bit, whatever part of the text came at once. */
static void test_token_by_token_is_all_at_once(void **state)
{
    (void)state;
    enum { N = 21 };
    for (int model = 0; model < MODELS; model++) {
        const fixture_spec spec = model_spec(model);
        const size_t count = (size_t)N * (size_t)spec.width;
        int32_t text[N];
        rig r;
        rig_open(&r, &spec);
        for (int i = 0; i < N; i++)
            text[i] = (i * i + 5) % VOCABULARY;
        forward(&r, text, N);
        float *const logits = logits_of(&r, N), *const z = allocate((size_t)(spec.layers + 1) * count);
        for (int layer = 1; layer <= spec.layers + 1; layer++) {
            uvk_error err;
            rig_expect(uvk_hidden(r.session, layer, z + (size_t)(layer - 1) * count, &err), &err);
        }
        for (int part = 1; part < N; part += 7) {
            forward_by_rows(&r, text, part, N);
            expect_same_latents(&r, z, N);
            float *const again = logits_of(&r, N);
            assert_memory_equal(again, logits, N * VOCABULARY * sizeof *logits);
            free(again);
        }
        free(z);
        free(logits);
        rig_close(&r);
    }
}

static void expect_refusal(uvk_status found, uvk_status expected, const uvk_error *err, const char *says)
{
    assert_int_equal(found, expected);
    if (!strstr(err->message, says) || strchr(err->message, '\n'))
        fail_msg("\"%s\" does not say \"%s\" in one line", err->message, says);
}

static void test_generation_is_refused(void **state)
{
    (void)state;
    const fixture_spec text = model_spec(1), image = fixture_default();
    int32_t ids[64];
    int count;
    uvk_error err;
    rig r;
    rig_open(&r, &text);
    expect_refusal(uvk_generate(r.session, r.input, 0, NULL, NULL, ids, &count, &err), UVK_USAGE, &err, "0 new tokens");
    expect_refusal(uvk_generate(r.session, r.input, 32, NULL, NULL, ids, &count, &err), UVK_BAD_INPUT, &err, "9 tokens and 32 new ones");
    assert_non_null(strstr(err.message, "40"));
    rig_expect(uvk_generate(r.session, r.input, 31, NULL, NULL, ids, &count, &err), &err);
    assert_int_equal(count, 31);
    float row[64];
    const uvk_explain_params params = {.targets = &(int32_t){2}, .n_targets = 1};
    expect_refusal(uvk_explain(r.session, &params, row, NULL, &err), UVK_USAGE, &err, "no forward pass");
    rig_close(&r);
    rig_open(&r, &image);
    expect_refusal(uvk_generate(r.session, r.input, 3, NULL, NULL, ids, &count, &err), UVK_USAGE, &err, "does not generate");
    rig_close(&r);
}

/* ---- What is refused --------------------------------------------------------------------------------------------------------- */

static void test_log_probabilities_stand_at_the_end_of_a_language_model(void **state)
{
    (void)state;
    const fixture_spec text = model_spec(4), image = fixture_default();
    uvk_explain_params params = {.layer = text.layers, .scalar = UVK_LOGPROB, .targets = &(int32_t){2}, .n_targets = 1};
    float row[64];
    double p;
    uvk_error err;
    rig r;
    rig_open(&r, &text);
    expect_refusal(uvk_explain(r.session, &params, row, NULL, &err), UVK_USAGE, &err, "last layer");
    expect_refusal(uvk_log_probabilities(r.session, &(int32_t){PROMPT}, &(int32_t){0}, 1, &p, &err), UVK_USAGE, &err, "position 9");
    expect_refusal(uvk_log_probabilities(r.session, &(int32_t){0}, &(int32_t){VOCABULARY}, 1, &p, &err), UVK_USAGE, &err, "id 61");
    expect_refusal(uvk_logits(r.session, PROMPT - 1, 2, row, &err), UVK_USAGE, &err, "9 tokens");
    params.layer = text.layers + 1;
    rig_expect(uvk_explain(r.session, &params, row, NULL, &err), &err);
    rig_close(&r);
    rig_open(&r, &image);
    params.layer = 0;
    expect_refusal(uvk_explain(r.session, &params, row, NULL, &err), UVK_USAGE, &err, "language model");
    expect_refusal(uvk_logits(r.session, 0, 1, row, &err), UVK_USAGE, &err, "no logits");
    rig_close(&r);
}

static void test_a_model_without_a_head_explains(void **state)
{
    (void)state;
    fixture_spec spec = model_spec(1);
    spec.headless = true;
    uvk_explain_params params = {.targets = &(int32_t){4}, .n_targets = 1};
    float row[64];
    int32_t ids[NEW];
    int count;
    uvk_error err;
    rig r;
    rig_open(&r, &spec);
    rig_expect(uvk_explain(r.session, &params, row, NULL, &err), &err);
    expect_refusal(uvk_logits(r.session, 0, 1, row, &err), UVK_BAD_INPUT, &err, "lm_head.weight");
    expect_refusal(uvk_session_use_logits(r.session, &err), UVK_BAD_INPUT, &err, "lm_head.weight");
    expect_refusal(uvk_generate(r.session, r.input, NEW, NULL, NULL, ids, &count, &err), UVK_BAD_INPUT, &err, "lm_head.weight");
    params.scalar = UVK_LOGPROB;
    expect_refusal(uvk_explain(r.session, &params, row, NULL, &err), UVK_BAD_INPUT, &err, "lm_head.weight");
    rig_close(&r);
}

/* An input knows the model it was loaded for only by what it holds. */
static void test_the_head_comes_and_goes(void **state)
{
    (void)state;
    const fixture_spec spec = model_spec(1);
    uvk_error err;
    float before[128], after[128];
    rig r;
    assert_true((size_t)spec.vocabulary <= sizeof before / sizeof *before);
    rig_open(&r, &spec);
    rig_expect(uvk_logits(r.session, 0, 1, before, &err), &err);
    const uint64_t with = uvk_context_used(r.context);
    uvk_session_drop_logits(r.session);
    assert_true(uvk_context_used(r.context) < with);
    uvk_session_drop_logits(r.session);
    rig_expect(uvk_session_use_logits(r.session, &err), &err);
    assert_int_equal(uvk_context_used(r.context), with);
    rig_expect(uvk_logits(r.session, 0, 1, after, &err), &err);
    assert_memory_equal(before, after, (size_t)spec.vocabulary * sizeof *before);
    rig_close(&r);
}

static void test_inputs_of_other_models_are_refused(void **state)
{
    (void)state;
    fixture_spec small = model_spec(1), large = small;
    const fixture_spec image = fixture_default();
    small.vocabulary = 17;
    small.context = 11;
    rig a, b, c;
    uvk_error err;
    rig_open(&a, &small);
    rig_open(&b, &large);
    rig_open(&c, &image);
    const int32_t beyond[] = {3, 16, 17, 4}, many[12] = {0};
    uvk_input *const ids = rig_text(&b, beyond, 4), *const tokens = rig_text(&b, many, 12);
    expect_refusal(uvk_forward(a.session, ids, &err), UVK_USAGE, &err, "id 17");
    expect_refusal(uvk_forward(a.session, tokens, &err), UVK_USAGE, &err, "12 tokens");
    expect_refusal(uvk_forward(a.session, c.input, &err), UVK_USAGE, &err, "images");
    expect_refusal(uvk_forward(c.session, ids, &err), UVK_USAGE, &err, "text");
    uvk_input_free(ids);
    uvk_input_free(tokens);
    rig_close(&c);
    rig_close(&b);
    rig_close(&a);
}

/* ---- One session for many texts ----------------------------------------------------------------------------------------------- */

static float *explain_text(const rig *r, const int32_t *text, int n, uvk_order order)
{
    int32_t targets[64];
    for (int i = 0; i < n; i++)
        targets[i] = n - 1 - i;
    const uvk_explain_params params = {.order = order, .targets = targets, .n_targets = n};
    float *const rows = allocate((size_t)n * (size_t)n);
    uvk_error err;
    forward(r, text, n);
    rig_expect(uvk_explain(r->session, &params, rows, NULL, &err), &err);
    return rows;
}

/* A longer text after a shorter one, a shorter one after a longer one, and either after a generation: the bytes of a new session. */
static void test_texts_leave_nothing_behind(void **state)
{
    (void)state;
    static const int lengths[] = {5, 23, 5, 11, 24, 1, 23};
    for (int model = 0; model < MODELS; model++) {
        const fixture_spec spec = model_spec(model);
        const uvk_order order = model % 2 ? UVK_FORMULA : UVK_ROLLOUT;
        int32_t text[24], generated[NEW];
        rig r;
        rig_open(&r, &spec);
        for (int i = 0; i < 24; i++)
            text[i] = (7 * i + 3) % VOCABULARY;
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            rig anew;
            rig_open(&anew, &spec);
            const int n = lengths[k];
            float *const expected = explain_text(&anew, text, n, order), *const rows = explain_text(&r, text, n, order);
            assert_memory_equal(rows, expected, (size_t)n * (size_t)n * sizeof *rows);
            free(rows);
            free(expected);
            rig_close(&anew);
            if (k % 3 == 2)
                generate(&r, generated);
        }
        rig_close(&r);
    }
}

/* ---- Memory --------------------------------------------------------------------------------------------------------------------- */

enum { LONG = 32, BUDGET_STEP = 2048 };

/* A job of every kind: chunks, kept maps, the head. */
static uvk_explain_params memory_job(int model, const int32_t targets[LONG])
{
    return (uvk_explain_params){.order = model == 2 ? UVK_FORMULA : UVK_ROLLOUT, .scalar = model == 4 ? UVK_LOGPROB : UVK_SUM, .targets = targets, .n_targets = LONG};
}

static void leave_shared_device(rig *r)
{
    uvk_session_free(r->session);
    r->session = NULL;
    r->context = NULL;
}

/* A device of its own with the counter on it, or the one that is open with another budget; the head counts where the job needs it. */
static uvk_status open_counted(rig *r, uint64_t memory, const uvk_explain_params *job, uvk_error *err)
{
    const uvk_context_params params = {.memory = memory};
    uvk_status status = r->context ? UVK_OK : uvk_context_create(&params, &r->context, err);
    if (status)
        return status;
    if (uvk_context_peak(r->context) == uvk_context_used(r->context)) /* a new one */
        memory_counter_start(r->context);
    memory_set_budget(r->context, memory);
    status = uvk_session_create(r->context, r->model, &r->session, err);
    return status || job->scalar != UVK_LOGPROB ? status : uvk_session_use_logits(r->session, err);
}

static void close_session(rig *r)
{
    uvk_session_free(r->session);
    r->session = NULL;
    if (r->context)
        assert_int_equal(memory_counter_held(), uvk_context_used(r->context)); /* the staging buffer */
}

static void close_counted(rig *r)
{
    close_session(r);
    uvk_context_free(r->context);
    r->context = NULL;
}

/* A budget that is refused, wherever it is: one line with that budget in it, and a device that goes on. */
static void expect_budget_refused(uint64_t memory, uvk_status status, const uvk_error *err)
{
    char budget[32];
    snprintf(budget, sizeof budget, "%" PRIu64, memory);
    expect_refusal(status, UVK_FAILED, err, budget);
    assert_true(strpbrk(err->message, "0123456789") != NULL && memory_counter_peak() <= memory);
}

typedef struct trial {
    bool fits;
    uvk_plan plan;
    bool rebuilds; /* derivatives of the hidden layers rather than keep them */
    uint64_t peak; /* true */
    float *rows;
} trial;

static trial try_budget(rig *r, uint64_t memory, const uvk_explain_params *job, bool run)
{
    trial t = {0};
    uvk_error err;
    uvk_status status = open_counted(r, memory, job, &err);
    if (status == UVK_OK)
        status = uvk_explain_plan(r->session, LONG, job, &t.plan, &err);
    t.fits = status == UVK_OK;
    if (!t.fits && r->context)
        expect_budget_refused(memory, status, &err);
    if (t.fits && run) {
        int32_t text[LONG];
        uvk_cost cost;
        for (int i = 0; i < LONG; i++)
            text[i] = (11 * i + 2) % VOCABULARY;
        forward(r, text, LONG);
        t.rows = allocate(LONG * LONG);
        rig_expect(uvk_explain(r->session, job, t.rows, &cost, &err), &err);
        assert_int_equal(cost.chunk, t.plan.chunk);
        assert_int_equal(uvk_context_peak(r->context), memory_counter_peak());
        t.rebuilds = uvk_present(&r->session->activations.slope) != NULL;
        t.peak = memory_counter_peak();
    }
    close_session(r);
    return t;
}

/* The smallest budget, to a step, that holds a job. */
static uint64_t smallest_budget(rig *r, const uvk_explain_params *job)
{
    uint64_t low = 0, high = 1 << 24;
    while (high - low > BUDGET_STEP) {
        const uint64_t middle = low + (high - low) / 2;
        *(try_budget(r, middle, job, false).fits ? &high : &low) = middle;
        close_counted(r);
    }
    return high;
}

/* What is planned is what is taken, and the rows are the same bytes, from the smallest budget to one that holds all at once. */
static void expect_plans_kept(int model)
{
    const fixture_spec spec = model_spec(model);
    int32_t targets[LONG];
    for (int i = 0; i < LONG; i++)
        targets[i] = i * 13 % LONG; /* no order that a chunk could know */
    const uvk_explain_params job = memory_job(model, targets);
    rig r;
    rig_open(&r, &spec);
    leave_shared_device(&r);
    const uint64_t smallest = smallest_budget(&r, &job), budgets[] = {smallest, 2 * smallest, 16 * smallest};
    float *rows = NULL;
    for (int i = 0; i < 3; i++) {
        const trial t = try_budget(&r, budgets[i], &job, true);
        assert_true(t.fits);
        print_message("%s, budget %" PRIu64 ": planned %" PRIu64 ", true peak %" PRIu64 ", %d targets at a time, hidden layers %s\n", spec.family, budgets[i], t.plan.total,
                      t.peak, t.plan.chunk, t.rebuilds ? "rebuilt" : "kept");
        assert_true(t.peak <= t.plan.total && t.plan.total <= budgets[i]);
        assert_true(i != 0 || (t.plan.chunk == 1 && t.rebuilds));
        assert_true(i != 2 || ((t.plan.chunk == LONG || getenv("ULTRAVK_LIMITS")) && !t.rebuilds)); /* a small binding holds fewer */
        if (rows)
            assert_memory_equal(t.rows, rows, LONG * LONG * sizeof *rows);
        free(rows);
        rows = t.rows;
    }
    free(rows);
    close_counted(&r);
    rig_close(&r);
}

static void test_plans_are_kept(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model += 2)
        expect_plans_kept(model);
}

/* A budget that holds the model and not the job: refused by the forward pass or by the explanation, and the session stays usable. */
static void test_a_budget_too_small_is_refused_while_running(void **state)
{
    (void)state;
    int32_t targets[LONG];
    for (int i = 0; i < LONG; i++)
        targets[i] = i;
    const fixture_spec spec = model_spec(2);
    const uvk_explain_params job = memory_job(2, targets), one = {.targets = targets, .n_targets = 1};
    float row[LONG] = {7};
    uvk_error err;
    rig r;
    rig_open(&r, &spec);
    leave_shared_device(&r);
    const uint64_t memory = smallest_budget(&r, &job) - BUDGET_STEP;
    rig_expect(open_counted(&r, memory, &job, &err), &err);
    int32_t text[LONG] = {0};
    uvk_input *const input = rig_text(&r, text, LONG);
    uvk_status status = uvk_forward(r.session, input, &err);
    if (status == UVK_OK)
        status = uvk_explain(r.session, &job, row, NULL, &err);
    expect_budget_refused(memory, status, &err);
    assert_true(row[0] == 7);
    forward(&r, text, 4);
    rig_expect(uvk_explain(r.session, &one, row, NULL, &err), &err);
    uvk_input_free(input);
    close_counted(&r);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_generation_takes_the_likeliest),
        cmocka_unit_test(test_token_by_token_is_all_at_once),
        cmocka_unit_test(test_generation_is_refused),
        cmocka_unit_test(test_log_probabilities_stand_at_the_end_of_a_language_model),
        cmocka_unit_test(test_a_model_without_a_head_explains),
        cmocka_unit_test(test_the_head_comes_and_goes),
        cmocka_unit_test(test_inputs_of_other_models_are_refused),
        cmocka_unit_test(test_texts_leave_nothing_behind),
        cmocka_unit_test(test_plans_are_kept),
        cmocka_unit_test(test_a_budget_too_small_is_refused_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
