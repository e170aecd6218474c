#include "explained.h"

#include "messages.h"
#include "progress.h"
#include "record.h"
#include "segmented.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uvk_status explained_set_input(explained *r, uvk_input *input, uvk_error *err)
{
    r->input = input;
    r->info = uvk_input_get_info(input);
    r->tokens = uvk_input_tokens(input, &r->n);
    if (!*r->sha256)
        memcpy(r->sha256, r->info->sha256, sizeof r->sha256);
    return text_view_open(input, &r->text, err);
}

uvk_status explained_load(const job *j, explained *r, uvk_error *err)
{
    double started = seconds_now();
    uvk_input *input;
    uvk_status status = uvk_input_load(j->model, r->path, &input, err);
    if (status == UVK_OK)
        status = explained_set_input(r, input, err);
    r->seconds_load = seconds_now() - started;
    return status;
}

typedef struct watched { const job *j; const explained *r; } watched;

static void show_progress(void *user, int done, int targets)
{
    const watched *w = user;
    double part = targets ? (double)done / targets : 0;
    progress_update(w->j->from + part * (w->j->to - w->j->from), w->j->targets_done + done, w->r->name);
}

static uvk_status make_room(explained *r, uvk_error *err)
{
    size_t targets = (size_t)r->targets.count, row = (size_t)r->n * sizeof *r->rows;
    r->rows = calloc(targets, row);
    r->scores = calloc(targets, row);
    r->stats = calloc(targets, sizeof *r->stats);
    return r->rows && r->scores && r->stats ? UVK_OK : uvk_fail_memory(err, 2 * targets * row, "the rows");
}

static uvk_status run_model(job *j, explained *r, uvk_error *err)
{
    watched w = {j, r};
    uvk_explain_params params = job_params(j, &r->targets);
    params.progress = show_progress;
    params.user = &w;
    uvk_status status = uvk_forward(j->session, r->input, err);
    return status == UVK_OK ? uvk_explain(j->session, &params, r->rows, &r->cost, err) : status;
}

uvk_status explained_maps(const job *j, explained *r, uvk_error *err)
{
    uvk_layout layout = uvk_layout_of(j->model, r->input);
    uvk_status status = UVK_OK;
    size_t n = (size_t)r->n;
    for (size_t k = 0; k < (size_t)r->targets.count && status == UVK_OK; k++)
        status = uvk_map(&layout, r->targets.tokens[k], r->rows + k * n, j->own, r->scores + k * n, &r->stats[k], err);
    return status;
}

/* The output head comes first, so that the plan counts it. Who does without logits when he must, goes on without. */
static uvk_status load_head(job *j, explained *r, uvk_error *err)
{
    uvk_explain_params params = job_params(j, &r->targets);
    params.encoder_tokens = uvk_input_encoder_tokens(r->input);
    uvk_error reason;
    uvk_plan plan;
    if (j->o->scalar == UVK_LOGPROB && j->info->modality == UVK_TEXT) {
        uvk_status status = uvk_session_use_logits(j->session, err);
        r->has_logits = status == UVK_OK;
        return status;
    }
    if (!r->wants_logits)
        return UVK_OK;
    uvk_status status = uvk_session_use_logits(j->session, &reason);
    if (status == UVK_OK && (status = uvk_explain_plan(j->session, r->n, &params, &plan, &reason)) != UVK_OK)
        uvk_session_drop_logits(j->session);
    r->has_logits = status == UVK_OK;
    if (status == UVK_OK)
        return UVK_OK;
    if (status == UVK_INTERRUPTED || reason.device || uvk_lacked_memory(&reason)) { /* the machine's memory, not the budget's */
        *err = reason;
        return status;
    }
    if (status == UVK_FAILED)
        note("%s: without log probabilities, as the budget has no room for the output head", r->name);
    return UVK_OK;
}

uvk_status explained_run(job *j, explained *r, uvk_error *err)
{
    r->device = &j->device;
    uvk_status status = load_head(j, r, err);
    if (status == UVK_OK)
        status = job_plan(j, r->n, uvk_input_encoder_tokens(r->input), &r->targets, err);
    if (status == UVK_OK)
        status = make_room(r, err);
    if (status == UVK_OK && j->reuse_rows && j->db)
        status = record_find_rows(j, r, err);
    if (status == UVK_OK && !r->rows_run)
        status = run_model(j, r, err);
    return status == UVK_OK ? explained_maps(j, r, err) : status;
}

void explained_add_metric(explained *r, uvk_db_metric metric)
{
    r->metrics = text_grow(r->metrics, (size_t)r->n_metrics + 1, sizeof *r->metrics);
    r->metrics[r->n_metrics++] = metric;
}

void explained_clear(explained *r)
{
    free(r->outputs);
    free(r->rows);
    free(r->scores);
    free(r->stats);
    free(r->scaled);
    free(r->tcs);
    free(r->share);
    free(r->scored);
    free(r->metrics);
    segmented_free(r->segments);
    targets_free(&r->targets);
    text_view_free(&r->text);
    uvk_input_free(r->input);
}

void explained_free(explained *r)
{
    explained_clear(r);
    free(r->name);
}
