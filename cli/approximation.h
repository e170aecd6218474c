/* Flags that make rows cheaper and no longer exact, and what says so of a result: an approximate one is never taken for an exact one. */
#ifndef UVK_CLI_APPROXIMATION_H
#define UVK_CLI_APPROXIMATION_H

#include "options.h"
#include "ultravk.h"

#include <cjson/cJSON.h>

enum { APPROXIMATION_WORDS = 96 };

uvk_approximation approximation_of(const options *o);
/* For a line: ", last 4 blocks, 32 landmarks"; "" where rows are exact. Returns out. */
const char *approximation_words(const options *o, char out[APPROXIMATION_WORDS]);
/* Its flags and their values, in alphabetical order; NULL where rows are exact. Owned by the caller. */
cJSON *approximation_json(const options *o);
/* The same as text; NULL where rows are exact. Owned by the caller. */
char *approximation_text(const options *o);

#endif
