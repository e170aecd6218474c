/* ultravk segment: flags, then the model, then image by image; at the end what all images came to. */
#include "segmented.h"

#include "crew.h"
#include "folder.h"
#include "inputs.h"
#include "messages.h"
#include "record.h"
#include "signals.h"

#include <math.h>

static uvk_status check_flags(const options *o, uvk_error *err)
{
    if (!o->masks && (o->ignore || o->classes || o->all_baselines))
        return uvk_fail(err, UVK_USAGE, "%s: needs --masks, which it is about", o->ignore ? "--ignore" : o->classes ? "--classes" : "--baselines");
    if (o->layer < 0 && o->weights)
        return uvk_fail(err, UVK_USAGE, "--layer auto: --weights are of one layer (leave --layer out)");
    return job_check_flags(o, err);
}

static uvk_status open_model(job *j, input_list *inputs, segment_settings *settings, uvk_error *err)
{
    uvk_status status = check_flags(j->o, err);
    if (status == UVK_OK)
        status = label_map_open(j->o->classes, j->o->ignore, &settings->map, err);
    if (status == UVK_OK)
        status = job_load(j, err);
    if (status == UVK_OK)
        status = segment_params_of(j->o, j->info, &settings->params, &settings->by_labels, err);
    if (status == UVK_OK)
        inputs_open_folders(inputs, j->info->modality);
    return status == UVK_OK && (j->o->out_dir || j->o->masks) ? inputs_check_stems(inputs, err) : status;
}

static uvk_status open_rest(job *j, const input_list *inputs, const segment_settings *settings, uvk_error *err)
{
    target_list all = segment_targets(j->info);
    uvk_status status = job_open_devices(j, err);
    if (status == UVK_OK && j->o->db)
        status = record_open_database(j, err);
    if (status == UVK_OK && j->o->layer < 0)
        status = segment_choose_layer(j, (const char *const *)inputs->paths, inputs->count, settings, err);
    if (status == UVK_OK)
        status = job_plan(j, j->info->tokens, 0, &all, err);
    if (status == UVK_OK && j->o->out_dir)
        status = folder_make(j->o->out_dir, err);
    targets_free(&all);
    return status == UVK_OK && j->o->db ? record_open(j, err) : status;
}

/* Scores over the run, when masks gave any. */
static uvk_status record_pooled(job *j, const segment_settings *settings, uvk_error *err)
{
    uvk_db_metric metrics[4 * SEGMENT_METHODS];
    int n = 0;
    for (int m = 0; m < SEGMENT_METHODS; m++) {
        const uvk_pooled *p = &settings->pooled[m];
        const struct { const char *name; double value; } values[] = {
            {"u_acc", p->accuracies / p->images}, {"u_miou", p->mious / p->images},
            {"pooled_acc", (double)p->matched / (double)p->counted}, {"pooled_miou", uvk_pooled_miou(p)},
        };
        for (int k = 0; p->images && k < 4; k++)
            metrics[n++] = (uvk_db_metric){.target = -1, .name = values[k].name, .method = segment_methods[m], .k = NAN, .value = values[k].value};
    }
    return record_metrics(j, metrics, n, err);
}

static uvk_status finish(job *j, const segment_settings *settings, uvk_status status)
{
    uvk_error err;
    if (segment_show_pooled(j, settings, &err) != UVK_OK || record_pooled(j, settings, &err) != UVK_OK)
        status = worse_status(status, complain(&err));
    return status;
}

uvk_status verb_segment(const options *o)
{
    job j = {.o = o, .probe = o->verb->name, .table = !o->db && !o->out_dir && !o->json, .reuse_rows = true};
    segment_settings settings = {0};
    input_list inputs;
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments, o->n_arguments, &inputs);
    inputs_take_shard(&inputs, &o->shard);
    uvk_status status = inputs.count ? open_model(&j, &inputs, &settings, &err) : UVK_OK;
    if (status == UVK_OK && inputs.count) /* folders may have turned out empty */
        status = open_rest(&j, &inputs, &settings, &err);
    if (status != UVK_OK && status != UVK_INTERRUPTED)
        complain(&err);
    if (status == UVK_OK)
        status = finish(&j, &settings, process_inputs(&j, &inputs, &segment_steps, &settings));
    status = job_close(&j, status);
    label_map_free(&settings.map);
    inputs_free(&inputs);
    return status;
}
