/* Tokens in the order of their scores. */
#ifndef UVK_PROBES_ORDER_H
#define UVK_PROBES_ORDER_H

#include "error.h"

/* The tokens of 0..n-1 that candidate[n] says, the largest score first or the least, of equal ones the first before, into order[n];
 * *count receives how many. */
uvk_status uvk_order_tokens(const float *scores, const bool *candidate, int n, bool least_first, int32_t *order, int *count, uvk_error *err);

#endif
