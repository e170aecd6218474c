/* Weights that do not fit the memory budget come to the device block by block: the rows are the same bytes as those of a run that holds
 * all of them, and what is planned is what is taken. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory_counter.h"
#include "reinitialize.h"
#include "rig.h"
#include "session.h"

enum { MODELS = 5, BUDGET_STEP = 4096, LARGE = 1 << 26, NEW = 5 };

/* Weights that outweigh what a pass leaves: a vision model, matrices that lie transposed in the file, gated MLPs, norms of heads, a
 * norm behind each branch. Of an odd and of an even number of blocks. */
static fixture_spec model_spec(int model)
{
    static const char *const families[MODELS] = {NULL, "gpt2", "llama", "qwen3", "bert"};
    if (model == 0)
        return fixture_shape(5, 64, 4, 160, 4, 16);
    fixture_spec s = fixture_text(families[model], model == 2 ? 5 : 4, 60, 4, model == 1 || model == 4 ? 4 : 2, model == 2 || model == 3 ? 16 : 0, 100, 13);
    s.context = 24;
    s.window = model == 3 ? 5 : 0;
    s.window_from = 1;
    s.dtype = model == 2 ? FIXTURE_BF16 : FIXTURE_F32;
    return s;
}

/* Both orders, parts of the product, and a scalar that needs the head beside the blocks. */
static uvk_explain_params job_of(int model, const int32_t *targets, int n)
{
    return (uvk_explain_params){.layer = model == 1 ? 4 : 0, .first_block = model == 1 ? 2 : 0, .order = model == 3 ? UVK_FORMULA : UVK_ROLLOUT,
                                .scalar = model == 2 ? UVK_LOGPROB : UVK_SUM, .targets = targets, .n_targets = n};
}

typedef struct bench {
    rig rig;
    int n;
    int32_t targets[32];
    uvk_explain_params job;
    float *rows; /* of a run that holds all weights */
} bench;

static float *new_rows(const bench *b)
{
    float *const rows = malloc((size_t)b->n * (size_t)b->n * sizeof *rows);
    assert_non_null(rows);
    return rows;
}

/* The model on a device of its own that counts. */
static void open_bench(bench *b, int model)
{
    const fixture_spec spec = model_spec(model);
    const uvk_context_params params = {.memory = 1 << 20}; /* and the staging buffer small */
    uvk_error err;
    rig_open(&b->rig, &spec);
    b->n = fixture_tokens(&spec);
    for (int i = 0; i < b->n; i++)
        b->targets[i] = i * 5 % b->n; /* no order that a chunk could know */
    b->job = job_of(model, b->targets, b->n);
    b->rows = new_rows(b);
    rig_expect(uvk_explain(b->rig.session, &b->job, b->rows, NULL, &err), &err);
    uvk_session_free(b->rig.session);
    b->rig.session = NULL;
    rig_expect(uvk_context_create(&params, &b->rig.context, &err), &err);
    memory_counter_start(b->rig.context);
}

static void close_bench(bench *b)
{
    free(b->rows);
    rig_close(&b->rig);
}

static uvk_status open_session(bench *b, uint64_t memory, uvk_plan *plan, uvk_error *err)
{
    uvk_session_free(b->rig.session);
    b->rig.session = NULL;
    memory_set_budget(b->rig.context, memory);
    uvk_status status = uvk_session_create(b->rig.context, b->rig.model, &b->rig.session, err);
    if (status == UVK_OK && b->job.scalar == UVK_LOGPROB)
        status = uvk_session_use_logits(b->rig.session, err);
    return status ? status : uvk_explain_plan(b->rig.session, b->n, &b->job, plan, err);
}

/* The smallest budget, to a step, in which the job goes well; resident: with all weights on the device. */
static uint64_t smallest_budget(bench *b, bool resident)
{
    uint64_t low = 0, high = LARGE;
    while (high - low > BUDGET_STEP) {
        const uint64_t middle = low + (high - low) / 2;
        uvk_plan plan;
        uvk_error err;
        const uvk_status status = open_session(b, middle, &plan, &err);
        assert_true(status == UVK_OK || status == UVK_FAILED);
        *(status == UVK_OK && !(resident && plan.streamed) ? &high : &low) = middle;
    }
    return high;
}

static void expect_budget_refused(uint64_t memory, uvk_status status, const uvk_error *err)
{
    char budget[32];
    snprintf(budget, sizeof budget, "%" PRIu64, memory);
    assert_int_equal(status, UVK_FAILED);
    assert_non_null(strstr(err->message, budget));
    assert_null(strchr(err->message, '\n'));
}

static void run(bench *b, uint64_t memory, uvk_plan *plan)
{
    uvk_error err;
    uvk_cost cost;
    float *const rows = new_rows(b);
    uvk_session_free(b->rig.session);
    b->rig.session = NULL;
    memory_counter_forget_peak();
    rig_expect(open_session(b, memory, plan, &err), &err);
    rig_expect(uvk_forward(b->rig.session, b->rig.input, &err), &err);
    rig_expect(uvk_explain(b->rig.session, &b->job, rows, &cost, &err), &err);
    assert_int_equal(cost.chunk, plan->chunk);
    assert_memory_equal(rows, b->rows, (size_t)b->n * (size_t)b->n * sizeof *rows);
    assert_true(memory_counter_peak() <= plan->total && plan->total <= memory);
    print_message("%s, budget %" PRIu64 ": planned %" PRIu64 ", true peak %" PRIu64 ", %d targets at a time, %" PRIu64 " bytes streamed for each\n",
                  b->rig.fixture->spec.family ? b->rig.fixture->spec.family : "vit", memory, plan->total, memory_counter_peak(), plan->chunk, plan->streamed);
    free(rows);
}

static void expect_the_same_rows(int model)
{
    bench b = {0};
    uvk_plan plan, all;
    uvk_error err;
    open_bench(&b, model);
    const uint64_t resident = smallest_budget(&b, true), smallest = smallest_budget(&b, false), weights = b.rig.session->residence.bytes[UVK_RESIDENT];
    const uint64_t one = b.rig.session->residence.bytes[UVK_ONE_BUFFER];
    assert_true(smallest + weights / 4 < resident); /* or this tests nothing */
    run(&b, LARGE, &all);
    assert_true(all.streamed == 0 && (all.chunk == b.n || getenv("ULTRAVK_LIMITS")) && b.rig.session->residence.now == UVK_RESIDENT);
    run(&b, resident, &plan);
    assert_true(plan.streamed == 0);
    run(&b, resident - BUDGET_STEP, &plan);
    const int blocks = (b.job.layer ? b.job.layer : b.rig.fixture->spec.layers + 1) - (b.job.first_block ? b.job.first_block : 1);
    assert_int_equal(plan.streamed, (uint64_t)blocks * one);
    run(&b, smallest, &plan);
    assert_true(plan.streamed > 0 && plan.chunk == 1 && b.rig.session->residence.now == UVK_ONE_BUFFER);
    const uint64_t middle = (smallest + resident) / 2;
    run(&b, middle, &plan);
    assert_true(plan.streamed > 0);
    const uvk_status status = open_session(&b, smallest - BUDGET_STEP, &plan, &err);
    expect_budget_refused(smallest - BUDGET_STEP, status, &err);
    close_bench(&b);
}

static void test_rows_are_the_same_bytes(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++)
        expect_the_same_rows(model);
}

/* With a little more than the least there are two buffers, which take turns. */
static void test_two_buffers(void **state)
{
    (void)state;
    bench b = {0};
    uvk_plan plan;
    open_bench(&b, 0);
    uint64_t memory = smallest_budget(&b, false);
    do {
        run(&b, memory, &plan);
        assert_true(plan.streamed > 0);
        memory += 8 * BUDGET_STEP;
    } while (b.rig.session->residence.now != UVK_TWO_BUFFERS);
    close_bench(&b);
}

/* What else goes through the blocks. */
static void test_other_passes(void **state)
{
    (void)state;
    bench b = {0};
    uvk_plan plan;
    uvk_error err;
    int32_t expected[NEW], found[NEW];
    int n_expected, n_found;
    open_bench(&b, 2);
    b.job.scalar = UVK_SUM;
    const uint64_t smallest = smallest_budget(&b, false), memory = smallest + smallest / 4;
    float *const rollout[2] = {new_rows(&b), new_rows(&b)}, *const products[2] = {new_rows(&b), new_rows(&b)};
    for (int i = 0; i < 2; i++) {
        rig_expect(open_session(&b, i == 0 ? LARGE : memory, &plan, &err), &err);
        assert_int_equal(plan.streamed > 0, i);
        rig_expect(uvk_forward(b.rig.session, b.rig.input, &err), &err);
        rig_expect(uvk_raw_rollout(b.rig.session, 0, b.targets, b.n, rollout[i], &err), &err);
        rig_expect(uvk_gradient_x_input(b.rig.session, &b.job, products[i], &err), &err);
        rig_expect(uvk_generate(b.rig.session, b.rig.input, NEW, NULL, NULL, i == 0 ? expected : found, i == 0 ? &n_expected : &n_found, &err), &err);
    }
    assert_memory_equal(rollout[0], rollout[1], (size_t)b.n * (size_t)b.n * sizeof **rollout);
    assert_memory_equal(products[0], products[1], (size_t)b.n * (size_t)b.n * sizeof **products);
    assert_true(n_expected == n_found && memcmp(expected, found, (size_t)n_found * sizeof *found) == 0);
    for (int i = 0; i < 2; i++) {
        free(rollout[i]);
        free(products[i]);
    }
    close_bench(&b);
}

/* Weights that are drawn anew cannot come from the file, and stay. */
static void test_changed_weights_are_not_streamed(void **state)
{
    (void)state;
    bench b = {0};
    uvk_plan plan;
    uvk_error err;
    open_bench(&b, 0);
    const uint64_t resident = smallest_budget(&b, true);
    rig_expect(open_session(&b, resident - BUDGET_STEP, &plan, &err), &err);
    rig_expect(uvk_forward(b.rig.session, b.rig.input, &err), &err);
    float *const rows = new_rows(&b);
    rig_expect(uvk_explain(b.rig.session, &b.job, rows, NULL, &err), &err);
    expect_budget_refused(resident - BUDGET_STEP, uvk_reinitialize_block(b.rig.session, 1, 7, &err), &err);
    rig_expect(open_session(&b, resident, &plan, &err), &err);
    rig_expect(uvk_reinitialize_block(b.rig.session, 1, 7, &err), &err);
    memory_set_budget(b.rig.context, resident - BUDGET_STEP);
    expect_budget_refused(resident - BUDGET_STEP, uvk_explain_plan(b.rig.session, b.n, &b.job, &plan, &err), &err);
    rig_expect(uvk_restore_weights(b.rig.session, &err), &err);
    rig_expect(uvk_explain_plan(b.rig.session, b.n, &b.job, &plan, &err), &err);
    assert_true(plan.streamed > 0);
    free(rows);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_the_same_bytes),
        cmocka_unit_test(test_two_buffers),
        cmocka_unit_test(test_other_passes),
        cmocka_unit_test(test_changed_weights_are_not_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
