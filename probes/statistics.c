#include "statistics.h"

#include <math.h>
#include <stdlib.h>

typedef struct ranked { double value; int place; } ranked;

static int by_value(const void *a, const void *b)
{
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* Ranks from 1; equal values share the mean of theirs. order: room for n. */
static void rank(const double *x, int n, ranked *order, double *out)
{
    for (int i = 0; i < n; i++)
        order[i] = (ranked){x[i], i};
    qsort(order, (size_t)n, sizeof *order, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end].value == order[i].value; end++)
            continue;
        for (int k = i; k < end; k++)
            out[order[k].place] = (i + 1 + end) / 2.0;
    }
}

static bool has_nan(const double *x, int n)
{
    for (int i = 0; i < n; i++)
        if (isnan(x[i]))
            return true;
    return false;
}

static double pearson(const double *x, const double *y, int n)
{
    double mean = (n + 1) / 2.0, xy = 0, xx = 0, yy = 0; /* of ranks, ties or not */
    for (int i = 0; i < n; i++) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

uvk_status uvk_spearman(const double *x, const double *y, int n, double *out, uvk_error *err)
{
    size_t count = n > 0 ? (size_t)n : 1, bytes = count * (sizeof(ranked) + 2 * sizeof(double));
    ranked *order = malloc(count * sizeof *order);
    double *ranks = malloc(2 * count * sizeof *ranks);
    *out = NAN;
    if (order && ranks && !has_nan(x, n) && !has_nan(y, n)) {
        rank(x, n, order, ranks);
        rank(y, n, order, ranks + count);
        *out = pearson(ranks, ranks + count, n);
    }
    bool done = order && ranks;
    free(ranks);
    free(order);
    return done ? UVK_OK : uvk_fail_memory(err, bytes, "ranks");
}

double uvk_trapezoid(const double *x, const double *y, int n)
{
    double area = 0;
    for (int i = 1; i < n; i++)
        area += (x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2;
    return area;
}
