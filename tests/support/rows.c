#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rows.h"

int32_t *rows_all_tokens(int n)
{
    int32_t *const targets = malloc((size_t)n * sizeof *targets);
    assert_non_null(targets);
    for (int i = 0; i < n; i++)
        targets[i] = i;
    return targets;
}

float *rows_explain(const rig *r, const uvk_explain_params *params, uvk_cost *cost)
{
    const size_t count = (size_t)params->n_targets * (size_t)fixture_tokens(&r->fixture->spec);
    float *const rows = malloc(count * sizeof *rows);
    uvk_error err;
    assert_non_null(rows);
    rig_expect(uvk_explain(r->session, params, rows, cost, &err), &err);
    return rows;
}

double rows_off_diagonal(const double *row, int n, int target)
{
    double largest = 0;
    for (int j = 0; j < n; j++)
        if (j != target)
            largest = fmax(largest, row[j]);
    return largest;
}

bool rows_agree(const double *expected, const float *found, int n, rows_off *worst)
{
    rows_off none = {0}, *const seen = worst ? worst : &none;
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, rows_off_diagonal(expected + i * n, n, i));
    for (int i = 0; i < n; i++) {
        const double own = rows_off_diagonal(expected + i * n, n, i), bound = fmin(2e-5 * largest, 2e-4 * own);
        for (int j = 0; j < n; j++) {
            const double right = expected[i * n + j], off = fabs(found[i * n + j] - right);
            if (!(off <= (i == j ? fmax(bound, 2e-5 * (right - 1)) + right * FLT_EPSILON : bound)))
                return false;
            seen->largest = i != j && largest > 0 ? fmax(seen->largest, off / largest) : seen->largest;
            seen->own = i != j && own > 0 ? fmax(seen->own, off / own) : seen->own;
        }
    }
    return true;
}
