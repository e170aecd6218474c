/* --masks, --ignore and --classes: what a person labelled, as classes at the geometry of the model's input. */
#ifndef UVK_CLI_MASK_H
#define UVK_CLI_MASK_H

#include "error.h"

/* What each label of a mask stands for. */
typedef struct label_map {
    uint8_t classes[256]; /* 255: none */
    char *names[256];     /* of classes; NULL: it has none. Owned */
} label_map;

/* 255 is no class, nor are the labels of ignore ("0,255", may be NULL) and those that file (may be NULL) maps to null; a label that file
 * does not name is its own class. Release with label_map_free in any case. */
uvk_status label_map_open(const char *file, const char *ignore, label_map *out, uvk_error *err);
void label_map_free(label_map *map);

/* classes[image_height * image_width], owned by the caller, of FOLDER/STEM.png for the input at path; nearest neighbour. A mask that is
 * not of the photo's size: UVK_BAD_INPUT. */
uvk_status mask_load(const char *folder, const char *path, const uvk_model_info *model, const uvk_input_info *input, const label_map *map, uint8_t **classes, uvk_error *err);
/* How many classes there are in it. */
int mask_count(const uint8_t *classes, size_t pixels);

#endif
