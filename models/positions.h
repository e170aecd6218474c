/* Position embeddings of a grid of patches that the model was not trained for. */
#ifndef UVK_MODELS_POSITIONS_H
#define UVK_MODELS_POSITIONS_H

#include "family.h"

typedef struct uvk_grid {
    int rows, cols;
} uvk_grid;

/* from[rows, cols, d] interpolated to another grid as torch.nn.functional.interpolate(mode="bicubic", align_corners=False) does it,
 * without or with antialias. */
uvk_status uvk_positions_fit(const float *from, uvk_grid in, size_t d, uvk_interpolation how, uvk_grid out, float *to, uvk_error *err);

#endif
