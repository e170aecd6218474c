/* Reading JSON from untrusted files, on cJSON: sizes and types are checked here, once. */
#ifndef UVK_MODELS_JSON_H
#define UVK_MODELS_JSON_H

#include "error.h"

#include <cjson/cJSON.h>

/* Parses a whole file of at most max_bytes. *out is freed by cJSON_Delete. Missing, too large, not JSON or not an object:
 * UVK_BAD_INPUT, with the byte offset near the first error. */
uvk_status uvk_json_load(const char *path, size_t max_bytes, cJSON **out, uvk_error *err);
/* The same from bytes that need not end in NUL; name is for messages. */
uvk_status uvk_json_parse(const char *bytes, size_t size, const char *name, cJSON **out, uvk_error *err);

/* Typed members of an object. An absent or null key leaves *out as it is (so set the default before) and returns UVK_OK; a
 * wrong type or a value outside lo..hi is UVK_BAD_INPUT and names file and key. */
uvk_status uvk_json_int(const cJSON *object, const char *key, const char *file, int64_t lo, int64_t hi, int64_t *out, uvk_error *err);
uvk_status uvk_json_double(const cJSON *object, const char *key, const char *file, double *out, uvk_error *err);
uvk_status uvk_json_bool(const cJSON *object, const char *key, const char *file, bool *out, uvk_error *err);
/* *out points into the document. */
uvk_status uvk_json_string(const cJSON *object, const char *key, const char *file, const char **out, uvk_error *err);

/* A number that is an integer of at most 2^53, so that nothing was rounded on the way; false otherwise, *out untouched. */
bool uvk_json_whole(const cJSON *item, int64_t *out);
/* "a string", "an object"...: for messages that say what was found. NULL is "nothing". */
const char *uvk_json_kind(const cJSON *item);

#endif
