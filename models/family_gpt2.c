#include "families.h"

static const char *const prefixes[] = {"transformer.", "", NULL};

#define BLOCK "h.%d."

/* Its linear layers are stored as [inputs, outputs], query, key and value as one. */
static const uvk_tensor_name tensors[UVK_SLOTS] = {
    [UVK_NORM1_WEIGHT] = {.name = BLOCK "ln_1.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM1_BIAS] = {.name = BLOCK "ln_1.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_QUERY_WEIGHT] = {.name = BLOCK "attn.c_attn.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QKV}, .transposed = true, .part = 0, .parts = 3},
    [UVK_KEY_WEIGHT] = {.name = BLOCK "attn.c_attn.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QKV}, .transposed = true, .part = 1, .parts = 3},
    [UVK_VALUE_WEIGHT] = {.name = BLOCK "attn.c_attn.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_QKV}, .transposed = true, .part = 2, .parts = 3},
    [UVK_QUERY_BIAS] = {.name = BLOCK "attn.c_attn.bias", .shape = {UVK_DIM_QKV}, .part = 0, .parts = 3},
    [UVK_KEY_BIAS] = {.name = BLOCK "attn.c_attn.bias", .shape = {UVK_DIM_QKV}, .part = 1, .parts = 3},
    [UVK_VALUE_BIAS] = {.name = BLOCK "attn.c_attn.bias", .shape = {UVK_DIM_QKV}, .part = 2, .parts = 3},
    [UVK_OUT_WEIGHT] = {.name = BLOCK "attn.c_proj.weight", .shape = {UVK_DIM_QUERY, UVK_DIM_WIDTH}, .transposed = true},
    [UVK_OUT_BIAS] = {.name = BLOCK "attn.c_proj.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_WEIGHT] = {.name = BLOCK "ln_2.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_NORM2_BIAS] = {.name = BLOCK "ln_2.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_UP_WEIGHT] = {.name = BLOCK "mlp.c_fc.weight", .shape = {UVK_DIM_WIDTH, UVK_DIM_MLP}, .transposed = true},
    [UVK_UP_BIAS] = {.name = BLOCK "mlp.c_fc.bias", .shape = {UVK_DIM_MLP}},
    [UVK_DOWN_WEIGHT] = {.name = BLOCK "mlp.c_proj.weight", .shape = {UVK_DIM_MLP, UVK_DIM_WIDTH}, .transposed = true},
    [UVK_DOWN_BIAS] = {.name = BLOCK "mlp.c_proj.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_TOKEN_EMBEDDING] = {.name = "wte.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}},
    [UVK_POSITIONS] = {.name = "wpe.weight", .shape = {UVK_DIM_CONTEXT, UVK_DIM_WIDTH}},
    [UVK_FINAL_NORM_WEIGHT] = {.name = "ln_f.weight", .shape = {UVK_DIM_WIDTH}},
    [UVK_FINAL_NORM_BIAS] = {.name = "ln_f.bias", .shape = {UVK_DIM_WIDTH}},
    [UVK_HEAD_WEIGHT] = {.name = "lm_head.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}, .presence = UVK_FOR_LOGITS, .unprefixed = true},
};

const uvk_family uvk_family_gpt2 = {
    .model_type = "gpt2",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "n_layer", .heads = "n_head", .width = "n_embd", .mlp = "n_inner", .epsilon = "layer_norm_epsilon", .activation = "activation_function",
             .vocabulary = "vocab_size", .context = "n_positions", .tied = "tie_word_embeddings", .scale_attention = "scale_attn_weights",
             .scale_by_block = "scale_attn_by_inverse_layer_idx"},
    .defaults = {.layers = 12, .heads = 12, .width = 768, .epsilon = 1e-5, .activation = "gelu_new", .qkv_bias = true, .out_bias = true, .mlp_bias = true,
                 .vocabulary = 50257, .context = 1024, .tied = true},
    .causal = true,
    .tensors = tensors,
};
