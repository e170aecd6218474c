#include "job.h"

#include <stdlib.h>
#include <string.h>

typedef struct dump {
    uvk_pool *pool;
    uvk_tensor da; /* [n, n] */
} dump;

static uvk_status dump_attention(uvk_job *job, dump *d, int block, const uvk_attention_gradient *g, float *out, uvk_error *err)
{
    uint32_t heads = g->shape->heads;
    size_t n = job->tokens;
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
        status = uvk_job_pass_attention(job, block, &g, err);
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

/* Level 0 of the stream; zero outside its window. */
static uvk_status read_input_gradient(uvk_job *job, float *out, uvk_error *err)
{
    const uvk_chunk *c = &job->chunk;
    size_t d = (size_t)job->session->model->arch.width;
    uint32_t first = 0;
    uvk_status status = uvk_download(job->session->ctx, &c->levels[0].first, 0, 1, &first, err);
    memset(out, 0, job->tokens * d * sizeof *out);
    return status ? status : uvk_download(job->session->ctx, &c->g[c->current], 0, c->levels[0].rows, out + first * d, err);
}

uvk_status uvk_gradients(uvk_session *s, const uvk_explain_params *params, float *attention, float *input, uvk_error *err)
{
    uvk_job job;
    dump d = {0};
    float *seeds = NULL;
    bool sound = s->tokens && params->n_targets == 1;
    uvk_status status = sound ? uvk_job_init(&job, s, s->tokens, params, err) : uvk_fail(err, UVK_USAGE, "gradients need a forward pass and exactly one target");
    if (status || (status = uvk_job_seeds(&job, &seeds, err)))
        return status;
    job.bottom = 0;
    if ((status = uvk_job_allocate(&job, 1, err)) == UVK_OK && (status = allocate_dump(&job, &d, err)) == UVK_OK &&
        (status = uvk_job_begin(&job, 0, 1, seeds, err)) == UVK_OK && (status = descend_all(&job, &d, attention, err)) == UVK_OK && input)
        status = read_input_gradient(&job, input, err);
    uvk_pool_free(d.pool);
    uvk_job_free(&job);
    free(seeds);
    return status;
}
