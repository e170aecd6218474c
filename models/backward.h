/* Gradients of the residual stream for a chunk of targets at once, block by block downwards.
 *
 * No weight gradient exists, and no n x n matrix is stored: the caller takes what it wants of each attention between
 * uvk_backward_to_attention and uvk_backward_below_attention, while the kernels form dA tile by tile. */
#ifndef UVK_MODELS_BACKWARD_H
#define UVK_MODELS_BACKWARD_H

#include "session.h"

typedef struct uvk_chunk {
    uvk_pool *pool;
    uint32_t capacity, targets;   /* targets that fit, and that are in it now */
    uvk_tensor own, zero;         /* [capacity, 1] first tokens of the two windows: the target itself; the whole sequence */
    uvk_tensor g[2];              /* gradient of the residual stream, [targets, window.rows, d]; g[current] is the live one */
    int current;
    uvk_window window;            /* of g[current] */
    uvk_tensor d_x;               /* [targets, rows, d]: gradient inside a branch, then of the attention output */
    uvk_tensor wide;              /* [targets, rows, max(m, 3d)]: gradient of the MLP's hidden layer, then of q, k, v */
    uvk_tensor delta;             /* [targets, rows, H] */
} uvk_chunk;

/* Declares a chunk's tensors in its pool, which the caller creates, may add to, and commits. */
uvk_status uvk_chunk_declare(uvk_chunk *chunk, const uvk_session *s, uint32_t capacity, uvk_error *err);

/* Starts a chunk: seeds[targets, d] is the gradient of each target's scalar with respect to its own row of the stream. */
uvk_status uvk_chunk_begin(uvk_chunk *chunk, uvk_session *s, const uint32_t *tokens, uint32_t targets, const float *seeds, uvk_error *err);

/* From the block's output (block counts from 1) to the output of its attention. *out describes that attention; it points into
 * session and chunk. */
uvk_status uvk_backward_to_attention(uvk_session *s, uvk_chunk *chunk, int block, uvk_attention_gradient *out, uvk_error *err);
/* Where uvk_attention_columns is to leave the key and value gradients when the descent goes on. */
uvk_tensor uvk_chunk_d_qkv(const uvk_chunk *chunk, const uvk_session *s);
/* From there to the block's input; uvk_attention_columns must have filled uvk_chunk_d_qkv. */
uvk_status uvk_backward_below_attention(uvk_session *s, uvk_chunk *chunk, int block, const uvk_attention_gradient *g, uvk_error *err);

/* The window that reaches over the whole sequence, and the one of the target's own row. */
uvk_window uvk_window_all(const uvk_chunk *chunk, const uvk_session *s);
uvk_window uvk_window_own(const uvk_chunk *chunk);

#endif
