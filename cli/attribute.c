/* ultravk attribute: texts with summaries that are given. */
#include "messages.h"
#include "each_pair.h"
#include "progress.h"
#include "record.h"
#include "signals.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uvk_status compute(job *j, explained *r, void *from, uvk_error *err)
{
    const source *s = from;
    bool done;
    uvk_text_params params = summary_params(j, s);
    uvk_status status = summary_load(j, r, &params, err);
    if (status == UVK_OK)
        status = record_is_done(j, r, &done, err);
    if (status != UVK_OK || done)
        return status;
    return summary_run(j, r, s, err);
}

static const steps attribute_steps = {compute, summary_deliver, summary_show_json};

/* ---- --pairs ----------------------------------------------------------------------------------------------------------- */

static uvk_status compute_pair(job *j, explained *r, void *from, uvk_error *err)
{
    pair *p = from;
    return p->status == UVK_OK ? compute(j, r, &p->text, err) : uvk_fail(err, p->status, "%s", p->err.message);
}

static const steps pair_steps = {compute_pair, summary_deliver, summary_show_json};

/* ---- --context and --summary ------------------------------------------------------------------------------------------- */

static uvk_status read_files(const options *o, source *out, uvk_error *err)
{
    out->name = o->context;
    out->summary_name = o->summary;
    uvk_status status = source_read(o->context, &out->context, err);
    if (status == UVK_OK)
        status = source_read(o->summary, &out->summary, err);
    if (status == UVK_OK && !out->context.ids != !out->summary.ids)
        return uvk_fail(err, UVK_BAD_INPUT, "%s and %s: one is a text, the other ids (expected two of a kind)", o->context, o->summary);
    return status;
}

static uvk_status run_files(job *j, source *s)
{
    bool stop;
    explained r = {.path = j->o->context, .name = text_utf8(text_base_name(j->o->context)), .summary_logprob = NAN};
    j->inputs = 1;
    j->to = 1;
    progress_start("targets", j->o->quiet);
    uvk_status status = process_input(j, &r, &attribute_steps, s, &stop);
    progress_end();
    return interrupted() ? UVK_INTERRUPTED : status;
}

/* ---- The verb ---------------------------------------------------------------------------------------------------------- */

static uvk_status check_flags(const options *o, uvk_error *err)
{
    bool files = o->context || o->summary;
    if (o->pairs && files)
        return uvk_fail(err, UVK_USAGE, "attribute: --pairs and --context, --summary both name the texts (give one of them)");
    if (!o->pairs && (!o->context || !o->summary))
        return uvk_fail(err, UVK_USAGE, "attribute needs --pairs FILE.jsonl, or --context FILE and --summary FILE%s",
                        o->context ? " (no --summary given)" : o->summary ? " (no --context given)" : "");
    if (!o->pairs && strcmp(o->context, "-") == 0 && strcmp(o->summary, "-") == 0)
        return uvk_fail(err, UVK_USAGE, "attribute: only one of --context and --summary can be standard input");
    return o->shard.given && !o->pairs ? uvk_fail(err, UVK_USAGE, "attribute: --shard divides --pairs (one text is no list)") : UVK_OK;
}

static uvk_status open_all(job *j, pairs *file, source *s, uvk_error *err)
{
    const options *o = j->o;
    uvk_status status = check_flags(o, err);
    if (status == UVK_OK)
        status = summary_open(j, 1, err);
    if (status == UVK_OK)
        status = o->pairs ? pairs_open(o->pairs, file, err) : read_files(o, s, err);
    if (status == UVK_OK && o->pairs && o->out)
        status = rows_file_check(o, pairs_count(file), err);
    if (status == UVK_OK)
        status = job_open_devices(j, err);
    return status == UVK_OK && o->db ? record_open(j, err) : status;
}

uvk_status verb_attribute(const options *o)
{
    job j = {.o = o, .probe = o->verb->name, .table = !o->db && !o->out && !o->json};
    pairs file = {0};
    source s = {0};
    uvk_error err;
    bool stop; /* there is no other file */
    signals_defer();
    uvk_status status = open_all(&j, &file, &s, &err);
    if (status == UVK_OK)
        status = o->pairs ? each_pair(&j, &file, &pair_steps, NULL, &stop) : run_files(&j, &s);
    else if (status != UVK_INTERRUPTED)
        complain(&err);
    status = job_close(&j, status);
    pairs_close(&file);
    source_free(&s);
    return status;
}
