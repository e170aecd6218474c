/* Numbers that compare rankings and curves. */
#ifndef UVK_PROBES_STATISTICS_H
#define UVK_PROBES_STATISTICS_H

#include "error.h"

/* Spearman's rank correlation of x[n] and y[n], ties at their mean rank; NaN where n < 2, one of them is constant or
 * holds a NaN. */
uvk_status uvk_spearman(const double *x, const double *y, int n, double *out, uvk_error *err);

/* Trapezoids under y[n] over x[n], x ascending. */
double uvk_trapezoid(const double *x, const double *y, int n);

#endif
