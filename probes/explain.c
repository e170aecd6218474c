#include "landmarks.h"

#include <math.h>
#include <stdlib.h>

uvk_status uvk_explain_plan(const uvk_session *session, int tokens, const uvk_explain_params *params, uvk_plan *out, uvk_error *err)
{
    uvk_job job;
    uvk_status status = tokens < 1 ? uvk_fail(err, UVK_USAGE, "a sequence of %d tokens has no plan", tokens) : UVK_OK;
    if (status == UVK_OK)
        status = uvk_job_init(&job, (uvk_session *)session, (uvk_extent){(uint32_t)tokens, (uint32_t)params->encoder_tokens}, params, err); /* planning only declares; nothing of the session changes */
    if (status)
        return status;
    job.n_targets = uvk_job_explained(&job);
    return uvk_job_plan(&job, out, err);
}

static uvk_status check_rows(const uvk_job *job, const float *rows, uvk_error *err)
{
    size_t n = job->tokens;
    for (size_t i = 0; i < (size_t)job->n_targets * n; i++)
        if (!isfinite(rows[i]))
            return uvk_fail(err, UVK_FAILED, "the row of token %d is not finite (an overflow in the gradients)", (int)job->targets[i / n]);
    return UVK_OK;
}

static uvk_status run_chunks(uvk_job *job, const uvk_explain_params *params, int chunk, const float *seeds, float *rows, uvk_error *err)
{
    size_t n = job->tokens, seed = uvk_job_seed(job);
    uvk_status status = UVK_OK;
    for (int first = 0; first < job->n_targets && status == UVK_OK; first += chunk) {
        int count = job->n_targets - first < chunk ? job->n_targets - first : chunk;
        status = uvk_job_rows(job, first, (uint32_t)count, seeds + (size_t)first * seed, rows + (size_t)first * n, err);
        if (status == UVK_OK && params->progress)
            params->progress(params->user, first + count, job->n_targets);
    }
    return status;
}

static uvk_status explain_each(uvk_session *s, const uvk_explain_params *params, float *rows, uvk_cost *cost, uvk_error *err)
{
    double started = uvk_clock(), device = uvk_device_seconds(s->ctx), flop = uvk_recorded_flop(s->ctx);
    uvk_job job;
    uvk_plan plan;
    float *seeds = NULL;
    uvk_status status = uvk_job_init(&job, s, uvk_session_extent(s), params, err);
    if (status || (status = uvk_job_seeds(&job, &seeds, err)))
        return status;
    if ((status = uvk_job_plan(&job, &plan, err))) {
        free(seeds);
        return status;
    }
    if ((status = uvk_job_allocate(&job, (uint32_t)plan.chunk, err)) == UVK_OK && (status = run_chunks(&job, params, plan.chunk, seeds, rows, err)) == UVK_OK)
        status = check_rows(&job, rows, err);
    uvk_job_free(&job);
    free(seeds);
    if (status == UVK_OK && cost)
        *cost = (uvk_cost){
            .seconds_forward = s->forward_seconds,
            .seconds_backward = uvk_clock() - started,
            .device_seconds = s->forward_device_seconds + uvk_device_seconds(s->ctx) - device,
            .gflop = (s->forward_flop + uvk_recorded_flop(s->ctx) - flop) * 1e-9,
            .peak = uvk_context_peak(s->ctx),
            .chunk = plan.chunk,
        };
    return status;
}

/* Of fewer targets, and from their rows those of all. */
static uvk_status explain_landmarks(const uvk_job *job, const uvk_explain_params *params, float *rows, uvk_cost *cost, uvk_error *err)
{
    double started = uvk_clock();
    uvk_landmarks landmarks;
    uvk_explain_params few = *params;
    float *explained = NULL;
    uvk_status status = uvk_landmarks_choose(job, &landmarks, err);
    if (status == UVK_OK && !(explained = malloc((size_t)landmarks.count * job->tokens * sizeof *explained)))
        status = uvk_fail_memory(err, (size_t)landmarks.count * job->tokens * sizeof *explained, "rows of landmarks");
    few.targets = landmarks.targets;
    few.n_targets = landmarks.count;
    if (status == UVK_OK && (status = explain_each(job->session, &few, explained, cost, err)) == UVK_OK)
        status = uvk_landmarks_spread(job, &landmarks, explained, rows, err);
    if (status == UVK_OK && cost)
        cost->seconds_backward = uvk_clock() - started;
    free(explained);
    uvk_landmarks_free(&landmarks);
    return status;
}

uvk_status uvk_explain(uvk_session *s, const uvk_explain_params *params, float *rows, uvk_cost *cost, uvk_error *err)
{
    uvk_job job;
    uvk_status status = s->tokens ? uvk_job_init(&job, s, uvk_session_extent(s), params, err) : uvk_fail(err, UVK_USAGE, "no forward pass was run");
    if (status)
        return status;
    return uvk_job_explained(&job) < job.n_targets ? explain_landmarks(&job, params, rows, cost, err) : explain_each(s, params, rows, cost, err);
}
