/* "did you mean": the nearest of some names. */
#ifndef UVK_CLI_SUGGEST_H
#define UVK_CLI_SUGGEST_H

#include <stddef.h>

/* The best of the names offered so far. Start with {.word = what was typed}. */
typedef struct suggestion {
    const char *word;
    const char *best; /* NULL: nothing is near */
    size_t distance;
} suggestion;

void suggest_offer(suggestion *s, const char *name);
/* " (did you mean PREFIXbest?)", or "" when nothing is near. */
const char *suggest_text(const suggestion *s, const char *prefix, char out[80]);

#endif
