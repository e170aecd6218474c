/* BART, and Pegasus, which norms before rather than behind and computes its positions. */
#include "families.h"

static const char *const prefixes[] = {"model.", "", NULL};

#define VECTOR(slot, text) [slot] = {.name = text, .shape = {UVK_DIM_WIDTH}}
#define SQUARE(slot, text) [slot] = {.name = text, .shape = {UVK_DIM_WIDTH, UVK_DIM_WIDTH}}

#define BLOCK(side) \
    SQUARE(UVK_QUERY_WEIGHT, side ".layers.%d.self_attn.q_proj.weight"), VECTOR(UVK_QUERY_BIAS, side ".layers.%d.self_attn.q_proj.bias"), \
    SQUARE(UVK_KEY_WEIGHT, side ".layers.%d.self_attn.k_proj.weight"), VECTOR(UVK_KEY_BIAS, side ".layers.%d.self_attn.k_proj.bias"), \
    SQUARE(UVK_VALUE_WEIGHT, side ".layers.%d.self_attn.v_proj.weight"), VECTOR(UVK_VALUE_BIAS, side ".layers.%d.self_attn.v_proj.bias"), \
    SQUARE(UVK_OUT_WEIGHT, side ".layers.%d.self_attn.out_proj.weight"), VECTOR(UVK_OUT_BIAS, side ".layers.%d.self_attn.out_proj.bias"), \
    VECTOR(UVK_NORM1_WEIGHT, side ".layers.%d.self_attn_layer_norm.weight"), VECTOR(UVK_NORM1_BIAS, side ".layers.%d.self_attn_layer_norm.bias"), \
    [UVK_UP_WEIGHT] = {.name = side ".layers.%d.fc1.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}}, \
    [UVK_UP_BIAS] = {.name = side ".layers.%d.fc1.bias", .shape = {UVK_DIM_MLP}}, \
    [UVK_DOWN_WEIGHT] = {.name = side ".layers.%d.fc2.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}}, \
    VECTOR(UVK_DOWN_BIAS, side ".layers.%d.fc2.bias"), \
    VECTOR(UVK_NORM2_WEIGHT, side ".layers.%d.final_layer_norm.weight"), VECTOR(UVK_NORM2_BIAS, side ".layers.%d.final_layer_norm.bias")

#define CROSS \
    SQUARE(UVK_CROSS_QUERY_WEIGHT, "decoder.layers.%d.encoder_attn.q_proj.weight"), VECTOR(UVK_CROSS_QUERY_BIAS, "decoder.layers.%d.encoder_attn.q_proj.bias"), \
    SQUARE(UVK_CROSS_KEY_WEIGHT, "decoder.layers.%d.encoder_attn.k_proj.weight"), VECTOR(UVK_CROSS_KEY_BIAS, "decoder.layers.%d.encoder_attn.k_proj.bias"), \
    SQUARE(UVK_CROSS_VALUE_WEIGHT, "decoder.layers.%d.encoder_attn.v_proj.weight"), VECTOR(UVK_CROSS_VALUE_BIAS, "decoder.layers.%d.encoder_attn.v_proj.bias"), \
    SQUARE(UVK_CROSS_OUT_WEIGHT, "decoder.layers.%d.encoder_attn.out_proj.weight"), VECTOR(UVK_CROSS_OUT_BIAS, "decoder.layers.%d.encoder_attn.out_proj.bias"), \
    VECTOR(UVK_CROSS_NORM_WEIGHT, "decoder.layers.%d.encoder_attn_layer_norm.weight"), VECTOR(UVK_CROSS_NORM_BIAS, "decoder.layers.%d.encoder_attn_layer_norm.bias")

#define OUTSIDE \
    [UVK_TOKEN_EMBEDDING] = {.name = "shared.weight", .old_name = "encoder.embed_tokens.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}}, \
    [UVK_HEAD_WEIGHT] = {.name = "lm_head.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}, .presence = UVK_IF_THERE, .unprefixed = true}, \
    [UVK_HEAD_BIAS] = {.name = "final_logits_bias", .shape = {UVK_DIM_ONE, UVK_DIM_VOCABULARY}, .presence = UVK_IF_THERE, .unprefixed = true}

static const uvk_tensor_name encoder_tensors[UVK_BLOCK_SLOTS] = {BLOCK("encoder")};

static const uvk_tensor_name bart_tensors[UVK_SLOTS] = {
    BLOCK("decoder"), CROSS, OUTSIDE,
    [UVK_POSITIONS] = {.name = "decoder.embed_positions.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}},
    [UVK_ENCODER_POSITIONS] = {.name = "encoder.embed_positions.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}},
    VECTOR(UVK_EMBEDDING_NORM_WEIGHT, "decoder.layernorm_embedding.weight"), VECTOR(UVK_EMBEDDING_NORM_BIAS, "decoder.layernorm_embedding.bias"),
    VECTOR(UVK_ENCODER_EMBEDDING_NORM_WEIGHT, "encoder.layernorm_embedding.weight"), VECTOR(UVK_ENCODER_EMBEDDING_NORM_BIAS, "encoder.layernorm_embedding.bias"),
};

static const uvk_tensor_name pegasus_tensors[UVK_SLOTS] = {
    BLOCK("decoder"), CROSS, OUTSIDE,
    [UVK_POSITIONS] = {.name = "decoder.embed_positions.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}, .presence = UVK_IF_THERE},
    [UVK_ENCODER_POSITIONS] = {.name = "encoder.embed_positions.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}, .presence = UVK_IF_THERE},
    VECTOR(UVK_FINAL_NORM_WEIGHT, "decoder.layer_norm.weight"), VECTOR(UVK_FINAL_NORM_BIAS, "decoder.layer_norm.bias"),
    VECTOR(UVK_ENCODER_NORM_WEIGHT, "encoder.layer_norm.weight"), VECTOR(UVK_ENCODER_NORM_BIAS, "encoder.layer_norm.bias"),
};

/* Their norms have the epsilon of torch's LayerNorm, which config.json does not tell. */
#define KEYS \
    {.layers = "decoder_layers", .heads = "decoder_attention_heads", .width = "d_model", .mlp = "decoder_ffn_dim", .epsilon = "layer_norm_eps", \
     .activation = "activation_function", .vocabulary = "vocab_size", .context = "max_position_embeddings", .tied = "tie_word_embeddings", \
     .encoder_layers = "encoder_layers", .encoder_heads = "encoder_attention_heads", .encoder_mlp = "encoder_ffn_dim", .scale_embedding = "scale_embedding"}
#define DEFAULTS \
    .layers = 12, .encoder_layers = 12, .heads = 16, .width = 1024, .mlp = 4096, .epsilon = 1e-5, .activation = "gelu", .qkv_bias = true, .out_bias = true, \
    .mlp_bias = true, .vocabulary = 50265, .context = 1024, .tied = true

const uvk_family uvk_family_bart = {
    .model_type = "bart", .modality = UVK_TEXT, .prefixes = prefixes, .keys = KEYS, .defaults = {DEFAULTS, .decoder_start = 2}, .causal = true, .post_norm = true,
    .position_offset = 2, .tensors = bart_tensors, .encoder_tensors = encoder_tensors,
};

const uvk_family uvk_family_pegasus = {
    .model_type = "pegasus", .modality = UVK_TEXT, .prefixes = prefixes, .keys = KEYS, .defaults = {DEFAULTS}, .causal = true, .sinusoidal = true,
    .tensors = pegasus_tensors, .encoder_tensors = encoder_tensors,
};
