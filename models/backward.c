#include "backward.h"

#include <stdlib.h>

/* ---- Windows ---------------------------------------------------------------------------------------------------------------- */

/* How far back of a target the gradient reaches at each level, itself counted; tokens where nothing bounds it. A block with a
 * sliding window of w adds w - 1. */
static uint32_t reach_below(const uvk_attention_shape *shape, uint32_t reach)
{
    uint32_t tokens = shape->tokens;
    if (!shape->causal || shape->window == (uint32_t)UVK_NO_WINDOW || shape->window >= tokens)
        return tokens;
    return reach + shape->window - 1 < tokens ? reach + shape->window - 1 : tokens;
}

/* Rows that a window of that reach needs when no target stands after token last. What a window's first row is must not depend on
 * the other targets of its chunk, or the order of sums would; its last may. */
static uint32_t rows_of_reach(const uvk_arch *a, uint32_t tokens, uint32_t last, uint32_t reach)
{
    return a->causal && last + 1 < reach ? last + 1 : reach < tokens ? reach : tokens;
}

static uint32_t first_of_reach(uint32_t tokens, uint32_t token, uint32_t reach)
{
    return reach < tokens && token + 1 > reach ? token + 1 - reach : 0;
}

/* The reach of every level from top down. */
static void list_reaches(const uvk_arch *a, uint32_t tokens, int top, uint32_t *reaches)
{
    uint32_t reach = 1;
    for (int level = top; level >= 0; level--) {
        reaches[level] = reach;
        if (level > 0) {
            uvk_attention_shape shape = uvk_arch_attention(a, level, tokens);
            reach = reach_below(&shape, reach);
        }
    }
}

uvk_window uvk_chunk_window(const uvk_chunk *c, int level)
{
    return (uvk_window){.first = &c->levels[level].first, .rows = c->levels[level].rows};
}

uvk_window uvk_window_own(const uvk_chunk *c)
{
    return (uvk_window){.first = &c->own, .rows = 1};
}

/* ---- A chunk ---------------------------------------------------------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uvk_status declare_tensors(uvk_chunk *c, const uvk_arch *a, uint32_t window_rows, int bottom, uvk_error *err)
{
    uvk_attention_shape shape = uvk_arch_attention(a, 1, 1);
    uint64_t rows = (uint64_t)c->capacity * window_rows, d = (uint64_t)a->width, m = (uint64_t)a->mlp_width * (a->gated ? 2 : 1), h = shape.heads;
    const struct { uvk_tensor *tensor; uint64_t rows, cols; } list[] = {
        {&c->own, c->capacity, 1}, {&c->g[0], rows, d}, {&c->g[1], rows, d}, {&c->d_x, rows, larger(d, h * shape.head_dim)},
        {&c->wide, rows, larger(m, uvk_qkv_width(&shape))}, {&c->delta, rows, h},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        status = uvk_pool_add(c->pool, list[i].tensor, list[i].rows, list[i].cols, true, err);
    for (int level = bottom > 0 ? bottom - 1 : 0; level <= c->top && status == UVK_OK; level++)
        status = uvk_pool_add(c->pool, &c->levels[level].first, c->capacity, 1, true, err);
    return status;
}

uvk_status uvk_chunk_declare(uvk_chunk *c, const uvk_session *s, uint32_t tokens, uint32_t last, int top, int bottom, uint32_t capacity, uvk_error *err)
{
    uint32_t reaches[UVK_MAX_LAYERS + 1];
    c->capacity = capacity;
    c->top = top;
    if (!(c->levels = calloc((size_t)top + 1, sizeof *c->levels)))
        return uvk_fail_memory(err, ((size_t)top + 1) * sizeof *c->levels, "a chunk of targets");
    list_reaches(&s->model->arch, tokens, top, reaches);
    return declare_tensors(c, &s->model->arch, rows_of_reach(&s->model->arch, tokens, last, reaches[bottom]), bottom, err);
}

void uvk_chunk_free(uvk_chunk *c)
{
    free(c->levels);
    c->levels = NULL;
}

static uvk_status place_windows(uvk_chunk *c, uvk_session *s, const uint32_t *tokens, uint32_t targets, uvk_error *err)
{
    uint32_t reaches[UVK_MAX_LAYERS + 1], last = 0, *first = malloc(targets * sizeof *first);
    uvk_status status = first ? UVK_OK : uvk_fail_memory(err, targets * sizeof *first, "a chunk of targets");
    for (uint32_t t = 0; t < targets; t++)
        last = tokens[t] > last ? tokens[t] : last;
    list_reaches(&s->model->arch, s->tokens, c->top, reaches);
    for (int level = c->top; level >= 0 && c->levels[level].first.rows && status == UVK_OK; level--) {
        for (uint32_t t = 0; t < targets; t++)
            first[t] = first_of_reach(s->tokens, tokens[t], reaches[level]);
        c->levels[level].rows = rows_of_reach(&s->model->arch, s->tokens, last, reaches[level]);
        status = uvk_upload(s->ctx, &c->levels[level].first, 0, targets, first, err);
    }
    free(first);
    return status;
}

uvk_status uvk_chunk_begin(uvk_chunk *c, uvk_session *s, const uint32_t *tokens, uint32_t targets, const float *seeds, uvk_error *err)
{
    c->targets = targets;
    c->current = 0;
    uvk_status status;
    if ((status = uvk_upload(s->ctx, &c->own, 0, targets, tokens, err)) || (status = place_windows(c, s, tokens, targets, err)))
        return status;
    return uvk_upload(s->ctx, &c->g[0], 0, targets, seeds, err); /* [targets, 1, d]: only the target's own row can differ from zero */
}

/* ---- The descent -------------------------------------------------------------------------------------------------------------- */

/* The norm in front of attention and MLP; post-norm blocks have none there. */
static uvk_norm_kind front_norm(const uvk_arch *a)
{
    return a->post_norm ? UVK_IDENTITY : a->norm;
}

/* Post-norm: the gradient before the norm behind attention or MLP, in its place. */
static uvk_status backward_behind(uvk_session *s, uvk_chunk *c, const uvk_tensor *sum, const uvk_tensor *stats, const uvk_tensor *weight, uvk_window window, uvk_error *err)
{
    const uvk_tensor *g = &c->g[c->current];
    uvk_window none = {.first = window.first, .rows = 0};
    return s->model->arch.post_norm ? uvk_norm_backward(s->ctx, s->model->arch.norm, g, sum, stats, weight, c->targets, g, none, g, window, err) : UVK_OK;
}

static uvk_status backward_mlp(uvk_session *s, uvk_chunk *c, int block, uvk_error *err)
{
    uvk_context *ctx = s->ctx;
    const uvk_arch *arch = &s->model->arch;
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_tensor *g = &c->g[c->current], *slope;
    uvk_window window = uvk_chunk_window(c, block);
    uint64_t rows = (uint64_t)c->targets * window.rows;
    uvk_tensor hidden = uvk_tensor_view_as(&c->wide, rows, w->up.rows), d_x = uvk_tensor_view_as(&c->d_x, rows, g->cols);
    uvk_status status;
    if ((status = backward_behind(s, c, &a->sum2, &a->norm2_stats, &w->norm2_weight, window, err)) || (status = uvk_session_slope(s, block, &slope, err)) ||
        (status = uvk_linear_backward(ctx, g, rows, &w->down, &hidden, err)) ||
        (status = uvk_activate_backward(ctx, &hidden, slope, (uint32_t)arch->mlp_width, c->targets, window, err)) ||
        (status = uvk_linear_backward(ctx, &hidden, rows, &w->up, &d_x, err)))
        return status;
    return uvk_norm_backward(ctx, front_norm(arch), &d_x, &a->middle, &a->norm2_stats, &w->norm2_weight, c->targets, g, window, g, window, err);
}

uvk_status uvk_backward_to_attention(uvk_session *s, uvk_chunk *c, int block, uvk_attention_gradient *out, uvk_error *err)
{
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_block_weights *w = &s->weights[block - 1];
    uvk_window window = uvk_chunk_window(c, block);
    uint64_t rows = (uint64_t)c->targets * window.rows;
    c->shape = uvk_arch_attention(&s->model->arch, block, s->tokens);
    uvk_tensor d_o = uvk_tensor_view_as(&c->d_x, rows, w->out.cols);
    uvk_status status = backward_mlp(s, c, block, err);
    if (status || (status = backward_behind(s, c, &a->sum1, &a->norm1_stats, &w->norm1_weight, window, err)) || (status = uvk_linear_backward(s->ctx, &c->g[c->current], rows, &w->out, &d_o, err)))
        return status;
    *out = (uvk_attention_gradient){
        .shape = &c->shape, .qkv = &a->qkv, .o = &a->o, .stats = &a->attention_stats,
        .d_o = &c->d_x, .delta = &c->delta, .targets = c->targets, .window = window, .below = uvk_chunk_window(c, block - 1),
    };
    return uvk_attention_delta(s->ctx, out, err);
}

uvk_tensor uvk_chunk_d_qkv(const uvk_chunk *c, const uvk_attention_gradient *g)
{
    return uvk_tensor_view_as(&c->wide, (uint64_t)g->targets * g->below.rows, uvk_qkv_width(g->shape));
}

uvk_status uvk_backward_below_attention(uvk_session *s, uvk_chunk *c, int block, const uvk_attention_gradient *g, uvk_error *err)
{
    const uvk_arch *arch = &s->model->arch;
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    uvk_tensor d_qkv = uvk_chunk_d_qkv(c, g), d_x = uvk_tensor_view_as(&c->d_x, d_qkv.rows, (uint64_t)arch->width);
    uvk_status status = uvk_attention_rows(s->ctx, g, &d_qkv, err);
    if (status == UVK_OK && arch->rotary)
        status = uvk_rotate_backward(s->ctx, g->shape, &d_qkv, c->targets, g->below, &s->activations.rope, err);
    if (status == UVK_OK && arch->head_norm)
        status = uvk_head_norm_backward(s->ctx, g->shape, &d_qkv, c->targets, g->below, &a->raw, &w->query_norm, &w->key_norm, &a->head_stats, err);
    if (status || (status = uvk_linear_backward(s->ctx, &d_qkv, d_qkv.rows, &w->qkv, &d_x, err)) ||
        (status = uvk_norm_backward(s->ctx, front_norm(arch), &d_x, &a->z, &a->norm1_stats, &w->norm1_weight, c->targets, &c->g[c->current], g->window, &c->g[1 - c->current], g->below, err)))
        return status;
    c->current = 1 - c->current;
    return UVK_OK;
}
