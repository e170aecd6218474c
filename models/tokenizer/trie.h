/* Strings to numbers, and which of them a text begins with: looked up byte by byte, so that nothing a file says can make it slow. */
#ifndef UVK_TOKENIZER_TRIE_H
#define UVK_TOKENIZER_TRIE_H

#include "error.h"

typedef struct uvk_entry {
    const char *key; /* owned by the caller */
    size_t length;
    int32_t value;   /* >= 0 */
} uvk_entry;

typedef struct uvk_trie uvk_trie;

/* Of equal keys the last wins. Sorts the entries. The keys are not needed afterwards. */
uvk_status uvk_trie_create(uvk_entry *entries, size_t count, uvk_trie **out, uvk_error *err);
void uvk_trie_free(uvk_trie *t); /* NULL is allowed */

/* The value of a key, or -1. */
int32_t uvk_trie_find(const uvk_trie *t, const char *key, size_t length);

enum { UVK_TRIE_ROOT = 0 };
/* The node behind one byte, or -1; the value of the key that ends at a node, or -1. */
int32_t uvk_trie_step(const uvk_trie *t, int32_t node, char byte);
int32_t uvk_trie_value(const uvk_trie *t, int32_t node);
/* The node behind a string, or -1. */
int32_t uvk_trie_walk(const uvk_trie *t, int32_t node, const char *bytes, size_t length);
/* The longest key that a text begins with, read from node; its value (-1: none), and *length its size. */
int32_t uvk_trie_longest(const uvk_trie *t, int32_t node, const char *bytes, size_t available, size_t *length);

#endif
