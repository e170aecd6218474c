#include "job.h"

#include <stdlib.h>
#include <string.h>

typedef struct dump {
    uvk_pool *pool;
    uvk_tensor da; /* [n, n] */
} dump;

/* Adds dA of all heads to what the block has: in an encoder-decoder its two attentions fill different columns. */
static uvk_status dump_attention(uvk_job *job, dump *d, int block, const uvk_attention_gradient *g, float *out, uvk_error *err)
{
    uint32_t heads = g->shape->heads;
    size_t n = job->tokens, count = n * n;
    float *one = malloc(count * sizeof *one);
    uvk_status status = one ? UVK_OK : uvk_fail_memory(err, count * sizeof *one, "a dump of gradients");
    for (uint32_t head = 0; head < heads && status == UVK_OK; head++) {
        float *to = out + ((size_t)(block - 1) * heads + head) * count;
        status = uvk_attention_dump(job->session->ctx, g, head, &d->da, err);
        if (status == UVK_OK)
            status = uvk_download(job->session->ctx, &d->da, 0, n, one, err);
        for (size_t i = 0; i < count && status == UVK_OK; i++)
            to[i] += one[i];
    }
    free(one);
    return status;
}

static uvk_status pass_cross(uvk_job *job, dump *d, int block, float *attention, uvk_error *err)
{
    uvk_session *s = job->session;
    uvk_attention_gradient g;
    uvk_status status = uvk_backward_to_cross(s, &job->chunk, block, &g, err);
    uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, &g);
    if (status || (attention && (status = dump_attention(job, d, block, &g, attention, err))) ||
        (status = uvk_attention_columns(s->ctx, &g, &job->s, &job->relevance, &d_qkv, err)))
        return status;
    return uvk_backward_below_cross(s, &job->chunk, block, &g, err);
}

/* The gradient of what enters a side's first block. */
static uvk_status read_input_gradient(uvk_job *job, int block, float *out, uvk_error *err)
{
    const uvk_chunk *c = &job->chunk;
    size_t d = (size_t)job->session->model->arch.width;
    uint32_t first = 0, rows = job->encoder_tokens;
    uvk_status status = UVK_OK;
    if (!c->in_encoder) {
        rows = c->levels[block - 1].rows;
        status = uvk_download(job->session->ctx, &c->levels[block - 1].first, 0, 1, &first, err);
    }
    return status ? status : uvk_download(job->session->ctx, &c->g[c->current], 0, rows, out + first * d, err);
}

static uvk_status descend_all(uvk_job *job, dump *d, float *attention, float *input, uvk_error *err)
{
    uvk_session *s = job->session;
    int encoder = s->model->arch.encoder_layers;
    uvk_status status = UVK_OK;
    for (int block = encoder + job->layer - 1; block >= 1 && status == UVK_OK; block--) {
        uvk_attention_gradient g;
        if (uvk_arch_crosses(&s->model->arch, block) && (status = pass_cross(job, d, block, attention, err)))
            break;
        if ((status = uvk_backward_to_attention(s, &job->chunk, block, &g, err)))
            break;
        if (attention && (status = dump_attention(job, d, block, &g, attention, err)))
            break;
        status = uvk_job_pass_attention(job, block, &g, err);
        if (status == UVK_OK && input && (block == 1 || block == encoder + 1))
            status = read_input_gradient(job, block, input, err);
    }
    return status;
}

static uvk_status allocate_dump(uvk_job *job, dump *d, uvk_error *err)
{
    size_t n = job->tokens;
    uvk_status status;
    if ((status = uvk_pool_create(job->session->ctx, "a dump of gradients", &d->pool, err)) || (status = uvk_pool_add(d->pool, &d->da, n, n, true, err)))
        return status;
    return uvk_pool_commit(d->pool, err);
}

/* What the descent does not reach is zero. */
static void clear(const uvk_job *job, float *attention, float *input)
{
    const uvk_arch *a = &job->session->model->arch;
    size_t n = job->tokens, blocks = (size_t)(a->encoder_layers + job->layer - 1);
    if (attention)
        memset(attention, 0, blocks * (size_t)a->heads * n * n * sizeof *attention);
    if (input)
        memset(input, 0, n * (size_t)a->width * sizeof *input);
}

uvk_status uvk_gradients(uvk_session *s, const uvk_explain_params *params, float *attention, float *input, uvk_error *err)
{
    uvk_job job;
    dump d = {0};
    float *seeds = NULL;
    bool sound = s->tokens && params->n_targets == 1;
    uvk_status status = sound ? uvk_job_init(&job, s, uvk_session_extent(s), params, err) : uvk_fail(err, UVK_USAGE, "gradients need a forward pass and exactly one target");
    if (status || (status = uvk_job_seeds(&job, &seeds, err)))
        return status;
    job.bottom = 0;
    clear(&job, attention, input);
    if ((status = uvk_job_allocate(&job, 1, err)) == UVK_OK && (status = allocate_dump(&job, &d, err)) == UVK_OK &&
        (status = uvk_job_begin(&job, 0, 1, seeds, err)) == UVK_OK)
        status = descend_all(&job, &d, attention, input, err);
    uvk_pool_free(d.pool);
    uvk_job_free(&job);
    free(seeds);
    return status;
}
