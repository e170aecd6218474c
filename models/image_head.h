/* What a model says of a whole image: class logits, or the embedding by which images and texts are compared, from z(L+1), and the
 * gradient of either. The text towers of CLIP and SigLIP say what they say of a text in the same way. On the host. */
#ifndef UVK_MODELS_IMAGE_HEAD_H
#define UVK_MODELS_IMAGE_HEAD_H

#include "model.h"

typedef enum uvk_image_head { UVK_CLASS_LOGITS, UVK_EMBEDDING } uvk_image_head;

/* How many numbers it says; 0: the checkpoint has no such head. */
int uvk_image_head_size(const uvk_model *m, uvk_image_head head);
/* Whether the head reads that token of n; and how many it reads. */
bool uvk_image_head_reads(const uvk_model *m, uvk_image_head head, int n, int token);
int uvk_image_head_count(const uvk_model *m, uvk_image_head head, int n);

/* out[size] of z[n, d]. A checkpoint without that head: UVK_BAD_INPUT. */
uvk_status uvk_image_head_run(const uvk_model *m, uvk_image_head head, const float *z, int n, double *out, uvk_error *err);
/* gradient[n, d] = d (sum_k weights[k] out[k]) / d z. */
uvk_status uvk_image_head_backward(const uvk_model *m, uvk_image_head head, const float *z, int n, const double *weights, double *gradient, uvk_error *err);

#endif
