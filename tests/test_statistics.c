/* Rank correlation, curves, counts, orders and alignments against their definitions, on random cases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "align.h"
#include "drift.h"
#include "erase.h"
#include "order.h"
#include "random.h"
#include "statistics.h"

enum { MOST = 60, CASES = 300 };

static uint32_t seed = 1;

static int below(int n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (uint32_t)n);
}

/* ---- Spearman --------------------------------------------------------------------------------------------------------------------- */

/* One plus those below, and half of those beside. */
static double rank_of(const double *x, int n, int i)
{
    double rank = 1;
    for (int j = 0; j < n; j++)
        rank += x[j] < x[i] ? 1 : j != i && x[j] == x[i] ? 0.5 : 0;
    return rank;
}

static double expected_spearman(const double *x, const double *y, int n)
{
    double xs = 0, ys = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < n; i++) {
        const double a = rank_of(x, n, i), b = rank_of(y, n, i);
        xs += a, ys += b, xx += a * a, yy += b * b, xy += a * b;
    }
    const double vx = n * xx - xs * xs, vy = n * yy - ys * ys;
    return vx > 0 && vy > 0 ? (n * xy - xs * ys) / sqrt(vx * vy) : NAN;
}

static double spearman(const double *x, const double *y, int n)
{
    double found = 7;
    uvk_error err;
    assert_int_equal(uvk_spearman(x, y, n, &found, &err), UVK_OK);
    return found;
}

static void test_spearman(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        const int n = 1 + below(MOST), values = 1 + below(30);
        double x[MOST], y[MOST];
        for (int i = 0; i < n; i++) {
            x[i] = below(values) / 7.0;
            y[i] = c % 3 ? below(values) : x[i] * x[i];
        }
        const double expected = expected_spearman(x, y, n), found = spearman(x, y, n);
        assert_true(isnan(expected) ? isnan(found) : fabs(found - expected) < 1e-12);
    }
    /* scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) and ([3, 1, 1, 9], [2, 7, 1, 8]) */
    const double a[] = {1, 2, 3, 4, 5}, b[] = {5, 6, 7, 8, 7}, c[] = {3, 1, 1, 9}, d[] = {2, 7, 1, 8}, bad[] = {1, NAN, 2, 3};
    assert_true(fabs(spearman(a, b, 5) - 0.8207826816681233) < 1e-12);
    assert_true(fabs(spearman(c, d, 4) - 0.6324555320336759) < 1e-12);
    assert_true(isnan(spearman(bad, d, 4)) && isnan(spearman(d, bad, 4)));
}

/* ---- Curves ----------------------------------------------------------------------------------------------------------------------- */

static void test_trapezoid(void **state)
{
    (void)state;
    const double x[] = {0, 0.5, 2, 3}, y[] = {1, 3, 1, 0}; /* 1 + 3 + 0.5 */
    assert_true(fabs(uvk_trapezoid(x, y, 4) - 4.5) < 1e-15);
    assert_true(uvk_trapezoid(x, y, 1) == 0);
}

/* A curve that rises as x does from 0 has area 0.9 / 2, over 0.9. */
static void test_drift_areas(void **state)
{
    (void)state;
    uvk_drift drift;
    for (int step = 1; step <= UVK_DRIFT_STEPS; step++) {
        drift.positive[step - 1] = step / 10.0;
        drift.negative[step - 1] = step == 9 ? 1 : 0;
    }
    uvk_drift_finish(&drift);
    assert_true(fabs(drift.auc_positive - 0.45) < 1e-15);
    assert_true(fabs(drift.auc_negative - 0.05 / 0.9) < 1e-15);
    assert_true(fabs(drift.gap - (0.45 - 0.05 / 0.9)) < 1e-15);
    drift.positive[4] = NAN;
    uvk_drift_finish(&drift);
    assert_true(isnan(drift.gap));
}

static void test_counts(void **state)
{
    (void)state;
    /* 195 others of a 14 x 14 grid: 19.5, 39, 58.5 ... 175.5, halves to the even number */
    const int expected[] = {20, 39, 58, 78, 98, 117, 136, 156, 176};
    for (int step = 1; step <= UVK_DRIFT_STEPS; step++) {
        assert_int_equal(uvk_drift_count(195, step), expected[step - 1]);
        assert_int_equal(uvk_drift_count(1, step), 1);
        assert_int_equal(uvk_drift_count(0, step), 0);
    }
    for (int n = 0; n < 500; n++)
        for (int i = 0; i < UVK_ERASE_STEPS; i++) {
            int rounded_up = 0;
            while (rounded_up * 100 < n * uvk_erase_percent[i])
                rounded_up++;
            assert_int_equal(uvk_erase_count(n, uvk_erase_percent[i]), rounded_up);
        }
    assert_int_equal(uvk_erase_count(1, 1), 1);
}

static void test_erasure_means(void **state)
{
    (void)state;
    const uvk_erasure one = {.comprehensiveness = {1, 2, 3, 4, 5}, .sufficiency = {0.5, 0, 0, 0, 0}};
    uvk_erasure sum = {.aopc_sufficiency = 9};
    uvk_erasure_add(&sum, &one, 0.5);
    uvk_erasure_add(&sum, &one, 0.25);
    uvk_erasure_finish(&sum);
    assert_true(fabs(sum.aopc_comprehensiveness - 0.75 * 3) < 1e-15);
    assert_true(fabs(sum.aopc_sufficiency - 0.75 * 0.1) < 1e-15);
}

static void test_relative_drift(void **state)
{
    (void)state;
    const float z[] = {3, 4, 0}, moved[] = {3, 0, 3}, zero[] = {0, 0, 0};
    assert_true(fabs(uvk_relative_drift(moved, z, 3) - 1) < 1e-15);
    assert_true(uvk_relative_drift(z, z, 3) == 0);
    assert_true(isnan(uvk_relative_drift(z, zero, 3)));
}

/* ---- Orders ----------------------------------------------------------------------------------------------------------------------- */

/* Each candidate stands behind all that beat it. */
static void test_orders(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        const int n = 1 + below(MOST);
        const bool least = c % 2;
        float scores[MOST];
        bool candidate[MOST];
        int32_t order[MOST];
        int count, wanted = 0;
        uvk_error err;
        for (int i = 0; i < n; i++) {
            scores[i] = (float)below(9);
            candidate[i] = below(4) > 0;
            wanted += candidate[i];
        }
        assert_int_equal(uvk_order_tokens(scores, candidate, n, least, order, &count, &err), UVK_OK);
        assert_int_equal(count, wanted);
        for (int i = 0; i < n; i++) {
            int before = 0;
            for (int j = 0; j < n; j++) {
                const bool beats = least ? scores[j] < scores[i] : scores[j] > scores[i];
                before += candidate[j] && (beats || (scores[j] == scores[i] && j < i));
            }
            if (candidate[i])
                assert_int_equal(order[before], i);
        }
    }
}

/* ---- Alignments ------------------------------------------------------------------------------------------------------------------- */

/* The length of a longest common subsequence, by trying everything. */
static int longest(const char *a, const char *b)
{
    if (!*a || !*b)
        return 0;
    if (*a == *b)
        return 1 + longest(a + 1, b + 1);
    const int left = longest(a + 1, b), right = longest(a, b + 1);
    return left > right ? left : right;
}

/* Words of one letter, some of them capitals. */
static void make_words(const char *letters, char *text, uvk_word *words)
{
    for (int i = 0; letters[i]; i++) {
        text[2 * i] = (char)(below(2) ? letters[i] : letters[i] - 'a' + 'A');
        text[2 * i + 1] = ' ';
        words[i] = (uvk_word){.start = 2 * i, .end = 2 * i + 1};
    }
}

static void test_alignments(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        char a[10] = "", b[10] = "", a_text[20], b_text[20];
        uvk_word a_words[9], b_words[9];
        int32_t pairs[20];
        int count;
        uvk_error err;
        for (int i = below(9); i > 0; i--)
            a[i - 1] = (char)('a' + below(3));
        for (int i = below(9); i > 0; i--)
            b[i - 1] = (char)('a' + below(3));
        make_words(a, a_text, a_words);
        make_words(b, b_text, b_words);
        const uvk_word_list x = {a_text, a_words, (int)strlen(a)}, y = {b_text, b_words, (int)strlen(b)};
        assert_int_equal(uvk_align_words(&x, &y, pairs, &count, &err), UVK_OK);
        assert_int_equal(count, longest(a, b));
        for (int k = 0; k < count; k++) {
            assert_int_equal(a[pairs[2 * k]], b[pairs[2 * k + 1]]);
            assert_true(k == 0 || (pairs[2 * k] > pairs[2 * k - 2] && pairs[2 * k + 1] > pairs[2 * k - 1]));
        }
    }
}

static int count_aligned(const char *a, int a_end, const char *b, int b_end)
{
    const uvk_word first = {.end = a_end}, second = {.end = b_end};
    const uvk_word_list x = {a, &first, 1}, y = {b, &second, 1};
    int32_t pairs[2];
    int count;
    uvk_error err;
    assert_int_equal(uvk_align_words(&x, &y, pairs, &count, &err), UVK_OK);
    return count;
}

static void test_words_of_an_alignment(void **state)
{
    (void)state;
    assert_int_equal(count_aligned("\xc3\x89t\xc3\xa9", 5, "\xc3\xa9t\xc3\x89", 5), 1); /* letters beyond ASCII */
    assert_int_equal(count_aligned("cat", 3, "cats", 4), 0);
    assert_int_equal(count_aligned("cats", 3, "cat", 3), 1); /* a word ends where it says */
}

/* ---- Random numbers --------------------------------------------------------------------------------------------------------------- */

/* The first outputs of splitmix64 from state 1234567, as its author's program prints them; and moments. */
static void test_random(void **state)
{
    (void)state;
    uvk_random known = {1234567};
    assert_true(uvk_random_bits(&known) == UINT64_C(6457827717110365317));
    assert_true(uvk_random_bits(&known) == UINT64_C(3203168211198807973));
    uvk_random r = uvk_random_start(5, 3), other = uvk_random_start(5, 4);
    assert_true(r.state != other.state);
    enum { N = 100000 };
    double sum = 0, squares = 0, uniform = 0;
    int counts[7] = {0};
    for (int i = 0; i < N; i++) {
        const double x = uvk_random_normal(&r), u = uvk_random_uniform(&r);
        assert_true(u >= 0 && u < 1);
        sum += x, squares += x * x, uniform += u;
        counts[uvk_random_below(&r, 7)]++;
    }
    assert_true(fabs(sum / N) < 0.015 && fabs(squares / N - 1) < 0.02 && fabs(uniform / N - 0.5) < 0.005);
    for (int i = 0; i < 7; i++)
        assert_true(abs(counts[i] - N / 7) < 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spearman), cmocka_unit_test(test_trapezoid), cmocka_unit_test(test_drift_areas), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_erasure_means), cmocka_unit_test(test_relative_drift), cmocka_unit_test(test_orders), cmocka_unit_test(test_alignments),
        cmocka_unit_test(test_words_of_an_alignment), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
