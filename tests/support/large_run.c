#include "large_run.h"

#include "memory_counter.h"

#include <stdio.h>
#include <stdlib.h>

/* The rows are dropped: what of them is not finite is refused. */
static uvk_status explain(uvk_session *session, const uvk_input *input, int n_targets, uvk_plan *plan, uvk_cost *cost, uvk_error *err)
{
    int n;
    uvk_input_tokens(input, &n);
    int32_t *targets = malloc((size_t)n_targets * sizeof *targets);
    float *rows = malloc((size_t)n_targets * (size_t)n * sizeof *rows);
    if (!targets || !rows)
        abort();
    for (int i = 0; i < n_targets; i++)
        targets[i] = n - n_targets + i;
    uvk_explain_params params = {.targets = targets, .n_targets = n_targets};
    uvk_status status = uvk_explain_plan(session, n, &params, plan, err);
    if (status == UVK_OK)
        status = uvk_forward(session, input, err);
    if (status == UVK_OK)
        status = uvk_explain(session, &params, rows, cost, err);
    free(targets);
    free(rows);
    return status;
}

static bool judge(const uvk_model *model, const uvk_input *input, int n_targets, const uvk_plan *plan, const uvk_cost *cost)
{
    int n;
    uvk_input_tokens(input, &n);
    printf("%d blocks, %d tokens, %d targets: planned %.1f MiB (weights %.1f, forward %.1f, %d targets at a time of %.1f), true peak %.1f MiB, budget %.1f MiB; "
           "%.1f MiB of weights streamed for each chunk; %.0f s forward, %.0f s backward, %.0f GFLOP\n",
           uvk_model_get_info(model)->layers, n, n_targets, (double)plan->total / 0x1p20, (double)plan->weights / 0x1p20, (double)plan->forward / 0x1p20, plan->chunk,
           (double)plan->per_target / 0x1p20, (double)memory_counter_peak() / 0x1p20, (double)plan->budget / 0x1p20, (double)plan->streamed / 0x1p20, cost->seconds_forward,
           cost->seconds_backward, cost->gflop);
    return memory_counter_peak() <= plan->total && plan->total <= plan->budget;
}

bool large_run(uvk_model *model, const uvk_input *input, const large_job *job)
{
    uvk_error err;
    uvk_context *context = NULL;
    uvk_session *session = NULL;
    uvk_plan plan;
    uvk_cost cost;
    bool sound = false;
    uvk_context_params params = {.memory = job->memory};
    uvk_status status = uvk_context_create(&params, &context, &err);
    if (status == UVK_OK) {
        int n_targets = uvk_context_device(context)->kind == UVK_DEVICE_CPU ? job->targets_cpu : job->targets_gpu;
        if (n_targets == 0)
            uvk_input_tokens(input, &n_targets);
        memory_counter_start(context);
        if ((status = uvk_session_create(context, model, &session, &err)) == UVK_OK && (status = explain(session, input, n_targets, &plan, &cost, &err)) == UVK_OK)
            sound = judge(model, input, n_targets, &plan, &cost);
    }
    if (status)
        fprintf(stderr, "%s\n", err.message);
    uvk_session_free(session);
    uvk_context_free(context);
    return sound;
}
