/* Llama and what is built like it: RMSNorm, rotary positions, grouped-query attention, a gated MLP. */
#include "families.h"

static const char *const prefixes[] = {"model.", "", NULL};

#define BLOCK "layers.%d."

static const uvk_tensor_name tensors[UVK_SLOTS] = {
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "input_layernorm.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "self_attn.q_proj.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}},
    [UVK_QUERY_BIAS] = {.name = BLOCK "self_attn.q_proj.bias", .shape = {UVK_DIM_QUERY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_KEY_WEIGHT] = {.name = BLOCK "self_attn.k_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_KEY_BIAS] = {.name = BLOCK "self_attn.k_proj.bias", .shape = {UVK_DIM_KEY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "self_attn.v_proj.weight", .shape = {UVK_DIM_KEY, UVK_DIM_WIDTH}},
    [UVK_VALUE_BIAS] = {.name = BLOCK "self_attn.v_proj.bias", .shape = {UVK_DIM_KEY}, .presence = UVK_WITH_QKV_BIAS},
    [UVK_QUERY_NORM] = {.name = BLOCK "self_attn.q_norm.weight", .shape = {UVK_DIM_HEAD}, .presence = UVK_WITH_HEAD_NORM},
    [UVK_KEY_NORM] = {.name = BLOCK "self_attn.k_norm.weight", .shape = {UVK_DIM_HEAD}, .presence = UVK_WITH_HEAD_NORM},
    [UVK_OUT_WEIGHT] = {.name = BLOCK "self_attn.o_proj.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QUERY}},
    [UVK_OUT_BIAS] = {.name = BLOCK "self_attn.o_proj.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_WITH_OUT_BIAS},
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "post_attention_layernorm.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_GATE_WEIGHT] = {.name = BLOCK "mlp.gate_proj.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}},
    [UVK_GATE_BIAS] = {.name = BLOCK "mlp.gate_proj.bias", .shape = {UVK_DIM_MLP}, .presence = UVK_WITH_MLP_BIAS},
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.up_proj.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}},
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.up_proj.bias", .shape = {UVK_DIM_MLP}, .presence = UVK_WITH_MLP_BIAS},
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.down_proj.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}},
    [UVK_DOWN_BIAS] = {.name = BLOCK "mlp.down_proj.bias", .shape = {UVK_DIM_WIDTH}, .presence = UVK_WITH_MLP_BIAS},
    [UVK_TOKEN_EMBEDDING] = {.name = "embed_tokens.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}},
    [UVK_FINAL_NORM_WEIGHT] = {.name = "norm.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_HEAD_WEIGHT] = {.name = "lm_head.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}, .presence = UVK_FOR_LOGITS, .unprefixed = true},
};

const uvk_family uvk_family_llama = {
    .model_type = "llama",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_hidden_layers", .heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .width = "hidden_size", .head_dim = "head_dim",
             .mlp = "intermediate_size", .epsilon = "rms_norm_eps", .activation = "hidden_act", .qkv_bias = "attention_bias", .out_bias = "attention_bias",
             .mlp_bias = "mlp_bias", .vocabulary = "vocab_size", .context = "max_position_embeddings", .tied = "tie_word_embeddings"},
    .defaults = {.layers = 32, .heads = 32, .width = 4096, .mlp = 11008, .epsilon = 1e-6, .activation = "silu", .vocabulary = 32000, .context = 2048},
    .norm = UVK_RMS_NORM, .gated = true, .causal = true, .rotary = true,
    .tensors = tensors,
};

const uvk_family uvk_family_mistral = {
    .model_type = "mistral",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_hidden_layers", .heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .width = "hidden_size", .head_dim = "head_dim",
             .mlp = "intermediate_size", .epsilon = "rms_norm_eps", .activation = "hidden_act",
             .vocabulary = "vocab_size", .context = "max_position_embeddings", .tied = "tie_word_embeddings"},
    .defaults = {.layers = 32, .heads = 32, .kv_heads = 8, .width = 4096, .mlp = 14336, .epsilon = 1e-6, .activation = "silu", .vocabulary = 32000, .context = 131072, .window = 4096},
    .norm = UVK_RMS_NORM, .gated = true, .causal = true, .rotary = true, .sliding = UVK_SLIDES_ALWAYS,
    .tensors = tensors,
};

const uvk_family uvk_family_qwen2 = {
    .model_type = "qwen2",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_hidden_layers", .heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .width = "hidden_size", .head_dim = "head_dim",
             .mlp = "intermediate_size", .epsilon = "rms_norm_eps", .activation = "hidden_act",
             .vocabulary = "vocab_size", .context = "max_position_embeddings", .tied = "tie_word_embeddings"},
    .defaults = {.layers = 32, .heads = 32, .kv_heads = 32, .width = 4096, .mlp = 22016, .epsilon = 1e-6, .activation = "silu", .qkv_bias = true,
                 .vocabulary = 151936, .context = 32768, .window = 4096},
    .norm = UVK_RMS_NORM, .gated = true, .causal = true, .rotary = true, .sliding = UVK_SLIDES_BY_LAYER,
    .tensors = tensors,
};

const uvk_family uvk_family_qwen3 = {
    .model_type = "qwen3",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_hidden_layers", .heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .width = "hidden_size", .head_dim = "head_dim",
             .mlp = "intermediate_size", .epsilon = "rms_norm_eps", .activation = "hidden_act", .qkv_bias = "attention_bias", .out_bias = "attention_bias",
             .vocabulary = "vocab_size", .context = "max_position_embeddings", .tied = "tie_word_embeddings"},
    .defaults = {.layers = 32, .heads = 32, .kv_heads = 32, .width = 4096, .head_dim = 128, .mlp = 22016, .epsilon = 1e-6, .activation = "silu",
                 .vocabulary = 151936, .context = 32768, .window = 4096},
    .norm = UVK_RMS_NORM, .gated = true, .head_norm = true, .causal = true, .rotary = true, .sliding = UVK_SLIDES_BY_LAYER,
    .tensors = tensors,
};
