#include "family.h"
#include "families.h"
#include "family_other.h"
#include "safetensors_missing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uvk_family *const families[] = {
    &uvk_family_vit, &uvk_family_deit, &uvk_family_dinov2, &uvk_family_dinov2_with_registers, &uvk_family_clip, &uvk_family_clip_vision_model,
    &uvk_family_siglip, &uvk_family_siglip_vision_model,
    &uvk_family_gpt2, &uvk_family_llama, &uvk_family_mistral, &uvk_family_qwen2, &uvk_family_qwen3, &uvk_family_bert,
    &uvk_family_bart, &uvk_family_pegasus, &uvk_family_t5,
};

enum { LARGEST_CONFIG = 16 << 20, LARGEST_DIM = 1 << 20, LARGEST_IMAGE = 16384, LARGEST_HEAD_DIM = 256, LARGEST_VOCABULARY = 1 << 24, LARGEST_REGISTERS = 1024 };

const uvk_family *uvk_family_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcmp(families[i]->model_type, model_type))
            return families[i];
    return NULL;
}

const uvk_tensor_name *uvk_family_tensor(const uvk_family *f, const uvk_arch *a, int block, uvk_slot slot)
{
    bool encoder = slot < UVK_BLOCK_SLOTS && uvk_arch_encodes(a, block);
    const uvk_tensor_name *plain = encoder ? f->encoder_tensors : f->tensors, *gated = encoder ? f->gated_encoder_tensors : f->gated_tensors;
    return a->gated && gated && gated[slot].name ? &gated[slot] : &plain[slot];
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

/* "gated-NAME" is T5's way of saying that the MLP is gated; its "gated-gelu" is gelu_new. */
static uvk_status find_activation(const char *file, const char *key, const char *name, uvk_arch *a, uvk_error *err)
{
    bool gated = !strncmp(name, "gated-", 6);
    const char *plain = !gated ? name : !strcmp(name, "gated-gelu") ? "gelu_new" : name + 6;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, plain)) {
            a->activation = activations[i].activation;
            a->gated = a->gated || gated;
            return UVK_OK;
        }
    return uvk_fail(err, UVK_BAD_INPUT, "%s: %s %.100s is not supported (gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, silu, relu are)", file, key, name);
}

static uvk_status read_size(const cJSON *config, const char *file, const char *key, int fallback, int64_t largest, int *out, uvk_error *err)
{
    int64_t value = fallback;
    uvk_status status = key ? uvk_json_int(config, key, file, 1, largest, &value, err) : UVK_OK;
    *out = (int)value;
    return status;
}

/* A key that the family does not have leaves *out as it is. */
static uvk_status read_flag(const cJSON *config, const char *file, const char *key, bool *out, uvk_error *err)
{
    return key ? uvk_json_bool(config, key, file, out, err) : UVK_OK;
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

static int64_t count_tokens(const uvk_arch *a)
{
    return (int64_t)a->special + (int64_t)uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a);
}

static uvk_status check_vision(const char *file, const uvk_arch *a, uvk_error *err)
{
    if (a->patch > a->image_height || a->patch > a->image_width)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: patch_size %d exceeds the image size %dx%d", file, a->patch, a->image_height, a->image_width);
    if (a->channels != 3)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: num_channels %d is not supported (3 is)", file, a->channels);
    int64_t tokens = count_tokens(a);
    if (tokens > LARGEST_DIM)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %lld tokens are too many (at most %d)", file, (long long)tokens, LARGEST_DIM);
    return UVK_OK;
}

uvk_status uvk_arch_resize(uvk_arch *a, int height, int width, uvk_error *err)
{
    uvk_arch resized = *a;
    if (a->modality != UVK_VISION)
        return uvk_fail(err, UVK_USAGE, "an image size means nothing to a %s model (it takes text)", a->family);
    if (height < a->patch || width < a->patch || height > LARGEST_IMAGE || width > LARGEST_IMAGE)
        return uvk_fail(err, UVK_USAGE, "an image size of %dx%d is not possible (height and width from the patch's %d to %d)", height, width, a->patch, LARGEST_IMAGE);
    resized.image_height = height;
    resized.image_width = width;
    if (count_tokens(&resized) > LARGEST_DIM)
        return uvk_fail(err, UVK_USAGE, "an image size of %dx%d makes %lld tokens (at most %d)", height, width, (long long)count_tokens(&resized), LARGEST_DIM);
    *a = resized;
    return UVK_OK;
}

static uvk_status check_arch(const char *file, const uvk_family *f, const uvk_arch *a, uvk_error *err)
{
    if (!f->keys.head_dim && a->width % a->heads)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: width %d is not a multiple of the %d heads", file, a->width, a->heads);
    if (a->heads % a->kv_heads)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the %d heads cannot share %d key and value heads evenly", file, a->heads, a->kv_heads);
    if (a->head_dim < 1 || a->head_dim > LARGEST_HEAD_DIM)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: heads of %d dimensions are not supported (1 to %d are)", file, a->head_dim, LARGEST_HEAD_DIM);
    if ((int64_t)a->heads * a->head_dim > LARGEST_DIM)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %d heads of %d dimensions are too many", file, a->heads, a->head_dim);
    if (a->rotary && a->head_dim % 2)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: rotary positions need an even number of dimensions a head (found %d)", file, a->head_dim);
    if (!(a->norm_epsilon >= 0 && a->norm_epsilon < 1))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s %g is not in 0..1", file, f->keys.epsilon, a->norm_epsilon);
    return a->modality == UVK_VISION ? check_vision(file, a, err) : UVK_OK;
}

static uvk_status read_vision(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    uvk_status status;
    if ((status = read_size(config, file, f->keys.patch, f->defaults.patch, LARGEST_IMAGE, &a->patch, err)) ||
        (status = read_size(config, file, f->keys.channels, f->defaults.channels, 64, &a->channels, err)) ||
        (status = read_size(config, file, f->keys.registers, f->defaults.registers, LARGEST_REGISTERS, &a->registers, err)) ||
        (status = read_image_size(config, file, f->keys.image, f->defaults.image, &a->image_height, &a->image_width, err)))
        return status;
    a->special += a->registers;
    a->trained_rows = uvk_arch_grid_rows(a);
    a->trained_cols = uvk_arch_grid_cols(a);
    return UVK_OK;
}

/* As many classes as labels; the library's default is two. */
static uvk_status read_classes(const cJSON *config, const char *file, uvk_arch *a, uvk_error *err)
{
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(config, "id2label");
    int named = cJSON_IsObject(labels) ? cJSON_GetArraySize(labels) : 0;
    return read_size(config, file, "num_labels", named ? named : 2, LARGEST_DIM, &a->classes, err);
}

/* What a whole image or text is turned into. config is the whole model's, section this tower's part of it. */
static uvk_status read_heads(const cJSON *config, const cJSON *section, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    const cJSON *of = f->keys.projection && cJSON_HasObjectItem(config, f->keys.projection) ? config : section;
    uvk_status status = f->modality == UVK_VISION ? read_classes(config, file, a, err) : UVK_OK;
    int64_t padding = f->padded ? 1 : -1;
    a->pooling = f->pooling;
    if (status == UVK_OK && f->padded)
        status = uvk_json_int(section, "pad_token_id", file, 0, a->vocabulary - 1, &padding, err);
    a->padding = (int32_t)padding;
    return status ? status : read_size(of, file, f->keys.projection, f->defaults.projection ? f->defaults.projection : a->width, LARGEST_DIM, &a->projection, err);
}

/* Which blocks slide, by the list of transformers 5. */
static uvk_status read_layer_types(const cJSON *types, const char *file, uvk_arch *a, uvk_error *err)
{
    int block = 0;
    const cJSON *type;
    if (!cJSON_IsArray(types) || cJSON_GetArraySize(types) < a->layers)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: layer_types must name the attention of each of the %d layers", file, a->layers);
    cJSON_ArrayForEach(type, types) {
        bool slides = cJSON_IsString(type) && !strcmp(type->valuestring, "sliding_attention");
        if (!slides && !(cJSON_IsString(type) && !strcmp(type->valuestring, "full_attention")))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: layer_types has an attention that is not supported (full_attention and sliding_attention are)", file);
        if (block < a->layers)
            a->slides[block++] = slides;
    }
    return UVK_OK;
}

static uvk_status read_sliding(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    const cJSON *window = cJSON_GetObjectItemCaseSensitive(config, "sliding_window"), *types = cJSON_GetObjectItemCaseSensitive(config, "layer_types");
    int64_t size = cJSON_IsNull(window) ? 0 : f->defaults.window, first = 28; /* max_window_layers of both libraries' versions */
    bool used = f->sliding == UVK_SLIDES_ALWAYS;
    uvk_status status;
    if ((status = uvk_json_int(config, "sliding_window", file, 1, INT32_MAX, &size, err)) || (status = uvk_json_int(config, "max_window_layers", file, 0, INT32_MAX, &first, err)) ||
        (status = uvk_json_bool(config, "use_sliding_window", file, &used, err)))
        return status;
    a->window = used || f->sliding == UVK_SLIDES_ALWAYS ? (int)size : 0;
    if (!a->window)
        return UVK_OK;
    if (f->sliding == UVK_SLIDES_BY_LAYER && types && !cJSON_IsNull(types))
        return read_layer_types(types, file, a, err);
    for (int block = 0; block < a->layers; block++)
        a->slides[block] = f->sliding == UVK_SLIDES_ALWAYS || block >= first;
    return UVK_OK;
}

/* The encoder's blocks are as wide as the decoder's in every published model. */
static uvk_status check_equal(const cJSON *config, const char *file, const char *key, int64_t expected, uvk_error *err)
{
    int64_t found = expected;
    uvk_status status = key ? uvk_json_int(config, key, file, 1, INT32_MAX, &found, err) : UVK_OK;
    if (status == UVK_OK && found != expected)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s %lld is not supported (expected the decoder's, %lld)", file, key, (long long)found, (long long)expected);
    return status;
}

/* What an encoder-decoder has beside a decoder. Without a number of its own the decoder has as many blocks as the encoder. */
static uvk_status read_encoder(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    bool scale_embedding = false, scale_logits = f->keys.scale_logits != NULL;
    int64_t start = f->defaults.decoder_start;
    uvk_status status;
    if ((status = read_size(config, file, f->keys.encoder_layers, f->defaults.encoder_layers, UVK_MAX_LAYERS, &a->encoder_layers, err)) ||
        (status = check_equal(config, file, f->keys.encoder_heads, a->heads, err)) || (status = check_equal(config, file, f->keys.encoder_mlp, a->mlp_width, err)) ||
        (status = read_size(config, file, f->keys.relative_buckets, f->defaults.relative_buckets, 4096, &a->relative_buckets, err)) ||
        (status = read_size(config, file, f->keys.relative_reach, f->defaults.relative_reach, 65536, &a->relative_reach, err)) ||
        (status = read_flag(config, file, f->keys.scale_embedding, &scale_embedding, err)) || (status = read_flag(config, file, f->keys.scale_logits ? "tie_word_embeddings" : NULL, &scale_logits, err)) ||
        (status = read_flag(config, file, f->keys.scale_logits, &scale_logits, err)) ||
        (status = uvk_json_int(config, "decoder_start_token_id", file, 0, a->vocabulary - 1, &start, err)))
        return status;
    bool says_decoder = f->keys.layers && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(config, f->keys.layers));
    a->layers = says_decoder ? a->layers : a->encoder_layers;
    if (uvk_arch_blocks(a) > UVK_MAX_LAYERS)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %d blocks are too many (at most %d)", file, uvk_arch_blocks(a), UVK_MAX_LAYERS);
    if (start >= a->vocabulary)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no decoder_start_token_id within the vocabulary of %d", file, a->vocabulary);
    if (a->relative_reach && (a->relative_buckets % 4 || a->relative_buckets / 2 >= a->relative_reach))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %d buckets for distances up to %d are not supported", file, a->relative_buckets, a->relative_reach);
    a->decoder_start = (int32_t)start;
    a->embedding_scale = scale_embedding ? sqrt((double)a->width) : 1;
    a->logit_scale = scale_logits ? 1 / sqrt((double)a->width) : 1;
    return UVK_OK;
}

static uvk_status read_text(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    uvk_status status;
    if ((status = read_size(config, file, f->keys.vocabulary, f->defaults.vocabulary, LARGEST_VOCABULARY, &a->vocabulary, err)) ||
        (status = read_size(config, file, f->keys.context, f->defaults.context, LARGEST_VOCABULARY, &a->context, err)) ||
        (status = read_size(config, file, f->keys.segments, f->defaults.segments, LARGEST_VOCABULARY, &a->segments, err)) ||
        (status = read_flag(config, file, f->keys.tied, &a->tied, err)) ||
        (f->rotary && (status = uvk_rope_read(config, file, a->context, &a->rope, err))))
        return status;
    if (f->encoder_tensors && (status = read_encoder(config, file, f, a, err)))
        return status;
    return f->sliding ? read_sliding(config, file, f, a, err) : UVK_OK;
}

/* What the family and the defaults say; config.json may say otherwise. */
static void start_arch(const uvk_family *f, uvk_arch *a)
{
    *a = (uvk_arch){
        .family = f->model_type, .modality = f->modality, .norm = f->norm, .norm_epsilon = f->defaults.epsilon, .gated = f->gated, .head_norm = f->head_norm,
        .qkv_bias = f->defaults.qkv_bias, .out_bias = f->defaults.out_bias, .mlp_bias = f->defaults.mlp_bias, .scale_attention = !f->unscaled,
        .embedding_scale = 1, .logit_scale = 1, .position_offset = f->position_offset,
        .causal = f->causal, .post_norm = f->post_norm, .special = f->special, .tied = f->defaults.tied, .rotary = f->rotary,
    };
}

/* An absent key takes the family's default, one that is null as many as there are heads. */
static int default_kv_heads(const cJSON *config, const uvk_family *f, const uvk_arch *a)
{
    bool is_null = f->keys.kv_heads && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(config, f->keys.kv_heads));
    return f->defaults.kv_heads && !is_null ? f->defaults.kv_heads : a->heads;
}

/* SwiGLU has three matrices for two: two thirds of the width, rounded up to a multiple of 8. */
static uvk_status read_mlp_ratio(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    double ratio = f->defaults.mlp_ratio;
    uvk_status status;
    if ((status = uvk_json_double(config, f->keys.mlp_ratio, file, &ratio, err)) || (status = read_flag(config, file, f->keys.gated, &a->gated, err)))
        return status;
    if (!(ratio * a->width >= 2 && ratio * a->width <= 4.0 * LARGEST_DIM))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s %g is not possible with a width of %d", file, f->keys.mlp_ratio, ratio, a->width);
    a->mlp_width = (int)(ratio * a->width);
    if (a->gated)
        a->mlp_width = ((int)(a->mlp_width * 2.0 / 3.0) + 7) / 8 * 8;
    return UVK_OK;
}

static uvk_status read_shape(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    uvk_status status;
    if ((status = read_size(config, file, f->keys.layers, f->defaults.layers, UVK_MAX_LAYERS, &a->layers, err)) ||
        (status = read_size(config, file, f->keys.heads, f->defaults.heads, LARGEST_DIM, &a->heads, err)) ||
        (status = read_size(config, file, f->keys.kv_heads, default_kv_heads(config, f, a), LARGEST_DIM, &a->kv_heads, err)) ||
        (status = read_size(config, file, f->keys.width, f->defaults.width, LARGEST_DIM, &a->width, err)) ||
        (status = read_size(config, file, f->keys.head_dim, f->defaults.head_dim ? f->defaults.head_dim : a->width / a->heads, LARGEST_DIM, &a->head_dim, err)))
        return status;
    return f->keys.mlp_ratio ? read_mlp_ratio(config, file, f, a, err)
                             : read_size(config, file, f->keys.mlp, f->defaults.mlp ? f->defaults.mlp : 4 * a->width, 4 * LARGEST_DIM, &a->mlp_width, err);
}

static uvk_status read_arch(const cJSON *config, const char *file, const uvk_family *f, uvk_arch *a, uvk_error *err)
{
    const char *activation = f->defaults.activation;
    uvk_status status;
    start_arch(f, a);
    if ((status = read_shape(config, file, f, a, err)) || (status = read_flag(config, file, f->keys.qkv_bias, &a->qkv_bias, err)) ||
        (status = read_flag(config, file, f->keys.out_bias, &a->out_bias, err)) || (status = read_flag(config, file, f->keys.mlp_bias, &a->mlp_bias, err)) ||
        (status = read_flag(config, file, f->keys.scale_attention, &a->scale_attention, err)) ||
        (status = read_flag(config, file, f->keys.scale_by_block, &a->scale_by_block, err)) ||
        (status = uvk_json_double(config, f->keys.epsilon, file, &a->norm_epsilon, err)) ||
        (status = uvk_json_string(config, f->keys.activation, file, &activation, err)) ||
        (status = find_activation(file, f->keys.activation, a->gated && f->keys.gated ? "silu" : activation, a, err)) ||
        (status = f->modality == UVK_VISION ? read_vision(config, file, f, a, err) : read_text(config, file, f, a, err)))
        return status;
    return check_arch(file, f, a, err);
}

uvk_attention_shape uvk_arch_attention(const uvk_arch *a, int block, uvk_extent extent)
{
    bool encodes = uvk_arch_encodes(a, block);
    double scale = a->scale_attention ? 1 / sqrt((double)a->head_dim) : 1;
    return (uvk_attention_shape){
        .tokens = extent.tokens, .heads = (uint32_t)a->heads, .kv_heads = (uint32_t)a->kv_heads, .head_dim = (uint32_t)a->head_dim,
        .scale = (float)(a->scale_by_block ? scale / block : scale),
        .causal = a->causal && !encodes, .window = a->slides[block - 1] ? (uint32_t)a->window : (uint32_t)UVK_NO_WINDOW,
        .first_key = encodes ? 0 : extent.encoder, .keys = encodes ? extent.encoder : 0, .bias_reach = (uint32_t)a->relative_reach,
    };
}

uvk_attention_shape uvk_arch_cross_attention(const uvk_arch *a, uvk_extent extent)
{
    uvk_attention_shape shape = uvk_arch_attention(a, uvk_arch_blocks(a), extent);
    shape.causal = 0;
    shape.first_key = 0;
    shape.keys = extent.encoder;
    shape.bias_reach = 0;
    return shape;
}

/* The family of the model that config describes, unless it is given, and the part of config that describes it. */
static uvk_status find_family(const cJSON *config, const char *file, const uvk_family **family, const cJSON **section, uvk_error *err)
{
    const char *model_type = NULL;
    char supported[512];
    list_families(supported, sizeof supported);
    uvk_status status = uvk_json_string(config, "model_type", file, &model_type, err);
    if (status)
        return status;
    if (!model_type)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no model_type (expected one of: %s)%s", file, supported, uvk_other_config(config));
    if (cJSON_HasObjectItem(config, "quantization_config"))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a quantized checkpoint (found quantization_config, expected F32, F16 or BF16 weights); take the one it was made from", file);
    if (!*family && !(*family = uvk_family_find(model_type)))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: model_type %.100s is not supported (supported: %s)%s", file, model_type, supported, uvk_other_family(model_type));
    *section = (*family)->section ? cJSON_GetObjectItemCaseSensitive(config, (*family)->section) : config;
    return cJSON_IsObject(*section) ? UVK_OK : uvk_fail(err, UVK_BAD_INPUT, "%s: no %s (a %s model needs it)", file, (*family)->section, model_type);
}

uvk_status uvk_arch_load(const char *dir, uvk_arch *out, const uvk_family **family, uvk_error *err)
{
    char file[4096];
    if (snprintf(file, sizeof file, "%s/config.json", dir) >= (int)sizeof file)
        return uvk_fail(err, UVK_BAD_INPUT, "%.200s...: the path is too long", dir);
    cJSON *config;
    const cJSON *section = NULL;
    if (access(file, F_OK) && errno == ENOENT)
        return uvk_fail_no_config(dir, err);
    uvk_status status = uvk_json_load(file, LARGEST_CONFIG, &config, err);
    if (status)
        return status;
    if ((status = find_family(config, file, family, &section, err)) == UVK_OK)
        status = read_arch(section, file, *family, out, err);
    if (status == UVK_OK)
        status = read_heads(config, section, file, *family, out, err);
    cJSON_Delete(config);
    return status;
}
