/* Landmarks: a few patches are explained, the others get what their neighbours among them have. A row of one token becomes that of
 * another by exchanging their two entries: what the first drew of itself, and the 1 of e_i, the second then draws of itself. */
#ifndef UVK_PROBES_LANDMARKS_H
#define UVK_PROBES_LANDMARKS_H

#include "job.h"

typedef struct uvk_landmarks {
    int32_t *targets;  /* [count] what is explained: special tokens and landmarks, in the order of the job's targets */
    int count;
    int32_t *places;   /* [targets of the job] place of each in that list; -1: it is not explained */
    float *latents;    /* [n, d] z(layer), each of length 1 */
    double mean;       /* of 1 - cosine over all pairs of them */
} uvk_landmarks;

/* Chooses them among the targets of a job, whose forward pass was run; fewer than all are to be explained. uvk_landmarks_free follows, also after a failure. */
uvk_status uvk_landmarks_choose(const uvk_job *job, uvk_landmarks *out, uvk_error *err);
void uvk_landmarks_free(uvk_landmarks *landmarks);
/* From the rows of what was explained, [count, n], to those of all targets, [targets of the job, n]. */
uvk_status uvk_landmarks_spread(const uvk_job *job, const uvk_landmarks *landmarks, const float *explained, float *rows, uvk_error *err);

#endif
