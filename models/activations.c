/* Room for the forward pass. Images all have one size; texts do not, so the room grows with the longest. */
#include "session.h"

#include <stdlib.h>

/* Columns of the hidden layer's derivatives. */
static uint64_t slope_width(const uvk_arch *a)
{
    return (uint64_t)a->mlp_width * (a->gated ? 2 : 1);
}

static uvk_status declare_block(uvk_pool *p, const uvk_arch *a, int block, uint64_t n, bool own_slope, uvk_block_activations *b, uvk_error *err)
{
    uvk_attention_shape shape = uvk_arch_attention(a, 1, (uvk_extent){(uint32_t)n, 0});
    uint64_t d = (uint64_t)a->width, qkv = uvk_qkv_width(&shape), h = shape.heads;
    bool crosses = uvk_arch_crosses(a, block), cross_sum = crosses && a->post_norm;
    const struct { uvk_tensor *tensor; uint64_t cols; } list[] = {
        {&b->z, d}, {&b->norm1_stats, 2}, {&b->qkv, qkv}, {&b->attention_stats, 2 * h}, {&b->o, h * shape.head_dim}, {&b->middle, d}, {&b->norm2_stats, 2},
        {&b->sum1, a->post_norm ? d : 0}, {&b->sum2, a->post_norm ? d : 0},
        {&b->attended, crosses ? d : 0}, {&b->cross.norm_stats, crosses ? 2 : 0}, {&b->cross.qkv, crosses ? qkv : 0}, {&b->cross.stats, crosses ? 2 * h : 0},
        {&b->cross.o, crosses ? h * shape.head_dim : 0}, {&b->cross.sum, cross_sum ? d : 0},
        {&b->raw, a->head_norm ? qkv : 0}, {&b->head_stats, a->head_norm ? h + shape.kv_heads : 0}, {&b->slope, own_slope ? slope_width(a) : 0},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        if (list[i].cols)
            status = uvk_pool_add(p, list[i].tensor, n, list[i].cols, true, err);
    return status;
}

static uvk_status declare_shared(uvk_pool *p, const uvk_arch *a, uint64_t n, bool own_slopes, bool memory, uvk_activations *out, uvk_error *err)
{
    uint64_t d = (uint64_t)a->width, patches = (uint64_t)uvk_arch_grid_rows(a) * (uint64_t)uvk_arch_grid_cols(a);
    uint64_t pixels = (uint64_t)a->channels * (uint64_t)a->patch * (uint64_t)a->patch;
    const struct { uvk_tensor *tensor; uint64_t rows, cols; } list[] = {
        {&out->z_last, n, d}, {&out->encoded, a->encoder_layers ? n : 0, d},
        {&out->memory, memory ? n : 0, d}, {&out->memory_stats, memory ? n : 0, 2}, {&out->normed, n, d}, {&out->hidden, n, (uint64_t)a->mlp_width}, {&out->patches, patches, pixels},
        {&out->rope, n, a->rotary ? (uint64_t)a->head_dim : 0}, {&out->slope, n, own_slopes ? 0 : slope_width(a)},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        if (list[i].rows && list[i].cols)
            status = uvk_pool_add(p, list[i].tensor, list[i].rows, list[i].cols, true, err);
    return status;
}

/* Declares everything in a pool of its own. out is released by release_activations, also after a failure. */
static uvk_status declare(const uvk_session *s, uint32_t tokens, bool own_slopes, uvk_activations *out, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uvk_status status;
    *out = (uvk_activations){.capacity = tokens};
    if (!(out->blocks = calloc((size_t)uvk_arch_blocks(a), sizeof *out->blocks)))
        return uvk_fail_memory(err, (size_t)uvk_arch_blocks(a) * sizeof *out->blocks, "activations");
    if ((status = uvk_pool_create(s->ctx, "the forward pass", &out->pool, err)) || (status = declare_shared(out->pool, a, tokens, own_slopes, uvk_present(&s->memory_norm_weight) != NULL, out, err)))
        return status;
    for (int i = 0; i < uvk_arch_blocks(a) && status == UVK_OK; i++)
        status = declare_block(out->pool, a, i + 1, tokens, own_slopes, &out->blocks[i], err);
    return status;
}

static void release(uvk_activations *a)
{
    uvk_pool_free(a->pool);
    free(a->blocks);
    *a = (uvk_activations){0};
}

uint64_t uvk_session_available(const uvk_session *s, uvk_residency residency)
{
    return uvk_residency_free(s, residency) + (s->activations.pool ? uvk_pool_bytes(s->activations.pool) : 0);
}

/* The slopes are the largest part of what is kept, and the cheapest to rebuild: each block has its own only where that leaves
 * half of the free budget to the backward pass. */
static uvk_status declare_beside(const uvk_session *s, uint64_t available, uint32_t tokens, uvk_activations *out, uvk_error *err)
{
    uvk_status status = declare(s, tokens, true, out, err);
    if (status || uvk_pool_bytes(out->pool) <= available / 2)
        return status;
    release(out);
    return declare(s, tokens, false, out, err);
}

/* The weights are streamed where there is no room beside all of them. */
static uvk_status declare_fitting(const uvk_session *s, uint32_t tokens, uvk_residency *residency, uvk_activations *out, uvk_error *err)
{
    *residency = s->residence.now;
    for (;;) {
        uint64_t available = uvk_session_available(s, *residency); /* before out, which may be the session's own, is declared */
        uvk_residency below = uvk_residency_below(s, *residency);
        uvk_status status = declare_beside(s, available, tokens, out, err);
        if (status || uvk_pool_bytes(out->pool) <= available || below == UVK_RESIDENCIES)
            return status;
        release(out);
        *residency = below;
    }
}

/* UVK_FAILED, with all numbers, when the forward pass alone does not fit. */
uvk_status uvk_session_forward_bytes(const uvk_session *s, uint32_t tokens, uvk_residency *residency, uint64_t *bytes, uvk_error *err)
{
    uvk_activations planned = {0};
    uvk_status status = UVK_OK;
    *residency = s->residence.now;
    if (tokens > s->activations.capacity)
        status = declare_fitting(s, tokens, residency, &planned, err);
    *bytes = status == UVK_OK ? uvk_pool_bytes(planned.pool ? planned.pool : s->activations.pool) : 0;
    release(&planned);
    uint64_t budget = uvk_context_budget(s->ctx), available = uvk_session_available(s, *residency);
    if (status == UVK_OK && *bytes > available)
        status = uvk_fail(err, UVK_FAILED, "the forward pass over %u tokens needs %llu bytes of device memory beside the model's %llu, the budget is %llu; raise --memory or take a larger device",
                          (unsigned)tokens, (unsigned long long)*bytes, (unsigned long long)(budget - available), (unsigned long long)budget);
    return status;
}

/* Rotary positions, from the host: a device's sine is too coarse. */
static uvk_status upload_rope(uvk_session *s, uvk_error *err)
{
    const uvk_tensor *rope = &s->activations.rope;
    if (!uvk_present(rope))
        return UVK_OK;
    size_t bytes = (size_t)(rope->rows * rope->cols) * sizeof(float);
    float *table = malloc(bytes);
    if (!table)
        return uvk_fail_memory(err, bytes, "rotary positions");
    uvk_rope_table(&s->model->arch.rope, (int)rope->rows, (int)rope->cols, table);
    uvk_status status = uvk_upload(s->ctx, rope, 0, rope->rows, table, err);
    free(table);
    return status;
}

uvk_status uvk_session_reserve(uvk_session *s, uint32_t tokens, uvk_error *err)
{
    if (tokens <= s->activations.capacity)
        return UVK_OK;
    uvk_activations *room = &s->activations;
    s->tokens = 0;
    release(room);
    uvk_residency residency;
    uvk_status status = declare_fitting(s, tokens, &residency, room, err);
    if (status == UVK_OK && (status = uvk_residency_change(s, residency, err)) == UVK_OK && (status = uvk_pool_commit(room->pool, err)) == UVK_OK)
        status = upload_rope(s, err);
    if (status)
        release(room);
    return status;
}
