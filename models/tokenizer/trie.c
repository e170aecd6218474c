#include "trie.h"

#include <stdlib.h>
#include <string.h>

/* The children of a node lie side by side, in the order of their bytes. */
typedef struct node {
    uint32_t first;
    uint16_t count;
    unsigned char byte;
    int32_t value;
} node;

struct uvk_trie {
    node *nodes;
    size_t count;
};

/* ---- Building: breadth first, over the sorted keys -------------------------------------------------------------------------- */

static int compare(const uvk_entry *a, const uvk_entry *b)
{
    size_t n = a->length < b->length ? a->length : b->length;
    int order = n > 0 ? memcmp(a->key, b->key, n) : 0;
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* qsort need not keep equal keys in order, and the last has to win. */
static bool sort_keys(uvk_entry *entries, size_t count)
{
    uvk_entry *half = malloc((count + 1) * sizeof *half);
    if (!half)
        return false;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t lo = 0; lo + width < count; lo += 2 * width) {
            size_t hi = lo + 2 * width < count ? lo + 2 * width : count, left = 0, right = lo + width, at = lo;
            memcpy(half, entries + lo, width * sizeof *half);
            while (left < width && right < hi)
                entries[at++] = compare(&half[left], &entries[right]) <= 0 ? half[left++] : entries[right++];
            while (left < width)
                entries[at++] = half[left++];
        }
    }
    free(half);
    return true;
}

/* What a node that is not expanded yet covers: keys lo..hi-1, which share their first depth bytes. */
typedef struct pending {
    size_t lo, hi, depth;
} pending;

static size_t count_nodes(const uvk_entry *entries, size_t count)
{
    size_t n = 1;
    for (size_t i = 0; i < count; i++) {
        size_t shared = 0;
        if (i > 0)
            while (shared < entries[i].length && shared < entries[i - 1].length && entries[i].key[shared] == entries[i - 1].key[shared])
                shared++;
        n += entries[i].length - shared;
    }
    return n;
}

static void expand(uvk_trie *t, pending *work, size_t at, const uvk_entry *entries)
{
    pending w = work[at];
    node *parent = &t->nodes[at];
    parent->first = (uint32_t)t->count;
    for (; w.lo < w.hi && entries[w.lo].length == w.depth; w.lo++)
        parent->value = entries[w.lo].value;
    while (w.lo < w.hi) {
        char byte = entries[w.lo].key[w.depth];
        size_t end = w.lo + 1;
        while (end < w.hi && entries[end].key[w.depth] == byte)
            end++;
        t->nodes[t->count] = (node){.byte = (unsigned char)byte, .value = -1};
        work[t->count++] = (pending){w.lo, end, w.depth + 1};
        parent->count++;
        w.lo = end;
    }
}

uvk_status uvk_trie_create(uvk_entry *entries, size_t count, uvk_trie **out, uvk_error *err)
{
    if (!sort_keys(entries, count))
        return uvk_fail_memory(err, count * sizeof *entries, "a vocabulary");
    size_t nodes = count_nodes(entries, count);
    if (nodes > INT32_MAX)
        return uvk_fail(err, UVK_BAD_INPUT, "vocabulary too large (expected at most %d bytes)", INT32_MAX);
    uvk_trie *t = calloc(1, sizeof *t);
    pending *work = malloc(nodes * sizeof *work);
    if (t)
        t->nodes = malloc(nodes * sizeof *t->nodes);
    if (!t || !work || !t->nodes) {
        free(work);
        uvk_trie_free(t);
        return uvk_fail_memory(err, nodes * (sizeof *work + sizeof(node)), "a vocabulary");
    }
    t->nodes[0] = (node){.value = -1};
    work[0] = (pending){0, count, 0};
    t->count = 1;
    for (size_t i = 0; i < t->count; i++)
        expand(t, work, i, entries);
    free(work);
    *out = t;
    return UVK_OK;
}

void uvk_trie_free(uvk_trie *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t);
}

/* ---- Looking up ------------------------------------------------------------------------------------------------------------- */

int32_t uvk_trie_step(const uvk_trie *t, int32_t at, char byte)
{
    const node *n = &t->nodes[at];
    size_t lo = n->first, hi = lo + n->count;
    unsigned char wanted = (unsigned char)byte;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (t->nodes[middle].byte == wanted)
            return (int32_t)middle;
        if (t->nodes[middle].byte < wanted)
            lo = middle + 1;
        else
            hi = middle;
    }
    return -1;
}

int32_t uvk_trie_value(const uvk_trie *t, int32_t at)
{
    return t->nodes[at].value;
}

int32_t uvk_trie_walk(const uvk_trie *t, int32_t at, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && at >= 0; i++)
        at = uvk_trie_step(t, at, bytes[i]);
    return at;
}

int32_t uvk_trie_find(const uvk_trie *t, const char *key, size_t length)
{
    int32_t at = uvk_trie_walk(t, UVK_TRIE_ROOT, key, length);
    return at < 0 ? -1 : t->nodes[at].value;
}

int32_t uvk_trie_longest(const uvk_trie *t, int32_t at, const char *bytes, size_t available, size_t *length)
{
    int32_t found = -1;
    for (size_t i = 0; i < available; i++) {
        at = uvk_trie_step(t, at, bytes[i]);
        if (at < 0)
            break;
        if (t->nodes[at].value >= 0) {
            found = t->nodes[at].value;
            *length = i + 1;
        }
    }
    return found;
}
