#include "job.h"

#include "approximation.h"
#include "messages.h"
#include "model.h"
#include "record.h"
#include "signals.h"
#include "text.h"
#include "whole_image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uvk_explain_params job_params(const job *j, const target_list *targets)
{
    return (uvk_explain_params){
        .layer = j->layer, .first_block = j->first_block, .scalar = (uvk_scalar)j->o->scalar, .order = (uvk_order)j->o->order,
        .normalize = j->normalize, .targets = targets->tokens, .n_targets = targets->count,
        .weights = j->projection.weights, .label = j->label < 0 ? NULL : &j->label, .text = j->text,
        .approximation = approximation_of(j->o),
    };
}

uvk_status job_check_flags(const options *o, uvk_error *err)
{
    struct stat info;
    if (o->resume && !o->db)
        return uvk_fail(err, UVK_USAGE, "--resume needs --db FILE, the database to go on with");
    if (o->resume && (o->out || o->dump_hidden))
        return uvk_fail(err, UVK_USAGE, "--resume skips inputs that %s would miss (give one of them)", o->out ? "--out" : "--dump-hidden");
    if (o->png && stat(o->png, &info) == 0 && !S_ISDIR(info.st_mode))
        return uvk_fail(err, UVK_FAILED, "%s: not a folder (--png writes into one)", o->png);
    return o->db ? output_check(o->db, err) : UVK_OK;
}

static uvk_status check_layers(const job *j, uvk_error *err)
{
    int top = j->info->layers + 1;
    if (j->layer > top)
        return uvk_fail(err, UVK_USAGE, "--layer %d: this model has layers 2 to %d", j->layer, top);
    if (j->first_block >= j->layer)
        return uvk_fail(err, UVK_USAGE, "--first-block %d: layer %d has blocks 1 to %d below it", j->first_block, j->layer, j->layer - 1);
    if (j->o->scalar == UVK_LEARNED && j->layer != j->projection.layer)
        return uvk_fail(err, UVK_USAGE, "--layer %d: %s was learned at layer %d", j->layer, j->o->weights, j->projection.layer);
    if (j->o->scalar != UVK_LOGPROB && j->o->scalar != UVK_SIMILARITY)
        return UVK_OK;
    if (j->info->modality == UVK_TEXT && !j->info->causal)
        return uvk_fail(err, UVK_USAGE, "--scalar logprob: %s is no language model (expected sum or energy)", j->info->name);
    if (j->layer != top)
        return uvk_fail(err, UVK_USAGE, "--scalar %s explains layer %d of this model, its output, alone (found --layer %d)", scalar_names[j->o->scalar], top, j->layer);
    return UVK_OK;
}

static uvk_status check_approximation(const job *j, uvk_error *err)
{
    const options *o = j->o;
    bool text = j->info->modality == UVK_TEXT, whole = o->scalar == UVK_LOGPROB || o->scalar == UVK_SIMILARITY;
    char words[APPROXIMATION_WORDS];
    if (o->gradient_blocks && j->info->encoder_layers)
        return uvk_fail(err, UVK_USAGE, "--gradient-blocks: %s is an encoder-decoder (--skip-mlp is for these, too)", j->info->name);
    if (o->landmarks && (text || whole))
        return text ? uvk_fail(err, UVK_USAGE, "--landmarks: %s is a language model (landmarks are patches of an image)", j->info->name)
                    : uvk_fail(err, UVK_USAGE, "--landmarks: --scalar %s is of the whole image (sum, energy and learned are of patches)", scalar_names[o->scalar]);
    if (*approximation_words(o, words))
        note("rows are approximate: %s", words + 2);
    return UVK_OK;
}

static uvk_status load_weights(job *j, uvk_error *err)
{
    const options *o = j->o;
    bool learned = o->scalar == UVK_LEARNED;
    if (learned != (o->weights != NULL))
        return learned ? uvk_fail(err, UVK_USAGE, "--scalar learned needs --weights W.safetensors, which ultravk refine makes")
                       : uvk_fail(err, UVK_USAGE, "--weights is used by --scalar learned only (found --scalar %s)", scalar_names[o->scalar]);
    uvk_status status = learned ? uvk_projection_load(o->weights, j->info, &j->projection, err) : UVK_OK;
    if (status == UVK_OK && learned && o->layer <= 0)
        j->layer = j->projection.layer;
    return status;
}

uvk_status job_load(job *j, uvk_error *err)
{
    const options *o = j->o;
    uvk_status status = uvk_model_load_sized(o->model, o->image_size.first, o->image_size.second, &j->model, err);
    if (status != UVK_OK)
        return status;
    j->info = uvk_model_get_info(j->model);
    bool text = j->info->modality == UVK_TEXT;
    j->layer = o->layer > 0 ? o->layer : j->info->layers + 1;
    j->first_block = o->first_block ? o->first_block : 1;
    j->own = o->own_token >= 0 ? (uvk_own_token)o->own_token : text ? UVK_OWN_ZERO : UVK_OWN_MAX;
    j->normalize = o->scalar == UVK_LOGPROB || o->scalar == UVK_SIMILARITY ? UVK_NO_NORM : (uvk_normalize)o->normalize; /* they have no c */
    j->tokenizer = j->model->tokenizer;
    if ((status = load_weights(j, err)) || (status = whole_image_check(j, err)))
        return status;
    if ((status = check_layers(j, err)))
        return status;
    return check_approximation(j, err);
}

static void print_log(void *user, uvk_log_level level, const char *line)
{
    (void)user;
    if (level == UVK_LOG_WARNING)
        warn("%s", line);
    else
        note("%s", line);
}

static bool is_interrupted(void *user)
{
    (void)user;
    return interrupted();
}

void note_ignored(const uvk_model_info *model)
{
    if (model->ignored)
        note("%s: text is generated greedily; of its generation_config.json ignored: %s", model->name, model->ignored);
}

uvk_status open_device(const char *device, uint64_t memory, uint32_t sharers, uvk_precision precision, uvk_context **out, uvk_error *err)
{
    uvk_context_params params = {.device = device, .memory = memory, .sharers = sharers, .precision = precision, .log = print_log, .interrupted = is_interrupted};
    return uvk_context_create(&params, out, err);
}

static bool has_half(const job *j)
{
    return j->products && strcmp(j->products, "f32") != 0;
}

const char *job_precision(const job *j)
{
    const job *all = j->owner ? j->owner : j;
    bool half = has_half(all);
    for (int i = 0; i < all->n_helpers; i++)
        half = half || has_half(&all->helpers[i]);
    return half ? "auto" : "f32";
}

/* What a device does is found out when it is opened first. */
static void note_products(job *j)
{
    const char *products = uvk_context_products(j->context);
    if (j->products)
        return;
    if (j->o->precision)
        note("%s: products of the backward pass: %s", j->device.name,
             !strcmp(products, "f32") ? "float32, as everything" : !strcmp(products, "half") ? "half precision, added in float32" : "half precision by cooperative matrices, added in float32");
    j->products = products;
}

/* How many jobs share the device of that name, in a --device that has commas. */
static uint32_t count_sharers(const char *list, const char *name)
{
    uint32_t n = 0;
    size_t length = strlen(name);
    for (const char *part = list; part; part = strchr(part, ',') ? strchr(part, ',') + 1 : NULL)
        n += strcspn(part, ",") == length && !memcmp(part, name, length);
    return n;
}

static uvk_status open_with(job *j, uint64_t memory, uint32_t sharers, uvk_error *err)
{
    bool exact = j->products && !has_half(j); /* and stays so when it is opened anew: the run has said it */
    uvk_status status = open_device(j->device_name, memory, sharers, exact ? UVK_PRECISION_F32 : (uvk_precision)j->o->precision, &j->context, err);
    if (status != UVK_OK)
        return status;
    j->device = *uvk_context_device(j->context);
    j->memory = uvk_context_budget(j->context);
    if (!j->owner && !j->text) /* before the model's own weights need the room */
        status = whole_image_open(j, err);
    if (status == UVK_OK)
        status = uvk_session_create(j->context, j->model, &j->session, err);
    if (status == UVK_OK)
        note_products(j);
    return status;
}

uvk_status job_open_device(job *j, uvk_error *err)
{
    j->device_name = j->o->device;
    return open_with(j, j->o->memory, 1, err);
}

static int count_parts(const char *list)
{
    int n = 1;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

uvk_status job_open_devices(job *j, uvk_error *err)
{
    if (!j->o->device || !strchr(j->o->device, ','))
        return job_open_device(j, err);
    char *rest = j->device_list = text_copy(j->o->device);
    j->helpers = text_alloc((size_t)count_parts(j->o->device), sizeof *j->helpers);
    j->device_name = strsep(&rest, ",");
    uvk_status status = open_with(j, j->o->memory, count_sharers(j->o->device, j->device_name), err);
    while (rest && status == UVK_OK) {
        job *helper = &j->helpers[j->n_helpers++];
        *helper = (job){.o = j->o, .model = j->model, .owner = j, .device_name = strsep(&rest, ",")};
        status = open_with(helper, j->o->memory, count_sharers(j->o->device, helper->device_name), err);
    }
    return status;
}

void job_brief_helper(job *j, int i)
{
    job *helper = &j->helpers[i], own = *helper;
    *helper = *j;
    helper->helpers = NULL;
    helper->n_helpers = 0;
    helper->owner = j;
    helper->device_name = own.device_name;
    helper->context = own.context;
    helper->products = own.products;
    helper->session = own.session;
    helper->device = own.device;
    helper->memory = own.memory;
    helper->planned = 0;
    helper->gone = false;
    helper->losses = 0;
}

void job_drop_device(job *j)
{
    uvk_session_free(j->session);
    uvk_context_free(j->context);
    j->session = NULL;
    j->context = NULL;
}

uvk_status job_need_device(job *j, uvk_error *err)
{
    uint64_t whole = j->memory;
    if (j->session)
        return UVK_OK;
    uvk_status status = open_with(j, whole / 2, 1, err);
    if (status == UVK_FAILED && !err->device) {
        job_drop_device(j);
        status = open_with(j, whole, 1, err);
    }
    if (status != UVK_OK) {
        job_drop_device(j);
        j->memory = whole;
    }
    return status;
}

uvk_status job_plan(job *j, int tokens, int encoder_tokens, const target_list *targets, uvk_error *err)
{
    uvk_explain_params params = job_params(j, targets);
    params.encoder_tokens = encoder_tokens;
    uvk_plan plan;
    uvk_status status = uvk_explain_plan(j->session, tokens, &params, &plan, err);
    if (status != UVK_OK || tokens <= j->planned)
        return status;
    char weights[32], forward[32], each[32], total[32], budget[32], streamed[32];
    note("plan: weights %s + forward %s + %d target%s x %s = %s of %s%s%s%s", text_bytes(plan.weights, weights), text_bytes(plan.forward, forward), plan.chunk,
         plan.chunk == 1 ? "" : "s", text_bytes(plan.per_target, each), text_bytes(plan.total, total), text_bytes(plan.budget, budget),
         plan.streamed ? ", weights streamed, per chunk " : "", plan.streamed ? text_bytes(plan.streamed, streamed) : "", j->info->modality == UVK_TEXT ? ", longest text so far" : "");
    j->planned = tokens;
    return UVK_OK;
}

static void print_end(const job *j, uvk_status status)
{
    if (status == UVK_INTERRUPTED) {
        uvk_error err;
        uvk_fail(&err, status, "interrupted; %d of %d inputs are done%s", j->inputs_done, j->inputs,
                 j->db ? " and kept, --resume goes on from there" : "");
        complain(&err);
    } else if (j->run_id) {
        note("%d of %d inputs done, run %lld in %s", j->inputs_done, j->inputs, (long long)j->run_id, j->o->db);
    }
}

/* Whether that is the last that was heard of every device. */
static bool all_lost(const job *j)
{
    bool lost = j->losses > 0;
    for (int i = 0; i < j->n_helpers; i++)
        lost = lost && j->helpers[i].losses > 0;
    return lost;
}

uvk_status job_close(job *j, uvk_status status)
{
    uvk_error err;
    if (status == UVK_FAILED && all_lost(j))
        status = UVK_NO_DEVICE;
    print_end(j, status);
    if (j->rows.count)
        signals_take_time();
    if (rows_file_finish(j, &err) != UVK_OK)
        status = complain(&err);
    if (record_close(j, status, &err) != UVK_OK && !j->db_failed)
        status = worse_status(status, complain(&err));
    rows_file_free(&j->rows);
    free(j->prompt);
    uvk_projection_free(&j->projection);
    free(j->text);
    for (int i = 0; i < j->n_helpers; i++)
        job_drop_device(&j->helpers[i]);
    job_drop_device(j);
    free(j->helpers);
    free(j->device_list);
    uvk_model_free(j->model);
    return status;
}
