/* Faithfulness of maps: how far a token's latent moves when the patches that its map names are masked (METHOD section 6). */
#ifndef UVK_PROBES_DRIFT_H
#define UVK_PROBES_DRIFT_H

#include "hide.h"

enum { UVK_DRIFT_STEPS = 9 }; /* 10 %, 20 % ... 90 % */

typedef struct uvk_drift {
    double positive[UVK_DRIFT_STEPS], negative[UVK_DRIFT_STEPS]; /* |z_i(masked) - z_i| / |z_i|, the most and the least relevant first */
    double auc_positive, auc_negative;                           /* over 0..90 %, from drift 0, divided by 0.9 */
    double gap;                                                  /* auc_positive - auc_negative: above 0 for a faithful map */
} uvk_drift;

/* How many of so many tokens step 1..9 hides: to the nearest (of two the even one), at least one of any. */
int uvk_drift_count(int tokens, int step);
/* |moved - z| / |z| of d numbers; NaN where |z| is 0. */
double uvk_relative_drift(const float *moved, const float *z, size_t d);
/* Fills in the areas and the gap. */
void uvk_drift_finish(uvk_drift *drift);

/* One map of one target: the patches but the target are hidden. z[d] is the target's own latent at the layer, scores[n] its map. 18 forward passes. NaN where there is no other
 * patch. */
uvk_status uvk_drift_measure(uvk_hider *h, int layer, int target, const float *z, const float *scores, uvk_drift *out, uvk_error *err);

#endif
