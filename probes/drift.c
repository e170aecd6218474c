#include "drift.h"

#include "order.h"
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int uvk_drift_count(int tokens, int step)
{
    int count = (int)nearbyint(tokens * step / 10.0);
    return count > 0 || tokens == 0 ? count : 1;
}

double uvk_relative_drift(const float *moved, const float *z, size_t d)
{
    double apart = 0, length = 0;
    for (size_t k = 0; k < d; k++) {
        double difference = (double)moved[k] - z[k];
        apart += difference * difference;
        length += (double)z[k] * z[k];
    }
    return length > 0 ? sqrt(apart / length) : NAN;
}

/* From drift 0 at 0 to 90 %. */
static double area(const double curve[UVK_DRIFT_STEPS])
{
    double x[UVK_DRIFT_STEPS + 1], y[UVK_DRIFT_STEPS + 1] = {0};
    for (int step = 0; step <= UVK_DRIFT_STEPS; step++)
        x[step] = step / 10.0;
    memcpy(y + 1, curve, UVK_DRIFT_STEPS * sizeof *curve);
    return uvk_trapezoid(x, y, UVK_DRIFT_STEPS + 1) / 0.9;
}

void uvk_drift_finish(uvk_drift *drift)
{
    drift->auc_positive = area(drift->positive);
    drift->auc_negative = area(drift->negative);
    drift->gap = drift->auc_positive - drift->auc_negative;
}

typedef struct buffers { int32_t *order; bool *hidden; float *latent; } buffers;

static uvk_status find_order(const uvk_hider *h, int target, const float *scores, bool least_first, const buffers *b, int *count, uvk_error *err)
{
    for (int i = 0; i < h->n; i++)
        b->hidden[i] = i != target && !h->input->tokens[i].special;
    return uvk_order_tokens(scores, b->hidden, h->n, least_first, b->order, count, err);
}

static uvk_status measure_curve(uvk_hider *h, int layer, int target, const float *z, const buffers *b, int count, double curve[UVK_DRIFT_STEPS], uvk_error *err)
{
    size_t d = (size_t)h->session->model->arch.width;
    uvk_status status = UVK_OK;
    memset(b->hidden, 0, (size_t)h->n * sizeof *b->hidden);
    for (int step = 1, done = 0; step <= UVK_DRIFT_STEPS && status == UVK_OK; step++) {
        curve[step - 1] = NAN;
        if (count == 0)
            continue;
        for (; done < uvk_drift_count(count, step); done++)
            b->hidden[b->order[done]] = true;
        if ((status = uvk_hider_run(h, b->hidden, err)) == UVK_OK && (status = uvk_hider_latent(h, layer, target, b->latent, err)) == UVK_OK)
            curve[step - 1] = uvk_relative_drift(b->latent, z, d);
    }
    return status;
}

static uvk_status measure_both(uvk_hider *h, int layer, int target, const float *z, const float *scores, const buffers *b, uvk_drift *out, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int least_first = 0; least_first < 2 && status == UVK_OK; least_first++) {
        int count;
        status = find_order(h, target, scores, least_first, b, &count, err);
        if (status == UVK_OK)
            status = measure_curve(h, layer, target, z, b, count, least_first ? out->negative : out->positive, err);
    }
    uvk_drift_finish(out);
    return status;
}

uvk_status uvk_drift_measure(uvk_hider *h, int layer, int target, const float *z, const float *scores, uvk_drift *out, uvk_error *err)
{
    size_t n = (size_t)h->n, d = (size_t)h->session->model->arch.width;
    buffers b = {malloc(n * sizeof *b.order), malloc(n * sizeof *b.hidden), malloc(d * sizeof *b.latent)};
    uvk_status status = b.order && b.hidden && b.latent ? measure_both(h, layer, target, z, scores, &b, out, err)
                                                        : uvk_fail_memory(err, n * (sizeof *b.order + 1) + d * sizeof *b.latent, "a curve of drifts");
    free(b.latent);
    free(b.hidden);
    free(b.order);
    return status;
}
