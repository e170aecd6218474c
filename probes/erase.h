/* Faithfulness of contribution scores: what a summary's probability loses without the tokens that they name, and with those alone
 * (METHOD section 6, after ERASER, arXiv 1911.03429). */
#ifndef UVK_PROBES_ERASE_H
#define UVK_PROBES_ERASE_H

#include "hide.h"

enum { UVK_ERASE_STEPS = 5 };
extern const int uvk_erase_percent[UVK_ERASE_STEPS]; /* 1, 5, 10, 20, 50 */

typedef struct uvk_erasure {
    double comprehensiveness[UVK_ERASE_STEPS]; /* p(full) - p(without the top k %): large for a faithful map */
    double sufficiency[UVK_ERASE_STEPS];       /* p(full) - p(only the top k %): small for one */
    double aopc_comprehensiveness, aopc_sufficiency; /* their means */
} uvk_erasure;

/* How many of so many tokens k percent are: rounded up, at least one of any. */
int uvk_erase_count(int tokens, int percent);
/* sum += share * one, but for the means, which uvk_erasure_finish fills in. */
void uvk_erasure_add(uvk_erasure *sum, const uvk_erasure *one, double share);
void uvk_erasure_finish(uvk_erasure *erasure);

/* scores[n] of the hider's text rank its context tokens, the largest first. Eleven forward passes. NaN where no position predicts a summary token. */
uvk_status uvk_erase(uvk_hider *h, const float *scores, uvk_erasure *out, uvk_error *err);

#endif
