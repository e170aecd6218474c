/* What a file splits or replaces by: a string, or a regular expression in the dialect of Oniguruma, which the library uses. */
#ifndef UVK_TOKENIZER_PATTERN_H
#define UVK_TOKENIZER_PATTERN_H

#include "error.h"

typedef struct uvk_pattern uvk_pattern;

/* Not a valid expression, or one that cannot be had with PCRE2: UVK_BAD_INPUT. */
uvk_status uvk_pattern_regex(const char *regex, const char *file, uvk_pattern **out, uvk_error *err);
uvk_status uvk_pattern_string(const char *string, uvk_pattern **out, uvk_error *err);
void uvk_pattern_free(uvk_pattern *p); /* NULL is allowed */

typedef struct uvk_match {
    uint32_t from, to;
    bool is_match;
} uvk_match;

/* The whole of a text as what matches and what lies between: side by side, in order. Matches may be empty, gaps are not. */
typedef struct uvk_matches {
    uvk_match *items;
    size_t count, room;
    bool no_memory; /* sticky */
} uvk_matches;

void uvk_matches_add(uvk_matches *m, size_t from, size_t to, bool is_match);
void uvk_matches_free(uvk_matches *m);

/* Appends the matches in valid UTF-8. A search that runs away ends in UVK_BAD_INPUT. */
uvk_status uvk_pattern_find(const uvk_pattern *p, const char *text, size_t length, uvk_matches *out, uvk_error *err);

/* An Oniguruma expression in PCRE2's syntax, owned by the caller; NULL with a reason when that cannot be had (or memory ran out). */
char *uvk_pattern_translate(const char *regex, const char **why);

#endif
