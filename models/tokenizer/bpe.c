#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge {
    int32_t left, right, result;
    uint32_t rank;
} merge;

/* The merges of one left piece lie side by side, in the order of their right ones; firsts[id] is where id's begin. */
struct uvk_model_bpe {
    merge *merges;
    size_t count;
    uint32_t *firsts;
    char *prefix, *suffix; /* of pieces within and at the end of a word, or NULL */
    char *unknown;         /* or NULL */
    int32_t unknown_id;    /* -1: the vocabulary lacks it */
    bool fuse_unknown, byte_fallback, ignore_merges;
    int32_t bytes[256];
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

/* "a b", or ["a", "b"]: the two pieces. */
static bool halves(const cJSON *item, const char **left, size_t *left_length, const char **right)
{
    const cJSON *first = cJSON_IsArray(item) ? item->child : NULL, *second = first ? first->next : NULL;
    if (cJSON_IsString(first) && cJSON_IsString(second) && !second->next) {
        *left = first->valuestring;
        *left_length = strlen(*left);
        *right = second->valuestring;
        return true;
    }
    const char *space = cJSON_IsString(item) ? strchr(item->valuestring, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return false;
    *left = item->valuestring;
    *left_length = (size_t)(space - item->valuestring);
    *right = space + 1;
    return true;
}

static uvk_status add_merge(const uvk_token_model *m, const cJSON *item, const char *file, uvk_error *err)
{
    uvk_model_bpe *bpe = m->bpe;
    const uvk_trie *ids = m->vocabulary.ids;
    const char *left, *right;
    size_t length, rank = bpe->count, skipped = bpe->prefix ? strlen(bpe->prefix) : 0;
    if (!halves(item, &left, &length, &right))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: merge %zu is not a pair of pieces", file, rank);
    int32_t left_id = uvk_trie_find(ids, left, length), right_id = uvk_trie_find(ids, right, strlen(right));
    if (left_id < 0 || right_id < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: merge %zu names \"%.100s\", which the vocabulary lacks", file, rank, left_id < 0 ? left : right);
    int32_t node = strlen(right) < skipped ? -1 : uvk_trie_walk(ids, uvk_trie_walk(ids, UVK_TRIE_ROOT, left, length), right + skipped, strlen(right) - skipped);
    int32_t result = node < 0 ? -1 : uvk_trie_value(ids, node);
    if (result < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: merge %zu (\"%.100s\" and \"%.100s\") makes a piece that the vocabulary lacks", file, rank, left, right);
    bpe->merges[bpe->count++] = (merge){left_id, right_id, result, (uint32_t)rank};
    return UVK_OK;
}

static int compare_merges(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Of a pair that stands twice, the last rank counts. */
static uvk_status index_merges(uvk_model_bpe *bpe, size_t vocabulary, uvk_error *err)
{
    qsort(bpe->merges, bpe->count, sizeof *bpe->merges, compare_merges);
    size_t kept = 0;
    for (size_t i = 0; i < bpe->count; i++) {
        bool again = kept > 0 && bpe->merges[kept - 1].left == bpe->merges[i].left && bpe->merges[kept - 1].right == bpe->merges[i].right;
        bpe->merges[again ? kept - 1 : kept++] = bpe->merges[i];
    }
    bpe->count = kept;
    bpe->firsts = malloc((vocabulary + 1) * sizeof *bpe->firsts);
    if (!bpe->firsts)
        return uvk_fail_memory(err, vocabulary * sizeof *bpe->firsts, "merges");
    for (size_t id = 0, at = 0; id <= vocabulary; id++) {
        while (at < kept && (size_t)bpe->merges[at].left < id)
            at++;
        bpe->firsts[id] = (uint32_t)at;
    }
    return UVK_OK;
}

static uvk_status load_merges(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(component, "merges");
    if (!cJSON_IsArray(list))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the model lacks merges (found %s, expected a list)", file, uvk_json_kind(list));
    size_t count = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        count++;
    m->bpe->merges = malloc((count + 1) * sizeof *m->bpe->merges);
    if (!m->bpe->merges)
        return uvk_fail_memory(err, count * sizeof *m->bpe->merges, "merges");
    for (const cJSON *item = list->child; item; item = item->next) {
        uvk_status status = add_merge(m, item, file, err);
        if (status != UVK_OK)
            return status;
    }
    return index_merges(m->bpe, m->vocabulary.size, err);
}

static uvk_status load_text(const cJSON *component, const char *key, const char *file, char **out, uvk_error *err)
{
    const char *found = NULL;
    uvk_status status = uvk_json_string(component, key, file, &found, err);
    if (status != UVK_OK || !found || !found[0])
        return status;
    *out = strdup(found);
    return *out ? UVK_OK : uvk_fail_memory(err, strlen(found), file);
}

static uvk_status load_options(uvk_model_bpe *bpe, const cJSON *component, const char *file, uvk_error *err)
{
    double dropout = 0;
    uvk_status status = uvk_json_double(component, "dropout", file, &dropout, err);
    if (status == UVK_OK && dropout != 0)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: dropout %g is not supported (the tokens would be random)", file, dropout);
    if (status == UVK_OK)
        status = load_text(component, "continuing_subword_prefix", file, &bpe->prefix, err);
    if (status == UVK_OK)
        status = load_text(component, "end_of_word_suffix", file, &bpe->suffix, err);
    if (status == UVK_OK)
        status = load_text(component, "unk_token", file, &bpe->unknown, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "fuse_unk", file, &bpe->fuse_unknown, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "byte_fallback", file, &bpe->byte_fallback, err);
    return status == UVK_OK ? uvk_json_bool(component, "ignore_merges", file, &bpe->ignore_merges, err) : status;
}

uvk_status uvk_bpe_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    m->bpe = calloc(1, sizeof *m->bpe);
    if (!m->bpe)
        return uvk_fail_memory(err, sizeof *m->bpe, "a model");
    uvk_status status = load_options(m->bpe, component, file, err);
    if (status == UVK_OK)
        status = uvk_vocabulary_load(&m->vocabulary, cJSON_GetObjectItemCaseSensitive(component, "vocab"), file, err);
    if (status == UVK_OK)
        status = load_merges(m, component, file, err);
    if (status != UVK_OK)
        return status;
    const char *unknown = m->bpe->unknown;
    m->bpe->unknown_id = unknown ? uvk_vocabulary_find(&m->vocabulary, unknown, strlen(unknown)) : -1;
    uvk_vocabulary_bytes(&m->vocabulary, m->bpe->bytes);
    return UVK_OK;
}

void uvk_bpe_free(uvk_model_bpe *bpe)
{
    if (!bpe)
        return;
    free(bpe->merges);
    free(bpe->firsts);
    free(bpe->prefix);
    free(bpe->suffix);
    free(bpe->unknown);
    free(bpe);
}

/* ---- A word: symbols in a list, and the merges that are possible in a heap ---------------------------------------------------------- */

typedef struct symbol {
    int32_t id, before, after; /* -1: none */
    uint32_t length;           /* bytes; 0: merged into the one before */
} symbol;

typedef struct candidate {
    uint32_t rank, at;
    int32_t result;
} candidate;

typedef struct word {
    symbol *symbols;
    size_t count;
    candidate *heap;
    size_t waiting;
    int32_t unknown;         /* a pending unknown symbol, or -1, and its bytes */
    uint32_t unknown_length;
} word;

static const merge *find_merge(const uvk_model_bpe *bpe, int32_t left, int32_t right)
{
    size_t lo = bpe->firsts[left], hi = bpe->firsts[left + 1];
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (bpe->merges[middle].right == right)
            return &bpe->merges[middle];
        if (bpe->merges[middle].right < right)
            lo = middle + 1;
        else
            hi = middle;
    }
    return NULL;
}

/* Lower ranks first, then from the left. */
static bool sooner(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(word *w, candidate c)
{
    size_t at = w->waiting++;
    for (; at > 0 && sooner(&c, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = c;
}

static candidate heap_pop(word *w)
{
    candidate top = w->heap[0], last = w->heap[--w->waiting];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->waiting; at = child) {
        if (child + 1 < w->waiting && sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!sooner(&w->heap[child], &last))
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return top;
}

static void consider(const uvk_model_bpe *bpe, word *w, int32_t left, int32_t right)
{
    if (left < 0 || right < 0)
        return;
    const merge *m = find_merge(bpe, w->symbols[left].id, w->symbols[right].id);
    if (m)
        heap_push(w, (candidate){m->rank, (uint32_t)left, m->result});
}

/* An entry of the heap may be about symbols that are not there any more; it counts when the pair now makes the same piece. */
static void apply(const uvk_model_bpe *bpe, word *w, candidate c)
{
    symbol *left = &w->symbols[c.at];
    if (left->length == 0 || left->after < 0)
        return;
    symbol *right = &w->symbols[left->after];
    const merge *m = find_merge(bpe, left->id, right->id);
    if (!m || m->result != c.result)
        return;
    left->id = c.result;
    left->length += right->length;
    left->after = right->after;
    right->length = 0;
    if (left->after >= 0)
        w->symbols[left->after].before = (int32_t)c.at;
    consider(bpe, w, left->before, (int32_t)c.at);
    consider(bpe, w, (int32_t)c.at, left->after);
}

static void merge_all(const uvk_model_bpe *bpe, word *w)
{
    for (size_t i = 0; i + 1 < w->count; i++)
        consider(bpe, w, (int32_t)i, (int32_t)i + 1);
    while (w->waiting > 0)
        apply(bpe, w, heap_pop(w));
}

/* ---- Its first symbols: characters ---------------------------------------------------------------------------------------------- */

static void add_symbol(word *w, int32_t id, uint32_t length)
{
    int32_t at = (int32_t)w->count++;
    w->symbols[at] = (symbol){.id = id, .before = at - 1, .after = -1, .length = length};
    if (at > 0)
        w->symbols[at - 1].after = at;
}

static void flush_unknown(word *w)
{
    if (w->unknown >= 0)
        add_symbol(w, w->unknown, w->unknown_length);
    w->unknown = -1;
}

static int32_t find_character(const uvk_token_model *m, const char *bytes, size_t size, bool first, bool last)
{
    const uvk_model_bpe *bpe = m->bpe;
    const uvk_trie *ids = m->vocabulary.ids;
    int32_t node = UVK_TRIE_ROOT;
    if (!first && bpe->prefix)
        node = uvk_trie_walk(ids, node, bpe->prefix, strlen(bpe->prefix));
    node = uvk_trie_walk(ids, node, bytes, size);
    if (last && bpe->suffix)
        node = uvk_trie_walk(ids, node, bpe->suffix, strlen(bpe->suffix));
    return node < 0 ? -1 : uvk_trie_value(ids, node);
}

/* Each byte of what would have been looked up, prefix and suffix with it, or none of them. */
static bool add_bytes(const uvk_model_bpe *bpe, word *w, const char *bytes, size_t size, bool first, bool last)
{
    const char *parts[3] = {!first && bpe->prefix ? bpe->prefix : "", bytes, last && bpe->suffix ? bpe->suffix : ""};
    size_t sizes[3] = {strlen(parts[0]), size, strlen(parts[2])};
    for (int part = 0; part < 3; part++)
        for (size_t i = 0; i < sizes[part]; i++)
            if (bpe->bytes[(unsigned char)parts[part][i]] < 0)
                return false;
    for (int part = 0; part < 3; part++)
        for (size_t i = 0; i < sizes[part]; i++)
            add_symbol(w, bpe->bytes[(unsigned char)parts[part][i]], 1);
    return true;
}

static uvk_status add_unknown(const uvk_model_bpe *bpe, word *w, size_t size, uvk_error *err)
{
    if (!bpe->unknown) /* the library leaves such characters out */
        return UVK_OK;
    if (bpe->unknown_id < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "the text has a character that the vocabulary lacks, and it lacks \"%.100s\" as well", bpe->unknown);
    if (w->unknown >= 0 && bpe->fuse_unknown) {
        w->unknown_length += (uint32_t)size;
        return UVK_OK;
    }
    flush_unknown(w);
    w->unknown = bpe->unknown_id;
    w->unknown_length = (uint32_t)size;
    return UVK_OK;
}

static uvk_status add_characters(const uvk_token_model *m, word *w, const char *text, size_t length, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (size_t at = 0; at < length && status == UVK_OK;) {
        uint32_t character;
        size_t size = uvk_utf8_get(text + at, &character);
        bool first = at == 0, last = at + size == length;
        int32_t id = find_character(m, text + at, size, first, last);
        if (id >= 0) {
            flush_unknown(w);
            add_symbol(w, id, (uint32_t)size);
        } else if (!m->bpe->byte_fallback || !add_bytes(m->bpe, w, text + at, size, first, last)) {
            status = add_unknown(m->bpe, w, size, err);
        }
        at += size;
    }
    if (status == UVK_OK)
        flush_unknown(w);
    return status;
}

uvk_status uvk_bpe_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err)
{
    const uvk_model_bpe *bpe = m->bpe;
    int32_t whole = bpe->ignore_merges ? uvk_vocabulary_find(&m->vocabulary, text, length) : -1;
    if (whole >= 0) {
        uvk_found_add(out, (uvk_found){.id = whole, .end = (uint32_t)length, .text = text, .length = (uint32_t)length});
        return UVK_OK;
    }
    /* A symbol a byte at most, prefix and suffix bytes included; each merge removes one symbol and considers two pairs. */
    size_t extra = bpe->byte_fallback ? (bpe->prefix ? strlen(bpe->prefix) * uvk_utf8_count(text, length) : 0) + (bpe->suffix ? strlen(bpe->suffix) : 0) : 0;
    size_t most = length + extra;
    if (most > INT32_MAX / 2)
        return uvk_fail(err, UVK_BAD_INPUT, "a word is too long (found %zu bytes)", most);
    char *room = uvk_scratch_get(scratch, most * (sizeof(symbol) + 3 * sizeof(candidate)));
    if (!room)
        return uvk_fail_memory(err, most * (sizeof(symbol) + 3 * sizeof(candidate)), "a word");
    word w = {.symbols = (symbol *)(void *)room, .heap = (candidate *)(void *)(room + most * sizeof(symbol)), .unknown = -1};
    uvk_status status = add_characters(m, &w, text, length, err);
    if (status != UVK_OK)
        return status;
    merge_all(bpe, &w);
    uint32_t at = 0;
    for (size_t i = 0; i < w.count; i++) {
        const symbol *s = &w.symbols[i];
        if (s->length == 0)
            continue;
        const char *piece = m->vocabulary.pieces[s->id];
        uvk_found_add(out, (uvk_found){.id = s->id, .start = at, .end = at + s->length, .text = piece, .length = (uint32_t)strlen(piece)});
        at += s->length;
    }
    return UVK_OK;
}
