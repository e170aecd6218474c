/* Texts and token ids as files hold them. */
#ifndef UVK_MODELS_TEXT_FILE_H
#define UVK_MODELS_TEXT_FILE_H

#include "npy.h"

/* Of a text that is read. What models take is shorter by far; this bounds what a wrong file may cost. */
enum { UVK_MAX_TEXT = 64 * 1024 * 1024 };

/* All bytes of a file, or of standard input for "-", into *out (owned, free(); one NUL follows the *size bytes). Missing, a folder,
 * unreadable or larger than UVK_MAX_TEXT: UVK_BAD_INPUT. */
uvk_status uvk_text_file_read(const char *path, char **out, size_t *size, uvk_error *err);

/* Bytes of a byte order mark at the start: it says how a file is encoded and is no part of the text. */
size_t uvk_text_mark_size(const char *text, size_t size);

/* Token ids from an I64 or I32 array of rank 1 and at most UVK_MAX_TEXT ids; *out is owned by the caller. Anything else, and an id
 * that no vocabulary has: UVK_BAD_INPUT. */
uvk_status uvk_npy_ids(const char *path, const uvk_npy *npy, int32_t **out, int *count, uvk_error *err);

#endif
