#include "refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Differences -------------------------------------------------------------------------------------------------------------- */

uvk_status uvk_differences_create(int patches, int width, uvk_differences *out, uvk_error *err)
{
    size_t n = (size_t)patches;
    *out = (uvk_differences){.patches = patches, .width = width, .rows = calloc(n, sizeof *out->rows), .counts = calloc(n, sizeof *out->counts),
                             .capacities = calloc(n, sizeof *out->capacities)};
    return out->rows && out->counts && out->capacities ? UVK_OK : uvk_fail_memory(err, n * 16, "differences");
}

void uvk_differences_free(uvk_differences *d)
{
    for (int i = 0; d->rows && i < d->patches; i++)
        free(d->rows[i]);
    free(d->rows);
    free(d->counts);
    free(d->capacities);
    *d = (uvk_differences){0};
}

uvk_status uvk_differences_add(uvk_differences *d, int patch, const float *z, const float *other, uvk_error *err)
{
    size_t width = (size_t)d->width;
    if (d->counts[patch] == d->capacities[patch]) {
        int capacity = d->capacities[patch] ? 2 * d->capacities[patch] : 16;
        float *rows = realloc(d->rows[patch], (size_t)capacity * width * sizeof *rows);
        if (!rows)
            return uvk_fail_memory(err, (size_t)capacity * width * sizeof *rows, "differences");
        d->rows[patch] = rows;
        d->capacities[patch] = capacity;
    }
    float *row = d->rows[patch] + (size_t)d->counts[patch]++ * width;
    for (size_t k = 0; k < width; k++)
        row[k] = z[k] - other[k];
    return UVK_OK;
}

/* ---- One position -------------------------------------------------------------------------------------------------------------- */

/* D of one position, and what its objective is made of. */
typedef struct position {
    const float *rows;
    int count, width;
    double squares, alpha; /* |D|^2, lambda |D|^2 / d */
} position;

static double along(const float *row, const double *w, int width)
{
    double sum = 0;
    for (int k = 0; k < width; k++)
        sum += row[k] * w[k];
    return sum;
}

static position position_of(const uvk_differences *d, int patch, double lambda)
{
    position p = {.rows = d->rows[patch], .count = d->counts[patch], .width = d->width};
    for (size_t k = 0; k < (size_t)p.count * (size_t)p.width; k++)
        p.squares += (double)p.rows[k] * p.rows[k];
    p.alpha = lambda * p.squares / p.width;
    return p;
}

static const float *row_of(const position *p, int r)
{
    return p->rows + (size_t)r * (size_t)p->width;
}

static double loss_of(const position *p, const double *w)
{
    double sum = 0;
    for (int r = 0; r < p->count; r++) {
        double value = along(row_of(p, r), w, p->width);
        sum += value * value;
    }
    return sum;
}

static double objective_of(const position *p, const double *w)
{
    double sum = 0;
    for (int k = 0; k < p->width; k++)
        sum += (w[k] - 1) * (w[k] - 1);
    return loss_of(p, w) + p->alpha * sum;
}

/* ---- Closed form ------------------------------------------------------------------------------------------------------------------ */

bool uvk_solve_positive(double *a, int n, double *b)
{
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (int k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (i == j && !(sum > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
        double sum = b[j];
        for (int k = 0; k < j; k++)
            sum -= a[j * n + k] * b[k];
        b[j] = sum / a[j * n + j];
    }
    for (int j = n - 1; j >= 0; j--) {
        for (int k = j + 1; k < n; k++)
            b[j] -= a[k * n + j] * b[k];
        b[j] /= a[j * n + j];
    }
    return true;
}

/* Few differences: (D^T D / alpha + I)^-1 w0 = w0 - D^T (D D^T + alpha I)^-1 D w0, a system of as many unknowns as differences. */
static bool solve_by_rows(const position *p, double *w, double *a, double *b)
{
    for (int i = 0; i < p->count; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = i == j ? p->alpha : 0;
            for (int k = 0; k < p->width; k++)
                sum += (double)row_of(p, i)[k] * row_of(p, j)[k];
            a[i * p->count + j] = sum;
        }
        b[i] = along(row_of(p, i), w, p->width);
    }
    if (!uvk_solve_positive(a, p->count, b))
        return false;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->width; k++)
            w[k] -= b[i] * row_of(p, i)[k];
    return true;
}

/* Many: (D^T D + alpha I) w = alpha w0. */
static bool solve_by_columns(const position *p, double *w, double *a)
{
    int d = p->width;
    memset(a, 0, (size_t)d * (size_t)d * sizeof *a);
    for (int r = 0; r < p->count; r++)
        for (int i = 0; i < d; i++)
            for (int j = 0; j <= i; j++)
                a[i * d + j] += (double)row_of(p, r)[i] * row_of(p, r)[j];
    for (int i = 0; i < d; i++) {
        a[i * d + i] += p->alpha;
        w[i] *= p->alpha;
    }
    return uvk_solve_positive(a, d, w);
}

/* ---- Adam ---------------------------------------------------------------------------------------------------------------------------- */

static const double rate = 0.05, beta1 = 0.9, beta2 = 0.999, tiny = 1e-12;

/* One step; the objective is taken over |D|^2 / d, so that one rate suits all positions; the rate falls to 0. */
static void adam_step(const position *p, int step, int steps, double *w, double *first, double *second, double *gradient)
{
    double scale = 2 * p->width / p->squares, now = rate * (1 - (double)(step - 1) / steps);
    for (int k = 0; k < p->width; k++)
        gradient[k] = scale * p->alpha * (w[k] - 1);
    for (int r = 0; r < p->count; r++) {
        double value = scale * along(row_of(p, r), w, p->width);
        for (int k = 0; k < p->width; k++)
            gradient[k] += value * row_of(p, r)[k];
    }
    for (int k = 0; k < p->width; k++) {
        first[k] = beta1 * first[k] + (1 - beta1) * gradient[k];
        second[k] = beta2 * second[k] + (1 - beta2) * gradient[k] * gradient[k];
        w[k] -= now * first[k] / (1 - pow(beta1, step)) / (sqrt(second[k] / (1 - pow(beta2, step))) + tiny);
    }
}

/* ---- All positions --------------------------------------------------------------------------------------------------------------------- */

typedef struct solver {
    const uvk_differences *d;
    const uvk_refine_params *params;
    double *w;           /* [patches, width] */
    double *first, *second, *gradient; /* of Adam: [patches, width] twice, [width] */
} solver;

static double *weights_of(const solver *s, double *of, int patch)
{
    return of + (size_t)patch * (size_t)s->d->width;
}

static bool is_stopped(const solver *s)
{
    return s->params->interrupted && s->params->interrupted(s->params->user);
}

static double sum_objectives(const solver *s)
{
    double sum = 0;
    for (int i = 0; i < s->d->patches; i++) {
        position p = position_of(s->d, i, s->params->lambda);
        sum += objective_of(&p, weights_of(s, s->w, i));
    }
    return sum;
}

static uvk_status solve_position(const solver *s, int patch, uvk_error *err)
{
    position p = position_of(s->d, patch, s->params->lambda);
    if (!(p.squares > 0))
        return UVK_OK;
    bool by_rows = p.count <= p.width;
    size_t n = (size_t)(by_rows ? p.count : p.width), bytes = (n * n + n) * sizeof(double);
    double *a = malloc(bytes);
    if (!a)
        return uvk_fail_memory(err, bytes, "a projection");
    bool solved = by_rows ? solve_by_rows(&p, weights_of(s, s->w, patch), a, a + n * n) : solve_by_columns(&p, weights_of(s, s->w, patch), a);
    free(a);
    return solved ? UVK_OK : uvk_fail(err, UVK_FAILED, "the projection of patch %d has no solution (differences that are not finite)", patch);
}

static uvk_status solve_closed(const solver *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; i < s->d->patches && status == UVK_OK; i++)
        status = is_stopped(s) ? UVK_INTERRUPTED : solve_position(s, i, err);
    return status;
}

static uvk_status solve_adam(const solver *s, long terms)
{
    int steps = s->params->steps;
    for (int step = 1; step <= steps; step++) {
        if (is_stopped(s))
            return UVK_INTERRUPTED;
        for (int i = 0; i < s->d->patches; i++) {
            position p = position_of(s->d, i, s->params->lambda);
            if (p.squares > 0)
                adam_step(&p, step, steps, weights_of(s, s->w, i), weights_of(s, s->first, i), weights_of(s, s->second, i), s->gradient);
        }
        if (s->params->progress && (step % 10 == 0 || step == steps))
            s->params->progress(s->params->user, step, steps, terms ? sum_objectives(s) / (double)terms : 0);
    }
    return UVK_OK;
}

/* Rescales w to the length of w0 and reports. */
static void finish(const solver *s, long terms, float *weights, uvk_refine_report *report)
{
    int width = s->d->width;
    double before = 0, after = 0, cosines = 0, objective = sum_objectives(s);
    for (int i = 0; i < s->d->patches; i++) {
        double *w = weights_of(s, s->w, i), squares = 0, sum = 0;
        position p = position_of(s->d, i, s->params->lambda);
        for (int k = 0; k < width; k++) {
            squares += w[k] * w[k];
            sum += w[k];
        }
        double scale = squares > 0 ? sqrt(width / squares) : 1;
        cosines += squares > 0 ? sum / sqrt(width * squares) : 0;
        for (int k = 0; k < width; k++) {
            w[k] *= scale;
            weights[(size_t)i * (size_t)width + (size_t)k] = (float)w[k];
        }
        after += loss_of(&p, w);
        for (int k = 0; k < width; k++)
            w[k] = 1;
        before += loss_of(&p, w);
    }
    double n = terms ? (double)terms : 1;
    *report = (uvk_refine_report){.terms = terms, .loss_before = before / n, .loss_after = after / n, .objective = objective / n, .kept = cosines / s->d->patches};
}

uvk_status uvk_refine(const uvk_differences *d, const uvk_refine_params *params, float *weights, uvk_refine_report *report, uvk_error *err)
{
    size_t count = (size_t)d->patches * (size_t)d->width, bytes = (3 * count + (size_t)d->width) * sizeof(double);
    solver s = {.d = d, .params = params, .w = calloc(1, bytes)};
    long terms = 0;
    if (!s.w)
        return uvk_fail_memory(err, bytes, "projections");
    s.first = s.w + count;
    s.second = s.first + count;
    s.gradient = s.second + count;
    for (size_t k = 0; k < count; k++)
        s.w[k] = 1;
    for (int i = 0; i < d->patches; i++)
        terms += d->counts[i];
    uvk_status status = params->closed ? solve_closed(&s, err) : solve_adam(&s, terms);
    if (status == UVK_INTERRUPTED)
        uvk_fail(err, status, "interrupted");
    if (status == UVK_OK)
        finish(&s, terms, weights, report);
    free(s.w);
    return status;
}
