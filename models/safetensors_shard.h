/* One .safetensors file, mapped and checked. safetensors.c puts a model together from them. */
#ifndef UVK_MODELS_SAFETENSORS_SHARD_H
#define UVK_MODELS_SAFETENSORS_SHARD_H

#include "safetensors.h"

typedef struct uvk_shard {
    char *path;
    void *map;
    size_t map_size;
    uvk_tensor_view *tensors; /* in the order of their data; names owned by the shard */
    size_t n;
    struct cJSON *metadata;   /* NULL: none */
} uvk_shard;

/* *out is always to be freed, also after a failure. */
uvk_status uvk_shard_open(const char *path, uvk_shard *out, uvk_error *err);
/* Text from the file's metadata, NULL when it has no such key. Lives as long as the shard. */
const char *uvk_shard_metadata(const uvk_shard *shard, const char *key);
void uvk_shard_free(uvk_shard *shard);

#endif
