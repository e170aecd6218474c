/* The forward pass: patches to tokens, then pre-norm blocks.
 *   middle = z + out(attention(norm1(z))),   z' = middle + down(act(up(norm2(middle)))) */
#include "input.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>

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

static uvk_status embed(uvk_session *s, const float *pixels, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    size_t count = s->patches.rows * s->patches.cols;
    float *patches = malloc(count * sizeof *patches);
    if (!patches)
        return uvk_fail_memory(err, count * sizeof *patches, "patches");
    cut_patches(a, pixels, patches);
    uvk_status status = uvk_upload(s->ctx, &s->patches, 0, s->patches.rows, patches, err);
    free(patches);
    if (status || (status = uvk_copy_record(s->ctx, &s->embedding, &s->activations[0].z, err)))
        return status;
    return uvk_linear(s->ctx, &s->patches, s->patches.rows, &s->patch_weight, &s->patch_bias, &s->activations[0].z, (uint64_t)a->special, true, err);
}

static uvk_status forward_block(uvk_session *s, int block, uvk_error *err)
{
    uvk_context *ctx = s->ctx;
    const uvk_block_weights *w = &s->weights[block];
    const uvk_block_activations *a = &s->activations[block];
    const uvk_tensor *z_out = uvk_session_z(s, block + 2);
    float epsilon = (float)s->model->arch.norm_epsilon;
    uint64_t n = a->z.rows;
    uvk_status status;
    if ((status = uvk_layernorm(ctx, &a->z, &w->norm1_weight, &w->norm1_bias, epsilon, &s->normed, &a->norm1_stats, err)) ||
        (status = uvk_linear(ctx, &s->normed, n, &w->qkv, &w->qkv_bias, &a->qkv, 0, false, err)) ||
        (status = uvk_attention(ctx, &s->attention, &a->qkv, &a->o, &a->attention_stats, err)) ||
        (status = uvk_copy_record(ctx, &a->z, &a->middle, err)) ||
        (status = uvk_linear(ctx, &a->o, n, &w->out, &w->out_bias, &a->middle, 0, true, err)) ||
        (status = uvk_layernorm(ctx, &a->middle, &w->norm2_weight, &w->norm2_bias, epsilon, &s->normed, &a->norm2_stats, err)) ||
        (status = uvk_linear(ctx, &s->normed, n, &w->up, &w->up_bias, &a->slope, 0, false, err)) ||
        (status = uvk_activate(ctx, s->model->arch.activation, &a->slope, &s->hidden, err)) ||
        (status = uvk_copy_record(ctx, &a->middle, z_out, err)))
        return status;
    return uvk_linear(ctx, &s->hidden, n, &w->down, &w->down_bias, z_out, 0, true, err);
}

uvk_status uvk_forward(uvk_session *s, const uvk_input *input, uvk_error *err)
{
    double started = uvk_clock(), device = uvk_device_seconds(s->ctx), flop = uvk_recorded_flop(s->ctx);
    s->forward_done = false;
    if (input->height != s->model->arch.image_height || input->width != s->model->arch.image_width)
        return uvk_fail(err, UVK_USAGE, "%s: loaded for another model (%dx%d pixels, expected %dx%d)", input->path, input->width, input->height,
                        s->model->arch.image_width, s->model->arch.image_height);
    uvk_status status = embed(s, input->pixels, err);
    for (int block = 0; block < s->model->arch.layers && status == UVK_OK; block++)
        status = forward_block(s, block, err);
    if (status == UVK_OK)
        status = uvk_flush(s->ctx, err);
    if (status)
        return status;
    s->forward_done = true;
    s->forward_seconds = uvk_clock() - started;
    s->forward_device_seconds = uvk_device_seconds(s->ctx) - device;
    s->forward_flop = uvk_recorded_flop(s->ctx) - flop;
    return UVK_OK;
}

uvk_status uvk_hidden(uvk_session *s, int layer, float *out, uvk_error *err)
{
    if (layer < 1 || layer > s->model->arch.layers + 1)
        return uvk_fail(err, UVK_USAGE, "layer %d does not exist (1 to %d do)", layer, s->model->arch.layers + 1);
    if (!s->forward_done)
        return uvk_fail(err, UVK_USAGE, "no forward pass was run");
    const uvk_tensor *z = uvk_session_z(s, layer);
    return uvk_download(s->ctx, z, 0, z->rows, out, err);
}
