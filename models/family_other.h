/* What to say of a config.json that describes none of our families. */
#ifndef UVK_MODELS_FAMILY_OTHER_H
#define UVK_MODELS_FAMILY_OTHER_H

#include <cjson/cJSON.h>

/* "; ADVICE" for a model_type that is known to be another's, or "". */
const char *uvk_other_family(const char *model_type);
/* The same for a config without a model_type. */
const char *uvk_other_config(const cJSON *config);

#endif
