#include "pipeline.h"

#include "unicode_tables.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_status load_flags(uvk_added_token *t, const cJSON *item, const char *file, uvk_error *err)
{
    struct {
        const char *key;
        bool *flag;
    } flags[] = {{"single_word", &t->single_word}, {"lstrip", &t->lstrip}, {"rstrip", &t->rstrip}, {"normalized", &t->normalized}, {"special", &t->special}};
    t->normalized = true;
    uvk_status status = uvk_json_bool(item, "special", file, &t->special, err);
    t->normalized = !t->special;
    for (size_t i = 0; i < sizeof flags / sizeof *flags && status == UVK_OK; i++)
        status = uvk_json_bool(item, flags[i].key, file, flags[i].flag, err);
    return status;
}

/* What the normalizer makes of a token's content is what it is looked for as. */
static uvk_status normalize_content(uvk_added_token *t, const uvk_normalizers *normalizers, uvk_error *err)
{
    uvk_pieces p;
    uvk_status status = uvk_pieces_init(&p, t->content, strlen(t->content), err);
    if (status != UVK_OK)
        return status;
    status = uvk_normalizers_run(normalizers, &p, err);
    if (status == UVK_OK) {
        t->normalized_content = calloc(1, p.length + 1);
        if (!t->normalized_content)
            status = uvk_fail_memory(err, p.length + 1, "an added token");
        else if (p.length > 0)
            memcpy(t->normalized_content, p.bytes, p.length);
    }
    uvk_pieces_free(&p);
    return status;
}

static uvk_status check_id(const uvk_vocabulary *v, const char *content, int64_t id, const char *file, uvk_error *err)
{
    const char *other = uvk_vocabulary_piece(v, id);
    int32_t known = uvk_vocabulary_find(v, content, strlen(content));
    if (known >= 0 && known != id)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: added token \"%.100s\" has id %lld, and %d in the vocabulary", file, content, (long long)id, (int)known);
    if (other && strcmp(other, content) != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: id %lld is given twice (\"%.100s\" and added token \"%.100s\")", file, (long long)id, other, content);
    return UVK_OK;
}

static uvk_status add(uvk_added *a, const cJSON *item, const uvk_vocabulary *v, const uvk_normalizers *normalizers, const char *file, uvk_error *err)
{
    int64_t id = -1;
    const char *content = NULL;
    uvk_status status = uvk_json_int(item, "id", file, 0, UVK_MAX_ID, &id, err);
    if (status == UVK_OK)
        status = uvk_json_string(item, "content", file, &content, err);
    if (status != UVK_OK)
        return status;
    if (id < 0 || !content || !content[0])
        return uvk_fail(err, UVK_BAD_INPUT, "%s: an added token has no %s", file, id < 0 ? "id" : "content");
    status = check_id(v, content, id, file, err);
    if (status != UVK_OK)
        return status;
    uvk_added_token *t = &a->items[a->count++];
    *t = (uvk_added_token){.id = (int32_t)id, .content = strdup(content)};
    if (!t->content)
        return uvk_fail_memory(err, strlen(content), "an added token");
    status = load_flags(t, item, file, err);
    return status == UVK_OK && t->normalized ? normalize_content(t, normalizers, err) : status;
}

static int compare_ids(const void *a, const void *b)
{
    const uvk_added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static uvk_status index_tokens(uvk_added *a, bool raw, uvk_error *err)
{
    uvk_entry *entries = malloc((a->count + 1) * sizeof *entries);
    if (!entries)
        return uvk_fail_memory(err, a->count * sizeof *entries, "added tokens");
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        const char *key = a->items[i].normalized ? a->items[i].normalized_content : a->items[i].content;
        if (a->items[i].normalized != raw && key[0])
            entries[count++] = (uvk_entry){key, strlen(key), (int32_t)i};
    }
    uvk_status status = count > 0 ? uvk_trie_create(entries, count, raw ? &a->raw : &a->normalized, err) : UVK_OK;
    free(entries);
    return status;
}

uvk_status uvk_added_load(uvk_added *a, const cJSON *list, const uvk_vocabulary *v, const uvk_normalizers *normalizers, const char *file, uvk_error *err)
{
    if (!list || cJSON_IsNull(list))
        return UVK_OK;
    if (!cJSON_IsArray(list))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: added_tokens is not a list (found %s)", file, uvk_json_kind(list));
    size_t count = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        count++;
    a->items = calloc(count + 1, sizeof *a->items);
    if (!a->items)
        return uvk_fail_memory(err, count * sizeof *a->items, "added tokens");
    uvk_status status = UVK_OK;
    for (const cJSON *item = list->child; item && status == UVK_OK; item = item->next)
        status = add(a, item, v, normalizers, file, err);
    if (status != UVK_OK)
        return status;
    qsort(a->items, a->count, sizeof *a->items, compare_ids);
    for (size_t i = 1; i < a->count; i++)
        if (a->items[i].id == a->items[i - 1].id)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: id %d is given twice (added tokens \"%.100s\" and \"%.100s\")", file, (int)a->items[i].id,
                            a->items[i - 1].content, a->items[i].content);
    status = index_tokens(a, true, err);
    return status == UVK_OK ? index_tokens(a, false, err) : status;
}

void uvk_added_free(uvk_added *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->items[i].content);
        free(a->items[i].normalized_content);
    }
    free(a->items);
    uvk_trie_free(a->raw);
    uvk_trie_free(a->normalized);
    *a = (uvk_added){0};
}

const uvk_added_token *uvk_added_at(const uvk_added *a, int64_t id)
{
    size_t lo = 0, hi = a->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (a->items[middle].id == id)
            return &a->items[middle];
        if (a->items[middle].id < id)
            lo = middle + 1;
        else
            hi = middle;
    }
    return NULL;
}

/* ---- Finding them: leftmost, of those the longest --------------------------------------------------------------------------------- */

static bool stands_alone(const char *text, size_t length, size_t from, size_t to)
{
    uint32_t character;
    if (from > 0 && (uvk_utf8_last(text, from, &character), uvk_is_word(character)))
        return false;
    return to == length || (uvk_utf8_get(text + to, &character), !uvk_is_word(character));
}

static size_t spaces_before(const char *text, size_t from, size_t least)
{
    uint32_t character;
    while (from > least) {
        size_t size = uvk_utf8_last(text, from, &character);
        if (!uvk_is_space(character))
            break;
        from -= size;
    }
    return from > least ? from : least;
}

static size_t spaces_after(const char *text, size_t to, size_t length)
{
    uint32_t character;
    while (to < length) {
        size_t size = uvk_utf8_get(text + to, &character);
        if (!uvk_is_space(character))
            break;
        to += size;
    }
    return to;
}

/* The spaces that a token took on its right may be those that another begins with: then both have them, as in the library. */
static void cut(const uvk_added *a, const uvk_trie *trie, uvk_pieces *p, uvk_piece piece)
{
    const char *text = p->bytes + piece.from;
    size_t length = piece.to - piece.from, done = 0, run_end = 0; /* run_end: of the spaces scanned last, which are scanned once */
    for (size_t at = 0, size = 0; at < length;) {
        int32_t index = uvk_trie_longest(trie, UVK_TRIE_ROOT, text + at, length - at, &size);
        size_t from = at, to = at + size;
        at = index < 0 ? at + 1 : to;
        if (index < 0 || (a->items[index].single_word && !stands_alone(text, length, from, to)))
            continue;
        if (a->items[index].lstrip)
            from = spaces_before(text, from, done);
        if (a->items[index].rstrip)
            to = run_end = to < run_end ? run_end : spaces_after(text, to, length);
        if (done < from)
            uvk_pieces_cut(p, piece, piece.from + done, piece.from + from);
        uvk_pieces_cut(p, (uvk_piece){.id = a->items[index].id}, piece.from + from, piece.from + to);
        done = to;
    }
    if (done < length)
        uvk_pieces_cut(p, piece, piece.from + done, piece.to);
}

uvk_status uvk_added_cut(const uvk_added *a, bool raw, uvk_pieces *p, uvk_error *err)
{
    const uvk_trie *trie = raw ? a->raw : a->normalized;
    uvk_cuts old = uvk_pieces_recut(p);
    for (size_t i = 0; i < old.count; i++) {
        if (old.items[i].id >= 0)
            uvk_pieces_keep(p, old.items[i]);
        else if (trie)
            cut(a, trie, p, old.items[i]);
        else
            uvk_pieces_cut(p, old.items[i], old.items[i].from, old.items[i].to);
    }
    free(old.items);
    return p->no_memory ? uvk_fail_memory(err, p->length, "pieces") : UVK_OK;
}
