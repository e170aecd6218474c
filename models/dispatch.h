/* What the files that record dispatches share: models/ops.c and models/products.c. */
#ifndef UVK_MODELS_DISPATCH_H
#define UVK_MODELS_DISPATCH_H

#include "gpu.h"

static inline uint64_t uvk_divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Which kernels the device takes: uvk_limits. */
static inline bool uvk_is_direct(const uvk_context *ctx)
{
    return uvk_context_limits(ctx)->direct;
}

static inline bool uvk_is_wide(const uvk_context *ctx)
{
    return uvk_context_limits(ctx)->wide;
}

/* The one binding of a tensor that is not cut. */
static inline uvk_span uvk_whole(const uvk_tensor *tensor)
{
    return tensor->parts[0];
}

/* Of that part; the last may have fewer. */
static inline uint64_t uvk_part_rows(const uvk_tensor *tensor, uint32_t part)
{
    uint64_t first = part * tensor->part_rows;
    return tensor->rows - first < tensor->part_rows ? tensor->rows - first : tensor->part_rows;
}

#endif
