/* A model family is data: which keys of config.json say what, and what each tensor is called. The forward pass and its gradient
 * are the same code for all of them (forward.c, backward.c). Adding a family: CONTRIBUTING.md. */
#ifndef UVK_MODELS_FAMILY_H
#define UVK_MODELS_FAMILY_H

#include "json.h"
#include "ops.h"
#include "rope.h"

enum { UVK_MAX_LAYERS = 1024 };

/* What of the last layer a vision model's classifier reads: CLS, the mean of the patches, or the one beside the other. */
typedef enum uvk_pooling { UVK_POOL_FIRST, UVK_POOL_PATCHES, UVK_POOL_BOTH } uvk_pooling;

/* The shape of one model, from its config.json. */
typedef struct uvk_arch {
    const char *family;
    uvk_modality modality;
    int layers;                     /* of an encoder-decoder, the decoder's */
    int encoder_layers;             /* 0: there is no encoder beside it */
    int heads, kv_heads, width, head_dim, mlp_width;
    uvk_norm_kind norm;
    double norm_epsilon;
    uvk_activation activation;
    bool gated;                     /* act(gate) * up instead of act(up) */
    bool head_norm;                 /* every query and key head has an RMSNorm of its own */
    bool qkv_bias, out_bias, mlp_bias;
    bool scale_attention;           /* scores are divided by sqrt(head_dim) ... */
    bool scale_by_block;            /* ... and by the block's number, from 1 */
    bool causal;
    bool post_norm;                 /* x' = norm(x + branch(x)) instead of x + branch(norm(x)) */
    /* vision */
    int image_height, image_width, patch, channels;
    int special, registers;         /* tokens before the first patch, and how many of them, the last ones, have no position */
    int trained_rows, trained_cols; /* the grid that the position embeddings were made for */
    int classes;                    /* of the classifier, where there is one */
    uvk_pooling pooling;
    int projection;                 /* numbers in the embedding of an image or of a text, in a model that compares them */
    int32_t padding;                /* what a text tower's texts are filled up with; -1: they are not */
    /* text */
    int vocabulary, context, segments;
    bool tied;                      /* the token embedding is the output head as well */
    bool rotary;
    uvk_rope rope;
    int window;                     /* of the blocks that slide */
    bool slides[UVK_MAX_LAYERS];
    double embedding_scale;         /* of the token embeddings */
    double logit_scale;
    int position_offset;            /* the row of the first position in its table */
    int relative_buckets, relative_reach; /* positions as a bias on the scores, the same for all distances from relative_reach on; 0: none */
    int32_t decoder_start;          /* what the decoder's sequence begins with */
} uvk_arch;

/* Tokens of a sequence; the first so many of them are the encoder's, where there is one. */
typedef struct uvk_extent {
    uint32_t tokens, encoder;
} uvk_extent;

/* Blocks count from 1, the encoder's first. */
static inline int uvk_arch_blocks(const uvk_arch *a) { return a->encoder_layers + a->layers; }
static inline bool uvk_arch_encodes(const uvk_arch *a, int block) { return block <= a->encoder_layers; }
static inline bool uvk_arch_crosses(const uvk_arch *a, int block) { return a->encoder_layers && block > a->encoder_layers; }

static inline int uvk_arch_grid_rows(const uvk_arch *a) { return a->patch ? a->image_height / a->patch : 0; }
static inline int uvk_arch_grid_cols(const uvk_arch *a) { return a->patch ? a->image_width / a->patch : 0; }
/* Tokens of an image. */
static inline int uvk_arch_tokens(const uvk_arch *a) { return a->special + uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a); }
/* Whether it gives each next token of a text a probability. */
static inline bool uvk_arch_predicts(const uvk_arch *a) { return a->modality == UVK_TEXT && a->causal; }
/* The attention of a block over its own side of the sequence, and that of a decoder's block over the encoder's side. */
uvk_attention_shape uvk_arch_attention(const uvk_arch *a, int block, uvk_extent extent);
uvk_attention_shape uvk_arch_cross_attention(const uvk_arch *a, uvk_extent extent);

/* A dimension of a tensor, resolved against an uvk_arch. */
typedef enum uvk_dim {
    UVK_DIM_END, UVK_DIM_ONE, UVK_DIM_WIDTH, UVK_DIM_MLP, UVK_DIM_CHANNELS, UVK_DIM_PATCH,
    UVK_DIM_GATE_AND_UP, /* 2 MLP */
    UVK_DIM_POSITIONS,  /* of special tokens that have one, and of the grid that was trained */
    UVK_DIM_REGISTERS, UVK_DIM_SEGMENTS,
    UVK_DIM_QUERY,      /* heads * head_dim */
    UVK_DIM_KEY,        /* kv_heads * head_dim */
    UVK_DIM_QKV,        /* QUERY + 2 KEY */
    UVK_DIM_HEAD, UVK_DIM_VOCABULARY, UVK_DIM_CONTEXT, /* with the rows before the first position */
    UVK_DIM_BUCKETS, UVK_DIM_HEADS,
    UVK_DIM_CLASSES, UVK_DIM_POOLED, UVK_DIM_PROJECTION
} uvk_dim;

/* The tensors of a block, and those outside. */
typedef enum uvk_slot {
    UVK_NORM1_WEIGHT, UVK_NORM1_BIAS,
    UVK_QUERY_WEIGHT, UVK_QUERY_BIAS, UVK_KEY_WEIGHT, UVK_KEY_BIAS, UVK_VALUE_WEIGHT, UVK_VALUE_BIAS,
    UVK_QUERY_NORM, UVK_KEY_NORM,
    UVK_OUT_WEIGHT, UVK_OUT_BIAS,
    UVK_NORM2_WEIGHT, UVK_NORM2_BIAS,
    UVK_GATE_WEIGHT, UVK_GATE_BIAS, UVK_UP_WEIGHT, UVK_UP_BIAS, UVK_DOWN_WEIGHT, UVK_DOWN_BIAS,
    UVK_OUT_SCALE, UVK_DOWN_SCALE, /* layer scale: multiplied into the outputs of UVK_OUT and UVK_DOWN */
    UVK_CROSS_NORM_WEIGHT, UVK_CROSS_NORM_BIAS,
    UVK_CROSS_QUERY_WEIGHT, UVK_CROSS_QUERY_BIAS, UVK_CROSS_KEY_WEIGHT, UVK_CROSS_KEY_BIAS, UVK_CROSS_VALUE_WEIGHT, UVK_CROSS_VALUE_BIAS,
    UVK_CROSS_OUT_WEIGHT, UVK_CROSS_OUT_BIAS,
    UVK_BLOCK_SLOTS,
    UVK_CLS = UVK_BLOCK_SLOTS, UVK_DISTILLATION, UVK_REGISTERS, UVK_PATCH_WEIGHT, UVK_PATCH_BIAS,
    UVK_TOKEN_EMBEDDING, UVK_POSITIONS,
    UVK_SEGMENTS,                       /* of which a text has the first */
    UVK_EMBEDDING_NORM_WEIGHT, UVK_EMBEDDING_NORM_BIAS, /* between embeddings and z(1) */
    UVK_RELATIVE_BIAS,
    UVK_ENCODER_POSITIONS, UVK_ENCODER_EMBEDDING_NORM_WEIGHT, UVK_ENCODER_EMBEDDING_NORM_BIAS, UVK_ENCODER_RELATIVE_BIAS,
    UVK_ENCODER_NORM_WEIGHT, UVK_ENCODER_NORM_BIAS, /* between the encoder's last block and the decoder */
    UVK_HEAD_BIAS,
    UVK_FINAL_NORM_WEIGHT, UVK_FINAL_NORM_BIAS, UVK_HEAD_WEIGHT, /* an explanation stops before them, logits do not */
    /* Of a whole image: the classifier, DeiT's second one, which reads the distillation token, and the projection to where images and texts
     * are compared; of a text tower, the text's. */
    UVK_CLASSIFIER_WEIGHT, UVK_CLASSIFIER_BIAS, UVK_DISTILLED_WEIGHT, UVK_DISTILLED_BIAS, UVK_PROJECTION_WEIGHT, UVK_PROJECTION_BIAS,
    /* SigLIP's embedding of an image: a learned query attends to the patches; an MLP follows. */
    UVK_POOL_QUERY, UVK_POOL_QKV_WEIGHT, UVK_POOL_QKV_BIAS, UVK_POOL_OUT_WEIGHT, UVK_POOL_OUT_BIAS, UVK_POOL_NORM_WEIGHT, UVK_POOL_NORM_BIAS,
    UVK_POOL_UP_WEIGHT, UVK_POOL_UP_BIAS, UVK_POOL_DOWN_WEIGHT, UVK_POOL_DOWN_BIAS,
    UVK_SLOTS
} uvk_slot;

/* When a family's checkpoint has a tensor. */
typedef enum uvk_presence { UVK_ALWAYS, UVK_WITH_QKV_BIAS, UVK_WITH_OUT_BIAS, UVK_WITH_MLP_BIAS, UVK_WITH_HEAD_NORM, UVK_WITH_REGISTERS, UVK_IF_THERE, UVK_FOR_LOGITS } uvk_presence;

/* What a tensor is called and how it lies in the file. */
typedef struct uvk_tensor_name {
    const char *name;       /* with one %d for the block's index from 0, where it is a block's; NULL: the family has no such tensor */
    const char *old_name;   /* what older checkpoints call it; NULL: the same */
    uvk_dim shape[5];       /* in the file, ended by UVK_DIM_END */
    uvk_presence presence;
    bool transposed;        /* [inputs, outputs] in the file; else [outputs, inputs] */
    int part, parts;        /* the part-th of so many equal parts, along the outputs; parts 0: all of it */
    uvk_slot scale;         /* a vector that its outputs are multiplied by; 0: none */
    bool unprefixed;        /* no prefix stands before the name */
} uvk_tensor_name;

/* Which blocks have the sliding window: none; all; those that config.json's layer_types or max_window_layers name. */
typedef enum uvk_sliding { UVK_SLIDES_NEVER, UVK_SLIDES_ALWAYS, UVK_SLIDES_BY_LAYER } uvk_sliding;

/* How transformers fits position embeddings to another grid: F.interpolate, bicubic, without or with antialias. */
typedef enum uvk_interpolation { UVK_BICUBIC_PLAIN, UVK_BICUBIC_ANTIALIAS } uvk_interpolation;

typedef struct uvk_family {
    const char *model_type;
    uvk_modality modality;
    const char *section;            /* the object of config.json that describes this tower of a model with several; NULL: all of it */
    const char *const *prefixes;    /* what checkpoints put before every name; NULL-ended, "" among them */
    /* Keys of config.json. One that is absent in a file takes its default, as in the library that wrote the file; one that is
     * NULL is none of this family's, and the default is what it is. */
    struct {
        const char *layers, *heads, *kv_heads, *width, *head_dim, *mlp, *epsilon, *activation, *qkv_bias, *out_bias, *mlp_bias;
        const char *mlp_ratio;      /* the MLP's width over the model's, instead of mlp */
        const char *gated;          /* the MLP is SwiGLU, of two thirds of that width rounded up to a multiple of 8 */
        const char *image, *patch, *channels, *registers;
        const char *vocabulary, *context, *segments, *tied, *scale_attention, *scale_by_block;
        const char *encoder_layers, *encoder_heads, *encoder_mlp, *scale_embedding; /* of encoder-decoders; heads and MLP must be the decoder's */
        const char *relative_buckets, *relative_reach, *scale_logits;
        const char *projection;     /* of the whole model or, where that has no such key, of this tower */
    } keys;
    struct {
        int layers, heads, kv_heads, width, head_dim, mlp; /* kv_heads 0: heads; head_dim 0: width / heads; mlp 0: 4 width */
        double epsilon;
        const char *activation;
        bool qkv_bias, out_bias, mlp_bias;
        int mlp_ratio, registers;
        int image, patch, channels;
        int vocabulary, context, segments;
        bool tied;
        int encoder_layers, decoder_start, relative_buckets, relative_reach;
        int window;                 /* of sliding_window */
        int projection;             /* 0: the width */
    } defaults;
    uvk_norm_kind norm;
    bool gated, head_norm, causal, rotary, post_norm, unscaled; /* unscaled: scores are not divided by sqrt(head_dim) */
    bool sinusoidal;                /* positions are computed where the checkpoint has no table */
    int position_offset;
    uvk_sliding sliding;
    int special;                    /* tokens before the first patch, without registers */
    bool any_size;                  /* takes images of whatever size the preprocessor makes */
    uvk_interpolation interpolation;
    uvk_pooling pooling;
    bool pools_unnormed;            /* no norm stands before the classifier */
    const uvk_tensor_name *tensors; /* [UVK_SLOTS] */
    const uvk_tensor_name *gated_tensors; /* [UVK_SLOTS] those that are others where config.json says that the MLP is gated; may be NULL */
    const uvk_tensor_name *encoder_tensors, *gated_encoder_tensors; /* [UVK_BLOCK_SLOTS] of the encoder's blocks */
    const struct uvk_family *text_tower; /* of a whole model, what its texts go through; NULL: there is none */
    bool padded;                    /* a text tower that was trained on texts filled up to its context */
} uvk_family;

/* The family of that model_type, or NULL. */
const uvk_family *uvk_family_find(const char *model_type);

/* Reads and checks dir/config.json; *family NULL is the one that its model_type names, else that tower of a whole model. */
uvk_status uvk_arch_load(const char *dir, uvk_arch *out, const uvk_family **family, uvk_error *err);
/* Makes a vision model take images of another size than it was trained for. UVK_USAGE when that has no patch or too many. */
uvk_status uvk_arch_resize(uvk_arch *a, int height, int width, uvk_error *err);
/* A slot's tensor in block 1.. of a model of this shape; of one outside the blocks, block is ignored. */
const uvk_tensor_name *uvk_family_tensor(const uvk_family *f, const uvk_arch *a, int block, uvk_slot slot);

#endif
