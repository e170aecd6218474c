#include "align.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* A word in lower case, as code points. */
typedef struct folded { int32_t *points; size_t count; } folded;

static bool fold(const uvk_word_list *list, int at, folded *out)
{
    const uint8_t *text = (const uint8_t *)list->text;
    const uvk_word *word = &list->words[at];
    out->count = 0;
    out->points = malloc((size_t)(word->end - word->start + 1) * sizeof *out->points);
    if (!out->points)
        return false;
    for (int32_t byte = word->start; byte < word->end;) {
        int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate(text + byte, word->end - byte, &point);
        byte += size > 0 ? (int32_t)size : 1;
        out->points[out->count++] = utf8proc_tolower(point);
    }
    return true;
}

static bool equal(const folded *a, const folded *b)
{
    return a->count == b->count && memcmp(a->points, b->points, a->count * sizeof *a->points) == 0;
}

typedef struct table { folded *a, *b; int32_t *longest; int n_a, n_b; } table; /* longest[(n_a + 1) * (n_b + 1)]: of what follows */

static int32_t *entry(const table *t, int i, int j)
{
    return &t->longest[(size_t)i * ((size_t)t->n_b + 1) + (size_t)j];
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static void walk(const table *t, int32_t *pairs, int *count)
{
    for (int i = t->n_a - 1; i >= 0; i--)
        for (int j = t->n_b - 1; j >= 0; j--)
            *entry(t, i, j) = equal(&t->a[i], &t->b[j]) ? 1 + *entry(t, i + 1, j + 1) : larger(*entry(t, i + 1, j), *entry(t, i, j + 1));
    *count = 0;
    for (int i = 0, j = 0; i < t->n_a && j < t->n_b;) {
        if (equal(&t->a[i], &t->b[j])) {
            pairs[2 * *count] = i++;
            pairs[2 * (*count)++ + 1] = j++;
        } else if (*entry(t, i + 1, j) >= *entry(t, i, j + 1)) {
            i++;
        } else {
            j++;
        }
    }
}

static void release(folded *list, int count)
{
    for (int i = 0; list && i < count; i++)
        free(list[i].points);
    free(list);
}

uvk_status uvk_align_words(const uvk_word_list *a, const uvk_word_list *b, int32_t *pairs, int *count, uvk_error *err)
{
    size_t cells = ((size_t)a->count + 1) * ((size_t)b->count + 1), bytes = cells * sizeof(int32_t);
    table t = {.a = calloc((size_t)a->count + 1, sizeof *t.a), .b = calloc((size_t)b->count + 1, sizeof *t.b), .longest = calloc(cells, sizeof *t.longest),
               .n_a = a->count, .n_b = b->count};
    bool room = t.a && t.b && t.longest;
    for (int i = 0; i < a->count && room; i++)
        room = fold(a, i, &t.a[i]);
    for (int j = 0; j < b->count && room; j++)
        room = fold(b, j, &t.b[j]);
    if (room)
        walk(&t, pairs, count);
    release(t.a, a->count);
    release(t.b, b->count);
    free(t.longest);
    return room ? UVK_OK : uvk_fail_memory(err, bytes, "an alignment of words");
}
