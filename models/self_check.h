/* The first use of a device: do its kernels compute what they should? */
#ifndef UVK_MODELS_SELF_CHECK_H
#define UVK_MODELS_SELF_CHECK_H

#include "gpu.h"

/* Lets the context take the best tier whose matrix product, norm, softmax and attention, forward and backward, agree with this file's own
 * arithmetic in double, and, where half precision is wanted, the best whose products do and are faster than those of float32. One that
 * is wrong is dropped with a warning. Verdicts are kept: with the same device, driver and kernels nothing is computed again.
 * UVK_NO_DEVICE when no tier of float32 is left. A budget or limits too small for the check: the context stays as it is. */
uvk_status uvk_self_check(uvk_context *ctx, uvk_error *err);

#endif
