#include "pipeline.h"

#include "unicode_tables.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

typedef enum {
    FORM,
    LOWERCASE,
    STRIP,
    STRIP_ACCENTS,
    REPLACE,
    PREPEND,
    CHARSMAP,
    CLEAN,   /* the parts of BertNormalizer */
    CHINESE,
    ACCENTS,
    BYTE_LEVEL,
    NMT,
} normalizer_kind;

struct uvk_normalizer {
    normalizer_kind kind;
    bool compose, compatibly; /* FORM */
    bool left, right;         /* STRIP */
    char *content;            /* REPLACE, PREPEND */
    uvk_pattern *pattern;
    uvk_charsmap *charsmap;
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_normalizer *add(uvk_normalizers *list, normalizer_kind kind)
{
    void *items = list->items;
    uvk_normalizer *n = uvk_list_add(&items, &list->count, sizeof *n);
    list->items = items;
    if (n)
        n->kind = kind;
    return n;
}

static uvk_status add_plain(uvk_normalizers *list, normalizer_kind kind, uvk_error *err)
{
    return add(list, kind) ? UVK_OK : uvk_fail_memory(err, sizeof(uvk_normalizer), "a normalizer");
}

static uvk_status add_form(uvk_normalizers *list, bool compose, bool compatibly, uvk_error *err)
{
    uvk_normalizer *n = add(list, FORM);
    if (!n)
        return uvk_fail_memory(err, sizeof *n, "a normalizer");
    n->compose = compose;
    n->compatibly = compatibly;
    return UVK_OK;
}

static uvk_status add_strip(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_normalizer *n = add(list, STRIP);
    if (!n)
        return uvk_fail_memory(err, sizeof *n, "a normalizer");
    n->left = n->right = true;
    uvk_status status = uvk_json_bool(component, "strip_left", file, &n->left, err);
    return status == UVK_OK ? uvk_json_bool(component, "strip_right", file, &n->right, err) : status;
}

static uvk_status add_replace(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_normalizer *n = add(list, REPLACE);
    if (!n)
        return uvk_fail_memory(err, sizeof *n, "a normalizer");
    uvk_status status = uvk_component_string(component, "content", file, &n->content, err);
    return status == UVK_OK ? uvk_component_pattern(component, file, &n->pattern, err) : status;
}

static uvk_status add_prepend(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_normalizer *n = add(list, PREPEND);
    return n ? uvk_component_string(component, "prepend", file, &n->content, err) : uvk_fail_memory(err, sizeof *n, "a normalizer");
}

static uvk_status add_charsmap(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    const char *map = NULL;
    uvk_status status = uvk_json_string(component, "precompiled_charsmap", file, &map, err);
    if (status != UVK_OK || !map || !map[0]) /* SentencePiece's identity has none */
        return status;
    uvk_normalizer *n = add(list, CHARSMAP);
    return n ? uvk_charsmap_load(map, file, &n->charsmap, err) : uvk_fail_memory(err, sizeof *n, "a normalizer");
}

/* What it does is up to four steps in this order; accents go where letters become small unless that is said. */
static uvk_status add_bert(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    bool clean = true, chinese = true, lowercase = true;
    uvk_status status = uvk_json_bool(component, "clean_text", file, &clean, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "handle_chinese_chars", file, &chinese, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "lowercase", file, &lowercase, err);
    bool accents = lowercase;
    if (status == UVK_OK)
        status = uvk_json_bool(component, "strip_accents", file, &accents, err);
    if (status == UVK_OK && clean)
        status = add_plain(list, CLEAN, err);
    if (status == UVK_OK && chinese)
        status = add_plain(list, CHINESE, err);
    if (status == UVK_OK && accents)
        status = add_form(list, false, false, err);
    if (status == UVK_OK && accents)
        status = add_plain(list, ACCENTS, err);
    if (status == UVK_OK && lowercase)
        status = add_plain(list, LOWERCASE, err);
    return status;
}

static uvk_status add_component(void *to, const cJSON *component, const char *file, uvk_error *err)
{
    static const struct {
        const char *type;
        normalizer_kind kind;
    } plain[] = {{"Lowercase", LOWERCASE}, {"StripAccents", STRIP_ACCENTS}, {"ByteLevel", BYTE_LEVEL}, {"Nmt", NMT}};
    static const struct {
        const char *type;
        bool compose, compatibly;
    } forms[] = {{"NFD", false, false}, {"NFC", true, false}, {"NFKD", false, true}, {"NFKC", true, true}};
    static const struct {
        const char *type;
        uvk_status (*add)(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err);
    } others[] = {{"Strip", add_strip}, {"Replace", add_replace}, {"Prepend", add_prepend}, {"Precompiled", add_charsmap}, {"BertNormalizer", add_bert}};
    const char *type = uvk_component_type(component);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(type, plain[i].type) == 0)
            return add_plain(to, plain[i].kind, err);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(type, forms[i].type) == 0)
            return add_form(to, forms[i].compose, forms[i].compatibly, err);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(type, others[i].type) == 0)
            return others[i].add(to, component, file, err);
    return uvk_component_refuse(file, "normalizer", component, err);
}

uvk_status uvk_normalizers_load(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    return uvk_component_flatten(component, "normalizers", file, add_component, list, err);
}

void uvk_normalizers_free(uvk_normalizers *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].content);
        uvk_pattern_free(list->items[i].pattern);
        uvk_charsmap_free(list->items[i].charsmap);
    }
    free(list->items);
    *list = (uvk_normalizers){0};
}

/* ---- Character by character --------------------------------------------------------------------------------------------------- */

static bool is_nmt_control(uint32_t c)
{
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}

static bool is_nmt_space(uint32_t c)
{
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
           c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* Tab and line ends are control characters that count as spaces. */
static bool is_cleaned(uint32_t c)
{
    return c != '\t' && c != '\n' && c != '\r' && (c == 0 || c == 0xFFFD || uvk_is_other(c));
}

static void lower(uvk_edit *e, uint32_t c)
{
    uint32_t small[2];
    size_t n = uvk_lower(c, small);
    for (size_t i = 0; i < n; i++)
        uvk_edit_put(e, small[i], i > 0);
}

static void surround(uvk_edit *e, uint32_t c)
{
    uvk_edit_put(e, ' ', 0);
    uvk_edit_put(e, c, 1);
    uvk_edit_put(e, ' ', 1);
}

static void put_or_drop(uvk_edit *e, uint32_t c, bool drop)
{
    if (drop)
        uvk_edit_drop(e);
    else
        uvk_edit_put(e, c, 0);
}

static void edit_character(uvk_edit *e, normalizer_kind kind, uint32_t c)
{
    switch (kind) {
    case LOWERCASE: lower(e, c); break;
    case STRIP_ACCENTS: put_or_drop(e, c, uvk_is_mark(c)); break;
    case CLEAN: put_or_drop(e, uvk_is_space(c) ? ' ' : c, is_cleaned(c)); break;
    case ACCENTS: put_or_drop(e, c, uvk_is_nonspacing(c)); break;
    case NMT: put_or_drop(e, is_nmt_space(c) ? ' ' : c, is_nmt_control(c)); break;
    default: /* CHINESE */
        if (is_chinese(c))
            surround(e, c);
        else
            uvk_edit_put(e, c, 0);
    }
}

static void edit_strip(uvk_edit *e, const uvk_normalizer *n)
{
    const char *bytes = e->from->bytes;
    size_t from = e->source.from, to = e->source.to;
    uint32_t c;
    for (size_t size; n->left && from < to && (size = uvk_utf8_get(bytes + from, &c)) > 0 && uvk_is_space(c);)
        from += size;
    for (size_t size; n->right && from < to && (size = uvk_utf8_last(bytes + from, to - from, &c)) > 0 && uvk_is_space(c);)
        to -= size;
    while (e->at < from)
        uvk_edit_drop(e);
    while (from < to) {
        from += uvk_utf8_get(bytes + from, &c);
        uvk_edit_put(e, c, 0);
    }
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------- */

static bool edit(uvk_edit *e, const void *with)
{
    const uvk_normalizer *n = with;
    switch (n->kind) {
    case FORM: return uvk_edit_normal_form(e, n->compose, n->compatibly);
    case CHARSMAP: return uvk_edit_charsmap(e, n->charsmap);
    case BYTE_LEVEL: return uvk_edit_byte_level(e, NULL);
    case STRIP: edit_strip(e, n); return true;
    case PREPEND: uvk_edit_prepend(e, n->content, strlen(n->content)); return true;
    default:
        for (size_t at = e->source.from; at < e->source.to;) {
            uint32_t c;
            at += uvk_utf8_get(e->from->bytes + at, &c);
            edit_character(e, n->kind, c);
        }
        return true;
    }
}

uvk_status uvk_normalizers_run(const uvk_normalizers *list, uvk_pieces *p, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < list->count && status == UVK_OK; i++) {
        const uvk_normalizer *n = &list->items[i];
        if (n->kind == REPLACE)
            status = uvk_pieces_substitute(p, n->pattern, n->content, strlen(n->content), err);
        else
            status = uvk_pieces_rewrite(p, edit, n, err);
    }
    return status;
}
