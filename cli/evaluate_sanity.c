/* evaluate sanity: maps must change when what the model has learned is taken from it, block by block from the top. */
#include "evaluate.h"

#include "reinitialize.h"
#include "summary.h"

#include <stdlib.h>

/* Of all methods, [METHODS][targets, n]. */
static float *maps_of(float *all, const explained *r, method m)
{
    return all + (size_t)m * (size_t)r->targets.count * (size_t)r->n;
}

static uvk_status all_maps(const job *j, const evaluation *e, const explained *r, float *all, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
        if (e->methods[m] && method_has_maps(m))
            status = method_maps(j, r, m, j->layer, maps_of(all, r, m), err);
    return status;
}

static uvk_status compare(const job *j, const evaluation *e, explained *r, float *before, float *now, double k, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (method m = METHOD_ULTRA; m < METHODS; m++)
        for (int t = 0; t < r->targets.count && e->methods[m] && method_has_maps(m) && status == UVK_OK; t++) {
            size_t at = (size_t)t * (size_t)r->n;
            double correlation;
            status = method_correlation(j, r, r->targets.tokens[t], maps_of(before, r, m) + at, maps_of(now, r, m) + at, &correlation, err);
            if (status == UVK_OK)
                evaluate_add(r, r->targets.tokens[t], "sanity", m, k, correlation);
        }
    return status;
}

static uvk_status descend(job *j, const evaluation *e, explained *r, float *before, float *now, uvk_error *err)
{
    int blocks = j->info->encoder_layers + j->layer - 1; /* an encoder lies below its decoder */
    uvk_status status = all_maps(j, e, r, before, err);
    for (int done = 1; done <= blocks && status == UVK_OK; done++) {
        if ((status = uvk_reinitialize_block(j->session, blocks + 1 - done, j->o->seed, err)) || (status = uvk_forward(j->session, r->input, err)) ||
            (status = all_maps(j, e, r, now, err)))
            break;
        status = compare(j, e, r, before, now, (double)done / blocks, err);
        evaluate_progress(j, r, done, blocks);
    }
    return status;
}

/* The session gets its weights back, whatever happened; when it cannot, no further input can be explained. */
static uvk_status judge(job *j, const evaluation *e, explained *r, uvk_error *err)
{
    size_t count = METHODS * (size_t)r->targets.count * (size_t)r->n;
    float *maps = calloc(2 * count, sizeof *maps);
    uvk_error second;
    if (!maps)
        return uvk_fail_memory(err, 2 * count * sizeof *maps, "maps");
    uvk_status status = descend(j, e, r, maps, maps + count, err);
    if (uvk_restore_weights(j->session, &second) != UVK_OK) {
        r->stopped = true;
        status = uvk_fail(err, second.status, "%s", second.message);
    }
    free(maps);
    return status;
}

static uvk_status judge_image(job *j, const evaluation *e, explained *r, uvk_error *err)
{
    uvk_status status = explained_run(j, r, err);
    return status == UVK_OK ? judge(j, e, r, err) : status;
}

static uvk_status judge_text(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err)
{
    uvk_status status = summary_explain(j, r, s, err);
    return status == UVK_OK ? judge(j, e, r, err) : status;
}

const subject subject_sanity = {"sanity", judge_image, judge_text, NULL};
