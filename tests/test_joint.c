/* Encoder-decoders against differences of a forward pass in double: gradients of every attention entry, over the encoder too, and of both
 * sides' inputs; rows by their definition; log p. No derivative is written down here. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "joint_model.h"
#include "memory_counter.h"
#include "rig.h"
#include "scratch.h"

/* f of a decoder token at a layer, 2..L+1. */
typedef struct scalar { uvk_scalar which; int layer, token; } scalar;

enum { LAYERS = 2, ENCODER = 5, DECODER = 4, TOKENS = ENCODER + DECODER, WIDTH = 12, HEADS = 2, BLOCKS = 2 * LAYERS, SCALARS = 9 };
static const scalar scalars[SCALARS] = {
    {UVK_SUM, 2, 6}, {UVK_SUM, 3, 6}, {UVK_SUM, 2, 8}, {UVK_SUM, 3, 8}, {UVK_ENERGY, 2, 6}, {UVK_ENERGY, 3, 6}, {UVK_ENERGY, 2, 8}, {UVK_ENERGY, 3, 8}, {UVK_LOGPROB, 3, 6},
};

typedef struct joint {
    char dir[4096];
    joint_model *truth;
    uvk_model *model;
    uvk_input *input;
    uvk_context *context;
    uvk_session *session;
    double attention[SCALARS][BLOCKS][HEADS][TOKENS][TOKENS]; /* d f / d A by differences; c is in */
    double at_input[SCALARS][TOKENS][WIDTH];
} joint;

/* ---- Differences -------------------------------------------------------------------------------------------------------------------- */

static double length_of(const double *z)
{
    double sum = 0;
    for (int k = 0; k < WIDTH; k++)
        sum += z[k] * z[k];
    return sqrt(sum);
}

static double value_of(joint_model *m, const scalar *f)
{
    const double *const z = joint_z(m, LAYERS + f->layer - 1, f->token);
    double sum = 0;
    for (int k = 0; k < WIDTH; k++)
        sum += z[k];
    return f->which == UVK_SUM ? sum : f->which == UVK_ENERGY ? length_of(z) : joint_log_probability(m, f->token, m->ids[f->token + 1]);
}

/* Four points: the error is of the order step^4. */
static void differences(joint_model *m, joint_move move, const double *c, double *out)
{
    static const struct { double at, weight; } points[] = {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}};
    const double step = 1e-3;
    memset(out, 0, SCALARS * sizeof *out);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        move.delta = points[p].at * step;
        joint_run(m, &move);
        for (int s = 0; s < SCALARS; s++)
            out[s] += points[p].weight / step * value_of(m, &scalars[s]) / c[s];
    }
}

/* Whether an attention of that block has that entry. */
static bool is_entry(int block, int row, int column)
{
    if (block < LAYERS)
        return row < ENCODER && column < ENCODER;
    return row >= ENCODER && column <= row;
}

static void differentiate(joint *j)
{
    double c[SCALARS], found[SCALARS];
    joint_run(j->truth, NULL);
    for (int s = 0; s < SCALARS; s++)
        c[s] = scalars[s].which == UVK_LOGPROB ? 1 : length_of(joint_z(j->truth, LAYERS + scalars[s].layer - 1, scalars[s].token));
    for (int b = 0; b < BLOCKS; b++)
        for (int h = 0; h < HEADS; h++)
            for (int row = 0; row < TOKENS; row++)
                for (int column = 0; column < TOKENS; column++) {
                    if (!is_entry(b, row, column))
                        continue;
                    differences(j->truth, (joint_move){b, h, row, column, 0}, c, found);
                    for (int s = 0; s < SCALARS; s++)
                        j->attention[s][b][h][row][column] = found[s];
                }
    for (int row = 0; row < TOKENS; row++)
        for (int k = 0; k < WIDTH; k++) {
            differences(j->truth, (joint_move){-1, 0, row, k, 0}, c, found);
            for (int s = 0; s < SCALARS; s++)
                j->at_input[s][row][k] = found[s];
        }
    joint_run(j->truth, NULL);
}

/* ---- A model on the device ------------------------------------------------------------------------------------------------------------- */

static joint *open_joint(bool t5)
{
    const joint_spec spec = {.t5 = t5, .layers = LAYERS, .width = WIDTH, .heads = HEADS, .mlp = 20, .vocabulary = 29, .encoder = ENCODER, .decoder = DECODER, .seed = 3};
    uvk_error err;
    joint *const j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->truth = joint_create(&spec);
    scratch_create(j->dir);
    if (!joint_write(j->truth, j->dir))
        fail_msg("%s: %s", j->dir, strerror(errno));
    differentiate(j);
    const uvk_text_params params = {.name = "ids", .context_ids = j->truth->ids, .n_context_ids = ENCODER, .summary_ids = j->truth->ids + ENCODER, .n_summary_ids = DECODER};
    rig_expect(uvk_model_load(j->dir, &j->model, &err), &err);
    rig_expect(uvk_input_create_text(j->model, &params, &j->input, &err), &err);
    rig_expect(uvk_context_create(NULL, &j->context, &err), &err);
    rig_expect(uvk_session_create(j->context, j->model, &j->session, &err), &err);
    rig_expect(uvk_forward(j->session, j->input, &err), &err);
    return j;
}

static void close_joint(joint *j)
{
    uvk_session_free(j->session);
    uvk_context_free(j->context);
    uvk_input_free(j->input);
    uvk_model_free(j->model);
    joint_free(j->truth);
    scratch_remove(j->dir);
    free(j);
}

/* ---- Comparisons ------------------------------------------------------------------------------------------------------------------------ */

static void check_hidden(const joint *j)
{
    float z[DECODER * WIDTH];
    uvk_error err;
    for (int layer = 1; layer <= LAYERS + 1; layer++) {
        rig_expect(uvk_hidden(j->session, layer, z, &err), &err);
        for (int i = 0; i < DECODER * WIDTH; i++) {
            const double expected = joint_z(j->truth, LAYERS + layer - 1, ENCODER + i / WIDTH)[i % WIDTH];
            if (!(fabs(z[i] - expected) <= 1e-5 * length_of(joint_z(j->truth, LAYERS + layer - 1, ENCODER + i / WIDTH))))
                fail_msg("z(%d) of token %d: %g, %g expected", layer, i / WIDTH, (double)z[i], expected);
        }
    }
}

/* As test_gradients: within 1e-3 of itself or, where it is small, of a hundredth of the largest. */
static void check_close(const double *expected, const float *found, int count, double largest, const char *what, int s)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-3 * fmax(fabs(expected[i]), 0.01 * largest)))
            fail_msg("%s %d of scalar %d: %g, %g expected, the largest is %g", what, i, s, (double)found[i], expected[i], largest);
}

static double largest_of(const double *values, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

static uvk_explain_params params_of(const scalar *f, const int32_t *target)
{
    return (uvk_explain_params){.layer = f->layer, .scalar = f->which, .targets = target, .n_targets = 1, .encoder_tokens = ENCODER};
}

static void check_gradients(const joint *j, int s)
{
    static float attention[BLOCKS][HEADS][TOKENS][TOKENS], input[TOKENS][WIDTH];
    const int32_t target = scalars[s].token;
    const uvk_explain_params params = params_of(&scalars[s], &target);
    const int blocks = LAYERS + scalars[s].layer - 1;
    uvk_error err;
    rig_expect(uvk_gradients(j->session, &params, &attention[0][0][0][0], &input[0][0], &err), &err);
    const double largest = largest_of(&j->attention[s][0][0][0][0], (size_t)(BLOCKS * HEADS * TOKENS * TOKENS));
    assert_true(largest > 0);
    for (int b = 0; b < blocks; b++) {
        assert_true(largest_of(&j->attention[s][b][0][0][0], (size_t)(HEADS * TOKENS * TOKENS)) > 1e-4 * largest || scalars[s].which == UVK_SUM); /* something is checked */
        for (int h = 0; h < HEADS; h++)
            for (int row = 0; row < TOKENS; row++)
                for (int column = 0; column < TOKENS; column++)
                    if (is_entry(b, row, column))
                        check_close(&j->attention[s][b][h][row][column], &attention[b][h][row][column], 1, largest, "an attention gradient", s);
    }
    check_close(&j->at_input[s][0][0], &input[0][0], TOKENS * WIDTH, largest_of(&j->at_input[s][0][0], (size_t)(TOKENS * WIDTH)), "the input's gradient", s);
}

/* s <- s + s M, M = mean_h relu(G) A, from the top block down: of a decoder block the entries over both sides at once. */
static void row_by_definition(const joint *j, int s, double *row)
{
    memset(row, 0, TOKENS * sizeof *row);
    row[scalars[s].token] = 1;
    for (int b = LAYERS + scalars[s].layer - 2; b >= 0; b--) {
        double next[TOKENS];
        memcpy(next, row, sizeof next);
        for (int h = 0; h < HEADS; h++)
            for (int r = 0; r < TOKENS; r++)
                for (int c = 0; c < TOKENS; c++)
                    next[c] += row[r] * fmax(j->attention[s][b][h][r][c], 0) * joint_attention(j->truth, b, h, r)[c] / HEADS;
        memcpy(row, next, sizeof next);
    }
}

static void check_row(const joint *j, int s)
{
    double expected[TOKENS], largest = 0;
    float found[TOKENS];
    const int32_t target = scalars[s].token;
    const uvk_explain_params params = params_of(&scalars[s], &target);
    uvk_error err;
    rig_expect(uvk_explain(j->session, &params, found, NULL, &err), &err);
    row_by_definition(j, s, expected);
    for (int i = 0; i < TOKENS; i++)
        largest = i == target ? largest : fmax(largest, expected[i]);
    for (int i = 0; i < TOKENS; i++)
        if (!(fabs(found[i] - expected[i]) <= 2e-5 * largest + 1e-6 * (i == target)))
            fail_msg("entry %d of the row of scalar %d: %g, %g expected, the largest is %g", i, s, (double)found[i], expected[i], largest);
}

/* All weights or none: what an encoder and a decoder have is not streamed. */
static void check_budget(joint *j)
{
    uvk_error err;
    uvk_session_free(j->session);
    j->session = NULL;
    const uint64_t before = uvk_context_used(j->context);
    rig_expect(uvk_session_create(j->context, j->model, &j->session, &err), &err);
    const uint64_t all = uvk_context_used(j->context);
    uvk_session_free(j->session);
    j->session = NULL;
    assert_true(uvk_context_used(j->context) == before);
    memory_set_budget(j->context, all - 1);
    assert_int_equal(uvk_session_create(j->context, j->model, &j->session, &err), UVK_FAILED);
    assert_non_null(strstr(err.message, "the model's weights"));
    assert_true(uvk_context_used(j->context) == before);
}

static void check(bool t5)
{
    joint *const j = open_joint(t5);
    check_hidden(j);
    for (int s = 0; s < SCALARS; s++) {
        check_gradients(j, s);
        check_row(j, s);
    }
    check_budget(j);
    close_joint(j);
}

static void test_relative_positions_and_cross_attention(void **state)
{
    (void)state;
    check(true);
}

static void test_post_norm_and_cross_attention(void **state)
{
    (void)state;
    check(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_relative_positions_and_cross_attention), cmocka_unit_test(test_post_norm_and_cross_attention)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
