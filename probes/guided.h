/* Masks that follow the edges of a photo: the guided filter (He, Sun, Tang, "Guided Image Filtering", ECCV 2010, equations 14 to 16 for
 * colour). Around each pixel an image is fitted by a linear function of the guide's colours; where the guide has an edge, so has the fit. */
#ifndef UVK_PROBES_GUIDED_H
#define UVK_PROBES_GUIDED_H

#include "error.h"

typedef struct uvk_guide {
    int height, width, radius; /* windows have 2 radius + 1 pixels a side, fewer at the border */
    const float *pixels;       /* [3, height, width], 0..1, borrowed */
    double *mean;              /* [3][pixels] of the guide */
    double *inverse;           /* [6][pixels] of its covariance, whose diagonal is raised by epsilon: rr rg rb gg gb bb */
    double *room;              /* scratch */
} uvk_guide;

/* epsilon: the variance, of colours from 0 to 1, below which the guide is flat. uvk_guide_free follows a success; pixels outlive it. */
uvk_status uvk_guide_create(const float *pixels, int height, int width, int radius, double epsilon, uvk_guide *out, uvk_error *err);
void uvk_guide_free(uvk_guide *g);

/* image[height * width], in place. Not two calls with one guide at once. */
void uvk_guide_filter(const uvk_guide *g, double *image);

#endif
