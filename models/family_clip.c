/* CLIP and SigLIP: their vision towers, alone or within the whole model, and the text towers that images are compared by. */
#include "families.h"

static const char *const vision_prefixes[] = {"vision_model.", "", "vision_model.vision_model.", NULL};
static const char *const text_prefixes[] = {"text_model.", "text_model.text_model.", NULL};

#define VECTOR(slot, text) [slot] = {.name = text, .shape = {UVK_DIM_WIDTH}}
#define BLOCK "encoder.layers.%d."

#define BLOCKS \
    VECTOR(UVK_NORM1_WEIGHT, BLOCK "layer_norm1.weight"), VECTOR(UVK_NORM1_BIAS, BLOCK "layer_norm1.bias"), \
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "self_attn.q_proj.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}}, \
    [UVK_QUERY_BIAS] = {.name = BLOCK "self_attn.q_proj.bias", .shape = {UVK_DIM_QUERY}}, \
    [UVK_KEY_WEIGHT] = {.name = BLOCK "self_attn.k_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}}, \
    [UVK_KEY_BIAS] = {.name = BLOCK "self_attn.k_proj.bias", .shape = {UVK_DIM_KEY}}, \
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "self_attn.v_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}}, \
    [UVK_VALUE_BIAS] = {.name = BLOCK "self_attn.v_proj.bias", .shape = {UVK_DIM_KEY}}, \
    [UVK_OUT_WEIGHT] = {.name = BLOCK "self_attn.out_proj.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QUERY}}, \
    VECTOR(UVK_OUT_BIAS, BLOCK "self_attn.out_proj.bias"), \
    VECTOR(UVK_NORM2_WEIGHT, BLOCK "layer_norm2.weight"), VECTOR(UVK_NORM2_BIAS, BLOCK "layer_norm2.bias"), \
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.fc1.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}}, \
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.fc1.bias", .shape = {UVK_DIM_MLP}}, \
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.fc2.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}}, \
    VECTOR(UVK_DOWN_BIAS, BLOCK "mlp.fc2.bias")

#define VISION \
    BLOCKS, \
    [UVK_POSITIONS] = {.name = "embeddings.position_embedding.weight", .shape = {UVK_DIM_POSITIONS, UVK_DIM_WIDTH}}, \
    [UVK_PATCH_WEIGHT] = {.name = "embeddings.patch_embedding.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_CHANNELS, UVK_DIM_PATCH, UVK_DIM_PATCH}}, \
    [UVK_FINAL_NORM_WEIGHT] = {.name = "post_layernorm.weight", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE}, \
    [UVK_FINAL_NORM_BIAS] = {.name = "post_layernorm.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_IF_THERE}, \
    [UVK_CLASSIFIER_WEIGHT] = {.name = "classifier.weight", .shape = {UVK_DIM_CLASSES, UVK_DIM_POOLED}, .presence = UVK_IF_THERE, .unprefixed = true}, \
    [UVK_CLASSIFIER_BIAS] = {.name = "classifier.bias", .shape = {UVK_DIM_CLASSES}, .presence = UVK_IF_THERE, .unprefixed = true}

/* The name of the norm before the first block is misspelt in every checkpoint. */
static const uvk_tensor_name clip_tensors[UVK_SLOTS] = {
    VISION,
    VECTOR(UVK_CLS, "embeddings.class_embedding"),
    VECTOR(UVK_EMBEDDING_NORM_WEIGHT, "pre_layrnorm.weight"), VECTOR(UVK_EMBEDDING_NORM_BIAS, "pre_layrnorm.bias"),
    [UVK_PROJECTION_WEIGHT] = {.name = "visual_projection.weight", .shape = {UVK_DIM_PROJECTION, UVK_DIM_WIDTH}, .presence = UVK_IF_THERE, .unprefixed = true},
};

#define POOL(slot, text, ...) [slot] = {.name = text, .shape = {__VA_ARGS__}, .presence = UVK_IF_THERE}

static const uvk_tensor_name siglip_tensors[UVK_SLOTS] = {
    VISION,
    VECTOR(UVK_PATCH_BIAS, "embeddings.patch_embedding.bias"),
    POOL(UVK_POOL_QUERY, "head.probe", UVK_DIM_ONE, UVK_DIM_ONE, UVK_DIM_WIDTH),
    POOL(UVK_POOL_QKV_WEIGHT, "head.attention.in_proj_weight", UVK_DIM_QKV, UVK_DIM_WIDTH), POOL(UVK_POOL_QKV_BIAS, "head.attention.in_proj_bias", UVK_DIM_QKV),
    POOL(UVK_POOL_OUT_WEIGHT, "head.attention.out_proj.weight", UVK_DIM_WIDTH, UVK_DIM_WIDTH), POOL(UVK_POOL_OUT_BIAS, "head.attention.out_proj.bias", UVK_DIM_WIDTH),
    POOL(UVK_POOL_NORM_WEIGHT, "head.layernorm.weight", UVK_DIM_WIDTH), POOL(UVK_POOL_NORM_BIAS, "head.layernorm.bias", UVK_DIM_WIDTH),
    POOL(UVK_POOL_UP_WEIGHT, "head.mlp.fc1.weight", UVK_DIM_MLP, UVK_DIM_WIDTH), POOL(UVK_POOL_UP_BIAS, "head.mlp.fc1.bias", UVK_DIM_MLP),
    POOL(UVK_POOL_DOWN_WEIGHT, "head.mlp.fc2.weight", UVK_DIM_WIDTH, UVK_DIM_MLP), POOL(UVK_POOL_DOWN_BIAS, "head.mlp.fc2.bias", UVK_DIM_WIDTH),
};

#define TEXT \
    BLOCKS, \
    [UVK_TOKEN_EMBEDDING] = {.name = "embeddings.token_embedding.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}}, \
    [UVK_POSITIONS] = {.name = "embeddings.position_embedding.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}}, \
    VECTOR(UVK_FINAL_NORM_WEIGHT, "final_layer_norm.weight"), VECTOR(UVK_FINAL_NORM_BIAS, "final_layer_norm.bias")

static const uvk_tensor_name clip_text_tensors[UVK_SLOTS] = {
    TEXT,
    [UVK_PROJECTION_WEIGHT] = {.name = "text_projection.weight", .shape = {UVK_DIM_PROJECTION, UVK_DIM_WIDTH}, .unprefixed = true},
};

static const uvk_tensor_name siglip_text_tensors[UVK_SLOTS] = {
    TEXT,
    [UVK_PROJECTION_WEIGHT] = {.name = "head.weight", .shape = {UVK_DIM_PROJECTION, UVK_DIM_WIDTH}},
    [UVK_PROJECTION_BIAS] = {.name = "head.bias", .shape = {UVK_DIM_PROJECTION}},
};

#define BLOCK_KEYS \
    .layers = "num_hidden_layers", .heads = "num_attention_heads", .width = "hidden_size", .mlp = "intermediate_size", .epsilon = "layer_norm_eps", \
    .activation = "hidden_act"
#define VISION_KEYS BLOCK_KEYS, .image = "image_size", .patch = "patch_size", .channels = "num_channels"
#define TEXT_KEYS BLOCK_KEYS, .vocabulary = "vocab_size", .context = "max_position_embeddings"
#define BIASES .qkv_bias = true, .out_bias = true, .mlp_bias = true
#define VISION_DEFAULTS .layers = 12, .heads = 12, .width = 768, .mlp = 3072, BIASES, .image = 224, .channels = 3

#define CLIP \
    .modality = UVK_VISION, .prefixes = vision_prefixes, .keys = {VISION_KEYS, .projection = "projection_dim"}, \
    .defaults = {VISION_DEFAULTS, .patch = 32, .epsilon = 1e-5, .activation = "quick_gelu", .projection = 512}, .special = 1, .pooling = UVK_POOL_PATCHES, \
    .pools_unnormed = true, .tensors = clip_tensors
#define SIGLIP \
    .modality = UVK_VISION, .prefixes = vision_prefixes, .keys = {VISION_KEYS}, \
    .defaults = {VISION_DEFAULTS, .patch = 16, .epsilon = 1e-6, .activation = "gelu_pytorch_tanh"}, .pooling = UVK_POOL_PATCHES, .tensors = siglip_tensors

const uvk_family uvk_family_clip_text = {
    .model_type = "clip", .section = "text_config", .modality = UVK_TEXT, .prefixes = text_prefixes, .keys = {TEXT_KEYS, .projection = "projection_dim"},
    .defaults = {.layers = 12, .heads = 8, .width = 512, .mlp = 2048, BIASES, .epsilon = 1e-5, .activation = "quick_gelu", .vocabulary = 49408, .context = 77,
                 .projection = 512},
    .causal = true, .tensors = clip_text_tensors,
};

const uvk_family uvk_family_siglip_text = {
    .model_type = "siglip", .section = "text_config", .modality = UVK_TEXT, .prefixes = text_prefixes, .keys = {TEXT_KEYS, .projection = "projection_size"},
    .defaults = {.layers = 12, .heads = 12, .width = 768, .mlp = 3072, BIASES, .epsilon = 1e-6, .activation = "gelu_pytorch_tanh", .vocabulary = 32000, .context = 64},
    .padded = true, .tensors = siglip_text_tensors,
};

const uvk_family uvk_family_clip = {.model_type = "clip", .section = "vision_config", .text_tower = &uvk_family_clip_text, CLIP};
const uvk_family uvk_family_clip_vision_model = {.model_type = "clip_vision_model", CLIP};
const uvk_family uvk_family_siglip = {.model_type = "siglip", .section = "vision_config", .text_tower = &uvk_family_siglip_text, SIGLIP};
const uvk_family uvk_family_siglip_vision_model = {.model_type = "siglip_vision_model", SIGLIP};
