/* Which words of two texts are the same (stability, METHOD section 6). */
#ifndef UVK_PROBES_ALIGN_H
#define UVK_PROBES_ALIGN_H

#include "error.h"

typedef struct uvk_word_list { const char *text; const uvk_word *words; int count; } uvk_word_list;

/* A longest common subsequence of their words, equal in lower case: word pairs[2k] of a is word pairs[2k + 1] of b. pairs has room for
 * twice the shorter list; *count receives how many pairs there are. */
uvk_status uvk_align_words(const uvk_word_list *a, const uvk_word_list *b, int32_t *pairs, int *count, uvk_error *err);

#endif
