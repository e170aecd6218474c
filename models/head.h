/* The output head of a language model: final norm, logits, and the gradient of a log probability. On the device only when it is
 * wanted, since it may be a third of a small model's weights. */
#ifndef UVK_MODELS_HEAD_H
#define UVK_MODELS_HEAD_H

#include "session.h"

/* Uploads the head unless it is there. A model without one: UVK_BAD_INPUT. */
uvk_status uvk_head_load(uvk_session *s, uvk_error *err);
void uvk_head_free(uvk_head *head); /* NULL is allowed */

/* Logits at count rows of z(L+1), whether a whole forward pass or a part of one left them, into out[count * vocabulary]. */
uvk_status uvk_head_logits(uvk_session *s, const int32_t *rows, int count, float *out, uvk_error *err);

/* d log p(ids[k] | ...) / d z(L+1) at row rows[k] into gradients[count * d]. ids[k] < 0 takes the likeliest token. */
uvk_status uvk_head_gradients(uvk_session *s, const int32_t *rows, const int32_t *ids, int count, float *gradients, uvk_error *err);

/* log p of each of count logits' ids, in double. */
double uvk_log_softmax(const float *logits, int count, int32_t id);
/* The largest; of equal ones the first. -1 when one is NaN. */
int32_t uvk_argmax(const float *logits, int count);

#endif
