/* A model folder, read and checked: its shape and where its tensors lie on disk. Knows no device. */
#ifndef UVK_MODELS_MODEL_H
#define UVK_MODELS_MODEL_H

#include "decoding.h"
#include "family.h"
#include "preprocess.h"
#include "safetensors.h"
#include "tokenizer.h"

struct uvk_model {
    char *path, *resolved; /* as given; without links and dots, for the name */
    uvk_arch arch;
    const uvk_family *family;
    uvk_tensor_file *file;
    const uvk_tensor_view **blocks;               /* [uvk_arch_blocks][UVK_BLOCK_SLOTS]; NULL: the model has no such tensor */
    const uvk_tensor_view *outside[UVK_SLOTS - UVK_BLOCK_SLOTS];
    uvk_preprocess preprocess;                    /* vision */
    char **labels;                                /* [classes] of the classifier; NULL: none, or a class without one */
    uvk_tokenizer *tokenizer;                     /* text; NULL where the folder has none, or a broken one: */
    uvk_error tokenizer_error;                    /* ids can be explained without it, text says what is wrong */
    uvk_decoding decoding;                        /* text: how it generates */
    uvk_model_info info;
    const char **unused;
};

/* What a slot's tensor is called and how it lies in the file. Blocks count from 0 here and below, the encoder's first; of what is outside
 * them, block is ignored. */
const uvk_tensor_name *uvk_model_slot(const uvk_model *model, int block, uvk_slot slot);

/* Rows (outputs) and columns (inputs) of a slot's matrix as the forward pass uses it; a vector has one row. Zeros when the model has
 * no such tensor. */
void uvk_model_slot_size(const uvk_model *model, int block, uvk_slot slot, uint64_t *rows, uint64_t *cols);

/* A tensor of a block, or one outside; NULL when the checkpoint has none. */
const uvk_tensor_view *uvk_model_tensor(const uvk_model *model, int block, uvk_slot slot);

/* What the texts of a whole model go through, as a model of its own from the same folder; UVK_BAD_INPUT where there is none. */
uvk_status uvk_model_load_text_tower(const uvk_model *whole, uvk_model **out, uvk_error *err);

#endif
