/* ultravk explain: what is cheap is checked first, then the device and the database are opened, then input by input. */
#include "explain.h"

#include "messages.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#include <string.h>
#include <sys/stat.h>

uvk_explain_params explain_params(const explain_job *job, const target_list *targets)
{
    const options *o = job->o;
    return (uvk_explain_params){
        .layer = job->layer, .first_block = job->first_block, .scalar = (uvk_scalar)o->scalar, .order = (uvk_order)o->order,
        .normalize = (uvk_normalize)o->normalize, .targets = targets->tokens, .n_targets = targets->count,
    };
}

size_t patch_count(const uvk_model_info *model)
{
    return (size_t)(model->tokens - model->special);
}

static uvk_status check_flags(const explain_job *job, uvk_error *err)
{
    const options *o = job->o;
    if (o->tokens && o->has_pixel)
        return uvk_fail(err, UVK_USAGE, "--tokens and --at-pixel both name the targets (give one of them)");
    if (o->resume && !o->db)
        return uvk_fail(err, UVK_USAGE, "--resume needs --db FILE, the database to go on with");
    if (o->resume && o->out)
        return uvk_fail(err, UVK_USAGE, "--resume skips inputs that --out would miss (give one of them)");
    uvk_status status = o->png ? inputs_check_stems(&job->inputs, err) : UVK_OK;
    return status == UVK_OK ? rows_file_check(job, err) : status;
}

static uvk_status check_folders(const options *o, uvk_error *err)
{
    struct stat info;
    if (o->png && stat(o->png, &info) == 0 && !S_ISDIR(info.st_mode))
        return uvk_fail(err, UVK_FAILED, "%s: not a folder (--png writes into one)", o->png);
    return o->db ? output_check(o->db, err) : UVK_OK;
}

/* What the flags ask for that only the model can judge. */
static uvk_status check_against_model(explain_job *job, uvk_error *err)
{
    const options *o = job->o;
    int top = job->info->layers + 1;
    if (job->info->modality != UVK_VISION)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a text model (explain takes vision models)", o->model);
    job->layer = o->layer ? o->layer : top;
    job->first_block = o->first_block ? o->first_block : 1;
    if (job->layer > top)
        return uvk_fail(err, UVK_USAGE, "--layer %d: this model has layers 2 to %d", job->layer, top);
    if (job->first_block >= job->layer)
        return uvk_fail(err, UVK_USAGE, "--first-block %d: layer %d has blocks 1 to %d below it", job->first_block, job->layer, job->layer - 1);
    if (o->has_pixel)
        return UVK_OK;
    return targets_parse(o->tokens ? o->tokens : "patches", job->info, &job->targets, err);
}

/* Whoever only looks at a table does not want to wait for hundreds of maps that it does not show. */
static void shorten_for_table(explain_job *job)
{
    enum { SIDE = 3 };
    target_list all = job->targets;
    if (!job->table || all.listed || all.count <= SIDE * SIDE)
        return;
    targets_spread(&all, job->info, SIDE, &job->targets);
    note("%d of %d targets, spread over the image; --tokens names others, --db keeps all", job->targets.count, all.count);
    targets_free(&all);
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

static uvk_status open_device(explain_job *job, uvk_error *err)
{
    uvk_context_params params = {.device = job->o->device, .memory = job->o->memory, .log = print_log, .interrupted = is_interrupted};
    uvk_status status = uvk_context_create(&params, &job->context, err);
    if (status == UVK_OK)
        job->device = uvk_context_device(job->context);
    return status;
}

static uvk_status print_plan(const explain_job *job, uvk_error *err)
{
    int32_t any = job->info->special;
    target_list one = {.tokens = &any, .count = 1};
    uvk_explain_params params = explain_params(job, job->o->has_pixel ? &one : &job->targets);
    uvk_plan plan;
    uvk_status status = uvk_explain_plan(job->session, &params, &plan, err);
    if (status != UVK_OK)
        return status;
    char weights[32], forward[32], each[32], total[32], budget[32];
    note("plan: weights %s + forward %s + %d target%s x %s = %s of %s", text_bytes(plan.weights, weights), text_bytes(plan.forward, forward), plan.chunk,
         plan.chunk == 1 ? "" : "s", text_bytes(plan.per_target, each), text_bytes(plan.total, total), text_bytes(plan.budget, budget));
    return UVK_OK;
}

static uvk_status open_job(explain_job *job, uvk_error *err)
{
    uvk_status status = check_flags(job, err);
    if (status == UVK_OK)
        status = check_folders(job->o, err);
    if (status == UVK_OK)
        status = uvk_model_load(job->o->model, &job->model, err);
    if (status != UVK_OK)
        return status;
    job->info = uvk_model_get_info(job->model);
    status = check_against_model(job, err);
    if (status != UVK_OK)
        return status;
    shorten_for_table(job);
    status = open_device(job, err);
    if (status == UVK_OK)
        status = uvk_session_create(job->context, job->model, &job->session, err);
    if (status == UVK_OK)
        status = print_plan(job, err);
    if (status == UVK_OK && job->o->png)
        status = pictures_prepare(job, err);
    if (status == UVK_OK && job->o->db)
        status = record_open(job, err);
    return status;
}

static uvk_status run_inputs(explain_job *job)
{
    uvk_status status = UVK_OK;
    bool stop = false;
    long each = job->o->has_pixel ? 1 : job->targets.count;
    progress_start(each * job->inputs.count, "targets", job->o->quiet);
    for (int i = 0; i < job->inputs.count && !stop && !interrupted(); i++) {
        uvk_status one = explain_input(job, i, &stop);
        status = stop ? one : worse_status(status, one);
    }
    progress_end();
    return interrupted() ? UVK_INTERRUPTED : status;
}

/* What is finished is kept whatever the run ended with. */
static uvk_status close_job(explain_job *job, uvk_status status)
{
    uvk_error err;
    if (rows_file_finish(job, &err) != UVK_OK)
        status = complain(&err);
    if (record_close(job, status, &err) != UVK_OK)
        status = worse_status(status, complain(&err));
    rows_file_free(&job->rows);
    targets_free(&job->targets);
    uvk_session_free(job->session);
    uvk_context_free(job->context);
    uvk_model_free(job->model);
    inputs_free(&job->inputs);
    return status;
}

static void print_end(const explain_job *job, uvk_status status)
{
    if (status == UVK_INTERRUPTED) {
        uvk_error err;
        uvk_fail(&err, status, "interrupted; %d of %d inputs are done%s", job->inputs_done, job->inputs.count,
                 job->db ? " and kept, --resume goes on from there" : "");
        complain(&err);
    } else if (job->run_id) {
        note("%d of %d inputs done, run %lld in %s", job->inputs_done, job->inputs.count, (long long)job->run_id, job->o->db);
    }
}

uvk_status verb_explain(const options *o)
{
    explain_job job = {.o = o, .table = !o->db && !o->out && !o->png && !o->json};
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments, o->n_arguments, &job.inputs);
    uvk_status status = job.inputs.bad ? UVK_BAD_INPUT : UVK_OK;
    if (job.inputs.count) {
        uvk_status opened = open_job(&job, &err);
        if (opened != UVK_OK && opened != UVK_INTERRUPTED)
            complain(&err);
        status = opened == UVK_OK ? worse_status(status, run_inputs(&job)) : opened;
        print_end(&job, status);
    }
    return close_job(&job, status);
}
