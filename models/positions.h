/* Positions: of a grid of patches that the model was not trained for, by distance, and computed ones. */
#ifndef UVK_MODELS_POSITIONS_H
#define UVK_MODELS_POSITIONS_H

#include "family.h"

typedef struct uvk_grid {
    int rows, cols;
} uvk_grid;

/* from[rows, cols, d] interpolated to another grid as torch.nn.functional.interpolate(mode="bicubic", align_corners=False) does it,
 * without or with antialias. */
uvk_status uvk_positions_fit(const float *from, uvk_grid in, size_t d, uvk_interpolation how, uvk_grid out, float *to, uvk_error *err);

/* T5's bucket of the distance key - token: the near ones have one each, the far ones share them on a logarithmic scale up to reach.
 * both_ways: half of the buckets are for keys after the token; else these count as distance 0. */
int uvk_relative_bucket(int distance, bool both_ways, int buckets, int reach);

/* Row `position` of the table that Pegasus computes: sines in the first half, cosines in the second. */
void uvk_sinusoidal_position(uint64_t position, size_t d, float *out);

#endif
