#include "family_vit.h"

static const char *const prefixes[] = {"", "vit.", NULL};

#define BLOCK "encoder.layer.%d."

const uvk_family uvk_family_vit = {
    .model_type = "vit",
    .prefixes = prefixes,
    .keys = {"num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "layer_norm_eps", "hidden_act", "image_size", "patch_size", "num_channels", "qkv_bias"},
    .defaults = {12, 12, 768, 3072, 1e-12, "gelu", 224, 16, 3, true},
    .special = 1,
    .tensors = {
        [UVK_NORM1_WEIGHT] = {BLOCK "layernorm_before.weight", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_NORM1_BIAS] = {BLOCK "layernorm_before.bias", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_QUERY_WEIGHT] = {BLOCK "attention.attention.query.weight", {UVK_DIM_WIDTH, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_QUERY_BIAS] = {BLOCK "attention.attention.query.bias", {UVK_DIM_WIDTH}, UVK_WITH_QKV_BIAS},
        [UVK_KEY_WEIGHT] = {BLOCK "attention.attention.key.weight", {UVK_DIM_WIDTH, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_KEY_BIAS] = {BLOCK "attention.attention.key.bias", {UVK_DIM_WIDTH}, UVK_WITH_QKV_BIAS},
        [UVK_VALUE_WEIGHT] = {BLOCK "attention.attention.value.weight", {UVK_DIM_WIDTH, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_VALUE_BIAS] = {BLOCK "attention.attention.value.bias", {UVK_DIM_WIDTH}, UVK_WITH_QKV_BIAS},
        [UVK_OUT_WEIGHT] = {BLOCK "attention.output.dense.weight", {UVK_DIM_WIDTH, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_OUT_BIAS] = {BLOCK "attention.output.dense.bias", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_NORM2_WEIGHT] = {BLOCK "layernorm_after.weight", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_NORM2_BIAS] = {BLOCK "layernorm_after.bias", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_UP_WEIGHT] = {BLOCK "intermediate.dense.weight", {UVK_DIM_MLP, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_UP_BIAS] = {BLOCK "intermediate.dense.bias", {UVK_DIM_MLP}, UVK_ALWAYS},
        [UVK_DOWN_WEIGHT] = {BLOCK "output.dense.weight", {UVK_DIM_WIDTH, UVK_DIM_MLP}, UVK_ALWAYS},
        [UVK_DOWN_BIAS] = {BLOCK "output.dense.bias", {UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_CLS] = {"embeddings.cls_token", {UVK_DIM_ONE, UVK_DIM_ONE, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_POSITIONS] = {"embeddings.position_embeddings", {UVK_DIM_ONE, UVK_DIM_TOKENS, UVK_DIM_WIDTH}, UVK_ALWAYS},
        [UVK_PATCH_WEIGHT] = {"embeddings.patch_embeddings.projection.weight", {UVK_DIM_WIDTH, UVK_DIM_CHANNELS, UVK_DIM_PATCH, UVK_DIM_PATCH}, UVK_ALWAYS},
        [UVK_PATCH_BIAS] = {"embeddings.patch_embeddings.projection.bias", {UVK_DIM_WIDTH}, UVK_ALWAYS},
    },
};
