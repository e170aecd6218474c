/* Where a generated text ends. */
#ifndef UVK_MODELS_STOP_IDS_H
#define UVK_MODELS_STOP_IDS_H

#include "error.h"

/* eos_token_id, a number or a list of them, of dir/generation_config.json, else of dir/config.json; *count is 0 where neither says.
 * Not a number, beyond the vocabulary, more than capacity: UVK_BAD_INPUT. */
uvk_status uvk_stop_ids_load(const char *dir, int vocabulary, int32_t *ids, int capacity, int *count, uvk_error *err);

#endif
