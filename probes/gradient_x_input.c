/* |sum_k z(1)_jk df/dz(1)_jk| for chunks of targets: the descent of explain.c, one level further. */
#include "job.h"

#include <math.h>
#include <stdlib.h>

static uvk_status descend(uvk_job *job, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int block = job->layer - 1; block >= 1 && status == UVK_OK; block--) {
        uvk_attention_gradient g;
        status = uvk_backward_to_attention(job->session, &job->chunk, block, &g, err);
        if (status == UVK_OK)
            status = uvk_job_pass_attention(job, block, &g, err);
    }
    return status;
}

/* gradient[rows, d] stands at token `first` of the sequence; what lies outside is zero. */
static void multiply(const float *gradient, uint32_t first, uint32_t rows, const float *z, size_t n, size_t d, float *out)
{
    for (size_t j = 0; j < n; j++) {
        double product = 0;
        for (size_t k = 0; k < d && j >= first && j - first < rows; k++)
            product += (double)z[j * d + k] * gradient[(j - first) * d + k];
        out[j] = (float)fabs(product);
    }
}

typedef struct buffers { float *z, *gradient; uint32_t *first; } buffers;

static uvk_status run_chunk(uvk_job *job, const buffers *b, int first, uint32_t count, const float *seeds, float *rows, uvk_error *err)
{
    uvk_context *ctx = job->session->ctx;
    const uvk_chunk *c = &job->chunk;
    size_t n = job->tokens, d = (size_t)job->session->model->arch.width;
    uvk_status status;
    if ((status = uvk_job_begin(job, first, count, seeds, err)) || (status = descend(job, err)) || (status = uvk_download(ctx, &c->levels[0].first, 0, count, b->first, err)))
        return status;
    uint32_t each = c->levels[0].rows;
    uvk_tensor live = uvk_tensor_view_as(&c->g[c->current], (uint64_t)count * each, d);
    for (uint32_t t = 0; t < count && status == UVK_OK; t++) {
        status = uvk_download(ctx, &live, (uint64_t)t * each, each, b->gradient, err);
        multiply(b->gradient, b->first[t], each, b->z, n, d, rows + t * n);
    }
    return status;
}

static uvk_status check_finite(const uvk_job *job, const float *rows, uvk_error *err)
{
    size_t n = job->tokens;
    for (size_t i = 0; i < (size_t)job->n_targets * n; i++)
        if (!isfinite(rows[i]))
            return uvk_fail(err, UVK_FAILED, "gradient x input of token %d is not finite", (int)job->targets[i / n]);
    return UVK_OK;
}

static uvk_status run(uvk_job *job, const buffers *b, const float *seeds, float *rows, const uvk_explain_params *params, uvk_error *err)
{
    uvk_plan plan;
    size_t n = job->tokens;
    uvk_status status;
    if ((status = uvk_job_plan(job, &plan, err)) || (status = uvk_job_allocate(job, (uint32_t)plan.chunk, err)) || (status = uvk_hidden(job->session, 1, b->z, err)))
        return status;
    for (int first = 0; first < job->n_targets && status == UVK_OK; first += plan.chunk) {
        int count = job->n_targets - first < plan.chunk ? job->n_targets - first : plan.chunk;
        status = run_chunk(job, b, first, (uint32_t)count, seeds + (size_t)first * uvk_job_seed(job), rows + (size_t)first * n, err);
        if (status == UVK_OK && params->progress)
            params->progress(params->user, first + count, job->n_targets);
    }
    return status ? status : check_finite(job, rows, err);
}

uvk_status uvk_gradient_x_input(uvk_session *s, const uvk_explain_params *params, float *rows, uvk_error *err)
{
    uvk_job job;
    float *seeds = NULL;
    uvk_status status = s->tokens ? uvk_job_init(&job, s, uvk_session_extent(s), params, err) : uvk_fail(err, UVK_USAGE, "no forward pass was run");
    if (status || (status = uvk_job_seeds(&job, &seeds, err)))
        return status;
    job.order = UVK_ROLLOUT; /* no maps are kept */
    job.bottom = 0;
    size_t count = job.tokens * (size_t)s->model->arch.width, bytes = 2 * count * sizeof(float);
    buffers b = {malloc(count * sizeof *b.z), malloc(count * sizeof *b.gradient), malloc((size_t)job.n_targets * sizeof *b.first)};
    status = b.z && b.gradient && b.first ? run(&job, &b, seeds, rows, params, err) : uvk_fail_memory(err, bytes, "gradient x input");
    uvk_job_free(&job);
    free(b.first);
    free(b.gradient);
    free(b.z);
    free(seeds);
    return status;
}
