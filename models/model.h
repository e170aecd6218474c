/* A model folder, read and checked: its shape and where its tensors lie on disk. Knows no device. */
#ifndef UVK_MODELS_MODEL_H
#define UVK_MODELS_MODEL_H

#include "family.h"
#include "preprocess.h"
#include "safetensors.h"

struct uvk_model {
    char *path, *resolved; /* as given; without links and dots, for the name */
    uvk_arch arch;
    const uvk_family *family;
    uvk_tensor_file *file;
    const uvk_tensor_view **blocks;               /* [layers][UVK_BLOCK_SLOTS]; NULL: zeros */
    const uvk_tensor_view *outside[UVK_SLOTS - UVK_BLOCK_SLOTS];
    uvk_preprocess preprocess;
    uvk_model_info info;
    const char **unused;
};

/* A tensor of block 0..layers-1, or one outside (block is ignored); NULL when the checkpoint has none. */
const uvk_tensor_view *uvk_model_tensor(const uvk_model *model, int block, uvk_slot slot);

#endif
