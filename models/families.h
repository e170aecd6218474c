/* Every family there is; the list is in family.c. */
#ifndef UVK_MODELS_FAMILIES_H
#define UVK_MODELS_FAMILIES_H

#include "family.h"

extern const uvk_family uvk_family_vit, uvk_family_deit, uvk_family_dinov2, uvk_family_dinov2_with_registers, uvk_family_clip, uvk_family_clip_vision_model,
    uvk_family_siglip, uvk_family_siglip_vision_model;
extern const uvk_family uvk_family_clip_text, uvk_family_siglip_text; /* towers, not models: no folder names them */
extern const uvk_family uvk_family_gpt2, uvk_family_llama, uvk_family_mistral, uvk_family_qwen2, uvk_family_qwen3, uvk_family_bert;
extern const uvk_family uvk_family_bart, uvk_family_pegasus, uvk_family_t5;

#endif
