/* Characters as the `tokenizers` library sees them. It takes its tables from several places: normal forms are those of Unicode 9,
 * the categories behind BertNormalizer and Punctuation those of Unicode 8, letter case and numbers those of Unicode 17. A model
 * was trained on what came out, so a newer table would be a wrong one: utf8proc's is corrected where it differs. */
#ifndef UVK_TOKENIZER_UNICODE_TABLES_H
#define UVK_TOKENIZER_UNICODE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UVK_MAX_DECOMPOSITION = 32 };

bool uvk_is_space(uint32_t c);       /* White_Space */
bool uvk_is_number(uint32_t c);      /* N* */
bool uvk_is_punctuation(uint32_t c); /* P*, and ASCII's symbols */
bool uvk_is_other(uint32_t c);       /* Cc, Cf, Co */
bool uvk_is_mark(uint32_t c);        /* M* */
bool uvk_is_nonspacing(uint32_t c);  /* Mn */
bool uvk_is_word(uint32_t c);        /* what \w is in Rust's regular expressions */

/* Lower case of one character: one or two. */
size_t uvk_lower(uint32_t c, uint32_t out[2]);

int uvk_combining_class(uint32_t c);
/* The full decomposition, c itself where there is none; how many characters. */
size_t uvk_decompose(uint32_t c, bool compatibly, uint32_t out[UVK_MAX_DECOMPOSITION]);
/* The character that two compose to, or 0. */
uint32_t uvk_compose(uint32_t first, uint32_t second);

#endif
