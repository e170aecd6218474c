/* Small layers on the host, in double: what a model says of a whole image or text is one row's worth of work. */
#ifndef UVK_MODELS_DENSE_H
#define UVK_MODELS_DENSE_H

#include "ops.h"
#include "safetensors.h"

/* A linear layer as it lies in the file: rows first_row .. first_row + rows - 1 of weight[, stride], of each the cols numbers from first_col on. */
typedef struct uvk_dense {
    const uvk_tensor_view *weight, *bias; /* bias[rows of weight]; NULL: none */
    size_t first_row, rows, first_col, cols, stride;
} uvk_dense;

/* y[rows] += share (W x + b) of x[cols]. scratch holds cols floats. */
void uvk_dense_add(const uvk_dense *l, const double *x, double share, float *scratch, double *y);
/* dx[cols] += share W^T dy. */
void uvk_dense_backward(const uvk_dense *l, const double *dy, double share, float *scratch, double *dx);

/* LayerNorm with weight[d] and bias[d]: y of x, and dx += the gradient of dy. */
typedef struct uvk_layer_norm {
    const float *weight, *bias;
    size_t d;
    double epsilon;
} uvk_layer_norm;

void uvk_layer_norm_run(const uvk_layer_norm *l, const double *x, double *y);
void uvk_layer_norm_backward(const uvk_layer_norm *l, const double *x, const double *dy, double *dx);

/* act(x) and its derivative. */
double uvk_activation_of(uvk_activation kind, double x, double *slope);

#endif
