/* A model on a device: its weights, and the activations of the last forward pass that the gradient needs. */
#ifndef UVK_MODELS_SESSION_H
#define UVK_MODELS_SESSION_H

#include "gpu.h"
#include "model.h"

typedef struct uvk_block_weights {
    uvk_tensor norm1_weight, norm1_bias;   /* [1, d] */
    uvk_tensor qkv, qkv_bias;              /* [3d, d]: query, key, value one below the other */
    uvk_tensor out, out_bias;              /* [d, d] */
    uvk_tensor norm2_weight, norm2_bias;
    uvk_tensor up, up_bias;                /* [m, d] */
    uvk_tensor down, down_bias;            /* [d, m] */
} uvk_block_weights;

/* Kept from the forward pass; everything else is rebuilt. */
typedef struct uvk_block_activations {
    uvk_tensor z;               /* [n, d] entering the block */
    uvk_tensor norm1_stats;     /* [n, 2] */
    uvk_tensor qkv;             /* [n, 3d] */
    uvk_tensor attention_stats; /* [n, 2H] */
    uvk_tensor o;               /* [n, d] attention output before its projection */
    uvk_tensor middle;          /* [n, d] between attention and MLP */
    uvk_tensor norm2_stats;     /* [n, 2] */
    uvk_tensor slope;           /* [n, m] derivative of the activation */
} uvk_block_activations;

struct uvk_session {
    uvk_context *ctx;
    uvk_model *model;
    uvk_attention_shape attention;

    uvk_pool *weights_pool;
    uvk_block_weights *weights;            /* [layers] */
    uvk_tensor embedding;                  /* [n, d]: positions, plus the special tokens in their rows */
    uvk_tensor patch_weight, patch_bias;   /* [d, 3 p p] */

    uvk_pool *activations_pool;
    uvk_block_activations *activations;    /* [layers] */
    uvk_tensor z_last;                     /* z(L+1) */
    uvk_tensor patches;                    /* [patches, 3 p p] pixels */
    uvk_tensor normed, hidden;             /* [n, d], [n, m] scratch */

    bool forward_done;
    double forward_seconds, forward_device_seconds, forward_flop;
};

/* weights.c */
uvk_status uvk_weights_declare(uvk_session *s, uvk_error *err);
uvk_status uvk_weights_upload(uvk_session *s, uvk_error *err);

/* z(l), l in 1..L+1. */
const uvk_tensor *uvk_session_z(const uvk_session *s, int layer);

/* Seconds on a clock that only goes forward. */
double uvk_clock(void);

#endif
