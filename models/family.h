/* A model family is data: which keys of config.json say what, and what each tensor is called. The forward pass and its gradient
 * are the same code for all of them (forward.c, backward.c). Adding a family: CONTRIBUTING.md. */
#ifndef UVK_MODELS_FAMILY_H
#define UVK_MODELS_FAMILY_H

#include "json.h"
#include "ops.h"

/* The shape of one model, from its config.json. */
typedef struct uvk_arch {
    const char *family;
    int layers, heads, width, head_dim, mlp_width;
    int image_height, image_width, patch, channels, special;
    bool qkv_bias;
    double norm_epsilon;
    uvk_activation activation;
} uvk_arch;

static inline int uvk_arch_grid_rows(const uvk_arch *a) { return a->image_height / a->patch; }
static inline int uvk_arch_grid_cols(const uvk_arch *a) { return a->image_width / a->patch; }
static inline int uvk_arch_tokens(const uvk_arch *a) { return a->special + uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a); }

/* A dimension of a tensor, resolved against an uvk_arch. */
typedef enum uvk_dim { UVK_DIM_END, UVK_DIM_ONE, UVK_DIM_WIDTH, UVK_DIM_MLP, UVK_DIM_TOKENS, UVK_DIM_CHANNELS, UVK_DIM_PATCH } uvk_dim;

/* The tensors of a block, and those outside. */
typedef enum uvk_slot {
    UVK_NORM1_WEIGHT, UVK_NORM1_BIAS,
    UVK_QUERY_WEIGHT, UVK_QUERY_BIAS, UVK_KEY_WEIGHT, UVK_KEY_BIAS, UVK_VALUE_WEIGHT, UVK_VALUE_BIAS,
    UVK_OUT_WEIGHT, UVK_OUT_BIAS,
    UVK_NORM2_WEIGHT, UVK_NORM2_BIAS,
    UVK_UP_WEIGHT, UVK_UP_BIAS, UVK_DOWN_WEIGHT, UVK_DOWN_BIAS,
    UVK_BLOCK_SLOTS,
    UVK_CLS = UVK_BLOCK_SLOTS, UVK_POSITIONS, UVK_PATCH_WEIGHT, UVK_PATCH_BIAS,
    UVK_SLOTS
} uvk_slot;

/* When a family's checkpoint has a tensor; where it has none, zeros stand in. */
typedef enum uvk_presence { UVK_ALWAYS, UVK_WITH_QKV_BIAS } uvk_presence;

typedef struct uvk_tensor_name {
    const char *name;    /* with one %d for the block's index from 0, where it is a block's; NULL: the family has no such tensor */
    uvk_dim shape[5];    /* ended by UVK_DIM_END */
    uvk_presence presence;
} uvk_tensor_name;

typedef struct uvk_family {
    const char *model_type;
    const char *const *prefixes;  /* what checkpoints put before every name; NULL-ended, "" among them */
    /* Keys of config.json; a key that is absent takes its default, as in the library that wrote the file. */
    struct { const char *layers, *heads, *width, *mlp, *epsilon, *activation, *image, *patch, *channels, *qkv_bias; } keys;
    struct { int layers, heads, width, mlp; double epsilon; const char *activation; int image, patch, channels; bool qkv_bias; } defaults;
    int special;                  /* tokens before the first patch */
    uvk_tensor_name tensors[UVK_SLOTS];
} uvk_family;

/* The family of that model_type, or NULL. */
const uvk_family *uvk_family_find(const char *model_type);

/* Reads and checks dir/config.json. */
uvk_status uvk_arch_load(const char *dir, uvk_arch *out, const uvk_family **family, uvk_error *err);

#endif
