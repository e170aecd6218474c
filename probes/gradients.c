#include "job.h"

#include <stdlib.h>

typedef struct dump {
    uvk_pool *pool;
    uvk_tensor da; /* [n, n] */
} dump;

static uvk_status dump_attention(uvk_job *job, dump *d, int block, const uvk_attention_gradient *g, float *out, uvk_error *err)
{
    uint32_t heads = job->session->attention.heads;
    size_t n = job->session->attention.tokens;
    uvk_status status = UVK_OK;
    for (uint32_t head = 0; head < heads && status == UVK_OK; head++) {
        status = uvk_attention_dump(job->session->ctx, g, head, &d->da, err);
        if (status == UVK_OK)
            status = uvk_download(job->session->ctx, &d->da, 0, n, out + ((size_t)(block - 1) * heads + head) * n * n, err);
    }
    return status;
}

static uvk_status descend_all(uvk_job *job, dump *d, float *attention, uvk_error *err)
{
    uvk_session *s = job->session;
    uvk_status status = UVK_OK;
    for (int block = job->layer - 1; block >= 1 && status == UVK_OK; block--) {
        uvk_attention_gradient g;
        if ((status = uvk_backward_to_attention(s, &job->chunk, block, &g, err)))
            break;
        if (attention && (status = dump_attention(job, d, block, &g, attention, err)))
            break;
        uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, s);
        if ((status = uvk_attention_columns(s->ctx, &g, &job->s, &job->relevance, &d_qkv, err)) == UVK_OK)
            status = uvk_backward_below_attention(s, &job->chunk, block, &g, err);
    }
    return status;
}

static uvk_status allocate_dump(uvk_job *job, dump *d, uvk_error *err)
{
    size_t n = job->session->attention.tokens;
    uvk_status status;
    if ((status = uvk_pool_create(job->session->ctx, "a dump of gradients", &d->pool, err)) || (status = uvk_pool_add(d->pool, &d->da, n, n, true, err)))
        return status;
    return uvk_pool_commit(d->pool, err);
}

uvk_status uvk_gradients(uvk_session *s, const uvk_explain_params *params, float *attention, float *input, uvk_error *err)
{
    uvk_job job;
    dump d = {0};
    float *seeds = NULL;
    uvk_status status = uvk_job_init(&job, s, params, err);
    if (status == UVK_OK && (!s->forward_done || params->n_targets != 1))
        status = uvk_fail(err, UVK_USAGE, "gradients need a forward pass and exactly one target");
    if (status || (status = uvk_job_seeds(&job, &seeds, err)))
        return status;
    uint32_t token = (uint32_t)job.targets[0];
    const uvk_tensor *g = NULL;
    if ((status = uvk_job_allocate(&job, 1, err)) == UVK_OK && (status = allocate_dump(&job, &d, err)) == UVK_OK &&
        (status = uvk_chunk_begin(&job.chunk, s, &token, 1, seeds, err)) == UVK_OK && (status = descend_all(&job, &d, attention, err)) == UVK_OK && input) {
        g = &job.chunk.g[job.chunk.current];
        status = uvk_download(s->ctx, g, 0, s->attention.tokens, input, err);
    }
    uvk_pool_free(d.pool);
    uvk_job_free(&job);
    free(seeds);
    return status;
}
