#include "summary.h"

#include "file.h"
#include "messages.h"
#include "progress.h"
#include "prompt.h"
#include "record.h"
#include "spans.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_LIMIT = 1 << 20 };

/* ---- The run ---------------------------------------------------------------------------------------------------------- */

static uvk_status read_prompt(job *j, uvk_error *err)
{
    const char *given = j->o->prompt;
    void *bytes = NULL;
    size_t size;
    if (!given)
        return UVK_OK;
    if (given[0] != '@') {
        j->prompt = text_unescaped(given);
        return UVK_OK;
    }
    uvk_status status = uvk_file_read(given + 1, PROMPT_LIMIT, &bytes, &size, err);
    j->prompt = bytes;
    if (status == UVK_OK && strlen(j->prompt) != size)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: holds a NUL (expected a template with {text} in it)", given + 1);
    return status;
}

/* The library checks it for every text; the user learns of a slip at once. */
static uvk_status check_prompt(const job *j, uvk_error *err)
{
    uvk_prompt prompt;
    if (!j->prompt)
        return UVK_OK;
    uvk_status status = uvk_prompt_make(j->o->model, j->prompt, &prompt, err);
    if (status == UVK_OK)
        uvk_prompt_free(&prompt);
    return status;
}

uvk_status summary_read_prompt(job *j, uvk_error *err)
{
    if (j->o->scalar == UVK_LOGPROB && j->o->at == UVK_AT_TOKEN)
        return uvk_fail(err, UVK_USAGE, "--at token with --scalar logprob would explain the token after each (expected --at predict)");
    uvk_status status = read_prompt(j, err);
    return status == UVK_OK ? check_prompt(j, err) : status;
}

uvk_status summary_open(job *j, int inputs, uvk_error *err)
{
    const options *o = j->o;
    uvk_status status = job_check_flags(o, err);
    if (status == UVK_OK)
        status = rows_file_check(o, inputs, err);
    if (status == UVK_OK)
        status = summary_read_prompt(j, err);
    if (status == UVK_OK)
        status = job_load(j, err);
    if (status != UVK_OK)
        return status;
    if (j->info->modality != UVK_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a vision model (%s takes language models)", o->model, j->probe);
    return UVK_OK;
}

/* ---- The sequence ------------------------------------------------------------------------------------------------------ */

uvk_text_params summary_params(const job *j, const source *s)
{
    return (uvk_text_params){
        .name = s->name, .summary_name = s->summary_name, .context = s->context.text, .context_length = s->context.length, .context_ids = s->context.ids,
        .n_context_ids = s->context.n_ids, .summary = s->summary.text, .summary_length = s->summary.length, .summary_ids = s->summary.ids,
        .n_summary_ids = s->summary.n_ids, .prompt = j->prompt, .truncate = j->o->truncate,
    };
}

static void drop_input(explained *r)
{
    text_view_free(&r->text);
    uvk_input_free(r->input);
    r->input = NULL;
    r->info = NULL;
}

uvk_status summary_load(job *j, explained *r, const uvk_text_params *params, uvk_error *err)
{
    double started = seconds_now();
    uvk_input *input;
    drop_input(r); /* a text whose summary was generated since */
    uvk_status status = uvk_input_create_text(j->model, params, &input, err);
    if (status == UVK_OK)
        status = explained_set_input(r, input, err);
    r->seconds_load += seconds_now() - started;
    return status;
}

/* ---- Targets ----------------------------------------------------------------------------------------------------------- */

/* Rows of tokens outside --span are computed only where someone wants them. */
uvk_status summary_choose_targets(const job *j, explained *r, const source *s, uvk_error *err)
{
    spans_choose(j->o, s, r);
    uvk_status status = spans_check(r, s->name, err);
    if (status != UVK_OK)
        return status;
    bool whole = j->db || j->o->out;
    int m = uvk_summary_targets(r->input, (uvk_at)j->o->at, NULL, NULL), kept = 0;
    if (m == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the summary has no token that anything predicts", s->name);
    r->targets = (target_list){.tokens = text_alloc((size_t)m, sizeof *r->targets.tokens), .listed = true};
    r->outputs = text_alloc((size_t)m, sizeof *r->outputs);
    r->scored = text_alloc((size_t)m, sizeof *r->scored);
    uvk_summary_targets(r->input, (uvk_at)j->o->at, r->targets.tokens, r->outputs);
    for (int k = 0; k < m; k++) {
        bool scored = spans_ask(r, r->outputs[k]);
        if (!scored && !whole)
            continue;
        r->targets.tokens[kept] = r->targets.tokens[k];
        r->outputs[kept] = r->outputs[k];
        if (scored)
            r->scored[r->n_scored++] = kept;
        kept++;
    }
    r->targets.count = kept;
    return UVK_OK;
}

/* ---- Scores ------------------------------------------------------------------------------------------------------------ */

uvk_status summary_scores(const explained *r, const float *maps, float *scaled, float *tcs, float *share, uvk_error *err)
{
    size_t n = (size_t)r->n, m = (size_t)r->n_scored, bytes = m * n * sizeof(float);
    float *rows = malloc(bytes);
    if (!rows)
        return uvk_fail_memory(err, bytes, "the contribution scores");
    for (size_t k = 0; k < m; k++)
        memcpy(rows + k * n, maps + (size_t)r->scored[k] * n, n * sizeof *rows);
    uvk_status status = uvk_tcs(r->tokens, r->n, rows, r->n_scored, scaled, tcs, share, err);
    free(rows);
    return status;
}

static uvk_status score(explained *r, uvk_error *err)
{
    size_t n = (size_t)r->n, m = (size_t)r->n_scored, bytes = (m + 2) * n * sizeof(float);
    r->scaled = malloc(m * n * sizeof *r->scaled);
    r->tcs = calloc(n, sizeof *r->tcs);
    r->share = calloc(n, sizeof *r->share);
    if (!r->scaled || !r->tcs || !r->share)
        return uvk_fail_memory(err, bytes, "the contribution scores");
    return summary_scores(r, r->scores, r->scaled, r->tcs, r->share, err);
}

uvk_status summary_explain(job *j, explained *r, const source *s, uvk_error *err)
{
    if (r->info->truncated)
        note("%s: --truncate %d left out the last %d of %d context tokens", s->name, j->o->truncate, r->info->truncated, j->o->truncate + r->info->truncated);
    uvk_status status = summary_choose_targets(j, r, s, err);
    r->wants_logits = true;
    if (status == UVK_OK)
        status = explained_run(j, r, err);
    return status == UVK_OK ? score(r, err) : status;
}

uvk_status summary_run(job *j, explained *r, const source *s, uvk_error *err)
{
    uvk_status status = summary_explain(j, r, s, err);
    return status == UVK_OK ? summary_measure(j, r, s, err) : status;
}

uvk_status summary_deliver(job *j, explained *r, uvk_error *err)
{
    uvk_status status = j->table ? summary_show_table(j, r, err) : UVK_OK;
    if (status == UVK_OK && j->db)
        status = record_result(j, r, err);
    if (status == UVK_OK && j->o->dump_hidden)
        status = hidden_file_write(j, r, err);
    if (status == UVK_OK && j->o->out)
        status = rows_file_add(j, r, err);
    return status;
}
