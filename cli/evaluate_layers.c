/* evaluate layers: at which depth maps tell most of what they should.
 *
 * Without labels: Spearman of a map with what hiding each of its sources alone does to the target's latent at that layer. One forward
 * pass a source serves all layers and targets.
 * With --masks: average precision of a patch's map against the other patches of its class. */
#include "evaluate.h"

#include "agreement.h"
#include "drift.h"
#include "mask.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

/* Maps of every layer 2..L+1 and method, and what hiding does; [layer - 2][METHODS + 1][targets, n]. */
typedef struct sheet {
    float *values, *z; /* z: [layer - 2][targets, d], the latents of the whole input */
    int layers;
    size_t targets, n, d;
} sheet;

enum { DRIFT = METHODS, SLOTS };

static float *slot(const sheet *s, int layer, int which)
{
    return s->values + ((size_t)(layer - 2) * SLOTS + (size_t)which) * s->targets * s->n;
}

static float *latent(const sheet *s, int layer, size_t target)
{
    return s->z + ((size_t)(layer - 2) * s->targets + target) * s->d;
}

static uvk_status fill_maps(const job *j, const evaluation *e, const explained *r, const sheet *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int layer = 2; layer <= s->layers + 1; layer++)
        for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
            if (e->methods[m] && method_has_maps(m))
                status = method_maps(j, r, m, layer, slot(s, layer, m), err);
    return status;
}

/* The targets' latents of the last run. */
static uvk_status read_latents(uvk_hider *h, const explained *r, const sheet *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int layer = 2; layer <= s->layers + 1; layer++)
        for (size_t t = 0; t < s->targets && status == UVK_OK; t++)
            status = uvk_hider_latent(h, layer, r->targets.tokens[t], latent(s, layer, t), err);
    return status;
}

/* What hiding one token does to every target behind it, at every layer. */
static uvk_status hide_one(uvk_hider *h, const explained *r, const sheet *s, bool *hidden, int token, float *moved, uvk_error *err)
{
    hidden[token] = true;
    uvk_status status = uvk_hider_run(h, hidden, err);
    hidden[token] = false;
    for (int layer = 2; layer <= s->layers + 1; layer++)
        for (size_t t = 0; t < s->targets && status == UVK_OK; t++) {
            if (r->targets.tokens[t] == token || (status = uvk_hider_latent(h, layer, r->targets.tokens[t], moved, err)))
                continue;
            slot(s, layer, DRIFT)[t * s->n + (size_t)token] = (float)uvk_relative_drift(moved, latent(s, layer, t), s->d);
        }
    return status;
}

static bool is_source(const job *j, const uvk_token *t)
{
    return j->info->modality == UVK_TEXT ? t->role == UVK_ROLE_CONTEXT : !t->special;
}

static uvk_status hide_each(const job *j, const explained *r, uvk_hider *h, const sheet *s, uvk_error *err)
{
    bool *hidden = text_alloc(s->n, sizeof *hidden);
    float *moved = text_alloc(s->d, sizeof *moved);
    uvk_status status = uvk_hider_run(h, hidden, err);
    if (status == UVK_OK)
        status = read_latents(h, r, s, err);
    for (int i = r->n - 1; i >= 0 && status == UVK_OK; i--) /* from the last: of a text, what stands before is not computed again */
        if (is_source(j, &r->tokens[i])) {
            status = hide_one(h, r, s, hidden, i, moved, err);
            evaluate_progress(j, r, r->n - i, r->n);
        }
    free(moved);
    free(hidden);
    return status;
}

static uvk_status compare(const job *j, const evaluation *e, explained *r, const sheet *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int layer = 2; layer <= s->layers + 1; layer++)
        for (method m = METHOD_ULTRA; m < METHODS; m++)
            for (size_t t = 0; t < s->targets && e->methods[m] && method_has_maps(m) && status == UVK_OK; t++) {
                int target = r->targets.tokens[t];
                double score;
                status = method_correlation(j, r, target, slot(s, layer, m) + t * s->n, slot(s, layer, DRIFT) + t * s->n, &score, err);
                if (status == UVK_OK)
                    evaluate_add(r, target, "layer_score", m, (double)(layer - 1) / s->layers, score);
            }
    return status;
}

/* ---- With masks ------------------------------------------------------------------------------------------------------------------- */

/* The class of most pixels of a patch, of equally many the first; 255: none. */
static int class_of_patch(const uvk_model_info *model, const uint8_t *classes, int patch)
{
    int counts[256] = {0}, best = 0, p = model->patch, row = patch / model->grid_cols * p, col = patch % model->grid_cols * p;
    for (int y = row; y < row + p; y++)
        for (int x = col; x < col + p; x++)
            counts[classes[(size_t)y * (size_t)model->image_width + (size_t)x]]++;
    for (int c = 1; c < 256; c++)
        best = counts[c] > counts[best] ? c : best;
    return best;
}

enum { NO_CLASS = 255 };

/* Of one map; NaN where the target has no class, or no other patch has its class. */
static uvk_status find_object(const job *j, const explained *r, const int *classes, int target, const float *map, double *out, uvk_error *err)
{
    float *scores = text_alloc((size_t)r->n, sizeof *scores);
    uvk_token_span *same = text_alloc((size_t)r->n, sizeof *same);
    uvk_agreement agreement = {.auprc = NAN};
    int count = 0, n_same = 0;
    for (int i = j->info->special; i < r->n; i++) {
        if (i == target || classes[i] == NO_CLASS)
            continue;
        if (classes[i] == classes[target])
            same[n_same++] = (uvk_token_span){count, count + 1};
        scores[count++] = map[i];
    }
    bool asked = target >= j->info->special && classes[target] != NO_CLASS && n_same > 0;
    uvk_status status = asked ? uvk_agreement_measure(scores, count, same, n_same, &agreement, err) : UVK_OK;
    *out = agreement.auprc;
    free(same);
    free(scores);
    return status;
}

static uvk_status read_classes(const job *j, const explained *r, int *out, uvk_error *err)
{
    label_map map;
    uint8_t *classes = NULL;
    uvk_status status = label_map_open(j->o->classes, j->o->ignore, &map, err);
    if (status == UVK_OK)
        status = mask_load(j->o->masks, r->path, j->info, r->info, &map, &classes, err);
    for (int i = 0; i < r->n && status == UVK_OK; i++)
        out[i] = i < j->info->special ? NO_CLASS : class_of_patch(j->info, classes, i - j->info->special);
    free(classes);
    label_map_free(&map);
    return status;
}

static uvk_status find_objects(const job *j, const evaluation *e, explained *r, const sheet *s, const int *classes, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int layer = 2; layer <= s->layers + 1; layer++)
        for (method m = METHOD_ULTRA; m < METHODS; m++)
            for (size_t t = 0; t < s->targets && e->methods[m] && method_has_maps(m) && status == UVK_OK; t++) {
                int target = r->targets.tokens[t];
                double score;
                status = find_object(j, r, classes, target, slot(s, layer, m) + t * s->n, &score, err);
                if (status == UVK_OK)
                    evaluate_add(r, target, "layer_score", m, (double)(layer - 1) / s->layers, score);
            }
    return status;
}

static uvk_status judge_by_masks(const job *j, const evaluation *e, explained *r, const sheet *s, uvk_error *err)
{
    int *classes = text_alloc(s->n, sizeof *classes);
    uvk_status status = read_classes(j, r, classes, err);
    if (status == UVK_OK)
        status = fill_maps(j, e, r, s, err);
    if (status == UVK_OK)
        status = find_objects(j, e, r, s, classes, err);
    free(classes);
    return status;
}

/* ---- Both ------------------------------------------------------------------------------------------------------------------------- */

static uvk_status judge_by_hiding(const job *j, const evaluation *e, explained *r, const sheet *s, uvk_error *err)
{
    uvk_hider h = {0};
    uvk_status status;
    if ((status = fill_maps(j, e, r, s, err)) == UVK_OK &&
        (status = uvk_hider_open(&h, j->session, r->input, (uvk_mask)j->o->mask, (uvk_removal)j->o->removal, err)) == UVK_OK &&
        (status = hide_each(j, r, &h, s, err)) == UVK_OK)
        status = compare(j, e, r, s, err);
    uvk_hider_close(&h);
    return status;
}

static uvk_status judge(job *j, const evaluation *e, explained *r, uvk_error *err)
{
    sheet s = {.layers = j->info->layers, .targets = (size_t)r->targets.count, .n = (size_t)r->n, .d = (size_t)j->info->width};
    size_t count = (size_t)s.layers * SLOTS * s.targets * s.n, latents = (size_t)s.layers * s.targets * s.d;
    s.values = calloc(count, sizeof *s.values);
    s.z = calloc(latents, sizeof *s.z);
    uvk_status status = s.values && s.z ? uvk_forward(j->session, r->input, err) : uvk_fail_memory(err, (count + latents) * sizeof(float), "the maps of all layers");
    if (status == UVK_OK)
        status = j->o->masks ? judge_by_masks(j, e, r, &s, err) : judge_by_hiding(j, e, r, &s, err);
    free(s.values);
    free(s.z);
    return status;
}

static uvk_status judge_text(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err)
{
    uvk_status status = summary_choose_targets(j, r, s, err);
    return status == UVK_OK ? judge(j, e, r, err) : status;
}

const subject subject_layers = {"layers", judge, judge_text, NULL};
