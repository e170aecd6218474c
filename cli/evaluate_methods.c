/* The method and its baselines as scores of equal shape. */
#include "evaluate.h"

#include "drift.h"
#include "random.h"
#include "statistics.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const method_names[METHODS] = {"ultra", "random", "rollout", "gradient_x_input", "leave_one_out"};

uint64_t evaluate_purpose(const explained *r, uint64_t purpose)
{
    char digits[17] = "";
    memcpy(digits, r->sha256, 16);
    return strtoull(digits, NULL, 16) ^ (purpose << 40);
}

/* ---- Maps --------------------------------------------------------------------------------------------------------------------- */

bool method_has_maps(method m)
{
    return m == METHOD_ULTRA || m == METHOD_ROLLOUT || m == METHOD_GRADIENT_X_INPUT;
}

static uvk_status rows_of(const job *j, const explained *r, method m, int layer, float *rows, uvk_error *err)
{
    uvk_explain_params params = job_params(j, &r->targets);
    params.layer = layer;
    if (m == METHOD_ROLLOUT)
        return uvk_raw_rollout(j->session, layer, r->targets.tokens, r->targets.count, rows, err);
    return m == METHOD_ULTRA ? uvk_explain(j->session, &params, rows, NULL, err) : uvk_gradient_x_input(j->session, &params, rows, err);
}

uvk_status method_maps(const job *j, const explained *r, method m, int layer, float *maps, uvk_error *err)
{
    size_t n = (size_t)r->n;
    uvk_layout layout = uvk_layout_of(j->model, r->input);
    uvk_status status = rows_of(j, r, m, layer, maps, err);
    for (size_t t = 0; t < (size_t)r->targets.count && status == UVK_OK; t++)
        status = uvk_map(&layout, r->targets.tokens[t], maps + t * n, j->own, maps + t * n, NULL, err);
    return status;
}

static uvk_status add(rankings *all, method m, size_t count, float **scores, uvk_error *err)
{
    *scores = calloc(count, sizeof **scores);
    if (!*scores)
        return uvk_fail_memory(err, count * sizeof **scores, "the scores of a method");
    all->list[all->count++] = (ranking){m, *scores};
    return UVK_OK;
}

void rankings_free(rankings *all)
{
    for (int i = 0; i < all->count; i++)
        free(all->list[i].scores);
    all->count = 0;
}

int rankings_count(const rankings *all, method m)
{
    int count = 0;
    for (int i = 0; i < all->count; i++)
        count += all->list[i].method == m;
    return count;
}

/* r is explained: its own maps are there. */
static uvk_status known_maps(const job *j, const explained *r, method m, float *maps, uvk_error *err)
{
    if (m != METHOD_ULTRA)
        return method_maps(j, r, m, j->layer, maps, err);
    memcpy(maps, r->scores, (size_t)r->targets.count * (size_t)r->n * sizeof *maps);
    return UVK_OK;
}

/* Orders drawn anew for every target. */
static uvk_status add_random(const job *j, const explained *r, size_t targets, rankings *out, uvk_error *err)
{
    size_t n = (size_t)r->n;
    float *scores;
    uvk_status status = UVK_OK;
    for (uint64_t order = 0; order < RANDOM_ORDERS && status == UVK_OK; order++) {
        if ((status = add(out, METHOD_RANDOM, targets * n, &scores, err)))
            break;
        for (size_t t = 0; t < targets; t++) {
            uvk_random draw = uvk_random_start(j->o->seed, evaluate_purpose(r, 1 + order) + (targets > 1 ? (uint64_t)r->targets.tokens[t] : 0));
            for (size_t i = 0; i < n; i++)
                scores[t * n + i] = uvk_random_uniform(&draw);
        }
    }
    return status;
}

uvk_status rankings_of_maps(const job *j, const evaluation *e, const explained *r, rankings *out, uvk_error *err)
{
    size_t targets = (size_t)r->targets.count;
    float *maps;
    uvk_status status = UVK_OK;
    for (method m = METHOD_ULTRA; m < METHOD_LEAVE_ONE_OUT && status == UVK_OK; m++) {
        if (!e->methods[m])
            continue;
        if (m == METHOD_RANDOM)
            status = add_random(j, r, targets, out, err);
        else if ((status = add(out, m, targets * (size_t)r->n, &maps, err)) == UVK_OK)
            status = known_maps(j, r, m, maps, err);
    }
    return status;
}

uvk_status method_correlation(const job *j, const explained *r, int target, const float *a, const float *b, double *out, uvk_error *err)
{
    double *x = text_alloc(2 * (size_t)r->n, sizeof *x), *y = x + r->n;
    int count = 0;
    for (int i = 0; i < r->n; i++) {
        bool shown = j->info->modality == UVK_TEXT ? r->tokens[i].role == UVK_ROLE_CONTEXT : !r->tokens[i].special;
        if (i == target || !shown || (j->info->causal && i > target))
            continue;
        x[count] = a[i];
        y[count++] = b[i];
    }
    uvk_status status = uvk_spearman(x, y, count, out, err);
    free(x);
    return status;
}

/* ---- Contribution scores ------------------------------------------------------------------------------------------------------ */

static uvk_status add_summary(const job *j, const explained *r, method m, float *maps, rankings *out, uvk_error *err)
{
    size_t n = (size_t)r->n;
    float *scores, *share = text_alloc(n, sizeof *share);
    uvk_status status = add(out, m, n, &scores, err);
    if (status == UVK_OK)
        status = known_maps(j, r, m, maps, err);
    if (status == UVK_OK)
        status = summary_scores(r, maps, NULL, scores, share, err);
    free(share);
    return status;
}

static uvk_status rankings_of_summary(const job *j, const evaluation *e, const explained *r, rankings *out, uvk_error *err)
{
    size_t count = (size_t)r->targets.count * (size_t)r->n;
    float *maps = malloc(count * sizeof *maps);
    uvk_status status = maps ? UVK_OK : uvk_fail_memory(err, count * sizeof *maps, "the maps of a method");
    for (method m = METHOD_ULTRA; m < METHOD_LEAVE_ONE_OUT && status == UVK_OK; m++)
        if (e->methods[m])
            status = m == METHOD_RANDOM ? add_random(j, r, 1, out, err) : add_summary(j, r, m, maps, out, err);
    free(maps);
    return status;
}

/* ---- Leaving one out ---------------------------------------------------------------------------------------------------------- */

/* What masking one patch does to every target, at its place in their maps. */
static uvk_status mask_patch(const job *j, const explained *r, uvk_hider *h, const float *z, bool *hidden, int patch, float *latent, float *maps, uvk_error *err)
{
    size_t n = (size_t)r->n, d = (size_t)j->info->width;
    hidden[patch] = true;
    uvk_status status = uvk_hider_run(h, hidden, err);
    hidden[patch] = false;
    for (size_t t = 0; t < (size_t)r->targets.count && status == UVK_OK; t++) {
        int target = r->targets.tokens[t];
        if (target == patch || (status = uvk_hider_latent(h, j->layer, target, latent, err)))
            continue;
        maps[t * n + (size_t)patch] = (float)uvk_relative_drift(latent, z + (size_t)target * d, d);
    }
    return status;
}

uvk_status rankings_leave_patches_out(const job *j, const evaluation *e, const explained *r, uvk_hider *h, const float *z, rankings *io, uvk_error *err)
{
    float *maps;
    if (!e->methods[METHOD_LEAVE_ONE_OUT])
        return UVK_OK;
    uvk_status status = add(io, METHOD_LEAVE_ONE_OUT, (size_t)r->targets.count * (size_t)r->n, &maps, err);
    bool *hidden = text_alloc((size_t)r->n, sizeof *hidden);
    float *latent = text_alloc((size_t)j->info->width, sizeof *latent);
    for (int i = 0; i < r->n && status == UVK_OK; i++)
        if (!r->tokens[i].special)
            status = mask_patch(j, r, h, z, hidden, i, latent, maps, err);
    free(latent);
    free(hidden);
    return status;
}

/* From the last token to the first: what stands before it is not computed again. */
static uvk_status leave_tokens_out(const job *j, const evaluation *e, const explained *r, uvk_hider *h, rankings *io, uvk_error *err)
{
    float *scores;
    double whole, without;
    if (!e->methods[METHOD_LEAVE_ONE_OUT])
        return UVK_OK;
    uvk_status status = add(io, METHOD_LEAVE_ONE_OUT, (size_t)r->n, &scores, err);
    bool *hidden = text_alloc((size_t)r->n, sizeof *hidden);
    if (status == UVK_OK && (status = uvk_hider_run(h, hidden, err)) == UVK_OK)
        status = uvk_hider_probability(h, &whole, err);
    for (int i = r->n - 1, done = 0; i >= 0 && status == UVK_OK; i--) {
        if (r->tokens[i].role != UVK_ROLE_CONTEXT)
            continue;
        hidden[i] = true;
        if ((status = uvk_hider_run(h, hidden, err)) == UVK_OK && (status = uvk_hider_probability(h, &without, err)) == UVK_OK)
            scores[i] = isfinite(whole - without) ? (float)(whole - without) : 0;
        hidden[i] = false;
        evaluate_progress(j, r, ++done, r->n);
    }
    free(hidden);
    return status;
}

uvk_status rankings_of_text(const job *j, const evaluation *e, const explained *r, rankings *out, uvk_error *err)
{
    uvk_hider h = {0};
    uvk_status status = rankings_of_summary(j, e, r, out, err);
    if (status == UVK_OK)
        status = uvk_hider_open(&h, j->session, r->input, (uvk_mask)j->o->mask, (uvk_removal)j->o->removal, err);
    if (status == UVK_OK)
        status = leave_tokens_out(j, e, r, &h, out, err);
    uvk_hider_close(&h);
    return status;
}
