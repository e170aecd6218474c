/* A model on a device: its weights, and the activations of the last forward pass that the gradient needs. */
#ifndef UVK_MODELS_SESSION_H
#define UVK_MODELS_SESSION_H

#include "gpu.h"
#include "model.h"

/* What a model does not have, has no rows. */
typedef struct uvk_block_weights {
    uvk_tensor norm1_weight, norm1_bias;   /* [1, d]; post-norm: behind the attention */
    uvk_tensor qkv, qkv_bias;              /* [qkv, d]: query, key, value one below the other */
    uvk_tensor query_norm, key_norm;       /* [1, head_dim] */
    uvk_tensor out, out_bias;              /* [d, H head_dim], layer scale folded in */
    uvk_tensor norm2_weight, norm2_bias;   /* post-norm: behind the MLP */
    uvk_tensor up, up_bias;                /* [m, d]; gated [2m, d]: the gate above */
    uvk_tensor down, down_bias;            /* [d, m], layer scale folded in */
    /* The decoder's attention over the encoder's output, between attention and MLP. */
    uvk_tensor cross_norm_weight, cross_norm_bias;
    uvk_tensor cross_query, cross_query_bias;   /* [H head_dim, d] */
    uvk_tensor cross_memory, cross_memory_bias; /* [2 kv_heads head_dim, d]: key and value of the encoder's output */
    uvk_tensor cross_out, cross_out_bias;
} uvk_block_weights;

/* Kept from the forward pass; everything else is rebuilt. */
typedef struct uvk_block_activations {
    uvk_tensor z;               /* [n, d] entering the block */
    uvk_tensor norm1_stats;     /* [n, 2] */
    uvk_tensor raw, head_stats; /* [n, qkv] before the heads' own norms, [n, H + kv_heads]; only where there are such norms */
    uvk_tensor qkv;             /* [n, qkv]; with those of the tokens before, what a new token attends to */
    uvk_tensor attention_stats; /* [n, 2H] */
    uvk_tensor o;               /* [n, H head_dim] attention output before its projection */
    uvk_tensor sum1, sum2;      /* [n, d] what leaves attention and MLP before the norm behind them; post-norm only */
    uvk_tensor attended;        /* [n, d] between attention and cross attention; only where there is such */
    struct {
        uvk_tensor norm_stats, stats, o, sum;
        uvk_tensor qkv;         /* [n, qkv]; queries in the decoder's rows, keys and values in the encoder's */
    } cross;
    uvk_tensor middle;          /* [n, d] before the MLP */
    uvk_tensor norm2_stats;     /* [n, 2] */
    uvk_tensor slope;           /* [n, m or 2m] derivatives of the hidden layer */
} uvk_block_activations;

typedef struct uvk_activations {
    uvk_pool *pool;
    uint32_t capacity;             /* tokens */
    uvk_block_activations *blocks; /* [blocks], the encoder's first; all rows of the sequence, of which each side uses its own */
    uvk_tensor z_last;             /* z(L+1) */
    uvk_tensor encoded, memory;    /* [n, d] what leaves the encoder, and that normed where the family does so */
    uvk_tensor memory_stats;       /* [n, 2] */
    uvk_tensor patches;            /* [patches, 3 p p] pixels; vision */
    uvk_tensor rope;               /* [n, head_dim] rotary positions */
    uvk_tensor normed, hidden;     /* [n, d], [n, m] scratch */
    uvk_tensor slope;              /* where the budget is small: the slopes of one block, that of slope_block, rebuilt when needed */
    int slope_block;
} uvk_activations;

typedef struct uvk_head uvk_head; /* head.h */

struct uvk_session {
    uvk_context *ctx;
    uvk_model *model;

    uvk_pool *weights_pool;
    uvk_block_weights *weights;            /* [blocks], the encoder's first */
    uvk_tensor embedding;                  /* vision, [n, d]: positions, plus the special tokens in their rows */
    uvk_tensor patch_weight, patch_bias;   /* vision, [d, 3 p p] */
    uvk_tensor embedding_norm_weight[2], embedding_norm_bias[2]; /* [1, d]; of the decoder or of the only side, and of the encoder */
    uvk_tensor bias[2];                    /* [H, 2 reach + 1] by distance; likewise */
    uvk_tensor memory_norm_weight, memory_norm_bias; /* [1, d] */
    uvk_head *head;                        /* NULL until logits are wanted */

    uvk_activations activations;
    uint32_t tokens;                       /* n of the last forward; 0: none was run */
    uint32_t encoder_tokens;               /* how many of them are the encoder's, the first ones */
    int32_t *ids;                          /* [tokens] what it ran over; text */
    double forward_seconds, forward_device_seconds, forward_flop;
};

/* The tensor, or NULL where the model has none. */
static inline const uvk_tensor *uvk_present(const uvk_tensor *tensor) { return tensor->rows ? tensor : NULL; }

/* weights.c */
uvk_status uvk_weights_declare(uvk_session *s, uvk_error *err);
uvk_status uvk_weights_upload(uvk_session *s, uvk_error *err);
/* One matrix, query above key above value as it were, from the file to a tensor that has the rows of all n slots. */
uvk_status uvk_weights_upload_stack(uvk_session *s, int block, const uvk_slot *slots, int n, const uvk_tensor *to, uvk_error *err);

/* activations.c: makes room for so many tokens; what the last forward left is lost when it grows. */
uvk_status uvk_session_reserve(uvk_session *s, uint32_t tokens, uvk_error *err);
/* Bytes that room for so many tokens takes, and bytes of the budget that neither weights nor that room take. */
uvk_status uvk_session_forward_bytes(const uvk_session *s, uint32_t tokens, uint64_t *bytes, uint64_t *left, uvk_error *err);

/* forward.c: the derivatives of a block's hidden layer, rebuilt unless they are at hand. Blocks count from 1. */
uvk_status uvk_session_slope(uvk_session *s, int block, const uvk_tensor **slope, uvk_error *err);
/* The blocks, of an encoder-decoder the decoder's, over rows of the sequence whose z(1) is there; of the rows before only keys and values
 * are read. */
uvk_status uvk_forward_rows(uvk_session *s, uvk_range range, uvk_error *err);
/* z(1) of those rows from their token ids. */
uvk_status uvk_embed_ids(uvk_session *s, const int32_t *ids, uvk_range range, uvk_error *err);

/* z(l), l in 1..L+1. */
const uvk_tensor *uvk_session_z(const uvk_session *s, int layer);
/* What enters and what leaves block 1.., the encoder's counted first. */
const uvk_tensor *uvk_session_stream(const uvk_session *s, int block);
const uvk_tensor *uvk_session_output(const uvk_session *s, int block);
static inline uvk_extent uvk_session_extent(const uvk_session *s) { return (uvk_extent){s->tokens, s->encoder_tokens}; }
/* The encoder's output as the decoder sees it. */
static inline const uvk_tensor *uvk_session_memory(const uvk_session *s) { return s->activations.memory.rows ? &s->activations.memory : &s->activations.encoded; }
/* The bias on a block's scores; NULL: it has none. */
static inline const uvk_tensor *uvk_session_bias(const uvk_session *s, int block) { return s->bias[0].rows ? &s->bias[uvk_arch_encodes(&s->model->arch, block)] : NULL; }

/* Seconds on a clock that only goes forward. */
double uvk_clock(void);

#endif
