#include "suggest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b, both shorter than LONGEST. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t table[LONGEST + 1][LONGEST + 1], m = strlen(a), n = strlen(b);
    for (size_t i = 0; i <= m; i++)
        table[i][0] = i;
    for (size_t j = 0; j <= n; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= m; i++)
        for (size_t j = 1; j <= n; j++) {
            size_t replaced = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            table[i][j] = least(replaced, 1 + least(table[i - 1][j], table[i][j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    return table[m][n];
}

void suggest_offer(suggestion *s, const char *name)
{
    size_t typed = strlen(s->word), length = strlen(name);
    if (typed > LONGEST || length > LONGEST)
        return;
    size_t distance = edit_distance(s->word, name);
    if (typed >= 3 && strncmp(s->word, name, typed) == 0)
        distance = 1; /* a name that was begun is as good as one slip */
    size_t tolerated = 1 + typed / 4;
    if (distance <= tolerated && (!s->best || distance < s->distance)) {
        s->best = name;
        s->distance = distance;
    }
}

const char *suggest_text(const suggestion *s, const char *prefix, char out[80])
{
    out[0] = '\0';
    if (s->best)
        snprintf(out, 80, " (did you mean %s%s?)", prefix, s->best);
    return out;
}
