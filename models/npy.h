/* NumPy .npy files, format 1.0 to 3.0, C order, little-endian. */
#ifndef UVK_MODELS_NPY_H
#define UVK_MODELS_NPY_H

#include "safetensors.h"

typedef struct uvk_npy {
    uvk_dtype dtype; /* F32, F64, I64, I32 and the small ones; anything else is refused by uvk_npy_load */
    int rank;
    uint64_t shape[UVK_MAX_RANK];
    uint64_t count;
    void *data;      /* owned; aligned */
} uvk_npy;

uvk_status uvk_npy_load(const char *path, uvk_npy *out, uvk_error *err);
void uvk_npy_free(uvk_npy *npy);
/* Writes float32 through a temporary name that is renamed when complete. */
uvk_status uvk_npy_save_f32(const char *path, const float *data, int rank, const uint64_t *shape, uvk_error *err);

#endif
