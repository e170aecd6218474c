/* Raw attention rollout: e_i R(l-1) ... R(1), R(b) = (mean_h A + I) / 2, for all targets of a chunk at once. In a decoder beside an encoder,
 * attention over the encoder has a factor of its own, above that of the block's attention over its own side. */
#include "job.h"

#include <math.h>
#include <stdlib.h>

typedef struct rollout {
    uvk_pool *pool;
    uvk_tensor factor;     /* [n, n] */
    uvk_tensor rows, next; /* [targets of a chunk, n] */
} rollout;

/* Targets whose rows one binding sees. */
static uint32_t chunk_of(const uvk_job *job)
{
    uint64_t fits = uvk_context_limits(job->session->ctx)->range / (job->tokens * sizeof(float));
    return fits < (uint64_t)job->n_targets ? (uint32_t)fits : (uint32_t)job->n_targets;
}

static uvk_status allocate(rollout *r, const uvk_job *job, uint32_t chunk, uvk_error *err)
{
    uint64_t n = job->tokens;
    uvk_status status;
    if ((status = uvk_pool_create(job->session->ctx, "attention rollout", &r->pool, err)) || (status = uvk_pool_add(r->pool, &r->factor, n, n, false, err)) ||
        (status = uvk_pool_add(r->pool, &r->rows, chunk, n, true, err)) || (status = uvk_pool_add(r->pool, &r->next, chunk, n, true, err)))
        return status;
    status = uvk_residency_make_room(job->session, uvk_pool_bytes(r->pool), err);
    return status ? status : uvk_pool_commit(r->pool, err);
}

static uvk_status apply(rollout *r, uvk_session *s, uint32_t count, uvk_error *err)
{
    uvk_status status = uvk_linear_backward(s->ctx, &r->rows, count, &r->factor, &r->next, err);
    uvk_tensor swap = r->rows;
    r->rows = r->next;
    r->next = swap;
    return status;
}

/* A block's factors, from above. */
static uvk_status multiply(rollout *r, uvk_session *s, int block, uint32_t count, uvk_error *err)
{
    const uvk_arch *arch = &s->model->arch;
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    uvk_extent extent = uvk_session_extent(s);
    uvk_attention_shape shape = uvk_arch_attention(arch, block, extent), cross = uvk_arch_cross_attention(arch, extent);
    uvk_range rows = uvk_arch_encodes(arch, block) ? (uvk_range){0, extent.encoder} : (uvk_range){extent.encoder, extent.tokens - extent.encoder};
    uvk_status status = UVK_OK;
    if (uvk_arch_crosses(arch, block) && (status = uvk_attention_mean(s->ctx, &cross, &a->cross.qkv, NULL, rows, &a->cross.stats, &r->factor, err)) == UVK_OK)
        status = apply(r, s, count, err);
    if (status == UVK_OK)
        status = uvk_attention_mean(s->ctx, &shape, &a->qkv, uvk_session_bias(s, block), rows, &a->attention_stats, &r->factor, err);
    return status ? status : apply(r, s, count, err);
}

/* rows holds the unit vectors of the targets, then what came of them. */
static uvk_status run_chunk(rollout *r, const uvk_job *job, uint32_t count, float *rows, uvk_error *err)
{
    uvk_context *ctx = job->session->ctx;
    uvk_status status = uvk_upload(ctx, &r->rows, 0, count, rows, err);
    for (int block = job->session->model->arch.encoder_layers + job->layer - 1; block >= 1 && status == UVK_OK; block--)
        status = multiply(r, job->session, block, count, err);
    return status ? status : uvk_download(ctx, &r->rows, 0, count, rows, err);
}

static void unit_rows(const uvk_job *job, float *rows)
{
    size_t n = job->tokens, count = (size_t)job->n_targets;
    for (size_t i = 0; i < count * n; i++)
        rows[i] = (size_t)job->targets[i / n] == i % n;
}

static uvk_status check_finite(const uvk_job *job, const float *rows, uvk_error *err)
{
    size_t n = job->tokens;
    for (size_t i = 0; i < (size_t)job->n_targets * n; i++)
        if (!isfinite(rows[i]))
            return uvk_fail(err, UVK_FAILED, "the attention rollout of token %d is not finite", (int)job->targets[i / n]);
    return UVK_OK;
}

uvk_status uvk_raw_rollout(uvk_session *s, int layer, const int32_t *targets, int n_targets, float *rows, uvk_error *err)
{
    uvk_job job;
    rollout r = {0};
    const uvk_explain_params params = {.layer = layer, .targets = targets, .n_targets = n_targets};
    uvk_status status = s->tokens ? uvk_job_init(&job, s, uvk_session_extent(s), &params, err) : uvk_fail(err, UVK_USAGE, "no forward pass was run");
    if (status)
        return status;
    uint32_t chunk = chunk_of(&job);
    status = allocate(&r, &job, chunk ? chunk : 1, err);
    unit_rows(&job, rows);
    for (uint32_t first = 0; first < (uint32_t)n_targets && status == UVK_OK; first += chunk) {
        uint32_t count = (uint32_t)n_targets - first < chunk ? (uint32_t)n_targets - first : chunk;
        status = run_chunk(&r, &job, count, rows + (size_t)first * job.tokens, err);
    }
    uvk_pool_free(r.pool);
    return status ? status : check_finite(&job, rows, err);
}
