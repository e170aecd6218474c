/* Bicubic enlargement of maps on a grid: a = -0.75, half-pixel centres, no antialias, overshoot not clipped, as PyTorch's
 * interpolate(mode="bicubic", align_corners=False). It is linear and separable: a matrix for each side. */
#ifndef UVK_PROBES_BICUBIC_H
#define UVK_PROBES_BICUBIC_H

#include "error.h"

/* One side: what each of `to` pixels takes of `from` patches, weights[to * from]. */
void uvk_bicubic_weights(int from, int to, double *weights);

typedef struct uvk_enlargement {
    int rows, cols;       /* of the grid */
    int height, width;    /* of the image */
    double *vertical;     /* [height, rows] */
    double *horizontal;   /* [width, cols] */
    double *between;      /* [rows, width] scratch */
} uvk_enlargement;

uvk_status uvk_enlargement_create(int rows, int cols, int height, int width, uvk_enlargement *out, uvk_error *err);
void uvk_enlargement_free(uvk_enlargement *e);
/* image[height * width] of map[rows * cols]. */
void uvk_enlarge(const uvk_enlargement *e, const double *map, double *image);

#endif
