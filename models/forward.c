/* The forward pass: an image's patches or a text's ids to tokens, then blocks, pre-norm
 *   middle = z + out(attention(norm1(z))),   z' = middle + down(hidden(up(norm2(middle))))
 * or post-norm
 *   middle = norm1(z + out(attention(z))),   z' = norm2(middle + down(hidden(up(middle))))
 * In a decoder beside an encoder, attention over the encoder's output stands between, built the same way. Both sides are rows of one
 * sequence, the encoder's first, so that attention over either is a matter of which rows are keys. */
#include "input.h"
#include "positions.h"
#include "session.h"

#include <stdlib.h>

static uvk_status norm(uvk_session *s, const uvk_tensor *x, uvk_range range, const uvk_tensor *weight, const uvk_tensor *bias, const uvk_tensor *y, const uvk_tensor *stats,
                       uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    return uvk_norm(s->ctx, a->norm, x, range, weight, uvk_present(bias), (float)a->norm_epsilon, y, stats, err);
}

/* ---- z(1) ------------------------------------------------------------------------------------------------------------------ */

/* Pixels [3, height, width] as one row a patch, in the order of a convolution's weights (channel, y, x). Pixels right of and
 * below the last whole patch are not seen, as a strided convolution does not see them. */
static void cut_patches(const uvk_arch *a, const float *pixels, float *out)
{
    size_t width = (size_t)a->image_width, height = (size_t)a->image_height, p = (size_t)a->patch;
    for (size_t row = 0; row < (size_t)uvk_arch_grid_rows(a); row++)
        for (size_t col = 0; col < (size_t)uvk_arch_grid_cols(a); col++)
            for (size_t c = 0; c < (size_t)a->channels; c++)
                for (size_t y = 0; y < p; y++)
                    for (size_t x = 0; x < p; x++)
                        *out++ = pixels[(c * height + row * p + y) * width + col * p + x];
}

/* ---- Sides ------------------------------------------------------------------------------------------------------------------ */

/* The rows of an encoder-decoder's encoder come first. */
static bool in_encoder(const uvk_session *s, uvk_range range)
{
    return range.first < s->encoder_tokens;
}

/* All rows that a block works on. */
static uvk_range rows_of(const uvk_session *s, int block)
{
    uint32_t encoder = s->encoder_tokens;
    return uvk_arch_encodes(&s->model->arch, block) ? (uvk_range){0, encoder} : (uvk_range){encoder, s->tokens - encoder};
}

static const uvk_tensor *first_stream(const uvk_session *s, bool encoder)
{
    return encoder ? uvk_session_stream(s, 1) : uvk_session_z(s, 1);
}

/* Where embeddings go: z(1) or, where a norm makes that of them, before it. */
static const uvk_tensor *embedded(const uvk_session *s, bool encoder)
{
    return uvk_present(&s->embedding_norm_weight[encoder]) ? &s->activations.normed : first_stream(s, encoder);
}

/* The statistics are nobody's; the first block's are overwritten later. */
static uvk_status finish_embedding(uvk_session *s, uvk_range range, uvk_error *err)
{
    bool encoder = in_encoder(s, range);
    if (!uvk_present(&s->embedding_norm_weight[encoder]))
        return UVK_OK;
    return norm(s, &s->activations.normed, range, &s->embedding_norm_weight[encoder], &s->embedding_norm_bias[encoder], first_stream(s, encoder), &s->activations.blocks[0].norm1_stats,
                err);
}

static uvk_status embed_image(uvk_session *s, const float *pixels, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    const uvk_tensor *rows = &s->activations.patches, *to = embedded(s, false);
    size_t count = rows->rows * rows->cols;
    float *patches = malloc(count * sizeof *patches);
    if (!patches)
        return uvk_fail_memory(err, count * sizeof *patches, "patches");
    cut_patches(a, pixels, patches);
    uvk_status status = uvk_upload(s->ctx, rows, 0, rows->rows, patches, err);
    free(patches);
    if (status || (status = uvk_copy_record(s->ctx, &s->embedding, 0, to, 0, s->embedding.rows, err)) ||
        (status = uvk_linear(s->ctx, rows, 0, rows->rows, &s->patch_weight, uvk_present(&s->patch_bias), to, (uint64_t)a->special, true, err)))
        return status;
    return finish_embedding(s, (uvk_range){0, (uint32_t)s->embedding.rows}, err);
}

/* out += row `at` of a table. */
static void add_row(const uvk_tensor_view *table, uint64_t at, size_t d, float *scratch, float *out)
{
    if (!table)
        return;
    uvk_tensor_to_f32(table, at * d, d, scratch);
    for (size_t k = 0; k < d; k++)
        out[k] += scratch[k];
}

/* The position's own embedding: from the table of the file or, where there is none, computed; rotary and relative ones come later. */
static void add_position(const uvk_session *s, bool encoder, uint64_t position, size_t d, float *scratch, float *out)
{
    const uvk_tensor_view *table = uvk_model_tensor(s->model, 0, encoder ? UVK_ENCODER_POSITIONS : UVK_POSITIONS);
    add_row(table, position + (uint64_t)s->model->arch.position_offset, d, scratch, out);
    if (table || !s->model->family->sinusoidal)
        return;
    uvk_sinusoidal_position(position, d, scratch);
    for (size_t k = 0; k < d; k++)
        out[k] += scratch[k];
}

/* Rows of the embedding are read where they lie in the file: a text needs few of them. */
uvk_status uvk_embed_ids(uvk_session *s, const int32_t *ids, uvk_range range, uvk_error *err)
{
    const uvk_tensor_view *embedding = uvk_model_tensor(s->model, 0, UVK_TOKEN_EMBEDDING);
    bool encoder = in_encoder(s, range);
    uint32_t first = range.first - (encoder ? 0 : s->encoder_tokens);
    float scale = (float)s->model->arch.embedding_scale;
    size_t d = (size_t)s->model->arch.width, count = range.count * d;
    float *rows = malloc((count + d) * sizeof *rows);
    if (!rows)
        return uvk_fail_memory(err, (count + d) * sizeof *rows, "embeddings");
    float *scratch = rows + count;
    for (uint32_t r = 0; r < range.count; r++) {
        float *row = rows + r * d;
        uvk_tensor_to_f32(embedding, (uint64_t)ids[r] * d, d, row);
        for (size_t k = 0; k < d; k++)
            row[k] *= scale;
        add_position(s, encoder, first + r, d, scratch, row);
        add_row(uvk_model_tensor(s->model, 0, UVK_SEGMENTS), 0, d, scratch, row);
    }
    uvk_status status = uvk_upload(s->ctx, embedded(s, encoder), range.first, range.count, rows, err);
    free(rows);
    return status ? status : finish_embedding(s, range, err);
}

/* The ids are kept: the token that follows a position is what its log probability is of. */
static uvk_status embed_text(uvk_session *s, const uvk_token *tokens, uint32_t n, uvk_error *err)
{
    int32_t *ids = realloc(s->ids, n * sizeof *ids);
    if (!ids)
        return uvk_fail_memory(err, n * sizeof *ids, "token ids");
    s->ids = ids;
    for (uint32_t i = 0; i < n; i++)
        ids[i] = tokens[i].id;
    uint32_t encoder = s->encoder_tokens;
    uvk_status status = encoder ? uvk_embed_ids(s, ids, (uvk_range){0, encoder}, err) : UVK_OK;
    return status ? status : uvk_embed_ids(s, ids + encoder, (uvk_range){encoder, n - encoder}, err);
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------------------ */

/* What attention or MLP read: *in is x normed or, post-norm, x itself. */
static uvk_status enter_branch(uvk_session *s, const uvk_tensor *x, uvk_range range, const uvk_tensor *weight, const uvk_tensor *bias, const uvk_tensor *stats, const uvk_tensor **in,
                               uvk_error *err)
{
    bool post = s->model->arch.post_norm;
    *in = post ? x : &s->activations.normed;
    return post ? UVK_OK : norm(s, x, range, weight, bias, *in, stats, err);
}

/* Queries, keys and values of the rows, normed and turned where the model does so. */
static uvk_status project(uvk_session *s, const uvk_attention_shape *shape, int block, uvk_range range, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    bool head_norm = s->model->arch.head_norm;
    const uvk_tensor *x;
    uvk_status status;
    if ((status = enter_branch(s, &a->z, range, &w->norm1_weight, &w->norm1_bias, &a->norm1_stats, &x, err)) ||
        (status = uvk_linear(s->ctx, x, range.first, range.count, &w->qkv, uvk_present(&w->qkv_bias), head_norm ? &a->raw : &a->qkv, range.first, false, err)))
        return status;
    if (head_norm && (status = uvk_head_norm(s->ctx, shape, &a->raw, range, &w->query_norm, &w->key_norm, (float)s->model->arch.norm_epsilon, &a->qkv, &a->head_stats, err)))
        return status;
    return s->model->arch.rotary ? uvk_rotate(s->ctx, shape, &a->qkv, range, &s->activations.rope, err) : UVK_OK;
}

static const uvk_tensor *slope_tensor(const uvk_session *s, int block)
{
    const uvk_tensor *own = &s->activations.blocks[block - 1].slope;
    return uvk_present(own) ? own : &s->activations.slope;
}

/* The hidden layer of the MLP and its derivatives, from `middle`. */
static uvk_status run_hidden(uvk_session *s, int block, uvk_range range, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_tensor *slope = slope_tensor(s, block);
    const uvk_tensor *x;
    uvk_status status;
    s->activations.slope_block = range.first == rows_of(s, block).first ? block : 0;
    if ((status = enter_branch(s, &a->middle, range, &w->norm2_weight, &w->norm2_bias, &a->norm2_stats, &x, err)) ||
        (status = uvk_linear(s->ctx, x, range.first, range.count, &w->up, uvk_present(&w->up_bias), slope, range.first, false, err)))
        return status;
    return uvk_activate(s->ctx, s->model->arch.activation, slope, range, &s->activations.hidden, err);
}

uvk_status uvk_session_slope(uvk_session *s, int block, const uvk_tensor **slope, uvk_error *err)
{
    *slope = slope_tensor(s, block);
    bool at_hand = *slope != &s->activations.slope || s->activations.slope_block == block;
    return at_hand ? UVK_OK : run_hidden(s, block, rows_of(s, block), err);
}

/* y = x + w(out), post-norm with a norm behind it; sum keeps what enters that. */
static uvk_status leave_branch(uvk_session *s, const uvk_tensor *x, const uvk_tensor *out, uvk_range range, const uvk_tensor *w, const uvk_tensor *bias, const uvk_tensor *sum,
                               const uvk_tensor *y, uvk_error *err)
{
    const uvk_tensor *to = s->model->arch.post_norm ? sum : y;
    uvk_status status = uvk_copy_record(s->ctx, x, range.first, to, range.first, range.count, err);
    return status ? status : uvk_linear(s->ctx, out, range.first, range.count, w, uvk_present(bias), to, range.first, true, err);
}

/* Attention over the encoder's output. Its keys and values are there. */
static uvk_status forward_cross(uvk_session *s, int block, uvk_range range, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    uvk_attention_shape shape = uvk_arch_cross_attention(&s->model->arch, (uvk_extent){range.first + range.count, s->encoder_tokens});
    const uvk_tensor *x;
    uvk_status status;
    if ((status = enter_branch(s, &a->attended, range, &w->cross_norm_weight, &w->cross_norm_bias, &a->cross.norm_stats, &x, err)) ||
        (status = uvk_linear(s->ctx, x, range.first, range.count, &w->cross_query, uvk_present(&w->cross_query_bias), &a->cross.qkv, range.first, false, err)) ||
        (status = uvk_attention(s->ctx, &shape, &a->cross.qkv, NULL, range, &a->cross.o, &a->cross.stats, err)) ||
        (status = leave_branch(s, &a->attended, &a->cross.o, range, &w->cross_out, &w->cross_out_bias, &a->cross.sum, &a->middle, err)))
        return status;
    return s->model->arch.post_norm ? norm(s, &a->cross.sum, range, &w->cross_norm_weight, &w->cross_norm_bias, &a->middle, &a->cross.norm_stats, err) : UVK_OK;
}

static uvk_status forward_attention(uvk_session *s, int block, uvk_range range, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_tensor *to = uvk_arch_crosses(&s->model->arch, block) ? &a->attended : &a->middle;
    uvk_attention_shape shape = uvk_arch_attention(&s->model->arch, block, (uvk_extent){range.first + range.count, s->encoder_tokens});
    uvk_status status;
    if ((status = project(s, &shape, block, range, err)) || (status = uvk_attention(s->ctx, &shape, &a->qkv, uvk_session_bias(s, block), range, &a->o, &a->attention_stats, err)) ||
        (status = leave_branch(s, &a->z, &a->o, range, &w->out, &w->out_bias, &a->sum1, to, err)))
        return status;
    return s->model->arch.post_norm ? norm(s, &a->sum1, range, &w->norm1_weight, &w->norm1_bias, to, &a->norm1_stats, err) : UVK_OK;
}

static uvk_status forward_block(uvk_session *s, int block, uvk_range range, uvk_error *err)
{
    const uvk_block_weights *w = &s->weights[block - 1];
    const uvk_block_activations *a = &s->activations.blocks[block - 1];
    const uvk_tensor *out = uvk_session_output(s, block);
    uvk_status status = uvk_residency_enter(s, block, err);
    if (status == UVK_OK)
        status = forward_attention(s, block, range, err);
    if (status == UVK_OK && uvk_arch_crosses(&s->model->arch, block))
        status = forward_cross(s, block, range, err);
    if (status || (status = run_hidden(s, block, range, err)) ||
        (status = leave_branch(s, &a->middle, &s->activations.hidden, range, &w->down, &w->down_bias, &a->sum2, out, err)))
        return status;
    return s->model->arch.post_norm ? norm(s, &a->sum2, range, &w->norm2_weight, &w->norm2_bias, out, &a->norm2_stats, err) : UVK_OK;
}

static uvk_status forward_blocks(uvk_session *s, int first, int last, uvk_range range, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int block = first; block <= last && status == UVK_OK; block++)
        status = forward_block(s, block, range, err);
    return status;
}

uvk_status uvk_forward_rows(uvk_session *s, uvk_range range, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uvk_status status = forward_blocks(s, a->encoder_layers + 1, uvk_arch_blocks(a), range, err);
    return status ? status : uvk_flush(s->ctx, err);
}

/* The encoder, and the keys and values that every decoder block takes from its output. */
static uvk_status forward_encoder(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uvk_range rows = {0, s->encoder_tokens};
    uint64_t queries = (uint64_t)a->heads * (uint64_t)a->head_dim;
    uvk_status status = forward_blocks(s, 1, a->encoder_layers, rows, err);
    if (status == UVK_OK && uvk_present(&s->activations.memory))
        status = norm(s, &s->activations.encoded, rows, &s->memory_norm_weight, &s->memory_norm_bias, &s->activations.memory, &s->activations.memory_stats, err);
    for (int block = a->encoder_layers + 1; block <= uvk_arch_blocks(a) && status == UVK_OK; block++) {
        const uvk_block_weights *w = &s->weights[block - 1];
        status = uvk_linear_columns(s->ctx, uvk_session_memory(s), 0, rows.count, &w->cross_memory, uvk_present(&w->cross_memory_bias), &s->activations.blocks[block - 1].cross.qkv, 0,
                                    queries, false, err);
    }
    return status;
}

/* ---- The pass ---------------------------------------------------------------------------------------------------------------- */

static uvk_status check_input(const uvk_session *s, const uvk_input *input, int n, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    const uvk_token *tokens = uvk_input_tokens(input, NULL);
    if ((uvk_input_pixels(input) != NULL) != (a->modality == UVK_VISION))
        return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (one of %s)", input->path, a->modality == UVK_VISION ? "text" : "images");
    if (a->modality == UVK_VISION && (input->height != a->image_height || input->width != a->image_width))
        return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (%dx%d pixels, expected %dx%d)", input->path, input->width, input->height, a->image_width, a->image_height);
    if (a->encoder_layers && (input->encoder_count < 1 || input->encoder_count >= n))
        return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (%d of %d tokens for the encoder)", input->path, input->encoder_count, n);
    if (a->modality == UVK_TEXT && (n - input->encoder_count > a->context || input->encoder_count > a->context))
        return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (%d tokens, at most %d fit)", input->path, n, a->context);
    for (int i = 0; a->modality == UVK_TEXT && i < n; i++)
        if (tokens[i].id < 0 || tokens[i].id >= a->vocabulary)
            return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (id %d, the vocabulary has %d)", input->path, (int)tokens[i].id, a->vocabulary);
    return UVK_OK;
}

uvk_status uvk_forward(uvk_session *s, const uvk_input *input, uvk_error *err)
{
    double started = uvk_clock(), device = uvk_device_seconds(s->ctx), flop = uvk_recorded_flop(s->ctx);
    int n;
    const uvk_token *tokens = uvk_input_tokens(input, &n);
    s->tokens = 0;
    uvk_status status = check_input(s, input, n, err);
    if (status == UVK_OK)
        status = uvk_session_reserve(s, (uint32_t)n, err);
    s->encoder_tokens = (uint32_t)input->encoder_count;
    if (status == UVK_OK)
        status = s->model->arch.modality == UVK_VISION ? embed_image(s, uvk_input_pixels(input), err) : embed_text(s, tokens, (uint32_t)n, err);
    if (status == UVK_OK && s->encoder_tokens)
        status = forward_encoder(s, err);
    if (status == UVK_OK)
        status = uvk_forward_rows(s, (uvk_range){s->encoder_tokens, (uint32_t)n - s->encoder_tokens}, err);
    if (status)
        return status;
    s->tokens = (uint32_t)n;
    s->forward_seconds = uvk_clock() - started;
    s->forward_device_seconds = uvk_device_seconds(s->ctx) - device;
    s->forward_flop = uvk_recorded_flop(s->ctx) - flop;
    return UVK_OK;
}

uvk_status uvk_hidden(uvk_session *s, int layer, float *out, uvk_error *err)
{
    if (layer < 1 || layer > s->model->arch.layers + 1)
        return uvk_fail(err, UVK_USAGE, "layer %d does not exist (1 to %d do)", layer, s->model->arch.layers + 1);
    if (!s->tokens)
        return uvk_fail(err, UVK_USAGE, "no forward pass was run");
    return uvk_download(s->ctx, uvk_session_z(s, layer), s->encoder_tokens, s->tokens - s->encoder_tokens, out, err);
}
