/* What to say of a model folder that has no weights we read. */
#ifndef UVK_MODELS_SAFETENSORS_MISSING_H
#define UVK_MODELS_SAFETENSORS_MISSING_H

#include "error.h"

/* UVK_BAD_INPUT: what was looked for in dir, and what to do about the weights of another kind that are there instead. */
uvk_status uvk_fail_no_weights(const char *dir, uvk_error *err);
/* The same for a folder without config.json. */
uvk_status uvk_fail_no_config(const char *dir, uvk_error *err);

#endif
