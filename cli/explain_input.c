/* One input: load, forward, targets, rows; then pictures, database, files and stdout. */
#include "explain.h"

#include "messages.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The library speaks of tensors and tokens; the user wants to know which file. */
static uvk_status name_file(const char *path, uvk_status status, uvk_error *err)
{
    if (status == UVK_OK || strncmp(err->message, path, strlen(path)) == 0)
        return status;
    char *reason = text_copy(err->message);
    uvk_fail(err, status, "%s: %s", path, reason);
    free(reason);
    return status;
}

static uvk_status load(explain_job *job, explained *r, uvk_error *err)
{
    double started = seconds_now();
    uvk_status status = uvk_input_load(job->model, r->path, &r->input, err);
    if (status != UVK_OK)
        return status;
    r->info = uvk_input_get_info(r->input);
    r->seconds_load = seconds_now() - started;
    return UVK_OK;
}

static uvk_status choose_targets(const explain_job *job, explained *r, uvk_error *err)
{
    const options *o = job->o;
    if (o->has_pixel)
        return targets_at_pixel(o->pixel_x, o->pixel_y, job->info, r->info, &r->targets, err);
    r->targets = job->targets;
    r->targets.tokens = text_alloc((size_t)job->targets.count, sizeof *r->targets.tokens);
    memcpy(r->targets.tokens, job->targets.tokens, (size_t)job->targets.count * sizeof *r->targets.tokens);
    return UVK_OK;
}

typedef struct watched { const explain_job *job; const explained *r; } watched;

static void show_progress(void *user, int done, int targets)
{
    const watched *w = user;
    (void)targets;
    progress_update(w->job->targets_done + done, text_base_name(w->r->path));
}

static uvk_status make_room(const explain_job *job, explained *r, uvk_error *err)
{
    size_t targets = (size_t)r->targets.count, row = (size_t)job->info->tokens * sizeof *r->rows;
    r->rows = calloc(targets, row);
    r->scores = calloc(targets, row);
    r->stats = calloc(targets, sizeof *r->stats);
    return r->rows && r->scores && r->stats ? UVK_OK : uvk_fail_memory(err, 2 * targets * row, "the rows");
}

static uvk_status run_model(explain_job *job, explained *r, uvk_error *err)
{
    watched w = {job, r};
    uvk_explain_params params = explain_params(job, &r->targets);
    params.progress = show_progress;
    params.user = &w;
    uvk_status status = uvk_forward(job->session, r->input, err);
    return status == UVK_OK ? uvk_explain(job->session, &params, r->rows, &r->cost, err) : status;
}

static uvk_status make_maps(const explain_job *job, explained *r, uvk_error *err)
{
    const uvk_model_info *m = job->info;
    uvk_layout layout = {.tokens = m->tokens, .special = m->special, .grid_cols = m->grid_cols};
    uvk_status status = UVK_OK;
    for (size_t k = 0; k < (size_t)r->targets.count && status == UVK_OK; k++)
        status = uvk_map(&layout, r->targets.tokens[k], r->rows + k * (size_t)m->tokens, (uvk_own_token)job->o->own_token,
                         r->scores + k * patch_count(m), &r->stats[k], err);
    return status;
}

static uvk_status compute(explain_job *job, explained *r, uvk_error *err)
{
    uvk_status status = load(job, r, err);
    if (status == UVK_OK)
        status = choose_targets(job, r, err);
    if (status == UVK_OK)
        status = make_room(job, r, err);
    if (status == UVK_OK)
        status = run_model(job, r, err);
    return status == UVK_OK ? make_maps(job, r, err) : status;
}

/* The database comes after the pictures, so that "done" there means that all of it is done. */
static uvk_status deliver(explain_job *job, explained *r, uvk_error *err)
{
    const options *o = job->o;
    uvk_status status = o->dump_hidden ? hidden_file_write(job, err) : UVK_OK;
    if (status == UVK_OK && o->png)
        status = pictures_write(job, r, err);
    if (status == UVK_OK && job->table)
        status = show_table(job, r, err);
    if (status == UVK_OK && job->db)
        status = record_result(job, r, err);
    if (status == UVK_OK && o->out)
        status = rows_file_add(job, r, err);
    return status;
}

static uvk_status report_failure(explain_job *job, explained *r, uvk_error *err)
{
    uvk_error second;
    uvk_status status = complain(err);
    r->status = "failed";
    r->error = err->message;
    if (job->db && record_failure(job, r, &second) != UVK_OK)
        return complain(&second);
    return status;
}

static uvk_status skip_done(explain_job *job, explained *r, bool *skip, uvk_error *err)
{
    *skip = false;
    uvk_status status = job->o->resume ? record_is_done(job, r->path, skip, err) : UVK_OK;
    if (status == UVK_OK && *skip) {
        note("%s: done before, skipped", r->path);
        r->status = "skipped";
    }
    return status;
}

static uvk_status process(explain_job *job, explained *r, bool *stop)
{
    uvk_error err;
    bool skip;
    double started = seconds_now();
    uvk_status status = skip_done(job, r, &skip, &err);
    *stop = status != UVK_OK;
    if (*stop)
        return complain(&err);
    if (!skip) {
        status = name_file(r->path, compute(job, r, &err), &err);
        *stop = status == UVK_NO_DEVICE || status == UVK_INTERRUPTED || interrupted();
        if (status == UVK_INTERRUPTED)
            return status;
        if (status != UVK_OK)
            status = report_failure(job, r, &err);
    }
    r->seconds_total = seconds_now() - started;
    if (status == UVK_OK && !skip && deliver(job, r, &err) != UVK_OK) {
        *stop = true;
        return complain(&err);
    }
    r->seconds_total = seconds_now() - started;
    if (job->o->json && show_json(job, r, &err) != UVK_OK) {
        *stop = true;
        return complain(&err);
    }
    return status;
}

uvk_status explain_input(explain_job *job, int index, bool *stop)
{
    explained r = {.path = job->inputs.paths[index], .index = index, .status = "done"};
    uvk_status status = process(job, &r, stop);
    job->targets_done += job->o->has_pixel ? 1 : job->targets.count;
    job->inputs_done += status == UVK_OK;
    free(r.rows);
    free(r.scores);
    free(r.stats);
    targets_free(&r.targets);
    uvk_input_free(r.input);
    return status;
}
