/* vit: the original Vision Transformer (arXiv 2010.11929), as ViTModel and ViTForImageClassification are saved. */
#ifndef UVK_MODELS_FAMILY_VIT_H
#define UVK_MODELS_FAMILY_VIT_H

#include "family.h"

extern const uvk_family uvk_family_vit;

#endif
