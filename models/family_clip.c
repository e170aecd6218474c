/* The vision towers of CLIP and SigLIP, alone or within the whole model. */
#include "families.h"

static const char *const prefixes[] = {"vision_model.", "", "vision_model.vision_model.", NULL};

#define BLOCK "encoder.layers.%d."

#define TENSORS \
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "layer_norm1.weight", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM1_BIAS] = {.name = BLOCK "layer_norm1.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "self_attn.q_proj.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}}, \
    [UVK_QUERY_BIAS] = {.name = BLOCK "self_attn.q_proj.bias", .shape = {UVK_DIM_QUERY}}, \
    [UVK_KEY_WEIGHT] = {.name = BLOCK "self_attn.k_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}}, \
    [UVK_KEY_BIAS] = {.name = BLOCK "self_attn.k_proj.bias", .shape = {UVK_DIM_KEY}}, \
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "self_attn.v_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}}, \
    [UVK_VALUE_BIAS] = {.name = BLOCK "self_attn.v_proj.bias", .shape = {UVK_DIM_KEY}}, \
    [UVK_OUT_WEIGHT] = {.name = BLOCK "self_attn.out_proj.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QUERY}}, \
    [UVK_OUT_BIAS] = {.name = BLOCK "self_attn.out_proj.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "layer_norm2.weight", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_NORM2_BIAS] = {.name = BLOCK "layer_norm2.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.fc1.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}}, \
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.fc1.bias", .shape = {UVK_DIM_MLP}}, \
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.fc2.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}}, \
    [UVK_DOWN_BIAS] = {.name = BLOCK "mlp.fc2.bias", .shape = {UVK_DIM_WIDTH}}, \
    [UVK_POSITIONS] = {.name = "embeddings.position_embedding.weight", .shape = {UVK_DIM_POSITIONS, UVK_DIM_WIDTH}}, \
    [UVK_PATCH_WEIGHT] = {.name = "embeddings.patch_embedding.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_CHANNELS, UVK_DIM_PATCH, UVK_DIM_PATCH}}

/* The name of the norm before the first block is misspelt in every checkpoint. */
static const uvk_tensor_name clip_tensors[UVK_SLOTS] = {
    TENSORS,
    [UVK_CLS] = {.name = "embeddings.class_embedding", .shape = {UVK_DIM_WIDTH}},
    [UVK_EMBEDDING_NORM_WEIGHT] = {.name = "pre_layrnorm.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_EMBEDDING_NORM_BIAS] = {.name = "pre_layrnorm.bias", .shape = {UVK_DIM_WIDTH}},
};

static const uvk_tensor_name siglip_tensors[UVK_SLOTS] = {
    TENSORS,
    [UVK_PATCH_BIAS] = {.name = "embeddings.patch_embedding.bias", .shape = {UVK_DIM_WIDTH}},
};

#define KEYS \
    {.layers = "num_hidden_layers", .heads = "num_attention_heads", .width = "hidden_size", .mlp = "intermediate_size", .epsilon = "layer_norm_eps", \
     .activation = "hidden_act", .image = "image_size", .patch = "patch_size", .channels = "num_channels"}
#define DEFAULTS .layers = 12, .heads = 12, .width = 768, .mlp = 3072, .qkv_bias = true, .out_bias = true, .mlp_bias = true, .image = 224, .channels = 3
#define CLIP \
    .modality = UVK_VISION, .prefixes = prefixes, .keys = KEYS, .defaults = {DEFAULTS, .patch = 32, .epsilon = 1e-5, .activation = "quick_gelu"}, .special = 1, \
    .tensors = clip_tensors
#define SIGLIP \
    .modality = UVK_VISION, .prefixes = prefixes, .keys = KEYS, .defaults = {DEFAULTS, .patch = 16, .epsilon = 1e-6, .activation = "gelu_pytorch_tanh"}, \
    .tensors = siglip_tensors

const uvk_family uvk_family_clip = {.model_type = "clip", .section = "vision_config", CLIP};
const uvk_family uvk_family_clip_vision_model = {.model_type = "clip_vision_model", CLIP};
const uvk_family uvk_family_siglip = {.model_type = "siglip", .section = "vision_config", SIGLIP};
const uvk_family uvk_family_siglip_vision_model = {.model_type = "siglip_vision_model", SIGLIP};
