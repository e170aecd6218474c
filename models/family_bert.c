#include "families.h"

static const char *const prefixes[] = {"bert.", "", NULL};

#define BLOCK "encoder.layer.%d."

static const uvk_tensor_name tensors[UVK_SLOTS] = {
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "attention.self.query.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}},
    [UVK_QUERY_BIAS] = {.name = BLOCK "attention.self.query.bias", .shape = {UVK_DIM_QUERY}},
    [UVK_KEY_WEIGHT] = {.name = BLOCK "attention.self.key.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_KEY_BIAS] = {.name = BLOCK "attention.self.key.bias", .shape = {UVK_DIM_KEY}},
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "attention.self.value.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_VALUE_BIAS] = {.name = BLOCK "attention.self.value.bias", .shape = {UVK_DIM_KEY}},
    [UVK_OUT_WEIGHT] = {.name = BLOCK "attention.output.dense.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QUERY}},
    [UVK_OUT_BIAS] = {.name = BLOCK "attention.output.dense.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "attention.output.LayerNorm.weight", .old_name = BLOCK "attention.output.LayerNorm.gamma", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM1_BIAS] = {.name = BLOCK "attention.output.LayerNorm.bias", .old_name = BLOCK "attention.output.LayerNorm.beta", .shape = {UVK_DIM_WIDTH}},
    [UVK_UP_WEIGHT] = {.name = BLOCK "intermediate.dense.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}},
    [UVK_UP_BIAS] = {.name = BLOCK "intermediate.dense.bias", .shape = {UVK_DIM_MLP}},
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "output.dense.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}},
    [UVK_DOWN_BIAS] = {.name = BLOCK "output.dense.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "output.LayerNorm.weight", .old_name = BLOCK "output.LayerNorm.gamma", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_BIAS] = {.name = BLOCK "output.LayerNorm.bias", .old_name = BLOCK "output.LayerNorm.beta", .shape = {UVK_DIM_WIDTH}},
    [UVK_TOKEN_EMBEDDING] = {.name = "embeddings.word_embeddings.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}},
    [UVK_POSITIONS] = {.name = "embeddings.position_embeddings.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}},
    [UVK_SEGMENTS] = {.name = "embeddings.token_type_embeddings.weight", .shape = {UVK_DIM_SEGMENTS, UVK_DIM_WIDTH}},
    [UVK_EMBEDDING_NORM_WEIGHT] = {.name = "embeddings.LayerNorm.weight", .old_name = "embeddings.LayerNorm.gamma", .shape = {UVK_DIM_WIDTH}},
    [UVK_EMBEDDING_NORM_BIAS] = {.name = "embeddings.LayerNorm.bias", .old_name = "embeddings.LayerNorm.beta", .shape = {UVK_DIM_WIDTH}},
};

const uvk_family uvk_family_bert = {
    .model_type = "bert",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_hidden_layers", .heads = "num_attention_heads", .width = "hidden_size", .mlp = "intermediate_size", .epsilon = "layer_norm_eps",
             .activation = "hidden_act", .vocabulary = "vocab_size", .context = "max_position_embeddings", .segments = "type_vocab_size"},
    .defaults = {.layers = 12, .heads = 12, .width = 768, .mlp = 3072, .epsilon = 1e-12, .activation = "gelu", .qkv_bias = true, .out_bias = true, .mlp_bias = true,
                 .vocabulary = 30522, .context = 512, .segments = 2},
    .post_norm = true,
    .tensors = tensors,
};
