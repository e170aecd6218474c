/* The aggregate spearman(x, y): rank correlation of the rows' pairs, equal values sharing the mean of their ranks. */
#include "sql.h"

#include <math.h>
#include <stdlib.h>

/* Lives in the memory that SQLite keeps for a group, zeros at first. */
typedef struct pairs {
    double *values[2];
    size_t count, capacity;
} pairs;

static bool grow(pairs *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : 256;
    for (int side = 0; side < 2; side++) {
        double *values = sqlite3_realloc64(p->values[side], capacity * sizeof *values);
        if (!values)
            return false;
        p->values[side] = values;
    }
    p->capacity = capacity;
    return true;
}

/* A pair with a NULL is none. */
static void step(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    pairs *p = sqlite3_aggregate_context(context, sizeof *p);
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
        return;
    if (!p || (p->count == p->capacity && !grow(p))) {
        sqlite3_result_error_nomem(context);
        return;
    }
    for (int side = 0; side < 2; side++)
        p->values[side][p->count] = sqlite3_value_double(argv[side]);
    p->count++;
}

typedef struct place { double value; size_t at; } place;

static int by_value(const void *a, const void *b)
{
    double x = ((const place *)a)->value, y = ((const place *)b)->value;
    return (x > y) - (x < y);
}

/* Values become their ranks. */
static bool rank(double *values, size_t n)
{
    place *sorted = sqlite3_malloc64(n * sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        sorted[i] = (place){values[i], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && sorted[end].value == sorted[first].value; end++)
            ;
        for (size_t i = first; i < end; i++)
            values[sorted[i].at] = (double)(first + end - 1) / 2;
    }
    sqlite3_free(sorted);
    return true;
}

/* Of ranks, whose mean is known. NAN where one side is constant. */
static double correlation(const double *x, const double *y, size_t n)
{
    double mean = (double)(n - 1) / 2, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
        xy += (x[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

static void finish(sqlite3_context *context)
{
    pairs *p = sqlite3_aggregate_context(context, 0);
    if (!p)
        return; /* no rows: NULL */
    if (p->count > 1 && (!rank(p->values[0], p->count) || !rank(p->values[1], p->count)))
        sqlite3_result_error_nomem(context);
    else if (p->count > 1)
        sqlite3_result_double(context, correlation(p->values[0], p->values[1], p->count)); /* NaN becomes NULL */
    sqlite3_free(p->values[0]);
    sqlite3_free(p->values[1]);
}

int uvk_spearman_register(sqlite3 *sqlite)
{
    return sqlite3_create_function_v2(sqlite, "spearman", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL, NULL, step, finish, NULL);
}
