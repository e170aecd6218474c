#include "family.h"
#include "family_vit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uvk_family *const families[] = {&uvk_family_vit};

enum { LARGEST_CONFIG = 16 << 20, LARGEST_DIM = 1 << 20, LARGEST_LAYERS = 1024, LARGEST_IMAGE = 16384, LARGEST_HEAD_DIM = 256 };

const uvk_family *uvk_family_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcmp(families[i]->model_type, model_type))
            return families[i];
    return NULL;
}

/* "vit, deit, ..." */
static void list_families(char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < sizeof families / sizeof *families && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", families[i]->model_type);
}

static const struct { const char *name; uvk_activation activation; } activations[] = {
    {"gelu", UVK_GELU}, {"gelu_python", UVK_GELU}, {"gelu_new", UVK_GELU_TANH}, {"gelu_pytorch_tanh", UVK_GELU_TANH}, {"gelu_fast", UVK_GELU_TANH},
    {"quick_gelu", UVK_QUICK_GELU}, {"silu", UVK_SILU}, {"swish", UVK_SILU}, {"relu", UVK_RELU},
};

static uvk_status find_activation(const char *file, const char *name, uvk_activation *out, uvk_error *err)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, name)) {
            *out = activations[i].activation;
            return UVK_OK;
        }
    return uvk_fail(err, UVK_BAD_INPUT, "%s: hidden_act %.100s is not supported (gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, silu, relu are)", file, name);
}

static uvk_status read_size(const cJSON *config, const char *file, const char *key, int fallback, int64_t largest, int *out, uvk_error *err)
{
    int64_t value = fallback;
    uvk_status status = uvk_json_int(config, key, file, 1, largest, &value, err);
    *out = (int)value;
    return status;
}

/* A number for a square, or [height, width]. */
static uvk_status read_image_size(const cJSON *config, const char *file, const char *key, int fallback, int *height, int *width, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    if (!cJSON_IsArray(item)) {
        uvk_status status = read_size(config, file, key, fallback, LARGEST_IMAGE, height, err);
        *width = *height;
        return status;
    }
    const cJSON *h = cJSON_GetArrayItem(item, 0), *w = cJSON_GetArrayItem(item, 1);
    bool sound = cJSON_GetArraySize(item) == 2 && cJSON_IsNumber(h) && cJSON_IsNumber(w) && h->valuedouble >= 1 && w->valuedouble >= 1 &&
                 h->valuedouble <= LARGEST_IMAGE && w->valuedouble <= LARGEST_IMAGE && h->valuedouble == h->valueint && w->valuedouble == w->valueint;
    if (!sound)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s must be a number or [height, width], 1 to %d", file, key, LARGEST_IMAGE);
    *height = h->valueint;
    *width = w->valueint;
    return UVK_OK;
}

static uvk_status check_arch(const char *file, const uvk_arch *a, uvk_error *err)
{
    if (a->width % a->heads)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: width %d is not a multiple of the %d heads", file, a->width, a->heads);
    if (a->head_dim > LARGEST_HEAD_DIM)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: heads of %d dimensions are not supported (at most %d)", file, a->head_dim, LARGEST_HEAD_DIM);
    if (a->patch > a->image_height || a->patch > a->image_width)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: patch_size %d exceeds the image size %dx%d", file, a->patch, a->image_height, a->image_width);
    if (a->channels != 3)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: num_channels %d is not supported (3 is)", file, a->channels);
    if (!(a->norm_epsilon >= 0 && a->norm_epsilon < 1))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: layer_norm_eps %g is not in 0..1", file, a->norm_epsilon);
    int64_t tokens = (int64_t)a->special + (int64_t)uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a);
    if (tokens > LARGEST_DIM)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %lld tokens are too many (at most %d)", file, (long long)tokens, LARGEST_DIM);
    return UVK_OK;
}

static uvk_status read_arch(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    const char *activation = f->defaults.activation;
    a->family = f->model_type;
    a->special = f->special;
    a->norm_epsilon = f->defaults.epsilon;
    a->qkv_bias = f->defaults.qkv_bias;
    uvk_status status;
    if ((status = read_size(config, file, f->keys.layers, f->defaults.layers, LARGEST_LAYERS, &a->layers, err)) ||
        (status = read_size(config, file, f->keys.heads, f->defaults.heads, LARGEST_DIM, &a->heads, err)) ||
        (status = read_size(config, file, f->keys.width, f->defaults.width, LARGEST_DIM, &a->width, err)) ||
        (status = read_size(config, file, f->keys.mlp, f->defaults.mlp, LARGEST_DIM, &a->mlp_width, err)) ||
        (status = read_size(config, file, f->keys.patch, f->defaults.patch, LARGEST_IMAGE, &a->patch, err)) ||
        (status = read_size(config, file, f->keys.channels, f->defaults.channels, 64, &a->channels, err)) ||
        (status = read_image_size(config, file, f->keys.image, f->defaults.image, &a->image_height, &a->image_width, err)) ||
        (status = uvk_json_bool(config, f->keys.qkv_bias, file, &a->qkv_bias, err)) ||
        (status = uvk_json_double(config, f->keys.epsilon, file, &a->norm_epsilon, err)) ||
        (status = uvk_json_string(config, f->keys.activation, file, &activation, err)) ||
        (status = find_activation(file, activation, &a->activation, err)))
        return status;
    a->head_dim = a->width / a->heads;
    return check_arch(file, a, err);
}

uvk_status uvk_arch_load(const char *dir, uvk_arch *out, const uvk_family **family, uvk_error *err)
{
    char file[4096];
    if (snprintf(file, sizeof file, "%s/config.json", dir) >= (int)sizeof file)
        return uvk_fail(err, UVK_BAD_INPUT, "%.200s...: the path is too long", dir);
    cJSON *config;
    uvk_status status = uvk_json_load(file, LARGEST_CONFIG, &config, err);
    if (status)
        return status;
    const char *model_type = NULL;
    char supported[256];
    list_families(supported, sizeof supported);
    status = uvk_json_string(config, "model_type", file, &model_type, err);
    if (status == UVK_OK && !model_type)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: no model_type (expected one of: %s)%s", file, supported,
                          cJSON_HasObjectItem(config, "pretrained_cfg") ? "; this is timm's: take the transformers version of this checkpoint" : "");
    if (status == UVK_OK && !(*family = uvk_family_find(model_type)))
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: model_type %.100s is not supported (supported: %s)", file, model_type, supported);
    if (status == UVK_OK)
        status = read_arch(config, file, *family, out, err);
    cJSON_Delete(config);
    return status;
}
