/* |sum_k z(1)_jk df/dz(1)_jk| for chunks of targets: the descent of explain.c, one level further. */
#include "job.h"

#include <math.h>
#include <stdlib.h>

typedef struct buffers { float *z, *gradient; uint32_t *first; } buffers;

/* Columns begin..end - 1. gradient[rows, d] stands at token `first` of the sequence; what lies outside is zero. */
static void multiply(const float *gradient, uint32_t first, uint32_t rows, const float *z, size_t begin, size_t end, size_t d, float *out)
{
    for (size_t j = begin; j < end; j++) {
        double product = 0;
        for (size_t k = 0; k < d && j >= first && j - first < rows; k++)
            product += (double)z[j * d + k] * gradient[(j - first) * d + k];
        out[j] = (float)fabs(product);
    }
}

/* The gradient of what enters a side's first block times that, of the targets of a chunk, into that side's columns. */
static uvk_status read_side(uvk_job *job, const buffers *b, uint32_t count, float *rows, uvk_error *err)
{
    uvk_context *ctx = job->session->ctx;
    const uvk_chunk *c = &job->chunk;
    size_t n = job->tokens, d = (size_t)job->session->model->arch.width, begin = c->in_encoder ? 0 : job->encoder_tokens, end = c->in_encoder ? job->encoder_tokens : n;
    const uvk_level *level = &c->levels[job->session->model->arch.encoder_layers];
    uint32_t each = c->in_encoder ? job->encoder_tokens : level->rows;
    uvk_tensor live = uvk_tensor_view_as(&c->g[c->current], (uint64_t)count * each, d);
    uvk_status status = uvk_download(ctx, c->in_encoder ? &c->encoder_first : &level->first, 0, count, b->first, err);
    for (uint32_t t = 0; t < count && status == UVK_OK; t++) {
        status = uvk_download(ctx, &live, (uint64_t)t * each, each, b->gradient, err);
        multiply(b->gradient, b->first[t], each, b->z, begin, end, d, rows + t * n);
    }
    return status;
}

static uvk_status pass_cross(uvk_job *job, int block, uvk_error *err)
{
    uvk_session *s = job->session;
    uvk_attention_gradient g;
    uvk_status status = uvk_backward_to_cross(s, &job->chunk, block, &g, err);
    uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, &g);
    if (status || (status = uvk_attention_columns(s->ctx, &g, &job->s, &job->relevance, &d_qkv, err)))
        return status;
    return uvk_backward_below_cross(s, &job->chunk, block, &g, err);
}

static uvk_status descend(uvk_job *job, const buffers *b, uint32_t count, float *rows, uvk_error *err)
{
    const uvk_arch *arch = &job->session->model->arch;
    uvk_status status = UVK_OK;
    for (int block = arch->encoder_layers + job->layer - 1; block >= 1 && status == UVK_OK; block--) {
        uvk_attention_gradient g;
        if (uvk_arch_crosses(arch, block) && (status = pass_cross(job, block, err)))
            break;
        status = uvk_backward_to_attention(job->session, &job->chunk, block, &g, err);
        if (status == UVK_OK)
            status = uvk_job_pass_attention(job, block, &g, err);
        if (status == UVK_OK && (block == 1 || block == arch->encoder_layers + 1))
            status = read_side(job, b, count, rows, err);
    }
    return status;
}

static uvk_status run_chunk(uvk_job *job, const buffers *b, int first, uint32_t count, const float *seeds, float *rows, uvk_error *err)
{
    uvk_status status = uvk_job_begin(job, first, count, seeds, err);
    return status ? status : descend(job, b, count, rows, err);
}

/* z(1) of both sides. */
static uvk_status read_inputs(uvk_job *job, float *z, uvk_error *err)
{
    uvk_session *s = job->session;
    uint32_t encoder = job->encoder_tokens;
    uvk_status status = encoder ? uvk_download(s->ctx, uvk_session_stream(s, 1), 0, encoder, z, err) : UVK_OK;
    return status ? status : uvk_hidden(s, 1, z + (size_t)encoder * (size_t)s->model->arch.width, err);
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
    if ((status = uvk_job_plan(job, &plan, err)) || (status = uvk_job_allocate(job, (uint32_t)plan.chunk, err)) || (status = read_inputs(job, b->z, err)))
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
    job.approximation = (uvk_approximation){0};
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
