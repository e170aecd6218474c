/* SHA-256 (nettle) of files, as 64 lower-case hex digits and a NUL. */
#ifndef UVK_MODELS_HASH_H
#define UVK_MODELS_HASH_H

#include "error.h"

uvk_status uvk_sha256_file(const char *path, char hex[65], uvk_error *err);
/* One hash over several files, in order; each file's length goes in before its bytes, so that borders matter. */
uvk_status uvk_sha256_files(const char *const *paths, size_t n, char hex[65], uvk_error *err);
void uvk_sha256_bytes(const void *bytes, size_t size, char hex[65]);

#endif
