/* SigLIP's pooling: a learned query attends to all patches, and an MLP with a norm before it follows. On the host, in double. */
#ifndef UVK_MODELS_ATTENTION_POOL_H
#define UVK_MODELS_ATTENTION_POOL_H

#include "model.h"

/* out[d] of y[n, d], the normed last layer. */
uvk_status uvk_attention_pool(const uvk_model *m, const double *y, size_t n, double *out, uvk_error *err);
/* dy[n, d] = d (sum_k weights[k] out[k]) / d y. */
uvk_status uvk_attention_pool_backward(const uvk_model *m, const double *y, size_t n, const double *weights, double *dy, uvk_error *err);

#endif
