/* ULTraW's learned projections (METHOD section 5) as a file: one vector a patch, bound to the model and the layer they were learned at. */
#ifndef UVK_PROBES_PROJECTION_H
#define UVK_PROBES_PROJECTION_H

#include "error.h"

typedef struct uvk_projection {
    float *weights;  /* [patches, width]; owned */
    int layer;
    char sha256[65]; /* of the file */
} uvk_projection;

/* A file that is not one of ours, or of another model or grid: UVK_BAD_INPUT. */
uvk_status uvk_projection_load(const char *path, const uvk_model_info *model, uvk_projection *out, uvk_error *err);
/* more: further pairs of metadata. */
uvk_status uvk_projection_save(const char *path, const uvk_model_info *model, const float *weights, int layer, const char *const *more, size_t n_more, uvk_error *err);
void uvk_projection_free(uvk_projection *projection);

#endif
