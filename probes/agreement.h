/* How well scores agree with what a person marked (METHOD section 6, after ERASER). */
#ifndef UVK_PROBES_AGREEMENT_H
#define UVK_PROBES_AGREEMENT_H

#include "error.h"

/* Tokens start..end-1. */
typedef struct uvk_token_span { int start, end; } uvk_token_span;

typedef struct uvk_agreement {
    double token_f1; /* of the strongest tokens, as many as are marked, against those marked */
    double iou_f1;   /* the same by spans: runs of the strongest against the marked spans, a match where intersection over union is at least 0.5 */
    double auprc;    /* average precision of the scores, as scikit-learn's average_precision_score */
} uvk_agreement;

/* scores[n] of the tokens of a text; of equal ones the first counts as the stronger. spans: at least one, each within 0..n and not
 * empty; they may overlap, and one that is given twice counts once. */
uvk_status uvk_agreement_measure(const float *scores, int n, const uvk_token_span *spans, int n_spans, uvk_agreement *out, uvk_error *err);

#endif
