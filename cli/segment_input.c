/* One image of segment: its rows, from the database where they are; clusters; scores; then files, database and stdout. */
#include "segmented.h"

#include "crew.h"
#include "pictures.h"
#include "record.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const segment_methods[SEGMENT_METHODS] = {"ultra", "latent", "rollout", "colour", "one_segment"};

void segmented_free(segmented *g)
{
    if (!g)
        return;
    uvk_segmentation_free(&g->s);
    free(g->mask);
    free(g->colours);
    free(g->match);
    free(g->list);
    free(g->token_segments);
    free(g->merges);
    free(g);
}

target_list segment_targets(const uvk_model_info *model)
{
    target_list all = {.count = model->tokens - model->special};
    all.tokens = text_alloc((size_t)all.count, sizeof *all.tokens);
    for (int i = 0; i < all.count; i++)
        all.tokens[i] = model->special + i;
    return all;
}

float *segment_maps(const job *j, const explained *r)
{
    size_t special = (size_t)j->info->special, n = (size_t)r->n, patches = n - special;
    float *maps = text_alloc(patches * patches, sizeof *maps);
    for (size_t i = 0; i < patches; i++)
        memcpy(maps + i * patches, r->scores + i * n + special, patches * sizeof *maps);
    return maps;
}

/* ---- What the tables hold ------------------------------------------------------------------------------------------------------ */

static double clamp(double value, double high)
{
    return fmin(fmax(value, 0), high);
}

/* The box of a segment's pixels in the photo, or in the model's input where there is none. */
static void set_box(const job *j, const explained *r, const segmented *g, int cluster, uvk_db_segment *out)
{
    int left = g->s.width, right = -1, top = g->s.height, bottom = -1;
    for (int y = 0; y < g->s.height; y++)
        for (int x = 0; x < g->s.width; x++)
            if (g->s.labels[(size_t)y * (size_t)g->s.width + (size_t)x] == cluster) {
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y;
                out->area++;
            }
    out->x0 = out->y0 = out->x1 = out->y1 = NAN;
    if (right < 0)
        return;
    double across = r->info->scale_x * j->info->image_width / g->s.width, down = r->info->scale_y * j->info->image_height / g->s.height;
    double width = r->info->photo_width ? r->info->photo_width : j->info->image_width, height = r->info->photo_height ? r->info->photo_height : j->info->image_height;
    out->x0 = clamp(left * across + r->info->offset_x, width);
    out->x1 = clamp((right + 1) * across + r->info->offset_x, width);
    out->y0 = clamp(top * down + r->info->offset_y, height);
    out->y1 = clamp((bottom + 1) * down + r->info->offset_y, height);
}

static void describe(const job *j, const explained *r, segmented *g)
{
    int special = j->info->special;
    g->list = text_alloc((size_t)g->s.clusters, sizeof *g->list);
    g->token_segments = text_alloc((size_t)r->n, sizeof *g->token_segments);
    g->merges = text_alloc((size_t)g->s.n, sizeof *g->merges);
    for (int i = 0; i < r->n; i++)
        g->token_segments[i] = i < special ? -1 : g->s.patches[i - special];
    for (int k = 0; k < g->s.n - 1; k++)
        g->merges[k] = (uvk_db_merge_step){g->s.steps[k].a, g->s.steps[k].b, g->s.steps[k].height, g->s.steps[k].size};
    for (int c = 0; c < g->s.clusters; c++) {
        uvk_db_segment *segment = &g->list[c];
        segment->class_id = g->match ? g->match->classes[c] : -1;
        segment->class_name = segment->class_id >= 0 ? g->settings->map.names[segment->class_id] : NULL;
        segment->iou = g->match ? g->match->ious[c] : (double)NAN;
        set_box(j, r, g, c, segment);
        for (int i = 0; i < g->s.n; i++)
            segment->n_tokens += g->s.patches[i] == c;
    }
}

static void add_score(explained *r, const char *method, const char *name, double value)
{
    explained_add_metric(r, (uvk_db_metric){.target = -1, .name = name, .method = method, .k = NAN, .value = value});
}

static void add_scores(explained *r, const segmented *g)
{
    for (int m = 0; m < g->n_methods; m++)
        if (g->match[m].counted) {
            add_score(r, segment_methods[m], "u_acc", g->match[m].accuracy);
            add_score(r, segment_methods[m], "u_miou", g->match[m].miou);
        }
    if (!isnan(g->s.silhouette))
        add_score(r, "ultra", "silhouette", g->s.silhouette);
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------------------- */

static uvk_status open_mask(const job *j, const explained *r, segmented *g, uvk_error *err)
{
    const segment_settings *settings = g->settings;
    size_t pixels = (size_t)j->info->image_height * (size_t)j->info->image_width;
    uvk_status status = j->o->masks ? mask_load(j->o->masks, r->path, j->info, r->info, &settings->map, &g->mask, err) : UVK_OK;
    if (status == UVK_OK && settings->by_labels) {
        int count = mask_count(g->mask, pixels);
        g->params.count = count ? count : 1;
    }
    return status;
}

static uvk_status score(job *j, explained *r, segmented *g, uvk_error *err)
{
    if (!g->mask)
        return UVK_OK;
    g->match = text_alloc(SEGMENT_METHODS, sizeof *g->match);
    g->n_methods = j->o->all_baselines ? SEGMENT_METHODS : 1;
    uvk_status status = segment_score(j->info, g, &g->s, g->match, err);
    return status == UVK_OK && j->o->all_baselines ? segment_baselines(j, r, g, err) : status;
}

static uvk_status segment(job *j, explained *r, segmented *g, uvk_error *err)
{
    float *maps = segment_maps(j, r);
    if (j->o->edges) {
        g->params.guide = g->colours = text_alloc(3 * (size_t)j->info->image_height * (size_t)j->info->image_width, sizeof *g->colours);
        uvk_input_colours(r->input, g->colours);
    }
    uvk_status status = uvk_segment(&g->params, maps, &g->s, err);
    free(maps);
    if (status == UVK_OK)
        status = score(j, r, g, err);
    return status;
}

/* With masks every image counts in the scores of all: it is clustered again, of the rows that are stored. */
static uvk_status compute(job *j, explained *r, void *source, uvk_error *err)
{
    segment_settings *settings = source;
    bool done = false;
    uvk_status status = j->o->masks ? UVK_OK : record_is_done(j, r, &done, err);
    if (status != UVK_OK || done)
        return status;
    segmented *g = r->segments = text_alloc(1, sizeof *g);
    g->settings = settings;
    g->params = settings->params;
    r->targets = segment_targets(j->info);
    status = explained_load(j, r, err);
    if (status == UVK_OK)
        status = open_mask(j, r, g, err);
    if (status == UVK_OK)
        status = explained_run(j, r, err);
    if (status == UVK_OK)
        status = segment(j, r, g, err);
    if (status)
        return status;
    crew_lock();
    for (int m = 0; m < g->n_methods; m++)
        uvk_pool_match(&settings->pooled[m], &g->match[m]);
    crew_unlock();
    describe(j, r, g);
    add_scores(r, g);
    return UVK_OK;
}

/* The database comes after the pictures, so that "done" there means that all of it is done. */
static uvk_status deliver(job *j, explained *r, uvk_error *err)
{
    uvk_status status = j->o->out_dir ? segment_files_write(j, r, err) : UVK_OK;
    if (status == UVK_OK && j->table)
        status = segment_table(j, r, err);
    return status == UVK_OK && j->db ? record_result(j, r, err) : status;
}

const steps segment_steps = {compute, deliver, segment_json};
