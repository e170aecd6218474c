/* Every family there is; the list is in family.c. */
#ifndef UVK_MODELS_FAMILIES_H
#define UVK_MODELS_FAMILIES_H

#include "family.h"

extern const uvk_family uvk_family_vit, uvk_family_gpt2, uvk_family_llama, uvk_family_mistral, uvk_family_qwen2, uvk_family_qwen3;

#endif
