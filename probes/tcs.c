/* Token contribution scores: how much each token of a text contributed to a summary as a whole (METHOD section 4). */
#include "error.h"

#include <math.h>
#include <stdlib.h>

static bool is_context(const uvk_token *t)
{
    return t->role == UVK_ROLE_CONTEXT;
}

/* One row's context tokens, scaled to 0..1; a constant row to zeros. */
static void scale_row(const uvk_token *tokens, int n, const float *row, float *out)
{
    float low = INFINITY, high = -INFINITY;
    for (int j = 0; j < n; j++)
        if (is_context(&tokens[j])) {
            low = row[j] < low ? row[j] : low;
            high = row[j] > high ? row[j] : high;
        }
    double range = (double)high - (double)low;
    for (int j = 0; j < n; j++)
        out[j] = is_context(&tokens[j]) && range > 0 ? (float)(((double)row[j] - (double)low) / range) : 0;
}

static bool has_context(const uvk_token *tokens, int n)
{
    for (int j = 0; j < n; j++)
        if (is_context(&tokens[j]))
            return true;
    return false;
}

static void finish(const double *sums, int n, int m, float *tcs, float *share)
{
    double total = 0;
    for (int j = 0; j < n; j++)
        total += sums[j];
    for (int j = 0; j < n; j++) {
        tcs[j] = (float)(sums[j] / m);
        share[j] = total > 0 ? (float)(sums[j] / total) : 0;
    }
}

uvk_status uvk_tcs(const uvk_token *tokens, int n, const float *rows, int m, float *scaled, float *tcs, float *share, uvk_error *err)
{
    if (!has_context(tokens, n))
        return uvk_fail(err, UVK_USAGE, "no token of the sequence is context");
    if (m < 1)
        return uvk_fail(err, UVK_USAGE, "a summary without tokens has no contribution scores");
    size_t count = (size_t)n, bytes = count * (sizeof(double) + sizeof(float));
    double *sums = calloc(count, sizeof *sums);
    float *own = malloc(count * sizeof *own);
    if (!sums || !own) {
        free(sums);
        free(own);
        return uvk_fail_memory(err, bytes, "contribution scores");
    }
    for (int t = 0; t < m; t++) {
        float *out = scaled ? scaled + (size_t)t * count : own;
        scale_row(tokens, n, rows + (size_t)t * count, out);
        for (int j = 0; j < n; j++)
            sums[j] += out[j];
    }
    finish(sums, n, m, tcs, share);
    free(sums);
    free(own);
    return UVK_OK;
}
