/* ULTraW (METHOD section 5): for each patch position the projection w that changes least when everything outside of the patch's segment is
 * perturbed. With the differences z - z~ of position i as the rows of D,
 *   w = argmin |D w|^2 + alpha |w - w0|^2,  alpha = lambda |D|^2 / d,  w0 = ones,
 * rescaled to |w0|. A position without differences keeps w0. */
#ifndef UVK_PROBES_REFINE_H
#define UVK_PROBES_REFINE_H

#include "error.h"

typedef struct uvk_differences {
    int patches, width;
    float **rows;        /* [patches] of [counts[i], width] each */
    int *counts, *capacities;
} uvk_differences;

uvk_status uvk_differences_create(int patches, int width, uvk_differences *out, uvk_error *err);
void uvk_differences_free(uvk_differences *d);
/* z - other, both [width], as a row of one patch. */
uvk_status uvk_differences_add(uvk_differences *d, int patch, const float *z, const float *other, uvk_error *err);

typedef struct uvk_refine_params {
    double lambda;
    bool closed;         /* solved at once; else by Adam in `steps` steps */
    int steps;
    void (*progress)(void *user, int step, int steps, double objective); /* may be NULL */
    bool (*interrupted)(void *user);                                     /* may be NULL; true: UVK_INTERRUPTED */
    void *user;
} uvk_refine_params;

typedef struct uvk_refine_report {
    long terms;                     /* differences, over all patches */
    double loss_before, loss_after; /* mean (w . (z - z~))^2 over them, of w0 and of the result */
    double objective;               /* what was minimised, at the minimum and before rescaling, over terms */
    double kept;                    /* mean cosine of w with w0 */
} uvk_refine_report;

/* weights[patches, width], owned by the caller. */
uvk_status uvk_refine(const uvk_differences *d, const uvk_refine_params *params, float *weights, uvk_refine_report *report, uvk_error *err);

/* Solves a x = b for a symmetric positive definite a[n, n], by Cholesky; a is lost, b becomes x. False when it is not that. */
bool uvk_solve_positive(double *a, int n, double *b);

#endif
