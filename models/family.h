/* A model family is data: which keys of config.json say what, and what each tensor is called. The forward pass and its gradient
 * are the same code for all of them (forward.c, backward.c). Adding a family: CONTRIBUTING.md. */
#ifndef UVK_MODELS_FAMILY_H
#define UVK_MODELS_FAMILY_H

#include "json.h"
#include "ops.h"
#include "rope.h"

enum { UVK_MAX_LAYERS = 1024 };

/* The shape of one model, from its config.json. */
typedef struct uvk_arch {
    const char *family;
    uvk_modality modality;
    int layers, heads, kv_heads, width, head_dim, mlp_width;
    uvk_norm_kind norm;
    double norm_epsilon;
    uvk_activation activation;
    bool gated;                     /* act(gate) * up instead of act(up) */
    bool head_norm;                 /* every query and key head has an RMSNorm of its own */
    bool qkv_bias, out_bias, mlp_bias;
    bool scale_attention;           /* scores are divided by sqrt(head_dim) ... */
    bool scale_by_block;            /* ... and by the block's number, from 1 */
    bool causal;
    /* vision */
    int image_height, image_width, patch, channels, special;
    /* text */
    int vocabulary, context;
    bool tied;                      /* the token embedding is the output head as well */
    bool rotary;
    uvk_rope rope;
    int window;                     /* of the blocks that slide */
    bool slides[UVK_MAX_LAYERS];
} uvk_arch;

static inline int uvk_arch_grid_rows(const uvk_arch *a) { return a->patch ? a->image_height / a->patch : 0; }
static inline int uvk_arch_grid_cols(const uvk_arch *a) { return a->patch ? a->image_width / a->patch : 0; }
/* Tokens of an image. */
static inline int uvk_arch_tokens(const uvk_arch *a) { return a->special + uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a); }
/* The attention of block 1..layers over so many tokens. */
uvk_attention_shape uvk_arch_attention(const uvk_arch *a, int block, uint32_t tokens);

/* A dimension of a tensor, resolved against an uvk_arch. */
typedef enum uvk_dim {
    UVK_DIM_END, UVK_DIM_ONE, UVK_DIM_WIDTH, UVK_DIM_MLP, UVK_DIM_TOKENS, UVK_DIM_CHANNELS, UVK_DIM_PATCH,
    UVK_DIM_QUERY,      /* heads * head_dim */
    UVK_DIM_KEY,        /* kv_heads * head_dim */
    UVK_DIM_QKV,        /* QUERY + 2 KEY */
    UVK_DIM_HEAD, UVK_DIM_VOCABULARY, UVK_DIM_CONTEXT
} uvk_dim;

/* The tensors of a block, and those outside. */
typedef enum uvk_slot {
    UVK_NORM1_WEIGHT, UVK_NORM1_BIAS,
    UVK_QUERY_WEIGHT, UVK_QUERY_BIAS, UVK_KEY_WEIGHT, UVK_KEY_BIAS, UVK_VALUE_WEIGHT, UVK_VALUE_BIAS,
    UVK_QUERY_NORM, UVK_KEY_NORM,
    UVK_OUT_WEIGHT, UVK_OUT_BIAS,
    UVK_NORM2_WEIGHT, UVK_NORM2_BIAS,
    UVK_GATE_WEIGHT, UVK_GATE_BIAS, UVK_UP_WEIGHT, UVK_UP_BIAS, UVK_DOWN_WEIGHT, UVK_DOWN_BIAS,
    UVK_BLOCK_SLOTS,
    UVK_CLS = UVK_BLOCK_SLOTS, UVK_PATCH_WEIGHT, UVK_PATCH_BIAS,
    UVK_TOKEN_EMBEDDING, UVK_POSITIONS,
    UVK_FINAL_NORM_WEIGHT, UVK_FINAL_NORM_BIAS, UVK_HEAD_WEIGHT, /* of language models: an explanation stops before them, logits do not */
    UVK_SLOTS
} uvk_slot;

/* When a family's checkpoint has a tensor. */
typedef enum uvk_presence { UVK_ALWAYS, UVK_WITH_QKV_BIAS, UVK_WITH_OUT_BIAS, UVK_WITH_MLP_BIAS, UVK_WITH_HEAD_NORM, UVK_FOR_LOGITS } uvk_presence;

/* What a tensor is called and how it lies in the file. */
typedef struct uvk_tensor_name {
    const char *name;       /* with one %d for the block's index from 0, where it is a block's; NULL: the family has no such tensor */
    uvk_dim shape[5];       /* in the file, ended by UVK_DIM_END */
    uvk_presence presence;
    bool transposed;        /* [inputs, outputs] in the file; else [outputs, inputs] */
    int part, parts;        /* the part-th of so many equal parts, along the outputs; parts 0: all of it */
    bool unprefixed;        /* no prefix stands before the name */
} uvk_tensor_name;

/* Which blocks have the sliding window: none; all; those that config.json's layer_types or max_window_layers name. */
typedef enum uvk_sliding { UVK_SLIDES_NEVER, UVK_SLIDES_ALWAYS, UVK_SLIDES_BY_LAYER } uvk_sliding;

typedef struct uvk_family {
    const char *model_type;
    uvk_modality modality;
    const char *const *prefixes;    /* what checkpoints put before every name; NULL-ended, "" among them */
    /* Keys of config.json. One that is absent in a file takes its default, as in the library that wrote the file; one that is
     * NULL is none of this family's, and the default is what it is. */
    struct {
        const char *layers, *heads, *kv_heads, *width, *head_dim, *mlp, *epsilon, *activation, *qkv_bias, *out_bias, *mlp_bias;
        const char *image, *patch, *channels;
        const char *vocabulary, *context, *tied, *scale_attention, *scale_by_block;
    } keys;
    struct {
        int layers, heads, kv_heads, width, head_dim, mlp; /* kv_heads 0: heads; head_dim 0: width / heads; mlp 0: 4 width */
        double epsilon;
        const char *activation;
        bool qkv_bias, out_bias, mlp_bias;
        int image, patch, channels;
        int vocabulary, context;
        bool tied;
        int window;                 /* of sliding_window */
    } defaults;
    uvk_norm_kind norm;
    bool gated, head_norm, causal, rotary;
    uvk_sliding sliding;
    int special;                    /* tokens before the first patch */
    const uvk_tensor_name *tensors; /* [UVK_SLOTS] */
} uvk_family;

/* The family of that model_type, or NULL. */
const uvk_family *uvk_family_find(const char *model_type);

/* Reads and checks dir/config.json. */
uvk_status uvk_arch_load(const char *dir, uvk_arch *out, const uvk_family **family, uvk_error *err);

#endif
