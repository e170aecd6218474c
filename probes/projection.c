#include "projection.h"

#include "hash.h"
#include "safetensors_shard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 4, MOST_PAIRS = 32 };

static void describe_grid(const uvk_model_info *m, char out[32])
{
    snprintf(out, 32, "%dx%d", m->grid_rows, m->grid_cols);
}

uvk_status uvk_projection_save(const char *path, const uvk_model_info *model, const float *weights, int layer, const char *const *more, size_t n_more, uvk_error *err)
{
    char grid[32], layer_text[16];
    const char *pairs[2 * MOST_PAIRS] = {"format", "ultravk projection", "model_sha256", model->sha256, "layer", layer_text, "grid", grid};
    uvk_tensor_out tensor = {.name = "weights", .dtype = UVK_F32, .rank = 2, .shape = {(uint64_t)model->grid_rows * (uint64_t)model->grid_cols, (uint64_t)model->width},
                             .data = weights};
    describe_grid(model, grid);
    snprintf(layer_text, sizeof layer_text, "%d", layer);
    if (PAIRS + n_more > MOST_PAIRS)
        return uvk_fail(err, UVK_USAGE, "%s: too much metadata", path);
    memcpy(pairs + 2 * PAIRS, more, 2 * n_more * sizeof *more);
    return uvk_safetensors_write(path, &tensor, 1, pairs, PAIRS + n_more, err);
}

static const char *metadata_or(const uvk_shard *shard, const char *key)
{
    const char *value = uvk_shard_metadata(shard, key);
    return value ? value : "nothing";
}

static uvk_status check(const uvk_shard *shard, const uvk_model_info *m, int *layer, uvk_error *err)
{
    char grid[32], *end;
    describe_grid(m, grid);
    if (strcmp(metadata_or(shard, "format"), "ultravk projection") != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no learned projection (expected a file that ultravk refine wrote)", shard->path);
    if (strcmp(metadata_or(shard, "model_sha256"), m->sha256) != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: learned on another model (found %.12s..., expected %.12s... of %s)", shard->path, metadata_or(shard, "model_sha256"),
                        m->sha256, m->name);
    if (strcmp(metadata_or(shard, "grid"), grid) != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: learned on another patch grid (found %.30s, expected %s)", shard->path, metadata_or(shard, "grid"), grid);
    const char *text = metadata_or(shard, "layer");
    long number = strtol(text, &end, 10);
    if (end == text || *end || number < 2 || number > m->layers + 1)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: learned at a layer that the model does not have (found %.30s, expected 2 to %d)", shard->path, text, m->layers + 1);
    *layer = (int)number;
    return UVK_OK;
}

static uvk_status take_weights(const uvk_shard *shard, const uvk_model_info *m, uvk_projection *out, uvk_error *err)
{
    uint64_t patches = (uint64_t)m->grid_rows * (uint64_t)m->grid_cols, width = (uint64_t)m->width;
    const uvk_tensor_view *t = shard->n == 1 ? &shard->tensors[0] : NULL;
    if (!t || t->dtype != UVK_F32 || t->rank != 2 || t->shape[0] != patches || t->shape[1] != width)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not the one tensor of a projection (expected F32 [%llu, %llu])", shard->path, (unsigned long long)patches,
                        (unsigned long long)width);
    out->weights = malloc((size_t)t->count * sizeof *out->weights);
    if (!out->weights)
        return uvk_fail_memory(err, (size_t)t->count * sizeof *out->weights, "a projection");
    uvk_tensor_to_f32(t, 0, t->count, out->weights);
    for (uint64_t k = 0; k < t->count; k++)
        if (!isfinite(out->weights[k]))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: element %llu is not a finite number", shard->path, (unsigned long long)k);
    return UVK_OK;
}

uvk_status uvk_projection_load(const char *path, const uvk_model_info *model, uvk_projection *out, uvk_error *err)
{
    uvk_shard shard;
    *out = (uvk_projection){0};
    uvk_status status = uvk_shard_open(path, &shard, err);
    if (status == UVK_OK)
        status = check(&shard, model, &out->layer, err);
    if (status == UVK_OK)
        status = take_weights(&shard, model, out, err);
    if (status == UVK_OK)
        status = uvk_sha256_file(path, out->sha256, err);
    uvk_shard_free(&shard);
    if (status)
        uvk_projection_free(out);
    return status;
}

void uvk_projection_free(uvk_projection *projection)
{
    free(projection->weights);
    projection->weights = NULL;
}
