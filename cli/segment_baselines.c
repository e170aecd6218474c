/* What segments are compared with: as many of them, made of something else than explanations. */
#include "segmented.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

uvk_status segment_score(const uvk_model_info *model, const segmented *g, const uvk_segmentation *s, uvk_match *out, uvk_error *err)
{
    size_t height = (size_t)model->image_height, width = (size_t)model->image_width;
    uint8_t *labels = text_alloc(height * width, 1);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            labels[y * width + x] = s->labels[(2 * y + 1) * (size_t)s->height / (2 * height) * (size_t)s->width + (2 * x + 1) * (size_t)s->width / (2 * width)];
    uvk_status status = uvk_match_mask(labels, s->clusters, g->mask, height * width, out, err);
    free(labels);
    return status;
}

/* As many segments as the explanations gave. */
static uvk_segment_params params_of(const segmented *g)
{
    uvk_segment_params params = g->params;
    params.by = UVK_BY_COUNT;
    params.count = g->s.clusters;
    return params;
}

static uvk_status score_features(const job *j, const segmented *g, const float *features, int width, bool euclidean, uvk_match *out, uvk_error *err)
{
    uvk_segment_params params = params_of(g);
    uvk_segmentation s;
    uvk_status status = uvk_segment_features(&params, features, width, euclidean, &s, err);
    if (status)
        return status;
    status = segment_score(j->info, g, &s, out, err);
    uvk_segmentation_free(&s);
    return status;
}

static uvk_status score_latents(job *j, const explained *r, const segmented *g, uvk_match *out, uvk_error *err)
{
    size_t width = (size_t)j->info->width;
    float *z = text_alloc((size_t)r->n * width, sizeof *z);
    uvk_status status = uvk_hidden(j->session, j->layer, z, err);
    if (status == UVK_OK)
        status = score_features(j, g, z + (size_t)j->info->special * width, (int)width, false, out, err);
    free(z);
    return status;
}

/* Mean red, green and blue of each patch. */
static uvk_status score_colour(const job *j, const explained *r, const segmented *g, uvk_match *out, uvk_error *err)
{
    const float *pixels = uvk_input_pixels(r->input);
    int width = j->info->image_width, height = j->info->image_height, patch = j->info->patch;
    float *colours = text_alloc((size_t)g->s.n, 3 * sizeof *colours);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < j->info->grid_rows * patch; y++)
            for (int x = 0; x < j->info->grid_cols * patch; x++)
                colours[3 * ((y / patch) * j->info->grid_cols + x / patch) + c] += pixels[((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)x] / (float)(patch * patch);
    uvk_status status = score_features(j, g, colours, 3, true, out, err);
    free(colours);
    return status;
}

/* The same clustering of other maps: rows of raw attention rollout. */
static uvk_status score_rollout(job *j, const explained *r, const segmented *g, uvk_match *out, uvk_error *err)
{
    explained other = {.n = r->n, .targets = r->targets};
    uvk_segment_params params = params_of(g);
    uvk_segmentation s;
    size_t count = (size_t)r->targets.count * (size_t)r->n;
    other.rows = text_alloc(count, sizeof *other.rows);
    other.scores = text_alloc(count, sizeof *other.scores);
    other.stats = text_alloc((size_t)r->targets.count, sizeof *other.stats);
    other.input = r->input;
    uvk_status status = uvk_raw_rollout(j->session, j->layer, r->targets.tokens, r->targets.count, other.rows, err);
    if (status == UVK_OK)
        status = explained_maps(j, &other, err);
    if (status == UVK_OK) {
        float *maps = segment_maps(j, &other);
        if ((status = uvk_segment(&params, maps, &s, err)) == UVK_OK) {
            status = segment_score(j->info, g, &s, out, err);
            uvk_segmentation_free(&s);
        }
        free(maps);
    }
    free(other.rows);
    free(other.scores);
    free(other.stats);
    return status;
}

static uvk_status score_one(const job *j, const segmented *g, uvk_match *out, uvk_error *err)
{
    size_t pixels = (size_t)j->info->image_height * (size_t)j->info->image_width;
    uint8_t *labels = text_alloc(pixels, 1);
    uvk_status status = uvk_match_mask(labels, 1, g->mask, pixels, out, err);
    free(labels);
    return status;
}

uvk_status segment_baselines(job *j, explained *r, segmented *g, uvk_error *err)
{
    uvk_status status = uvk_forward(j->session, r->input, err); /* the rows may have come from the database */
    if (status == UVK_OK)
        status = score_latents(j, r, g, &g->match[1], err);
    if (status == UVK_OK)
        status = score_rollout(j, r, g, &g->match[2], err);
    if (status == UVK_OK)
        status = score_colour(j, r, g, &g->match[3], err);
    return status == UVK_OK ? score_one(j, g, &g->match[4], err) : status;
}
