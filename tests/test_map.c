/* The numbers of a map and the scores of a summary, against their definitions on random rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ultravk.h"

enum { MOST = 40 };

static uint32_t seed;

static double uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) / 16777216.0;
}

typedef struct example {
    uvk_token tokens[MOST];
    uvk_layout layout;
    float row[MOST];
    int target;
} example;

/* Special tokens anywhere; of a causal text the entries after the target are zero. */
static void make_example(example *e, uint32_t number)
{
    seed = number * 2654435761u + 1;
    int n = 2 + (int)(uniform() * (MOST - 2));
    *e = (example){.target = (int)(uniform() * n)};
    for (int j = 0; j < n; j++)
        e->tokens[j].special = uniform() < 0.2;
    bool grid = number % 2 == 0;
    e->layout = (uvk_layout){.tokens = n, .list = e->tokens, .grid_cols = grid ? 1 + (int)(uniform() * 6) : 0, .causal = !grid && number % 3 != 0};
    for (int j = 0; j < n; j++)
        e->row[j] = e->layout.causal && j > e->target ? 0 : uniform() < 0.2 ? 0 : (float)(uniform() * uniform());
    e->row[e->target] += 1;
}

static bool visible(const example *e, int j)
{
    return !e->tokens[j].special && (!e->layout.causal || j <= e->target);
}

static int place(const example *e, int token)
{
    int n = 0;
    for (int j = 0; j < token; j++)
        n += !e->tokens[j].special;
    return n;
}

static double distance(const example *e, int a, int b)
{
    int cols = e->layout.grid_cols;
    if (cols == 0)
        return fabs((double)a - b);
    return hypot(place(e, a) / cols - place(e, b) / cols, place(e, a) % cols - place(e, b) % cols);
}

static void near(double found, double expected)
{
    if (isnan(expected) ? !isnan(found) : !(fabs(found - expected) <= 1e-5 * (1 + fabs(expected))))
        fail_msg("found %.9g, expected %.9g", found, expected);
}

/* S without the own token, over what is visible. */
static int take_others(const example *e, double *v)
{
    int count = 0;
    for (int j = 0; j < e->layout.tokens; j++)
        if (j != e->target && visible(e, j))
            v[count++] = (double)e->row[j];
    return count;
}

static double gini(const double *v, int n)
{
    double differences = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        sum += v[i];
        for (int j = 0; j < n; j++)
            differences += fabs(v[i] - v[j]);
    }
    return differences / (2 * n * sum);
}

static double top_share(const double *v, int n)
{
    double sum = 0, top = 0;
    for (int i = 0; i < n; i++) {
        int above = 0;
        for (int j = 0; j < n; j++)
            above += v[j] > v[i] || (v[j] == v[i] && j < i);
        sum += v[i];
        top += above < ceil(0.1 * n) ? v[i] : 0;
    }
    return top / sum;
}

static double locality(const example *e, double sum)
{
    double weighted = 0, plain = 0;
    int count = 0;
    for (int j = 0; j < e->layout.tokens; j++)
        if (j != e->target && visible(e, j)) {
            weighted += (double)e->row[j] / sum * distance(e, e->target, j);
            plain += distance(e, e->target, j);
            count++;
        }
    return e->tokens[e->target].special || plain == 0 ? (double)NAN : weighted / (plain / count);
}

static void numbers_are_their_definitions(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 400; number++) {
        example e;
        uvk_map_stats s;
        double v[MOST], sum = 0, entropy = 0, special = 0, all = 0;
        make_example(&e, number);
        assert_int_equal(uvk_map(&e.layout, e.target, e.row, UVK_OWN_KEEP, NULL, &s, NULL), UVK_OK);
        int n = take_others(&e, v), sources = 0, seen = 0;
        for (int i = 0; i < n; i++)
            sum += v[i];
        for (int i = 0; i < n; i++)
            entropy -= v[i] > 0 ? v[i] / sum * log(v[i] / sum) : 0;
        for (int j = 0; j < e.layout.tokens; j++) {
            sources += !e.tokens[j].special;
            seen += visible(&e, j);
            all += j == e.target ? 0 : (double)e.row[j];
            special += j == e.target || !e.tokens[j].special ? 0 : (double)e.row[j];
        }
        assert_int_equal(s.n_sources, sources);
        assert_int_equal(s.n_visible, seen);
        near(s.self_score, (double)e.row[e.target]);
        near(s.special_share, all > 0 ? special / all : (double)NAN);
        bool defined = sum > 0;
        near(s.entropy, !defined ? (double)NAN : n > 1 ? entropy / log(n) : 0);
        near(s.effective_tokens, defined ? exp(entropy) : (double)NAN);
        near(s.gini, defined ? gini(v, n) : (double)NAN);
        near(s.top10_share, defined ? top_share(v, n) : (double)NAN);
        near(s.locality, defined ? locality(&e, sum) : (double)NAN);
    }
}

static float expected_score(const example *e, uvk_own_token own, int j)
{
    float highest = 0;
    for (int k = 0; k < e->layout.tokens; k++)
        if (k != e->target && !e->tokens[k].special)
            highest = fmaxf(highest, e->row[k]);
    if (e->tokens[j].special)
        return 0;
    return j != e->target || own == UVK_OWN_KEEP ? e->row[j] : own == UVK_OWN_MAX ? highest : 0;
}

static void scores_are_the_row_by_the_rule(void **state)
{
    static const uvk_own_token rules[] = {UVK_OWN_MAX, UVK_OWN_KEEP, UVK_OWN_ZERO};
    (void)state;
    for (uint32_t number = 0; number < 300; number++) {
        example e;
        uvk_map_stats s;
        float scores[MOST];
        double sum = 0, low = INFINITY, high = -INFINITY;
        make_example(&e, number);
        assert_int_equal(uvk_map(&e.layout, e.target, e.row, rules[number % 3], scores, &s, NULL), UVK_OK);
        for (int j = 0; j < e.layout.tokens; j++) {
            float expected = expected_score(&e, rules[number % 3], j);
            assert_true(scores[j] == expected);
            if (e.tokens[j].special)
                continue;
            sum += (double)expected;
            low = fmin(low, (double)expected);
            high = fmax(high, (double)expected);
        }
        near(s.score_sum, sum);
        if (s.n_sources > 0) {
            near(s.score_min, low);
            near(s.score_max, high);
        }
    }
}

static void a_token_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    example e;
    uvk_error err;
    make_example(&e, 1);
    assert_int_equal(uvk_map(&e.layout, e.layout.tokens, e.row, UVK_OWN_ZERO, NULL, NULL, &err), UVK_USAGE);
    assert_int_equal(uvk_map(&e.layout, -1, e.row, UVK_OWN_ZERO, NULL, NULL, &err), UVK_USAGE);
}

/* ---- Contribution scores of a summary ----------------------------------------------------------------------------------- */

static void contribution_scores_are_means_of_scaled_rows(void **state)
{
    enum { N = 9, M = 4 };
    static const uvk_role roles[N] = {UVK_ROLE_SPECIAL, UVK_ROLE_PROMPT, UVK_ROLE_CONTEXT, UVK_ROLE_CONTEXT, UVK_ROLE_SPECIAL, UVK_ROLE_CONTEXT,
                                      UVK_ROLE_CONTEXT, UVK_ROLE_SUMMARY, UVK_ROLE_SUMMARY};
    (void)state;
    uvk_token tokens[N];
    float rows[M * N], scaled[M * N], tcs[N], share[N], alone[N];
    seed = 5;
    for (int j = 0; j < N; j++)
        tokens[j] = (uvk_token){.role = roles[j], .special = roles[j] == UVK_ROLE_SPECIAL};
    for (int i = 0; i < M * N; i++)
        rows[i] = i / N == 2 ? 0.25f : (float)uniform(); /* one row is constant */
    assert_int_equal(uvk_tcs(tokens, N, rows, M, scaled, tcs, share, NULL), UVK_OK);
    double expected[N] = {0}, total = 0;
    for (int t = 0; t < M; t++) {
        double low = INFINITY, high = -INFINITY;
        for (int j = 0; j < N; j++)
            if (roles[j] == UVK_ROLE_CONTEXT) {
                low = fmin(low, (double)rows[t * N + j]);
                high = fmax(high, (double)rows[t * N + j]);
            }
        for (int j = 0; j < N; j++) {
            double s = roles[j] == UVK_ROLE_CONTEXT && high > low ? ((double)rows[t * N + j] - low) / (high - low) : 0;
            near((double)scaled[t * N + j], s);
            expected[j] += s / M;
        }
    }
    for (int j = 0; j < N; j++)
        total += expected[j];
    for (int j = 0; j < N; j++) {
        near((double)tcs[j], expected[j]);
        near((double)share[j], expected[j] / total);
    }
    assert_int_equal(uvk_tcs(tokens, N, rows, M, NULL, alone, share, NULL), UVK_OK);
    assert_memory_equal(alone, tcs, sizeof tcs);
    assert_int_equal(uvk_tcs(tokens, N, rows + 2 * N, 1, NULL, tcs, share, NULL), UVK_OK); /* nothing but the constant row */
    for (int j = 0; j < N; j++)
        assert_true(tcs[j] == 0 && share[j] == 0);
}

static void without_a_context_or_a_summary_there_are_none(void **state)
{
    (void)state;
    uvk_token tokens[2] = {{.role = UVK_ROLE_PROMPT}, {.role = UVK_ROLE_SUMMARY}};
    float rows[2] = {1, 2}, tcs[2], share[2];
    uvk_error err;
    assert_int_equal(uvk_tcs(tokens, 2, rows, 1, NULL, tcs, share, &err), UVK_USAGE);
    assert_non_null(strstr(err.message, "context"));
    tokens[0].role = UVK_ROLE_CONTEXT;
    assert_int_equal(uvk_tcs(tokens, 2, rows, 0, NULL, tcs, share, &err), UVK_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_their_definitions),
        cmocka_unit_test(scores_are_the_row_by_the_rule),
        cmocka_unit_test(a_token_that_does_not_exist_is_refused),
        cmocka_unit_test(contribution_scores_are_means_of_scaled_rows),
        cmocka_unit_test(without_a_context_or_a_summary_there_are_none),
    };
    return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
