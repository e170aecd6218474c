/* Small allocations and strings. Running out of memory for these ends the program (exit 1): there is nothing to save. */
#ifndef UVK_CLI_TEXT_H
#define UVK_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Ends the program so. */
_Noreturn void text_no_memory(void);
/* Zeroed memory for count items of size bytes; never NULL. */
void *text_alloc(size_t count, size_t size);
/* realloc that never fails; count items of size bytes. */
void *text_grow(void *old, size_t count, size_t size);
char *text_copy(const char *text);
/* printf into a string of its own. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A copy in which bytes that are not UTF-8 became U+FFFD: JSON and the database hold UTF-8 only, file names hold anything. */
char *text_utf8(const char *bytes);

/* A copy on one line: what steers a terminal or turns the reading direction becomes \n, \t, \r, \xNN or \uNNNN, a backslash two. Bytes that
 * are not UTF-8 become U+FFFD. */
char *text_escaped(const char *bytes);
/* The reverse, of \n, \t and a double backslash; any other backslash stays. */
char *text_unescaped(const char *text);
/* A copy of a text of several lines for standard output: on a terminal such characters are escaped, elsewhere they stay. */
char *text_shown(const char *bytes);
/* Printed JSON with such characters as \uNNNN within its strings, which are the same then; cJSON does so with the first 32 only. */
char *text_json(const char *json);

/* "4.5 MiB" into out. */
const char *text_bytes(uint64_t bytes, char out[32]);
/* The last component of a path; points into it. */
const char *text_base_name(const char *path);
/* The last component without its extension, owned. */
char *text_stem(const char *path);
/* "directory/name", owned. */
char *text_join_path(const char *directory, const char *name);
/* Case-insensitive: whether path ends in extension (with its dot). */
int text_has_extension(const char *path, const char *extension);

#endif
