/* ultravk summarize: texts whose summaries the model writes. */
#include "crew.h"
#include "inputs.h"
#include "messages.h"
#include "progress.h"
#include "record.h"
#include "signals.h"
#include "summary.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct watched { const job *j; const explained *r; } watched;

/* Of the time that a text takes, writing its summary is shown as the first tenth. */
enum { PART = 10 };

static void show_progress(void *user, int done, int of)
{
    const watched *w = user;
    progress_update(w->j->from + (w->j->to - w->j->from) * done / of / PART, w->j->targets_done, w->r->name);
}

static uvk_status generate(job *j, explained *r, source *s, uvk_error *err)
{
    watched w = {j, r};
    int most = max_new_tokens(j->o);
    s->summary.ids = text_alloc((size_t)most, sizeof *s->summary.ids);
    uvk_status status = uvk_generate(j->session, r->input, most, show_progress, &w, s->summary.ids, &s->summary.n_ids, err);
    j->from += (j->to - j->from) / PART;
    if (status == UVK_OK && s->summary.n_ids == 0)
        return uvk_fail(err, UVK_FAILED, "%s: the model ends here and writes no summary (another --prompt may help)", r->path);
    return status;
}

uvk_status summary_write(job *j, explained *r, source *s, uvk_error *err)
{
    uvk_status status = generate(j, r, s, err);
    uvk_text_params params = summary_params(j, s);
    return status == UVK_OK ? summary_load(j, r, &params, err) : status;
}

static uvk_status summarize(job *j, explained *r, source *s, uvk_error *err)
{
    bool done;
    uvk_text_params params = summary_params(j, s);
    params.room = max_new_tokens(j->o);
    uvk_status status = summary_load(j, r, &params, err);
    if (status == UVK_OK)
        status = record_is_done(j, r, &done, err);
    if (status != UVK_OK || done)
        return status;
    status = summary_write(j, r, s, err);
    return status == UVK_OK ? summary_run(j, r, s, err) : status;
}

static uvk_status compute(job *j, explained *r, void *unused, uvk_error *err)
{
    source s = {.name = r->path};
    (void)unused;
    uvk_status status = source_read(r->path, &s.context, err);
    if (status == UVK_OK)
        status = summarize(j, r, &s, err);
    source_free(&s);
    return status;
}

static void print_ids(const explained *r)
{
    const char *before = "";
    for (int i = 0; i < r->n; i++)
        if (r->tokens[i].role == UVK_ROLE_SUMMARY) {
            printf("%s%d", before, (int)r->tokens[i].id);
            before = " ";
        }
}

static void print_name(const char *name)
{
    print_escaped(name);
    fputs(": ", stdout);
}

/* Ids without a tokenizer stay numbers. */
static void print_summary(const job *j, const explained *r)
{
    if (j->inputs > 1)
        print_name(r->name);
    if (r->text.summary.text) {
        char *all = text_view_slice(&r->text.summary, 0, (int)r->text.summary.length), *text = text_shown(all);
        fputs(text, stdout);
        free(text);
        free(all);
    } else {
        print_ids(r);
    }
    fputs(j->table ? "\n\n" : "\n", stdout);
}

static uvk_status deliver(job *j, explained *r, uvk_error *err)
{
    if (!j->o->json)
        print_summary(j, r);
    uvk_status status = j->o->json ? UVK_OK : flush_results(err);
    return status == UVK_OK ? summary_deliver(j, r, err) : status;
}

static const steps summarize_steps = {compute, deliver, summary_show_json};

static uvk_status open_all(job *j, input_list *inputs, uvk_error *err)
{
    uvk_status status = summary_open(j, inputs->count, err);
    if (status != UVK_OK)
        return status;
    if (inputs->folders)
        inputs_open_folders(inputs, UVK_TEXT);
    if (!inputs->count)
        return UVK_OK;
    note_ignored(j->info);
    status = rows_file_check(j->o, inputs->count, err);
    if (status == UVK_OK)
        status = job_open_devices(j, err);
    return status == UVK_OK && j->o->db ? record_open(j, err) : status;
}

uvk_status verb_summarize(const options *o)
{
    job j = {.o = o, .probe = o->verb->name, .table = !o->db && !o->out && !o->json};
    input_list inputs;
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments, o->n_arguments, &inputs);
    inputs_take_shard(&inputs, &o->shard);
    uvk_status status = inputs.count ? open_all(&j, &inputs, &err) : UVK_OK;
    if (status == UVK_OK)
        status = process_inputs(&j, &inputs, &summarize_steps, NULL);
    else if (status != UVK_INTERRUPTED)
        complain(&err);
    status = job_close(&j, status);
    inputs_free(&inputs);
    return status;
}
