#include "backward.h"

#include <stdlib.h>

uvk_status uvk_chunk_declare(uvk_chunk *c, const uvk_session *s, uint32_t capacity, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint64_t rows = (uint64_t)capacity * (uint64_t)uvk_arch_tokens(a), d = (uint64_t)a->width, m = (uint64_t)a->mlp_width;
    const struct { uvk_tensor *tensor; uint64_t rows, cols; } list[] = {
        {&c->own, capacity, 1}, {&c->zero, capacity, 1}, {&c->g[0], rows, d}, {&c->g[1], rows, d}, {&c->d_x, rows, d},
        {&c->wide, rows, m > 3 * d ? m : 3 * d}, {&c->delta, rows, (uint64_t)a->heads},
    };
    uvk_status status = UVK_OK;
    c->capacity = capacity;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        status = uvk_pool_add(c->pool, list[i].tensor, list[i].rows, list[i].cols, true, err);
    return status;
}

uvk_window uvk_window_all(const uvk_chunk *c, const uvk_session *s)
{
    return (uvk_window){.first = &c->zero, .rows = s->attention.tokens};
}

uvk_window uvk_window_own(const uvk_chunk *c)
{
    return (uvk_window){.first = &c->own, .rows = 1};
}

uvk_status uvk_chunk_begin(uvk_chunk *c, uvk_session *s, const uint32_t *tokens, uint32_t targets, const float *seeds, uvk_error *err)
{
    uint32_t *zeros = calloc(targets, sizeof *zeros);
    if (!zeros)
        return uvk_fail_memory(err, targets * sizeof *zeros, "a chunk of targets");
    c->targets = targets;
    c->current = 0;
    c->window = uvk_window_own(c);
    uvk_status status;
    if ((status = uvk_upload(s->ctx, &c->own, 0, targets, tokens, err)) == UVK_OK && (status = uvk_upload(s->ctx, &c->zero, 0, targets, zeros, err)) == UVK_OK)
        status = uvk_upload(s->ctx, &c->g[0], 0, targets, seeds, err); /* [targets, 1, d]: only the target's own row can differ from zero */
    free(zeros);
    return status;
}

uvk_tensor uvk_chunk_d_qkv(const uvk_chunk *c, const uvk_session *s)
{
    return uvk_tensor_view_as(&c->wide, (uint64_t)c->targets * s->attention.tokens, 3 * c->d_x.cols);
}

static uvk_status backward_mlp(uvk_session *s, uvk_chunk *c, int block, uvk_error *err)
{
    uvk_context *ctx = s->ctx;
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations[block - 1];
    uint64_t rows = (uint64_t)c->targets * c->window.rows;
    const uvk_tensor *g = &c->g[c->current];
    uvk_tensor hidden = uvk_tensor_view_as(&c->wide, rows, w->up.rows);
    uvk_status status;
    if ((status = uvk_linear_backward(ctx, g, rows, &w->down, &hidden, err)) || (status = uvk_activate_backward(ctx, &hidden, &a->slope, c->targets, c->window, err)) ||
        (status = uvk_linear_backward(ctx, &hidden, rows, &w->up, &c->d_x, err)))
        return status;
    return uvk_layernorm_backward(ctx, &c->d_x, &a->middle, &a->norm2_stats, &w->norm2_weight, c->targets, g, c->window, g, c->window, err);
}

uvk_status uvk_backward_to_attention(uvk_session *s, uvk_chunk *c, int block, uvk_attention_gradient *out, uvk_error *err)
{
    const uvk_block_activations *a = &s->activations[block - 1];
    uint64_t rows = (uint64_t)c->targets * c->window.rows;
    uvk_status status = backward_mlp(s, c, block, err);
    if (status || (status = uvk_linear_backward(s->ctx, &c->g[c->current], rows, &s->weights[block - 1].out, &c->d_x, err)))
        return status;
    *out = (uvk_attention_gradient){
        .shape = &s->attention, .qkv = &a->qkv, .o = &a->o, .stats = &a->attention_stats,
        .d_o = &c->d_x, .delta = &c->delta, .targets = c->targets, .window = c->window,
    };
    return uvk_attention_delta(s->ctx, out, err);
}

uvk_status uvk_backward_below_attention(uvk_session *s, uvk_chunk *c, int block, const uvk_attention_gradient *g, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations[block - 1];
    uvk_tensor d_qkv = uvk_chunk_d_qkv(c, s);
    uvk_window all = uvk_window_all(c, s);
    uvk_status status;
    if ((status = uvk_attention_rows(s->ctx, g, &d_qkv, err)) || (status = uvk_linear_backward(s->ctx, &d_qkv, d_qkv.rows, &w->qkv, &c->d_x, err)) ||
        (status = uvk_layernorm_backward(s->ctx, &c->d_x, &a->z, &a->norm1_stats, &w->norm1_weight, c->targets, &c->g[c->current], c->window, &c->g[1 - c->current], all, err)))
        return status;
    c->current = 1 - c->current;
    c->window = all;
    return UVK_OK;
}
