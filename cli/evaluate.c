/* ultravk evaluate: how far explanations can be trusted, beside baselines. */
#include "evaluate.h"

#include "each_pair.h"
#include "evaluate_show.h"
#include "inputs.h"
#include "messages.h"
#include "progress.h"
#include "random.h"
#include "record.h"
#include "signals.h"
#include "suggest.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const subject *const subjects[] = {&subject_faithfulness, &subject_layers, &subject_agreement, &subject_stability, &subject_sanity};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

/* ---- Metrics --------------------------------------------------------------------------------------------------------------------- */

void evaluate_add(explained *r, int target, const char *name, method m, double k, double value)
{
    explained_add_metric(r, (uvk_db_metric){.target = target, .name = name, .method = method_names[m], .k = k, .value = value});
}

void evaluate_progress(const job *j, const explained *r, int done, int of)
{
    progress_update(j->from + (j->to - j->from) * done / of, j->targets_done, r->name);
}

/* ---- Flags ----------------------------------------------------------------------------------------------------------------------- */

static uvk_status find_subject(const char *name, const subject **out, uvk_error *err)
{
    suggestion near = {.word = name};
    char hint[80];
    for (int i = 0; i < N_SUBJECTS; i++) {
        if (strcmp(subjects[i]->name, name) == 0) {
            *out = subjects[i];
            return UVK_OK;
        }
        suggest_offer(&near, subjects[i]->name);
    }
    return uvk_fail(err, UVK_USAGE, "evaluate %s: expected faithfulness, layers, agreement, stability or sanity%s", name, suggest_text(&near, "", hint));
}

static uvk_status add_baseline(evaluation *e, const char *name, uvk_error *err)
{
    for (method m = METHOD_RANDOM; m < METHODS; m++)
        if (strcmp(method_names[m], name) == 0) {
            e->methods[m] = true;
            return UVK_OK;
        }
    return uvk_fail(err, UVK_USAGE, "--baselines: \"%s\" is none (expected none, or of random, rollout, gradient_x_input and leave_one_out, with commas between)", name);
}

static uvk_status read_baselines(const options *o, evaluation *e, uvk_error *err)
{
    bool none = o->baselines && strcmp(o->baselines, "none") == 0;
    uvk_status status = UVK_OK;
    for (method m = METHOD_ULTRA; m < METHODS; m++)
        e->methods[m] = m == METHOD_ULTRA || !o->baselines;
    if (!o->baselines || none)
        return UVK_OK;
    char *list = text_copy(o->baselines), *rest = list, *item;
    while (status == UVK_OK && (item = strsep(&rest, ",")))
        status = add_baseline(e, item, err);
    free(list);
    return status;
}

/* ---- One image ------------------------------------------------------------------------------------------------------------------- */

int evaluate_sample(const options *o)
{
    return o->sample ? o->sample : o->tokens ? -1 : SAMPLE;
}

/* So many of the targets, drawn by --seed for each image anew, in their order. */
static void draw_targets(const job *j, explained *r)
{
    target_list *list = &r->targets;
    int sample = evaluate_sample(j->o), wanted = sample < 0 ? list->count : sample;
    uvk_random draw = uvk_random_start(j->o->seed, evaluate_purpose(r, 0));
    int kept = 0, all = list->count;
    if (wanted >= all)
        return;
    for (int i = 0; i < all; i++) /* each with the chance that fills the sample */
        if (uvk_random_below(&draw, all - i) < wanted - kept)
            list->tokens[kept++] = list->tokens[i];
    list->count = kept;
}

static uvk_status compute_image(job *j, explained *r, void *from, uvk_error *err)
{
    evaluation *e = from;
    bool done;
    uvk_status status = record_is_done(j, r, &done, err);
    if (status != UVK_OK || done || (status = explained_load(j, r, err)))
        return status;
    status = targets_parse(j->o->tokens ? j->o->tokens : "patches", j->info, r->n, &r->targets, err);
    if (status == UVK_OK) {
        draw_targets(j, r);
        status = e->subject->image(j, e, r, err);
    }
    if (status == UVK_OK)
        evaluate_tally(e, r);
    return status;
}

/* ---- One text -------------------------------------------------------------------------------------------------------------------- */

static uvk_status judge_text(job *j, explained *r, evaluation *e, const source *s, uvk_error *err)
{
    uvk_status status = e->subject->text(j, e, r, s, err);
    if (status == UVK_OK)
        evaluate_tally(e, r);
    return status;
}

static uvk_status compute_pair(job *j, explained *r, void *from, uvk_error *err)
{
    pair *p = from;
    bool done;
    if (p->status != UVK_OK)
        return uvk_fail(err, p->status, "%s", p->err.message);
    uvk_text_params params = summary_params(j, &p->text);
    uvk_status status = summary_load(j, r, &params, err);
    if (status == UVK_OK)
        status = record_is_done(j, r, &done, err);
    return status != UVK_OK || done ? status : judge_text(j, r, p->user, &p->text, err);
}

/* A text without a summary: the model writes it. */
static uvk_status write_and_judge(job *j, explained *r, evaluation *e, source *s, uvk_error *err)
{
    bool done;
    uvk_text_params params = summary_params(j, s);
    params.room = max_new_tokens(j->o);
    uvk_status status = summary_load(j, r, &params, err);
    if (status == UVK_OK)
        status = record_is_done(j, r, &done, err);
    if (status != UVK_OK || done || (status = summary_write(j, r, s, err)))
        return status;
    return judge_text(j, r, e, s, err);
}

static uvk_status compute_text(job *j, explained *r, void *from, uvk_error *err)
{
    evaluation *e = from;
    source s = {.name = r->path};
    if (e->subject->needs)
        return uvk_fail(err, UVK_USAGE, "%s: evaluate %s needs \"%s\" (expected a .jsonl file of pairs)", r->path, e->subject->name, e->subject->needs);
    uvk_status status = source_read(r->path, &s.context, err);
    if (status == UVK_OK)
        status = write_and_judge(j, r, e, &s, err);
    source_free(&s);
    return status;
}

/* ---- All inputs ------------------------------------------------------------------------------------------------------------------ */

static uvk_status deliver(job *j, explained *r, uvk_error *err)
{
    return j->db ? record_result(j, r, err) : UVK_OK;
}

static const steps image_steps = {compute_image, deliver, evaluate_show_json}, text_steps = {compute_text, deliver, evaluate_show_json},
                   pair_steps = {compute_pair, deliver, evaluate_show_json};

static uvk_status run_pairs(job *j, const char *path, evaluation *e, bool *stop)
{
    pairs file = {0};
    uvk_error err;
    uvk_status status = pairs_open(path, &file, &err);
    status = status == UVK_OK ? each_pair(j, &file, &pair_steps, e, stop) : complain(&err);
    pairs_close(&file);
    return status;
}

static uvk_status run_file(job *j, const char *path, const steps *s, evaluation *e, bool *stop)
{
    explained r = {.path = path, .name = text_utf8(text_base_name(path)), .index = j->inputs++, .summary_logprob = NAN};
    return process_input(j, &r, s, e, stop);
}

static uvk_status run_inputs(job *j, const input_list *inputs, evaluation *e)
{
    uvk_status status = inputs->bad ? UVK_BAD_INPUT : UVK_OK;
    bool stop = false, text = j->info->modality == UVK_TEXT;
    progress_start("inputs", j->o->quiet);
    for (int i = 0; i < inputs->count && !stop && !interrupted(); i++) {
        j->from = (double)i / inputs->count;
        j->to = (double)(i + 1) / inputs->count;
        bool lines = text && text_has_extension(inputs->paths[i], ".jsonl");
        uvk_status one = lines ? run_pairs(j, inputs->paths[i], e, &stop) : run_file(j, inputs->paths[i], text ? &text_steps : &image_steps, e, &stop);
        status = stop ? one : worse_status(status, one);
    }
    progress_end();
    return interrupted() ? UVK_INTERRUPTED : status;
}

/* ---- The verb -------------------------------------------------------------------------------------------------------------------- */

static uvk_status check_modality(const job *j, const subject *what, uvk_error *err)
{
    bool text = j->info->modality == UVK_TEXT;
    if (text ? !what->text : !what->image)
        return uvk_fail(err, UVK_USAGE, "evaluate %s: %s is a %s model (this is for %s)", what->name, j->info->name, text ? "language" : "vision", text ? "photos" : "texts");
    bool layers = what == &subject_layers;
    if ((j->o->masks || j->o->classes || j->o->ignore) && (!layers || text))
        return uvk_fail(err, UVK_USAGE, "--masks, --classes and --ignore are for evaluate layers of photos");
    if (layers && j->o->scalar == UVK_LOGPROB)
        return uvk_fail(err, UVK_USAGE, "--scalar logprob stands at the last layer only (evaluate layers asks all of them)");
    if (text && j->o->tokens)
        return uvk_fail(err, UVK_USAGE, "--tokens: %s is a language model (a summary's tokens are the targets)", j->info->name);
    return UVK_OK;
}

static void note_sample(const job *j)
{
    const options *o = j->o;
    if (j->info->modality == UVK_VISION && !o->tokens && o->sample == 0)
        note("%d targets of each image, drawn by seed %lld; --sample N or --tokens for others", SAMPLE, (long long)o->seed);
}

static uvk_status open_all(job *j, evaluation *e, input_list *inputs, uvk_error *err)
{
    uvk_status status = find_subject(j->o->arguments[0], &e->subject, err);
    if (status == UVK_OK)
        status = read_baselines(j->o, e, err);
    if (status == UVK_OK && inputs->count == 0 && !inputs->bad && !inputs->folders)
        status = uvk_fail(err, UVK_USAGE, "evaluate %s: no INPUT given (a photo, a .jsonl file of pairs, a folder, a pattern or @list.txt)", e->subject->name);
    if (status == UVK_OK)
        status = job_check_flags(j->o, err);
    if (status == UVK_OK)
        status = summary_read_prompt(j, err);
    if (status == UVK_OK)
        status = job_load(j, err);
    if (status == UVK_OK)
        status = check_modality(j, e->subject, err);
    if (status != UVK_OK)
        return status;
    if (j->info->modality == UVK_VISION) /* the lines of a file of pairs are shared out one by one */
        inputs_take_shard(inputs, &j->o->shard);
    if (inputs->folders)
        inputs_open_folders(inputs, j->info->modality);
    note_sample(j);
    status = job_open_device(j, err);
    return status == UVK_OK && j->o->db ? record_open(j, err) : status;
}

static uvk_status finish(job *j, const evaluation *e, uvk_status status)
{
    uvk_error err;
    if (record_means(j, &err) != UVK_OK)
        return worse_status(status, complain(&err));
    if (!j->o->json)
        evaluate_show_table(j, e);
    return status;
}

uvk_status verb_evaluate(const options *o)
{
    evaluation e = {0};
    job j = {.o = o, .evaluation = &e};
    input_list inputs;
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments + 1, o->n_arguments - 1, &inputs);
    char *probe = text_format("evaluate %s", o->arguments[0]);
    j.probe = probe;
    uvk_status status = open_all(&j, &e, &inputs, &err);
    if (status == UVK_OK)
        status = finish(&j, &e, run_inputs(&j, &inputs, &e));
    else if (status != UVK_INTERRUPTED)
        complain(&err);
    status = job_close(&j, status);
    inputs_free(&inputs);
    free(e.tallies);
    free(probe);
    return status;
}
