#include "landmarks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEIGHBOURS = 3 };

/* ---- How far two patches are apart --------------------------------------------------------------------------------------------- */

/* Each latent at length 1; and the mean of 1 - cosine over all pairs of tokens, which is 1 - |mean latent|^2. */
static double normalize(float *z, size_t n, size_t d)
{
    double squared = 0;
    for (size_t i = 0; i < n; i++) {
        double length = 0;
        for (size_t k = 0; k < d; k++)
            length += (double)z[i * d + k] * z[i * d + k];
        for (size_t k = 0; k < d && length > 0; k++)
            z[i * d + k] = (float)(z[i * d + k] / sqrt(length));
    }
    for (size_t k = 0; k < d; k++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += z[i * d + k] / (double)n;
        squared += mean * mean;
    }
    return 1 - squared;
}

static double on_grid(const uvk_arch *a, int32_t first, int32_t second)
{
    int cols = uvk_arch_grid_cols(a), rows = uvk_arch_grid_rows(a), i = first - a->special, j = second - a->special;
    int down = i / cols - j / cols, across = i % cols - j % cols;
    return hypot(down, across) / (rows > cols ? rows : cols);
}

/* By what they hold, in means of that over the image, and by where they stand, in sides of the grid. */
static double distance(const uvk_job *job, const uvk_landmarks *l, int32_t first, int32_t second)
{
    const uvk_arch *a = &job->session->model->arch;
    size_t d = (size_t)a->width;
    double cosine = 0;
    for (size_t k = 0; k < d; k++)
        cosine += (double)l->latents[(size_t)first * d + k] * l->latents[(size_t)second * d + k];
    return (l->mean > 0 ? fmax(1 - cosine, 0) / l->mean : 0) + on_grid(a, first, second);
}

static bool is_patch(const uvk_job *job, int k)
{
    return job->targets[k] >= job->session->model->arch.special;
}

/* ---- The choice ---------------------------------------------------------------------------------------------------------------- */

int uvk_job_explained(const uvk_job *job)
{
    int patches = 0, landmarks = job->approximation.landmarks;
    for (int k = 0; k < job->n_targets; k++)
        patches += is_patch(job, k);
    return landmarks && landmarks < patches ? job->n_targets - patches + landmarks : job->n_targets;
}

/* The place of the target that is nearest to all others. */
static int central(const uvk_job *job, const uvk_landmarks *l)
{
    int best = -1;
    double least = INFINITY;
    for (int k = 0; k < job->n_targets; k++) {
        double sum = 0;
        for (int o = 0; o < job->n_targets && is_patch(job, k); o++)
            sum += is_patch(job, o) ? distance(job, l, job->targets[k], job->targets[o]) : 0;
        if (is_patch(job, k) && (best < 0 || sum < least)) {
            least = sum;
            best = k;
        }
    }
    return best;
}

/* The one of the others that is farthest from all that were chosen, the last of which is `last`; away holds how far each is. */
static int farthest(const uvk_job *job, const uvk_landmarks *l, int last, double *away)
{
    int best = -1;
    for (int k = 0; k < job->n_targets; k++) {
        if (l->places[k] >= 0)
            continue;
        away[k] = fmin(away[k], distance(job, l, job->targets[k], job->targets[last]));
        if (best < 0 || away[k] > away[best])
            best = k;
    }
    return best;
}

/* Farthest point sampling from the central one on. A place of 0 marks what is chosen, until all are numbered. */
static void choose(const uvk_job *job, uvk_landmarks *l, double *away)
{
    for (int k = 0; k < job->n_targets; k++) {
        l->places[k] = is_patch(job, k) ? -1 : 0;
        away[k] = INFINITY;
    }
    int last = central(job, l);
    l->places[last] = 0;
    for (int i = 1; i < job->approximation.landmarks; i++) {
        last = farthest(job, l, last, away);
        l->places[last] = 0;
    }
    for (int k = 0; k < job->n_targets; k++)
        if (l->places[k] == 0) {
            l->targets[l->count] = job->targets[k];
            l->places[k] = l->count++;
        }
}

uvk_status uvk_landmarks_choose(const uvk_job *job, uvk_landmarks *out, uvk_error *err)
{
    size_t count = (size_t)job->n_targets, n = job->tokens, d = (size_t)job->session->model->arch.width;
    double *away = malloc(count * sizeof *away);
    *out = (uvk_landmarks){.targets = malloc(count * sizeof *out->targets), .places = malloc(count * sizeof *out->places), .latents = malloc(n * d * sizeof *out->latents)};
    uvk_status status = away && out->targets && out->places && out->latents ? UVK_OK : uvk_fail_memory(err, n * d * sizeof *out->latents, "landmarks");
    if (status == UVK_OK && (status = uvk_hidden(job->session, job->layer, out->latents, err)) == UVK_OK) {
        out->mean = normalize(out->latents, n, d);
        choose(job, out, away);
    }
    free(away);
    return status;
}

void uvk_landmarks_free(uvk_landmarks *l)
{
    free(l->targets);
    free(l->places);
    free(l->latents);
    *l = (uvk_landmarks){0};
}

/* ---- Rows of the others ---------------------------------------------------------------------------------------------------------- */

/* The nearest landmarks of a target, as places in l->targets, and their weights, which sum to 1. Returns how many. */
static int neighbours(const uvk_job *job, const uvk_landmarks *l, int32_t target, int places[NEIGHBOURS], double weights[NEIGHBOURS])
{
    int count = 0;
    double away[NEIGHBOURS], sum = 0;
    for (int p = 0; p < l->count; p++) {
        if (l->targets[p] < job->session->model->arch.special)
            continue;
        double here = distance(job, l, target, l->targets[p]);
        if (count == NEIGHBOURS && here >= away[count - 1])
            continue;
        int at = count < NEIGHBOURS ? count++ : count - 1;
        for (; at > 0 && away[at - 1] > here; at--) {
            away[at] = away[at - 1];
            places[at] = places[at - 1];
        }
        away[at] = here;
        places[at] = p;
    }
    for (int i = 0; i < count; i++)
        sum += weights[i] = 1 / (away[i] * away[i] + 1e-12); /* of a target that stands in the list twice the distance is 0 */
    for (int i = 0; i < count; i++)
        weights[i] /= sum;
    return count;
}

/* out += weight * row, the entries of landmark and target exchanged. */
static void add_exchanged(const float *row, size_t n, size_t landmark, size_t target, double weight, double *out)
{
    for (size_t j = 0; j < n; j++)
        out[j] += weight * row[j == landmark ? target : j == target ? landmark : j];
}

uvk_status uvk_landmarks_spread(const uvk_job *job, const uvk_landmarks *l, const float *explained, float *rows, uvk_error *err)
{
    size_t n = job->tokens;
    double *mean = malloc(n * sizeof *mean);
    if (!mean)
        return uvk_fail_memory(err, n * sizeof *mean, "rows of landmarks");
    for (int k = 0; k < job->n_targets; k++) {
        int places[NEIGHBOURS], count = 0;
        double weights[NEIGHBOURS];
        if (l->places[k] >= 0)
            memcpy(rows + (size_t)k * n, explained + (size_t)l->places[k] * n, n * sizeof *rows);
        else
            count = neighbours(job, l, job->targets[k], places, weights);
        memset(mean, 0, n * sizeof *mean);
        for (int i = 0; i < count; i++)
            add_exchanged(explained + (size_t)places[i] * n, n, (size_t)l->targets[places[i]], (size_t)job->targets[k], weights[i], mean);
        for (size_t j = 0; j < n && count; j++)
            rows[(size_t)k * n + j] = (float)mean[j];
    }
    free(mean);
    return UVK_OK;
}
