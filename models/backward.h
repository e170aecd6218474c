/* Gradients of the residual stream for a chunk of targets at once, block by block downwards.
 *
 * No weight gradient exists, and no n x n matrix is stored: the caller takes what it wants of each attention between
 * uvk_backward_to_attention and uvk_backward_below_attention, while the kernels form dA tile by tile. */
#ifndef UVK_MODELS_BACKWARD_H
#define UVK_MODELS_BACKWARD_H

#include "session.h"

/* Where the gradient of one level of the stream can differ from zero. Level b is the output of block b, level 0 the input; of an
 * encoder-decoder, the decoder's input is the level of the encoder's last block. */
typedef struct uvk_level {
    uvk_tensor first;             /* [capacity, 1] */
    uint32_t rows;
} uvk_level;

typedef struct uvk_chunk {
    uvk_pool *pool;
    int top;                      /* the level that the targets stand on: layer - 1 */
    uint32_t capacity, targets;   /* targets that fit, and that are in it now */
    bool skip_mlp;                /* MLPs are taken to have no derivative; set before it is declared */
    bool whole;                   /* the scalar is of all tokens at the top level, and not of each target's own; set before it is declared */
    uvk_tensor own;               /* [capacity, 1] the targets themselves */
    uvk_level *levels;            /* [top + 1] */
    uvk_tensor g[2];              /* gradient of the residual stream, [targets, rows of the level, d]; g[current] is the live one */
    int current;
    uvk_tensor d_x;               /* [targets, rows, max(d, H head_dim)]: gradient inside a branch, then of the attention output */
    uvk_tensor wide;              /* gradient of the MLP's hidden layer, then of queries, keys and values */
    uvk_tensor delta;             /* [targets, rows, H] */
    uint32_t encoder_tokens;
    uvk_tensor encoder_first;     /* [capacity, 1] zeros: the encoder's rows are the first, all of them at every level */
    uvk_tensor g_memory;          /* [targets, encoder rows, d] gradient of the encoder's output, gathered from the decoder's blocks */
    bool gathered;                /* g_memory holds something */
    bool in_encoder;              /* g is of the encoder's stream */
    uvk_attention_shape shape;    /* of the block that the descent is in */
} uvk_chunk;

/* Declares a chunk's tensors in its pool, which the caller creates, may add to, and commits: for targets at level `top` of a
 * sequence of that extent, none of them after token last, going down to the gradient of level `bottom`, or to the attention
 * of the block below it. uvk_chunk_free follows, also after a failure. */
uvk_status uvk_chunk_declare(uvk_chunk *chunk, const uvk_session *s, uvk_extent extent, uint32_t last, int top, int bottom, uint32_t capacity, uvk_error *err);
void uvk_chunk_free(uvk_chunk *chunk); /* all but the pool */

/* Starts a chunk: seeds[targets, d] is the gradient of each target's scalar with respect to its own row of the stream; of a whole one,
 * seeds[targets, n, d] with respect to all of it. */
uvk_status uvk_chunk_begin(uvk_chunk *chunk, uvk_session *s, const uint32_t *tokens, uint32_t targets, const float *seeds, uvk_error *err);

/* In a decoder beside an encoder, from the block's output to that of its attention over the encoder; and, once uvk_attention_columns has
 * filled uvk_chunk_d_qkv, from there on, before uvk_backward_to_attention. */
uvk_status uvk_backward_to_cross(uvk_session *s, uvk_chunk *chunk, int block, uvk_attention_gradient *out, uvk_error *err);
uvk_status uvk_backward_below_cross(uvk_session *s, uvk_chunk *chunk, int block, const uvk_attention_gradient *g, uvk_error *err);
/* From the block's output (block counts from 1, the encoder's first; the first encoder block that comes takes up what the decoder's
 * gathered) to the output of its attention. *out describes that attention; it points into
 * session and chunk. */
uvk_status uvk_backward_to_attention(uvk_session *s, uvk_chunk *chunk, int block, uvk_attention_gradient *out, uvk_error *err);
/* Where uvk_attention_columns is to leave the key and value gradients when the descent goes on. */
uvk_tensor uvk_chunk_d_qkv(const uvk_chunk *chunk, const uvk_attention_gradient *g);
/* From there to the block's input; uvk_attention_columns must have filled uvk_chunk_d_qkv. */
uvk_status uvk_backward_below_attention(uvk_session *s, uvk_chunk *chunk, int block, const uvk_attention_gradient *g, uvk_error *err);

/* The rows that can differ from zero at a level, and the target's own row. */
uvk_window uvk_chunk_window(const uvk_chunk *chunk, int level);
uvk_window uvk_window_own(const uvk_chunk *chunk);

#endif
