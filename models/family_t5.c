/* T5 and its gated form (T5 1.1, Flan): RMSNorm, no biases, scores not scaled, positions as a bias on the scores. */
#include "families.h"

static const char *const prefixes[] = {"", NULL};

#define NORM(slot, text) [slot] = {.name = text, .shape = {UVK_DIM_WIDTH}}
#define IN(slot, text, outputs) [slot] = {.name = text, .shape = {outputs, UVK_DIM_WIDTH}}
#define OUT(slot, text, inputs) [slot] = {.name = text, .shape = {UVK_DIM_WIDTH, inputs}}

#define ATTENTION(side) \
    NORM(UVK_NORM1_WEIGHT, side ".block.%d.layer.0.layer_norm.weight"), IN(UVK_QUERY_WEIGHT, side ".block.%d.layer.0.SelfAttention.q.weight", UVK_DIM_QUERY), \
    IN(UVK_KEY_WEIGHT, side ".block.%d.layer.0.SelfAttention.k.weight", UVK_DIM_KEY), IN(UVK_VALUE_WEIGHT, side ".block.%d.layer.0.SelfAttention.v.weight", UVK_DIM_KEY), \
    OUT(UVK_OUT_WEIGHT, side ".block.%d.layer.0.SelfAttention.o.weight", UVK_DIM_QUERY)
#define MLP(mlp) \
    NORM(UVK_NORM2_WEIGHT, mlp ".layer_norm.weight"), IN(UVK_UP_WEIGHT, mlp ".DenseReluDense.wi.weight", UVK_DIM_MLP), \
    OUT(UVK_DOWN_WEIGHT, mlp ".DenseReluDense.wo.weight", UVK_DIM_MLP)
#define GATED_MLP(mlp) \
    IN(UVK_GATE_WEIGHT, mlp ".DenseReluDense.wi_0.weight", UVK_DIM_MLP), IN(UVK_UP_WEIGHT, mlp ".DenseReluDense.wi_1.weight", UVK_DIM_MLP)
#define BIAS(side) {.name = side ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", .shape = {UVK_DIM_BUCKETS, UVK_DIM_HEADS}}

static const uvk_tensor_name encoder_tensors[UVK_BLOCK_SLOTS] = {ATTENTION("encoder"), MLP("encoder.block.%d.layer.1")};
static const uvk_tensor_name gated_encoder_tensors[UVK_BLOCK_SLOTS] = {GATED_MLP("encoder.block.%d.layer.1")};

static const uvk_tensor_name tensors[UVK_SLOTS] = {
    ATTENTION("decoder"), MLP("decoder.block.%d.layer.2"),
    NORM(UVK_CROSS_NORM_WEIGHT, "decoder.block.%d.layer.1.layer_norm.weight"),
    IN(UVK_CROSS_QUERY_WEIGHT, "decoder.block.%d.layer.1.EncDecAttention.q.weight", UVK_DIM_QUERY),
    IN(UVK_CROSS_KEY_WEIGHT, "decoder.block.%d.layer.1.EncDecAttention.k.weight", UVK_DIM_KEY),
    IN(UVK_CROSS_VALUE_WEIGHT, "decoder.block.%d.layer.1.EncDecAttention.v.weight", UVK_DIM_KEY),
    OUT(UVK_CROSS_OUT_WEIGHT, "decoder.block.%d.layer.1.EncDecAttention.o.weight", UVK_DIM_QUERY),
    [UVK_TOKEN_EMBEDDING] = {.name = "shared.weight", .old_name = "encoder.embed_tokens.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}},
    [UVK_RELATIVE_BIAS] = BIAS("decoder"), [UVK_ENCODER_RELATIVE_BIAS] = BIAS("encoder"),
    NORM(UVK_ENCODER_NORM_WEIGHT, "encoder.final_layer_norm.weight"), NORM(UVK_FINAL_NORM_WEIGHT, "decoder.final_layer_norm.weight"),
    [UVK_HEAD_WEIGHT] = {.name = "lm_head.weight", .shape = {UVK_DIM_VOCABULARY, UVK_DIM_WIDTH}, .presence = UVK_IF_THERE},
};
static const uvk_tensor_name gated_tensors[UVK_SLOTS] = {GATED_MLP("decoder.block.%d.layer.2")};

const uvk_family uvk_family_t5 = {
    .model_type = "t5",
    .modality = UVK_TEXT,
    .prefixes = prefixes,
    .keys = {.layers = "num_decoder_layers", .heads = "num_heads", .width = "d_model", .head_dim = "d_kv", .mlp = "d_ff", .epsilon = "layer_norm_epsilon",
             .activation = "feed_forward_proj", .vocabulary = "vocab_size", .context = "n_positions", .tied = "tie_word_embeddings", .encoder_layers = "num_layers",
             .relative_buckets = "relative_attention_num_buckets", .relative_reach = "relative_attention_max_distance", .scale_logits = "scale_decoder_outputs"},
    .defaults = {.layers = 6, .encoder_layers = 6, .heads = 8, .width = 512, .head_dim = 64, .mlp = 2048, .epsilon = 1e-6, .activation = "relu",
                 .vocabulary = 32128, .context = 512, .tied = true, .relative_buckets = 32, .relative_reach = 128},
    .norm = UVK_RMS_NORM, .causal = true, .unscaled = true,
    .tensors = tensors, .gated_tensors = gated_tensors, .encoder_tensors = encoder_tensors, .gated_encoder_tensors = gated_encoder_tensors,
};
