/* Explanation rows: of a rig's session, and as they should be. */
#ifndef ROWS_H
#define ROWS_H

#include "rig.h"

/* 0..n-1, owned by the caller. */
int32_t *rows_all_tokens(int n);
/* What uvk_explain makes, [n_targets, n], owned by the caller; it may not fail. cost may be NULL. */
float *rows_explain(const rig *r, const uvk_explain_params *params, uvk_cost *cost);

/* How far rows that agreed were off, of the largest entry off the diagonal and of each row's own. */
typedef struct rows_off { double largest, own; } rows_off;

/* Whether all n rows agree: every entry within 2e-5 of the largest entry off the diagonal, and within 2e-4 of the largest of its own row. The
 * own entry is a one with something added: that may be the largest of its row, and the sum be off by one float32 step more. worst grows
 * and may be NULL. */
bool rows_agree(const double *expected, const float *found, int n, rows_off *worst);
/* The largest entry of a row beside its own. */
double rows_off_diagonal(const double *row, int n, int target);

#endif
