/* ultravk explain: what is cheap is checked first, then the device and the database are opened, then input by input. */
#include "explain.h"

#include "crew.h"
#include "inputs.h"
#include "messages.h"
#include "pictures.h"
#include "record.h"
#include "signals.h"
#include "whole_image.h"

static uvk_status check_flags(const options *o, uvk_error *err)
{
    if ((o->tokens != NULL) + o->pixel.given + (o->at_word >= 0) > 1)
        return uvk_fail(err, UVK_USAGE, "--tokens, --at-pixel and --at-word all name the targets (give one of them)");
    return job_check_flags(o, err);
}

static uvk_status check_inputs(const options *o, const input_list *inputs, uvk_error *err)
{
    uvk_status status = o->png ? inputs_check_stems(inputs, err) : UVK_OK;
    return status == UVK_OK ? rows_file_check(o, inputs->count, err) : status;
}

static uvk_status check_modality(const job *j, uvk_error *err)
{
    const options *o = j->o;
    bool text = j->info->modality == UVK_TEXT;
    if (text && o->png)
        return uvk_fail(err, UVK_USAGE, "--png: %s is a language model (pictures are for photos; --db or --json keep all of a text)", j->info->name);
    if (text && o->pixel.given)
        return uvk_fail(err, UVK_USAGE, "--at-pixel: %s is a language model (--at-word N names a word, --tokens tokens)", j->info->name);
    if (!text && o->at_word >= 0)
        return uvk_fail(err, UVK_USAGE, "--at-word: %s is a vision model (--at-pixel X,Y names a patch, --tokens tokens)", j->info->name);
    return UVK_OK;
}

/* A text's length is not known yet: its targets are only read through for what no text can have. */
static uvk_status read_targets(const job *j, explain_targets *targets, uvk_error *err)
{
    const options *o = j->o;
    bool text = j->info->modality == UVK_TEXT;
    targets->shorten = j->table;
    if (o->pixel.given || o->at_word >= 0)
        return UVK_OK;
    uvk_status status = targets_parse(o->tokens ? o->tokens : text ? "all" : whole_image_tokens(j), j->info, text ? j->info->context : j->info->tokens, &targets->fixed, err);
    if (text)
        targets_free(&targets->fixed);
    else if (status == UVK_OK && targets->shorten)
        explain_shorten(j, &targets->fixed);
    return status;
}

/* An image's plan is known before the first is opened. */
static uvk_status plan_images(job *j, const explain_targets *targets, uvk_error *err)
{
    int32_t any = j->info->special; /* a patch, as --at-pixel will name one */
    target_list one = {.tokens = &any, .count = 1};
    return j->info->modality == UVK_VISION ? job_plan(j, j->info->tokens, 0, targets->fixed.count ? &targets->fixed : &one, err) : UVK_OK;
}

static uvk_status open_model(job *j, input_list *inputs, explain_targets *targets, uvk_error *err)
{
    uvk_status status = check_flags(j->o, err);
    if (status == UVK_OK && !inputs->folders)
        status = check_inputs(j->o, inputs, err);
    if (status == UVK_OK)
        status = job_load(j, err);
    if (status != UVK_OK)
        return status;
    if (inputs->folders) { /* what counts in them depends on the model */
        inputs_open_folders(inputs, j->info->modality);
        status = check_inputs(j->o, inputs, err);
    }
    if (status == UVK_OK)
        status = check_modality(j, err);
    return status == UVK_OK ? read_targets(j, targets, err) : status;
}

static uvk_status open_rest(job *j, const explain_targets *targets, uvk_error *err)
{
    uvk_status status = job_open_devices(j, err);
    if (status == UVK_OK)
        status = plan_images(j, targets, err);
    if (status == UVK_OK && j->o->png)
        status = pictures_prepare(j, &targets->fixed, err);
    return status == UVK_OK && j->o->db ? record_open(j, err) : status;
}

uvk_status verb_explain(const options *o)
{
    job j = {.o = o, .probe = o->verb->name, .table = !o->db && !o->out && !o->png && !o->json};
    explain_targets targets = {0};
    input_list inputs;
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments, o->n_arguments, &inputs);
    inputs_take_shard(&inputs, &o->shard);
    uvk_status status = inputs.count ? open_model(&j, &inputs, &targets, &err) : UVK_OK;
    if (status == UVK_OK && inputs.count) /* folders may have turned out empty */
        status = open_rest(&j, &targets, &err);
    if (status != UVK_OK && status != UVK_INTERRUPTED)
        complain(&err);
    if (status == UVK_OK)
        status = process_inputs(&j, &inputs, &explain_steps, &targets);
    status = job_close(&j, status);
    targets_free(&targets.fixed);
    inputs_free(&inputs);
    return status;
}
