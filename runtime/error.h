/* Failing with one line. Used by every folder; depends on nothing. */
#ifndef UVK_RUNTIME_ERROR_H
#define UVK_RUNTIME_ERROR_H

#include "ultravk.h"

/* Fills err (which may be NULL) and returns status, so that "return uvk_fail(err, UVK_FAILED, ...)" is the whole of it.
 * The message is cut to fit; control characters in it become '?', so that a hostile file name stays one line. */
uvk_status uvk_fail(uvk_error *err, uvk_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Bytes of the UTF-8 character at c that steers a terminal, breaks the line or turns the reading direction of what follows; 0: it does
 * none of that. c ends with a NUL. */
int uvk_control_length(const unsigned char *c);

/* UVK_FAILED, "out of memory (N bytes for WHAT)"; of 0 bytes, which are not known, "out of memory (for WHAT)". */
uvk_status uvk_fail_memory(uvk_error *err, size_t bytes, const char *what);
/* Whether it was uvk_fail_memory that filled err in: then no file is to blame. */
bool uvk_lacked_memory(const uvk_error *err);

/* Sizes from files: false when the result does not fit 64 bits, *out untouched then. */
bool uvk_mul(uint64_t a, uint64_t b, uint64_t *out);
bool uvk_add(uint64_t a, uint64_t b, uint64_t *out);

#endif
