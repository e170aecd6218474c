/* ViT, and DeiT, which has a distillation token beside CLS. */
#include "families.h"

static const char *const vit_prefixes[] = {"", "vit.", NULL};
static const char *const deit_prefixes[] = {"", "deit.", NULL};

#define BLOCK "encoder.layer.%d."

#define TENSORS \
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "layernorm_before.weight", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM1_BIAS] = {.name = BLOCK "layernorm_before.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "attention.attention.query.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}}, \
    [UVK_QUERY_BIAS] = {.name = BLOCK "attention.attention.query.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_WITH_QKV_BIAS}, \
    [UVK_KEY_WEIGHT] = {.name = BLOCK "attention.attention.key.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_WIDTH}}, \
    [UVK_KEY_BIAS] = {.name = BLOCK "attention.attention.key.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_WITH_QKV_BIAS}, \
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "attention.attention.value.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_WIDTH}}, \
    [UVK_VALUE_BIAS] = {.name = BLOCK "attention.attention.value.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_WITH_QKV_BIAS}, \
    [UVK_OUT_WEIGHT] = {.name = BLOCK "attention.output.dense.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_WIDTH}}, \
    [UVK_OUT_BIAS] = {.name = BLOCK "attention.output.dense.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "layernorm_after.weight", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM2_BIAS] = {.name = BLOCK "layernorm_after.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_UP_WEIGHT] = {.name = BLOCK "intermediate.dense.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}}, \
    [UVK_UP_BIAS] = {.name = BLOCK "intermediate.dense.bias", .shape = {UVK_DIM_MLP}}, \
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "output.dense.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}}, \
    [UVK_DOWN_BIAS] = {.name = BLOCK "output.dense.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_CLS] = {.name = "embeddings.cls_token", .shape = {UVK_DIM_ONE, UVK_DIM_ONE, UVK_DIM_WIDTH}}, \
    [UVK_POSITIONS] = {.name = "embeddings.position_embeddings", .shape = {UVK_DIM_ONE, UVK_DIM_POSITIONS, UVK_DIM_WIDTH}}, \
    [UVK_PATCH_WEIGHT] = {.name = "embeddings.patch_embeddings.projection.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_CHANNELS, UVK_DIM_PATCH, UVK_DIM_PATCH}}, \
    [UVK_PATCH_BIAS] = {.name = "embeddings.patch_embeddings.projection.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_FINAL_NORM_WEIGHT] = {.name = "layernorm.weight", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE}, \
    [UVK_FINAL_NORM_BIAS] = {.name = "layernorm.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE}, \
    [UVK_CLASSIFIER_WEIGHT] = {.name = "classifier.weight", .old_name = "cls_classifier.weight", .shape = {UVK_DIM_CLASSES, UVK_DIM_POOLED}, .presence = UVK_IF_THERE, \
                               .unprefixed = true}, \
    [UVK_CLASSIFIER_BIAS] = {.name = "classifier.bias", .old_name = "cls_classifier.bias", .shape = {UVK_DIM_CLASSES}, .presence = UVK_IF_THERE, .unprefixed = true}

static const uvk_tensor_name vit_tensors[UVK_SLOTS] = {TENSORS};
static const uvk_tensor_name deit_tensors[UVK_SLOTS] = {
    TENSORS,
    [UVK_DISTILLED_WEIGHT] = {.name = "distillation_classifier.weight", .shape = {UVK_DIM_CLASSES, UVK_DIM_POOLED}, .presence = UVK_IF_THERE, .unprefixed = true},
    [UVK_DISTILLED_BIAS] = {.name = "distillation_classifier.bias", .shape = {UVK_DIM_CLASSES}, .presence = UVK_IF_THERE, .unprefixed = true},
    [UVK_DISTILLATION] = {.name = "embeddings.distillation_token", .shape = {UVK_DIM_ONE, UVK_DIM_ONE, UVK_DIM_WIDTH}},
};

#define KEYS \
    {.layers = "num_hidden_layers", .heads = "num_attention_heads", .width = "hidden_size", .mlp = "intermediate_size", .epsilon = "layer_norm_eps", \
     .activation = "hidden_act", .qkv_bias = "qkv_bias", .image = "image_size", .patch = "patch_size", .channels = "num_channels"}
#define DEFAULTS \
    {.layers = 12, .heads = 12, .width = 768, .mlp = 3072, .epsilon = 1e-12, .activation = "gelu", .qkv_bias = true, .out_bias = true, .mlp_bias = true, \
     .image = 224, .patch = 16, .channels = 3}

const uvk_family uvk_family_vit = {
    .model_type = "vit", .modality = UVK_VISION, .prefixes = vit_prefixes, .keys = KEYS, .defaults = DEFAULTS, .special = 1, .tensors = vit_tensors,
};

const uvk_family uvk_family_deit = {
    .model_type = "deit", .modality = UVK_VISION, .prefixes = deit_prefixes, .keys = KEYS, .defaults = DEFAULTS, .special = 2, .tensors = deit_tensors,
};
