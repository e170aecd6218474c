/* Maps as pictures. */
#ifndef UVK_CLI_HEATMAP_H
#define UVK_CLI_HEATMAP_H

#include "image.h"

/* The photo behind the maps, and where in it the patch grid lies, in its pixels (parts may stick out). */
typedef struct backdrop {
    uvk_image photo;
    bool owned;             /* photo.rgb is ours */
    int left, top, width, height;
    int rows, columns;      /* of patches */
} backdrop;

/* An array has no photo: what the model sees takes its place, scaled to be visible. */
uvk_status backdrop_open(const uvk_model_info *model, const uvk_input *input, backdrop *out, uvk_error *err);
void backdrop_close(backdrop *b);

/* A copy to paint on. */
uvk_status image_copy(const uvk_image *in, uvk_image *out, uvk_error *err);

/* scores[rows*columns] from least to most as 0..255, grey, one pixel a patch; owned by the caller. A flat map is black. */
uvk_status heatmap_grid(const float *scores, int rows, int columns, uvk_image *out, uvk_error *err);

/* The photo with one map over it and the target's patch outlined (target: its place in the grid, -1: none). */
uvk_status heatmap_write(const char *path, const backdrop *b, const float *scores, int target, uvk_error *err);

/* sheet.c: the photo beside all maps, each small at the place of its target. maps[i] holds rows*columns scores of the target at
 * place i of the grid, NULL where there is none: the photo shows there. */
uvk_status sheet_write(const char *path, const backdrop *b, const float *const *maps, uvk_error *err);

#endif
