#include "segment.h"

#include "background.h"
#include "bicubic.h"
#include "guided.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In place; a constant vector becomes zero. */
static void scale(double *v, size_t count)
{
    double low = v[0], high = v[0];
    for (size_t i = 1; i < count; i++) {
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
    }
    for (size_t i = 0; i < count; i++)
        v[i] = high > low ? (v[i] - low) / (high - low) : 0;
}

/* ---- Flat clusters ------------------------------------------------------------------------------------------------------ */

/* The number of clusters, from 2 up, whose mean silhouette is highest, of equal ones the lowest; 1 when none is above 0. */
static int best_count(const double *distances, const uvk_merge *steps, int n, int *labels, double *room)
{
    int best = 1;
    double highest = 0;
    for (int most = 2; most <= UVK_MOST_BY_SILHOUETTE && most < n; most++) {
        int clusters = uvk_cut_into(steps, n, most, labels);
        double width = clusters > 1 ? uvk_silhouette(distances, n, labels, clusters, room) : 0;
        if (width > highest) {
            highest = width;
            best = clusters;
        }
    }
    return best;
}

static uvk_status cut(const uvk_segment_params *p, const double *distances, uvk_segmentation *s, uvk_error *err)
{
    size_t bytes = 2 * (size_t)s->n * sizeof(double);
    double *room = malloc(bytes);
    if (!room)
        return uvk_fail_memory(err, bytes, "a silhouette");
    int count = p->by == UVK_BY_SILHOUETTE ? best_count(distances, s->steps, s->n, s->patches, room) : p->count;
    s->clusters = p->by == UVK_BY_ZETA ? uvk_cut_at(s->steps, s->n, p->zeta, s->patches) : uvk_cut_into(s->steps, s->n, count + p->background, s->patches);
    int most = p->by == UVK_BY_ZETA ? s->clusters : count - 1;
    uvk_status status = p->background ? uvk_join_background(p->rows, p->cols, most, s->patches, &s->clusters, err) : UVK_OK;
    s->silhouette = status == UVK_OK && s->clusters > 1 ? uvk_silhouette(distances, s->n, s->patches, s->clusters, room) : (double)NAN;
    free(room);
    if (status)
        return status;
    return s->clusters <= UVK_MAX_CLUSTERS ? UVK_OK : uvk_fail(err, UVK_USAGE, "%d segments are more than labels of 8 bits tell apart (expected at most %d: "
                                                              "a larger zeta, or a number of clusters)", s->clusters, UVK_MAX_CLUSTERS);
}

/* Merging uses up the distances that the silhouette needs as they were. */
static uvk_status cluster(const uvk_segment_params *p, const double *distances, uvk_segmentation *s, uvk_error *err)
{
    size_t n = (size_t)s->n, bytes = (n * (n - 1) / 2 + 1) * sizeof *distances;
    double *copy = malloc(bytes);
    if (!copy)
        return uvk_fail_memory(err, bytes, "a clustering");
    memcpy(copy, distances, bytes - sizeof *copy);
    uvk_status status = uvk_linkage_average(copy, s->n, s->steps, err);
    free(copy);
    return status ? status : cut(p, distances, s, err);
}

/* ---- Pixels ------------------------------------------------------------------------------------------------------------- */

/* The map of each cluster is the sum of its members' maps; enlarging the sum enlarges them all. */
static void sum_members(const uvk_segmentation *s, const double *maps, int cluster, double *sum)
{
    size_t n = (size_t)s->n;
    memset(sum, 0, n * sizeof *sum);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; s->patches[i] == cluster && k < n; k++)
            sum[k] += maps[i * n + k];
}

/* best holds the highest value so far of every pixel. */
static void claim_pixels(const double *image, size_t pixels, int cluster, double *best, uint8_t *labels)
{
    for (size_t k = 0; k < pixels; k++)
        if (cluster == 0 || image[k] > best[k]) {
            best[k] = image[k];
            labels[k] = (uint8_t)cluster;
        }
}

/* Flat: variances below that of one step in a hundred. A window covers three patches. */
static uvk_status open_guide(const uvk_segment_params *p, uvk_guide *out, uvk_error *err)
{
    const double flat = 1e-4;
    *out = (uvk_guide){0};
    return p->guide ? uvk_guide_create(p->guide, p->height, p->width, (3 * p->height + p->rows) / (2 * p->rows), flat, out, err) : UVK_OK;
}

static uvk_status label_pixels(const uvk_segment_params *p, const double *maps, uvk_segmentation *s, uvk_error *err)
{
    size_t pixels = (size_t)s->height * (size_t)s->width, bytes = (2 * pixels + (size_t)s->n) * sizeof(double);
    uvk_enlargement e;
    uvk_guide guide;
    uvk_status status = uvk_enlargement_create(p->rows, p->cols, p->height, p->width, &e, err);
    if (status)
        return status;
    if ((status = open_guide(p, &guide, err))) {
        uvk_enlargement_free(&e);
        return status;
    }
    double *image = malloc(bytes), *best = image + pixels, *sum = best + pixels;
    for (int c = 0; image && c < s->clusters; c++) {
        sum_members(s, maps, c, sum);
        uvk_enlarge(&e, sum, image);
        if (!p->unscaled)
            scale(image, pixels);
        if (p->guide)
            uvk_guide_filter(&guide, image);
        claim_pixels(image, pixels, c, best, s->labels);
    }
    status = image ? UVK_OK : uvk_fail_memory(err, bytes, "a segmentation");
    free(image);
    uvk_guide_free(&guide);
    uvk_enlargement_free(&e);
    return status;
}

/* Each patch's map is the patch itself. maps: [n, n] scratch. */
static uvk_status label_by_membership(const uvk_segment_params *p, double *maps, uvk_segmentation *s, uvk_error *err)
{
    uvk_segment_params membership = *p;
    membership.unscaled = true;
    memset(maps, 0, (size_t)s->n * (size_t)s->n * sizeof *maps);
    for (size_t i = 0; i < (size_t)s->n; i++)
        maps[i * (size_t)s->n + i] = 1;
    return label_pixels(&membership, maps, s, err);
}

/* ---- Segmentation -------------------------------------------------------------------------------------------------------- */

static uvk_status create(const uvk_segment_params *p, uvk_segmentation *s, uvk_error *err)
{
    size_t n = (size_t)p->rows * (size_t)p->cols, pixels = (size_t)p->height * (size_t)p->width;
    *s = (uvk_segmentation){.n = (int)n, .height = p->height, .width = p->width, .patches = malloc(n * sizeof *s->patches),
                            .steps = malloc(n * sizeof *s->steps), .labels = malloc(pixels)};
    return s->patches && s->steps && s->labels ? UVK_OK : uvk_fail_memory(err, n * (sizeof *s->patches + sizeof *s->steps) + pixels, "a segmentation");
}

void uvk_segmentation_free(uvk_segmentation *s)
{
    free(s->patches);
    free(s->steps);
    free(s->labels);
    *s = (uvk_segmentation){0};
}

/* What all of it needs beside the result: [n, n] twice, and the distances. */
typedef struct workspace { double *maps, *gram, *distances; } workspace;

static uvk_status workspace_create(size_t n, workspace *w, uvk_error *err)
{
    size_t bytes = (2 * n * n + n * (n - 1) / 2 + 1) * sizeof(double);
    w->maps = malloc(bytes);
    if (!w->maps)
        return uvk_fail_memory(err, bytes, "a segmentation");
    w->gram = w->maps + n * n;
    w->distances = w->gram + n * n;
    return UVK_OK;
}

static uvk_status run(const uvk_segment_params *p, const float *maps, workspace *w, uvk_segmentation *s, uvk_error *err)
{
    size_t n = (size_t)s->n;
    for (size_t i = 0; i < n * n; i++)
        w->maps[i] = maps[i];
    for (size_t i = 0; !p->raw && i < n; i++)
        scale(w->maps + i * n, n);
    uvk_status status = uvk_map_gram(p, w->maps, w->gram, err);
    if (status)
        return status;
    uvk_cosine_distances(w->gram, s->n, w->distances);
    status = cluster(p, w->distances, s, err);
    if (status)
        return status;
    return p->guide ? label_by_membership(p, w->maps, s, err) : label_pixels(p, w->maps, s, err);
}

uvk_status uvk_segment(const uvk_segment_params *p, const float *maps, uvk_segmentation *out, uvk_error *err)
{
    uvk_segmentation s;
    workspace w = {0};
    uvk_status status = create(p, &s, err);
    if (status == UVK_OK)
        status = workspace_create((size_t)s.n, &w, err);
    if (status == UVK_OK)
        status = run(p, maps, &w, &s, err);
    free(w.maps);
    if (status)
        uvk_segmentation_free(&s);
    else
        *out = s;
    return status;
}

/* ---- Features instead of maps ---------------------------------------------------------------------------------------------- */

static double inner(const float *a, const float *b, int width)
{
    double sum = 0;
    for (int k = 0; k < width; k++)
        sum += (double)a[k] * b[k];
    return sum;
}

static void feature_distances(const float *features, int n, int width, bool euclidean, double *gram, double *distances)
{
    size_t count = (size_t)n, w = (size_t)width;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            gram[i * count + j] = inner(features + i * w, features + j * w, width);
    uvk_cosine_distances(gram, n, distances);
    for (size_t i = 0; euclidean && i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            distances[uvk_pair(count, i, j)] = sqrt(fmax(0, gram[i * count + i] + gram[j * count + j] - 2 * gram[i * count + j]));
}

uvk_status uvk_segment_features(const uvk_segment_params *p, const float *features, int width, bool euclidean, uvk_segmentation *out, uvk_error *err)
{
    uvk_segmentation s;
    workspace w = {0};
    uvk_status status = create(p, &s, err);
    if (status == UVK_OK)
        status = workspace_create((size_t)s.n, &w, err);
    if (status == UVK_OK) {
        feature_distances(features, s.n, width, euclidean, w.gram, w.distances);
        status = cluster(p, w.distances, &s, err);
    }
    if (status == UVK_OK)
        status = label_by_membership(p, w.maps, &s, err);
    free(w.maps);
    if (status)
        uvk_segmentation_free(&s);
    else
        *out = s;
    return status;
}
