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

/* The reach of every level from top down to the decoder's input, or the only side's; tokens are that side's. */
static void list_reaches(const uvk_chunk *c, const uvk_arch *a, uint32_t tokens, uint32_t *reaches)
{
    uint32_t reach = c->whole ? tokens : 1;
    for (int level = c->top; level >= a->encoder_layers; level--) {
        reaches[level] = reach;
        if (level > a->encoder_layers) {
            uvk_attention_shape shape = uvk_arch_attention(a, level, (uvk_extent){tokens, 0});
            reach = reach_below(&shape, reach);
        }
    }
}

uvk_window uvk_chunk_window(const uvk_chunk *c, int level)
{
    return (uvk_window){.first = &c->levels[level].first, .rows = c->levels[level].rows};
}

static uvk_window encoder_window(const uvk_chunk *c)
{
    return (uvk_window){.first = &c->encoder_first, .rows = c->encoder_tokens};
}

/* Rows of the gradient of a block's output, and of its input. */
static uvk_window output_window(const uvk_chunk *c, int block)
{
    return c->in_encoder ? encoder_window(c) : uvk_chunk_window(c, block);
}

static uvk_window input_window(const uvk_chunk *c, int block)
{
    return c->in_encoder ? encoder_window(c) : uvk_chunk_window(c, block - 1);
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

static uvk_status declare_tensors(uvk_chunk *c, const uvk_arch *a, uint32_t window_rows, int lowest, uvk_error *err)
{
    uvk_attention_shape shape = uvk_arch_attention(a, 1, (uvk_extent){1, 0});
    uint64_t encoder = (uint64_t)c->capacity * c->encoder_tokens, rows = larger((uint64_t)c->capacity * window_rows, encoder);
    uint64_t d = (uint64_t)a->width, m = c->skip_mlp ? 0 : (uint64_t)a->mlp_width * (a->gated ? 2 : 1), h = shape.heads;
    const struct { uvk_tensor *tensor; uint64_t rows, cols; } list[] = {
        {&c->own, c->capacity, 1}, {&c->g[0], rows, d}, {&c->g[1], rows, d}, {&c->d_x, rows, larger(d, h * shape.head_dim)},
        {&c->wide, rows, larger(m, uvk_qkv_width(&shape))}, {&c->delta, rows, h},
        {&c->encoder_first, encoder ? c->capacity : 0, 1}, {&c->g_memory, encoder, d},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        if (list[i].rows)
            status = uvk_pool_add(c->pool, list[i].tensor, list[i].rows, list[i].cols, true, err);
    for (int level = lowest; level <= c->top && status == UVK_OK; level++)
        status = uvk_pool_add(c->pool, &c->levels[level].first, c->capacity, 1, true, err);
    return status;
}

uvk_status uvk_chunk_declare(uvk_chunk *c, const uvk_session *s, uvk_extent extent, uint32_t last, int top, int bottom, uint32_t capacity, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint32_t reaches[UVK_MAX_LAYERS + 1], own = extent.tokens - extent.encoder;
    int deepest = bottom > a->encoder_layers ? bottom : a->encoder_layers;
    c->capacity = capacity;
    c->top = top;
    c->encoder_tokens = extent.encoder;
    if (!(c->levels = calloc((size_t)top + 1, sizeof *c->levels)))
        return uvk_fail_memory(err, ((size_t)top + 1) * sizeof *c->levels, "a chunk of targets");
    list_reaches(c, a, own, reaches);
    return declare_tensors(c, a, rows_of_reach(a, own, last - extent.encoder, reaches[deepest]), deepest > a->encoder_layers ? deepest - 1 : deepest, err);
}

void uvk_chunk_free(uvk_chunk *c)
{
    free(c->levels);
    c->levels = NULL;
}

static uvk_status place_windows(uvk_chunk *c, uvk_session *s, const uint32_t *tokens, uint32_t targets, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint32_t encoder = c->encoder_tokens, own = s->tokens - encoder;
    uint32_t reaches[UVK_MAX_LAYERS + 1], last = 0, *first = calloc(targets, sizeof *first);
    uvk_status status = first ? UVK_OK : uvk_fail_memory(err, targets * sizeof *first, "a chunk of targets");
    if (status == UVK_OK && encoder)
        status = uvk_upload(s->ctx, &c->encoder_first, 0, targets, first, err);
    for (uint32_t t = 0; t < targets; t++)
        last = tokens[t] - encoder > last ? tokens[t] - encoder : last;
    list_reaches(c, a, own, reaches);
    for (int level = c->top; level >= a->encoder_layers && c->levels[level].first.rows && status == UVK_OK; level--) {
        for (uint32_t t = 0; t < targets; t++)
            first[t] = encoder + first_of_reach(own, tokens[t] - encoder, reaches[level]);
        c->levels[level].rows = rows_of_reach(a, own, last, reaches[level]);
        status = uvk_upload(s->ctx, &c->levels[level].first, 0, targets, first, err);
    }
    free(first);
    return status;
}

uvk_status uvk_chunk_begin(uvk_chunk *c, uvk_session *s, const uint32_t *tokens, uint32_t targets, const float *seeds, uvk_error *err)
{
    c->targets = targets;
    c->current = 0;
    c->gathered = c->in_encoder = false;
    uvk_status status;
    if ((status = uvk_upload(s->ctx, &c->own, 0, targets, tokens, err)) || (status = place_windows(c, s, tokens, targets, err)))
        return status;
    return uvk_upload(s->ctx, &c->g[0], 0, (uint64_t)targets * c->levels[c->top].rows, seeds, err); /* one row each, where only the target's own can differ from zero */
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
    uvk_window window = output_window(c, block);
    uint64_t rows = (uint64_t)c->targets * window.rows;
    uvk_tensor hidden = uvk_tensor_view_as(&c->wide, rows, w->up.rows), d_x = uvk_tensor_view_as(&c->d_x, rows, g->cols);
    uvk_status status = backward_behind(s, c, &a->sum2, &a->norm2_stats, &w->norm2_weight, window, err);
    if (status || c->skip_mlp)
        return status;
    if ((status = uvk_session_slope(s, block, &slope, err)) ||
        (status = uvk_linear_backward(ctx, g, rows, &w->down, &hidden, err)) ||
        (status = uvk_activate_backward(ctx, &hidden, slope, (uint32_t)arch->mlp_width, c->targets, window, err)) ||
        (status = uvk_linear_backward(ctx, &hidden, rows, &w->up, &d_x, err)))
        return status;
    return uvk_norm_backward(ctx, front_norm(arch), &d_x, &a->middle, &a->norm2_stats, &w->norm2_weight, c->targets, g, window, g, window, err);
}

/* The decoder is behind: what its blocks gathered goes through the norm between, and down the encoder. */
static uvk_status enter_encoder(uvk_session *s, uvk_chunk *c, uvk_error *err)
{
    const uvk_activations *a = &s->activations;
    bool normed = uvk_present(&a->memory) != NULL;
    uvk_window rows = encoder_window(c), none = {.first = rows.first, .rows = 0};
    const uvk_tensor *g = &c->g[c->current], *any = &c->g_memory;
    c->in_encoder = true;
    return uvk_norm_backward(s->ctx, normed ? s->model->arch.norm : UVK_IDENTITY, &c->g_memory, normed ? &a->encoded : any, normed ? &a->memory_stats : any,
                             normed ? &s->memory_norm_weight : any, c->targets, any, none, g, rows, err);
}

/* Through an attention's projection to its output. */
static uvk_status backward_out(uvk_session *s, uvk_chunk *c, const uvk_tensor *out, const uvk_attention_gradient *g, uvk_error *err)
{
    uint64_t rows = (uint64_t)c->targets * g->window.rows;
    uvk_tensor d_o = uvk_tensor_view_as(&c->d_x, rows, out->cols);
    uvk_status status = uvk_linear_backward(s->ctx, &c->g[c->current], rows, out, &d_o, err);
    return status ? status : uvk_attention_delta(s->ctx, g, err);
}

uvk_status uvk_backward_to_cross(uvk_session *s, uvk_chunk *c, int block, uvk_attention_gradient *out, uvk_error *err)
{
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_block_weights *w = &s->weights[block - 1];
    uvk_window window = output_window(c, block);
    c->shape = uvk_arch_cross_attention(&s->model->arch, uvk_session_extent(s));
    *out = (uvk_attention_gradient){
        .shape = &c->shape, .qkv = &a->cross.qkv, .o = &a->cross.o, .stats = &a->cross.stats,
        .d_o = &c->d_x, .delta = &c->delta, .targets = c->targets, .window = window, .below = encoder_window(c),
    };
    uvk_status status = uvk_residency_enter(s, block, err);
    if (status == UVK_OK)
        status = backward_mlp(s, c, block, err);
    if (status == UVK_OK)
        status = backward_behind(s, c, &a->cross.sum, &a->cross.norm_stats, &w->cross_norm_weight, window, err);
    return status ? status : backward_out(s, c, &w->cross_out, out, err);
}

/* Keys and values to the encoder's output, queries to the decoder's stream. */
uvk_status uvk_backward_below_cross(uvk_session *s, uvk_chunk *c, int block, const uvk_attention_gradient *g, uvk_error *err)
{
    const uvk_arch *arch = &s->model->arch;
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_tensor *stream = &c->g[c->current];
    uvk_attention_gradient queries = *g;
    queries.below = g->window;
    uvk_tensor d_memory = uvk_chunk_d_qkv(c, g), d_query = uvk_chunk_d_qkv(c, &queries), d_x = uvk_tensor_view_as(&c->d_x, d_query.rows, (uint64_t)arch->width);
    uvk_status status;
    if ((status = uvk_linear_backward_columns(s->ctx, &d_memory, w->cross_query.rows, d_memory.rows, &w->cross_memory, &c->g_memory, c->gathered, err)) ||
        (status = uvk_attention_rows(s->ctx, &queries, &d_query, err)) ||
        (status = uvk_linear_backward_columns(s->ctx, &d_query, 0, d_query.rows, &w->cross_query, &d_x, false, err)))
        return status;
    c->gathered = true;
    return uvk_norm_backward(s->ctx, front_norm(arch), &d_x, &a->attended, &a->cross.norm_stats, &w->cross_norm_weight, c->targets, stream, g->window, stream, g->window, err);
}

uvk_status uvk_backward_to_attention(uvk_session *s, uvk_chunk *c, int block, uvk_attention_gradient *out, uvk_error *err)
{
    const uvk_arch *arch = &s->model->arch;
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_block_weights *w = &s->weights[block - 1];
    uvk_status status = uvk_residency_enter(s, block, err);
    if (status == UVK_OK && uvk_arch_encodes(arch, block) && !c->in_encoder)
        status = enter_encoder(s, c, err);
    uvk_window window = output_window(c, block);
    c->shape = uvk_arch_attention(arch, block, uvk_session_extent(s));
    *out = (uvk_attention_gradient){
        .shape = &c->shape, .qkv = &a->qkv, .bias = uvk_session_bias(s, block), .o = &a->o, .stats = &a->attention_stats,
        .d_o = &c->d_x, .delta = &c->delta, .targets = c->targets, .window = window, .below = input_window(c, block),
    };
    if (status == UVK_OK && !uvk_arch_crosses(arch, block))
        status = backward_mlp(s, c, block, err);
    if (status == UVK_OK)
        status = backward_behind(s, c, &a->sum1, &a->norm1_stats, &w->norm1_weight, window, err);
    return status ? status : backward_out(s, c, &w->out, out, err);
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
