/* DINOv2, without and with registers: layer scale, a plain MLP or SwiGLU, images of any size. */
#include "families.h"

static const char *const dinov2_prefixes[] = {"", "dinov2.", NULL};
static const char *const registers_prefixes[] = {"", "dinov2_with_registers.", NULL};

#define BLOCK "encoder.layer.%d."

static const uvk_tensor_name tensors[UVK_SLOTS] = {
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "norm1.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM1_BIAS] = {.name = BLOCK "norm1.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "attention.attention.query.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}},
    [UVK_QUERY_BIAS] = {.name = BLOCK "attention.attention.query.bias", .shape = {UVK_DIM_QUERY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_KEY_WEIGHT] = {.name = BLOCK "attention.attention.key.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_KEY_BIAS] = {.name = BLOCK "attention.attention.key.bias", .shape = {UVK_DIM_KEY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "attention.attention.value.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_VALUE_BIAS] = {.name = BLOCK "attention.attention.value.bias", .shape = {UVK_DIM_KEY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_OUT_WEIGHT] = {.name = BLOCK "attention.output.dense.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QUERY}, .scale = UVK_OUT_SCALE},
    [UVK_OUT_BIAS] = {.name = BLOCK "attention.output.dense.bias", .shape = {UVK_DIM_WIDTH}, .scale = UVK_OUT_SCALE},
    [UVK_OUT_SCALE] = {.name = BLOCK "layer_scale1.lambda1", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "norm2.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_BIAS] = {.name = BLOCK "norm2.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.fc1.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}},
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.fc1.bias", .shape = {UVK_DIM_MLP}},
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.fc2.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}, .scale = UVK_DOWN_SCALE},
    [UVK_DOWN_BIAS] = {.name = BLOCK "mlp.fc2.bias", .shape = {UVK_DIM_WIDTH}, .scale = UVK_DOWN_SCALE},
    [UVK_DOWN_SCALE] = {.name = BLOCK "layer_scale2.lambda1", .shape = {UVK_DIM_WIDTH}},
    [UVK_CLS] = {.name = "embeddings.cls_token", .shape = {UVK_DIM_ONE, UVK_DIM_ONE, UVK_DIM_WIDTH}},
    [UVK_REGISTERS] = {.name = "embeddings.register_tokens", .shape = {UVK_DIM_ONE, UVK_DIM_REGISTERS, UVK_DIM_WIDTH}, .presence = UVK_WITH_REGISTERS},
    [UVK_POSITIONS] = {.name = "embeddings.position_embeddings", .shape = {UVK_DIM_ONE, UVK_DIM_POSITIONS, UVK_DIM_WIDTH}},
    [UVK_PATCH_WEIGHT] = {.name = "embeddings.patch_embeddings.projection.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_CHANNELS, UVK_DIM_PATCH, UVK_DIM_PATCH}},
    [UVK_PATCH_BIAS] = {.name = "embeddings.patch_embeddings.projection.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_FINAL_NORM_WEIGHT] = {.name = "layernorm.weight", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE},
    [UVK_FINAL_NORM_BIAS] = {.name = "layernorm.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE},
    [UVK_CLASSIFIER_WEIGHT] = {.name = "classifier.weight", .shape = {UVK_DIM_CLASSES, UVK_DIM_POOLED}, .presence = UVK_IF_THERE, .unprefixed = true},
    [UVK_CLASSIFIER_BIAS] = {.name = "classifier.bias", .shape = {UVK_DIM_CLASSES}, .presence = UVK_IF_THERE, .unprefixed = true},
};

/* SwiGLU: gate and up are the halves of one matrix. */
static const uvk_tensor_name gated_tensors[UVK_SLOTS] = {
    [UVK_GATE_WEIGHT] = {.name = BLOCK "mlp.weights_in.weight", .shape = {UVK_DIM_GATE_AND_UP, UVK_DIM_WIDTH}, .part = 0, .parts = 2},
    [UVK_GATE_BIAS] = {.name = BLOCK "mlp.weights_in.bias", .shape = {UVK_DIM_GATE_AND_UP}, .part = 0, .parts = 2},
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.weights_in.weight", .shape = {UVK_DIM_GATE_AND_UP, UVK_DIM_WIDTH}, .part = 1, .parts = 2},
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.weights_in.bias", .shape = {UVK_DIM_GATE_AND_UP}, .part = 1, .parts = 2},
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.weights_out.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}, .scale = UVK_DOWN_SCALE},
    [UVK_DOWN_BIAS] = {.name = BLOCK "mlp.weights_out.bias", .shape = {UVK_DIM_WIDTH}, .scale = UVK_DOWN_SCALE},
};

#define KEYS \
    .layers = "num_hidden_layers", .heads = "num_attention_heads", .width = "hidden_size", .mlp_ratio = "mlp_ratio", .gated = "use_swiglu_ffn", \
    .epsilon = "layer_norm_eps", .activation = "hidden_act", .qkv_bias = "qkv_bias", .image = "image_size", .patch = "patch_size", .channels = "num_channels"
#define DEFAULTS \
    .layers = 12, .heads = 12, .width = 768, .mlp_ratio = 4, .epsilon = 1e-6, .activation = "gelu", .qkv_bias = true, .out_bias = true, .mlp_bias = true, \
    .image = 224, .channels = 3

const uvk_family uvk_family_dinov2 = {
    .model_type = "dinov2", .modality = UVK_VISION, .prefixes = dinov2_prefixes, .keys = {KEYS}, .defaults = {DEFAULTS, .patch = 14},
    .special = 1, .any_size = true, .interpolation = UVK_BICUBIC_PLAIN, .pooling = UVK_POOL_BOTH, .tensors = tensors, .gated_tensors = gated_tensors,
};

const uvk_family uvk_family_dinov2_with_registers = {
    .model_type = "dinov2_with_registers", .modality = UVK_VISION, .prefixes = registers_prefixes, .keys = {KEYS, .registers = "num_register_tokens"},
    .defaults = {DEFAULTS, .patch = 16, .registers = 4}, .special = 1, .any_size = true, .interpolation = UVK_BICUBIC_ANTIALIAS, .pooling = UVK_POOL_BOTH,
    .tensors = tensors, .gated_tensors = gated_tensors,
};
