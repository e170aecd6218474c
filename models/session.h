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

/* Ways to keep the blocks' weights, each in less device memory than the one before. */
typedef enum uvk_residency {
    UVK_RESIDENT,    /* all on the device */
    UVK_TWO_BUFFERS, /* streamed: two blocks' */
    UVK_ONE_BUFFER,
    UVK_RESIDENCIES
} uvk_residency;

/* Room on the device for one block's weights. */
typedef struct uvk_block_buffer {
    uvk_pool *pool;
    uvk_block_weights weights;
    int block;         /* whose they are, from 1; 0: nobody's */
    uint64_t last_use; /* ticket of the work that reads them */
} uvk_block_buffer;

/* residency.c */
typedef struct uvk_residence {
    uvk_residency now;
    uint64_t bytes[UVK_RESIDENCIES]; /* what each takes; UINT64_MAX: not for this model */
    uint64_t held;                   /* what the present one truly took */
    uvk_pool *pool;                  /* resident */
    uvk_block_buffer buffers[2];     /* streamed */
    int entered;                     /* the block whose work is being recorded; 0: none */
    bool pinned;                     /* the weights are not those of the file */
} uvk_residence;

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

    uvk_residence residence;
    uvk_block_weights *weights;            /* [blocks], the encoder's first; streamed, without parts unless they are on the device */
    uvk_pool *outside;                     /* the weights outside the blocks */
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

/* residency.c: before the work of a block is recorded, its weights have to be at hand. Blocks count from 1. */
uvk_status uvk_residency_enter(uvk_session *s, int block, uvk_error *err);
uvk_status uvk_residency_open(uvk_session *s, uvk_error *err);
void uvk_residency_close(uvk_session *s);
/* The next way that takes less; UVK_RESIDENCIES: none does. */
uvk_residency uvk_residency_below(const uvk_session *s, uvk_residency from);
uvk_status uvk_residency_change(uvk_session *s, uvk_residency to, uvk_error *err);
/* Goes down until so many bytes of the budget are free, where some way leaves them. */
uvk_status uvk_residency_make_room(uvk_session *s, uint64_t bytes, uvk_error *err);
/* Bytes of the budget that would be free then, and those that would go to the device in a pass through so many blocks. */
uint64_t uvk_residency_free(const uvk_session *s, uvk_residency residency);
uint64_t uvk_residency_streamed(const uvk_session *s, uvk_residency residency, int blocks);
/* Weights about to be changed stay on the device: UVK_FAILED where they are streamed. Unpinned, they are those of the file again. */
uvk_status uvk_residency_pin(uvk_session *s, uvk_error *err);
uvk_status uvk_residency_unpin(uvk_session *s, uvk_error *err);

/* weights.c */
uvk_status uvk_weights_declare_outside(uvk_session *s, uvk_error *err);
uvk_status uvk_weights_upload_outside(uvk_session *s, uvk_error *err);
uvk_status uvk_weights_declare_block(const uvk_model *model, int block, uvk_pool *pool, uvk_block_weights *out, uvk_error *err);
uvk_status uvk_weights_upload_block(uvk_session *s, int block, uvk_block_weights *to, uvk_error *err);
/* Whether both have tensors of the same shapes. */
bool uvk_weights_alike(uvk_block_weights *a, uvk_block_weights *b);
/* Takes the memory from the tensors; their shapes stay. */
void uvk_weights_detach(uvk_block_weights *weights);
/* One matrix, query above key above value as it were, from the file to a tensor that has the rows of all n slots. */
uvk_status uvk_weights_upload_stack(uvk_session *s, int block, const uvk_slot *slots, int n, uvk_tensor *to, uvk_error *err);

/* activations.c: makes room for so many tokens; what the last forward left is lost when it grows. */
uvk_status uvk_session_reserve(uvk_session *s, uint32_t tokens, uvk_error *err);
/* Bytes that room for so many tokens takes, and how the weights are kept beside it. */
uvk_status uvk_session_forward_bytes(const uvk_session *s, uint32_t tokens, uvk_residency *residency, uint64_t *bytes, uvk_error *err);
/* Bytes of the budget that room and backward pass share, the weights kept that way. */
uint64_t uvk_session_available(const uvk_session *s, uvk_residency residency);

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
