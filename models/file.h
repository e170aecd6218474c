/* Whole files and atomic replacement. */
#ifndef UVK_MODELS_FILE_H
#define UVK_MODELS_FILE_H

#include "error.h"

#include <stdio.h>

/* Opens a regular file for reading; *fd is closed by the caller. Missing, a directory, a device, unreadable: UVK_BAD_INPUT. */
uvk_status uvk_file_open(const char *path, int *fd, uint64_t *size, uvk_error *err);
/* Reads exactly size bytes from where fd stands; path is for messages. */
uvk_status uvk_file_read_exact(int fd, const char *path, void *out, size_t size, uvk_error *err);

/* Reads a regular file of at most max_bytes into *out (owned, free(); one NUL follows the *size bytes). Missing, a
 * directory, unreadable or larger: UVK_BAD_INPUT. */
uvk_status uvk_file_read(const char *path, size_t max_bytes, void **out, size_t *size, uvk_error *err);

/* Whether something has that name: also a link to what is missing, so that opening it says what is wrong. */
bool uvk_file_exists(const char *path);

/* dir/name, owned, free(); NULL when memory ran out. */
char *uvk_file_join(const char *dir, const char *name);

/* A file being written under a temporary name in the same folder. A path that is a device or a pipe is written directly. */
typedef struct uvk_file_writer {
    FILE *stream;
    char *path, *temporary;
} uvk_file_writer;

/* Either commit or abandon must follow a successful open. commit flushes, checks every earlier write error, and renames;
 * on failure the temporary file is removed: UVK_FAILED. */
uvk_status uvk_file_writer_open(uvk_file_writer *w, const char *path, uvk_error *err);
uvk_status uvk_file_writer_commit(uvk_file_writer *w, uvk_error *err);
void uvk_file_writer_abandon(uvk_file_writer *w);

#endif
