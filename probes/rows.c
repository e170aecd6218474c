/* The rows of METHOD section 2 for one chunk of targets. C(b) = I + M(b), M = mean_h relu(G) A.
 *
 * Order "rollout", e_i C(l-1) ... C(1), applies each factor while the gradient descends: no M is ever stored.
 * Order "formula", e_i C(1) ... C(l-1), meets C(1) first, which the gradient reaches last: M is kept, summed over heads. */
#include "job.h"

#include <stdlib.h>

/* s = e_i for each target. */
static uvk_status start_rows(uvk_job *job, int first, uint32_t count, uvk_error *err)
{
    size_t n = job->tokens;
    float *unit = calloc(count * n, sizeof *unit);
    if (!unit)
        return uvk_fail_memory(err, count * n * sizeof *unit, "rows");
    uvk_status status = uvk_upload(job->session->ctx, &job->excess, 0, count, unit, err);
    for (uint32_t t = 0; t < count; t++)
        unit[t * n + (size_t)job->targets[first + (int)t]] = 1;
    if (status == UVK_OK)
        status = uvk_upload(job->session->ctx, &job->s, 0, count, unit, err);
    free(unit);
    return status;
}

static uvk_rows rows_of(const uvk_job *job)
{
    return (uvk_rows){.s = &job->s, .excess = &job->excess, .own = &job->chunk.own, .targets = job->chunk.targets, .tokens = job->tokens};
}

/* The rows, their own entries rounded once. */
static uvk_status read_rows(uvk_job *job, int first, uint32_t count, float *rows, uvk_error *err)
{
    size_t n = job->tokens;
    uvk_status status = uvk_download(job->session->ctx, &job->excess, 0, count, rows, err);
    for (uint32_t t = 0; t < count && status == UVK_OK; t++)
        rows[t * n + (size_t)job->targets[first + (int)t]] += 1;
    return status;
}

/* M of one block: one row of it at both ends of the product, all of it between. */
static uvk_status keep_map(uvk_job *job, int block, const uvk_attention_gradient *g, uvk_error *err)
{
    bool end = uvk_job_one_row(job, block);
    return uvk_attention_relevance(job->session->ctx, g, end ? uvk_window_own(&job->chunk) : g->window, &job->maps[block], err);
}

/* One block of the descent; the lowest one of the product needs no gradient below its attention. */
static uvk_status descend(uvk_job *job, int block, uvk_error *err)
{
    uvk_session *s = job->session;
    bool lowest = block == job->first_block;
    uvk_attention_gradient g;
    uvk_status status = uvk_backward_to_attention(s, &job->chunk, block, &g, err);
    if (status == UVK_OK && job->order == UVK_FORMULA)
        status = keep_map(job, block, &g, err);
    if (status || (lowest && job->order == UVK_FORMULA))
        return status;
    uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, &g);
    if ((status = uvk_attention_columns(s->ctx, &g, &job->s, &job->relevance, lowest ? NULL : &d_qkv, err)))
        return status;
    uvk_rows rows = rows_of(job);
    if (job->order == UVK_ROLLOUT && (status = uvk_rollout_step(s->ctx, &rows, g.shape, &job->relevance, g.below, err)))
        return status;
    return lowest ? UVK_OK : uvk_backward_below_attention(s, &job->chunk, block, &g, err);
}

/* What an attention hands on: its factor of the product and, where the descent goes on below it, the gradient of keys and values. */
static uvk_status take_attention(uvk_job *job, const uvk_attention_gradient *g, bool counts, bool lowest, uvk_error *err)
{
    uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, g);
    uvk_rows rows = rows_of(job);
    uvk_status status = uvk_attention_columns(job->session->ctx, g, &job->s, &job->relevance, lowest ? NULL : &d_qkv, err);
    return status || !counts ? status : uvk_rollout_step(job->session->ctx, &rows, g->shape, &job->relevance, g->below, err);
}

/* One block of an encoder-decoder: in the decoder, attention over the encoder comes first, as it ran last. The encoder counts whole. */
static uvk_status descend_joint(uvk_job *job, int block, uvk_error *err)
{
    uvk_session *s = job->session;
    int encoder = s->model->arch.encoder_layers;
    bool counts = block <= encoder || block - encoder >= job->first_block, lowest = block == 1 || block == encoder + 1;
    uvk_attention_gradient g;
    uvk_status status = UVK_OK;
    if (uvk_arch_crosses(&s->model->arch, block) &&
        ((status = uvk_backward_to_cross(s, &job->chunk, block, &g, err)) || (status = take_attention(job, &g, counts, false, err)) ||
         (status = uvk_backward_below_cross(s, &job->chunk, block, &g, err))))
        return status;
    if ((status = uvk_backward_to_attention(s, &job->chunk, block, &g, err)) || (status = take_attention(job, &g, counts, lowest, err)))
        return status;
    return lowest ? UVK_OK : uvk_backward_below_attention(s, &job->chunk, block, &g, err);
}

static uvk_status descend_all(uvk_job *job, uvk_error *err)
{
    int encoder = job->session->model->arch.encoder_layers;
    uvk_status status = UVK_OK;
    for (int block = encoder + job->layer - 1; block >= (encoder ? 1 : job->first_block) && status == UVK_OK; block--)
        status = encoder ? descend_joint(job, block, err) : descend(job, block, err);
    return status;
}

/* s <- s C(first_block) ... C(layer-1) from the kept maps. */
static uvk_status multiply_maps(uvk_job *job, uvk_error *err)
{
    uvk_session *s = job->session;
    uvk_status status = UVK_OK;
    for (int block = job->first_block; block < job->layer && status == UVK_OK; block++) {
        bool end = uvk_job_one_row(job, block);
        uvk_rows rows = rows_of(job);
        status = uvk_row_times_map(s->ctx, &rows, &job->maps[block], end ? uvk_window_own(&job->chunk) : uvk_chunk_window(&job->chunk, block), &job->next, err);
        uvk_tensor swap = job->s;
        job->s = job->next;
        job->next = swap;
    }
    return status;
}

uvk_status uvk_job_rows(uvk_job *job, int first, uint32_t count, const float *seeds, float *rows, uvk_error *err)
{
    uvk_status status = uvk_job_begin(job, first, count, seeds, err);
    if (status == UVK_OK)
        status = start_rows(job, first, count, err);
    if (status == UVK_OK)
        status = descend_all(job, err);
    if (status == UVK_OK && job->order == UVK_FORMULA)
        status = multiply_maps(job, err);
    return status ? status : read_rows(job, first, count, rows, err);
}
