/* evaluate faithfulness: hide what a method names, and what it names last (METHOD section 6). */
#include "evaluate.h"

#include "drift.h"
#include "erase.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

/* ---- Images: the drift of a token ----------------------------------------------------------------------------------------------- */

typedef struct measured { job *j; const evaluation *e; explained *r; uvk_hider *h; const float *z; const rankings *all; int done, of; } measured;

static void add_share(uvk_drift *sum, const uvk_drift *one, double share)
{
    for (int step = 0; step < UVK_DRIFT_STEPS; step++) {
        sum->positive[step] += share * one->positive[step];
        sum->negative[step] += share * one->negative[step];
    }
}

static void add_drift(explained *r, int target, method m, uvk_drift *drift)
{
    uvk_drift_finish(drift);
    for (int step = 1; step <= UVK_DRIFT_STEPS; step++) {
        evaluate_add(r, target, "drift_positive", m, step / 10.0, drift->positive[step - 1]);
        evaluate_add(r, target, "drift_negative", m, step / 10.0, drift->negative[step - 1]);
    }
    evaluate_add(r, target, "auc_positive", m, NAN, drift->auc_positive);
    evaluate_add(r, target, "auc_negative", m, NAN, drift->auc_negative);
    evaluate_add(r, target, "faithfulness_gap", m, NAN, drift->gap);
}

static uvk_status measure_target(measured *w, size_t t, uvk_error *err)
{
    uvk_drift sums[METHODS] = {0}, one;
    size_t n = (size_t)w->r->n, d = (size_t)w->j->info->width;
    int target = w->r->targets.tokens[t];
    uvk_status status = UVK_OK;
    for (int i = 0; i < w->all->count && status == UVK_OK; i++) {
        const ranking *by = &w->all->list[i];
        status = uvk_drift_measure(w->h, w->j->layer, target, w->z + (size_t)target * d, by->scores + t * n, &one, err);
        if (status == UVK_OK)
            add_share(&sums[by->method], &one, 1.0 / rankings_count(w->all, by->method));
        evaluate_progress(w->j, w->r, ++w->done, w->of);
    }
    for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
        if (w->e->methods[m])
            add_drift(w->r, target, m, &sums[m]);
    return status;
}

static uvk_status measure_image(job *j, const evaluation *e, explained *r, uvk_hider *h, float *z, rankings *all, uvk_error *err)
{
    uvk_status status;
    if ((status = uvk_hidden(j->session, j->layer, z, err)) || (status = rankings_of_maps(j, e, r, all, err)) ||
        (status = uvk_hider_open(h, j->session, r->input, (uvk_mask)j->o->mask, (uvk_removal)j->o->removal, err)) ||
        (status = rankings_leave_patches_out(j, e, r, h, z, all, err)))
        return status;
    measured w = {.j = j, .e = e, .r = r, .h = h, .z = z, .all = all, .of = r->targets.count * all->count};
    for (size_t t = 0; t < (size_t)r->targets.count && status == UVK_OK; t++)
        status = measure_target(&w, t, err);
    return status;
}

static uvk_status judge_image(job *j, const evaluation *e, explained *r, uvk_error *err)
{
    uvk_hider h = {0};
    rankings all = {.count = 0};
    uvk_status status = explained_run(j, r, err);
    size_t count = (size_t)r->n * (size_t)j->info->width;
    float *z = malloc(count * sizeof *z);
    if (status == UVK_OK)
        status = z ? measure_image(j, e, r, &h, z, &all, err) : uvk_fail_memory(err, count * sizeof *z, "latents");
    uvk_hider_close(&h);
    rankings_free(&all);
    free(z);
    return status;
}

/* ---- Texts: the probability of a summary ------------------------------------------------------------------------------------------ */

static void add_erasure(explained *r, method m, const uvk_erasure *erasure)
{
    for (int i = 0; i < UVK_ERASE_STEPS; i++) {
        evaluate_add(r, -1, "comprehensiveness", m, uvk_erase_percent[i] / 100.0, erasure->comprehensiveness[i]);
        evaluate_add(r, -1, "sufficiency", m, uvk_erase_percent[i] / 100.0, erasure->sufficiency[i]);
    }
    evaluate_add(r, -1, "aopc_comprehensiveness", m, NAN, erasure->aopc_comprehensiveness);
    evaluate_add(r, -1, "aopc_sufficiency", m, NAN, erasure->aopc_sufficiency);
}

static uvk_status erase_all(job *j, const evaluation *e, explained *r, uvk_hider *h, const rankings *all, uvk_error *err)
{
    uvk_erasure sums[METHODS] = {0}, one;
    uvk_status status = UVK_OK;
    for (int i = 0; i < all->count && status == UVK_OK; i++) {
        const ranking *by = &all->list[i];
        if ((status = uvk_erase(h, by->scores, &one, err)) == UVK_OK)
            uvk_erasure_add(&sums[by->method], &one, 1.0 / rankings_count(all, by->method));
        evaluate_progress(j, r, i + 1, all->count);
    }
    for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
        if (e->methods[m]) {
            uvk_erasure_finish(&sums[m]);
            add_erasure(r, m, &sums[m]);
        }
    return status;
}

static uvk_status judge_text(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err)
{
    uvk_hider h = {0};
    rankings all = {.count = 0};
    uvk_status status;
    if ((status = summary_explain(j, r, s, err)) == UVK_OK && (status = rankings_of_text(j, e, r, &all, err)) == UVK_OK &&
        (status = uvk_hider_open(&h, j->session, r->input, (uvk_mask)j->o->mask, (uvk_removal)j->o->removal, err)) == UVK_OK)
        status = erase_all(j, e, r, &h, &all, err);
    uvk_hider_close(&h);
    rankings_free(&all);
    return status;
}

const subject subject_faithfulness = {"faithfulness", judge_image, judge_text, NULL};
