/* Weights on disk: model.safetensors, or model.safetensors.index.json and its shards. Memory-mapped, never copied whole. */
#ifndef UVK_MODELS_SAFETENSORS_H
#define UVK_MODELS_SAFETENSORS_H

#include "error.h"

typedef enum uvk_dtype { UVK_F32, UVK_F16, UVK_BF16, UVK_F64, UVK_I64, UVK_I32, UVK_I16, UVK_I8, UVK_U8, UVK_BOOL } uvk_dtype;

enum { UVK_MAX_RANK = 8 };

typedef struct uvk_tensor_view {
    const char *name;
    const char *file;       /* path of the file that holds it, for messages */
    uvk_dtype dtype;
    int rank;
    uint64_t shape[UVK_MAX_RANK];
    uint64_t count;         /* elements */
    const void *data;       /* into the mapping; may be unaligned */
} uvk_tensor_view;

typedef struct uvk_tensor_file uvk_tensor_file;

/* Opens the weights of a model folder. Every offset is checked against the file: inside it, not overlapping, of the size
 * that dtype and shape say, the whole buffer covered. UVK_BAD_INPUT otherwise. The views live as long as *out. */
uvk_status uvk_tensor_file_open(const char *dir, uvk_tensor_file **out, uvk_error *err);
void uvk_tensor_file_free(uvk_tensor_file *file);

size_t uvk_tensor_file_count(const uvk_tensor_file *file);
const uvk_tensor_view *uvk_tensor_file_at(const uvk_tensor_file *file, size_t i);
/* NULL when there is no tensor of that name. */
const uvk_tensor_view *uvk_tensor_file_find(const uvk_tensor_file *file, const char *name);

/* The files that make it up (index, shards), in a fixed order, for hashing. */
size_t uvk_tensor_file_paths(const uvk_tensor_file *file, const char *const **paths);

const char *uvk_dtype_name(uvk_dtype dtype); /* "F32" */
size_t uvk_dtype_size(uvk_dtype dtype);      /* bytes of one element */

/* Elements first..first+count-1 as float32. dtype must be F32, F16 or BF16; subnormals, infinities and NaN are kept. */
void uvk_tensor_to_f32(const uvk_tensor_view *view, uint64_t first, uint64_t count, float *out);

/* One float32 or int32 array to be written. */
typedef struct uvk_tensor_out {
    const char *name;
    uvk_dtype dtype; /* F32 or I32 */
    int rank;
    uint64_t shape[UVK_MAX_RANK];
    const void *data;
} uvk_tensor_out;

/* Writes a .safetensors file with its metadata (key, value pairs; may be NULL), through a temporary name that is renamed
 * when complete, so that nothing half-written is left. UVK_FAILED on any write error. */
uvk_status uvk_safetensors_write(const char *path, const uvk_tensor_out *tensors, size_t n, const char *const *metadata, size_t n_pairs, uvk_error *err);

#endif
