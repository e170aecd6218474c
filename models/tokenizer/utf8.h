/* UTF-8, strictly: no surrogates, nothing overlong, nothing above U+10FFFF. */
#ifndef UVK_TOKENIZER_UTF8_H
#define UVK_TOKENIZER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UVK_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* The sequence at the start of length > 0 bytes: its size, *valid whether it is a character. Where it is not, the size is that of
 * the longest beginning of one (at least 1): what a decoder replaces by one U+FFFD. */
size_t uvk_utf8_sequence(const char *bytes, size_t length, bool *valid);
/* How many of the bytes are valid: length when all are. */
size_t uvk_utf8_check(const char *bytes, size_t length);

/* The character at bytes, which are known to be valid; its size. */
size_t uvk_utf8_get(const char *bytes, uint32_t *character);
/* The character that ends before bytes[length], length > 0; its size. */
size_t uvk_utf8_last(const char *bytes, size_t length, uint32_t *character);
size_t uvk_utf8_put(uint32_t character, char out[4]);
/* Characters in valid bytes. */
size_t uvk_utf8_count(const char *bytes, size_t length);

#endif
