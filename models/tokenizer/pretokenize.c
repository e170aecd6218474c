#include "pipeline.h"

#include "unicode_tables.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/* What pre-tokenizers are made of: most are one or two of these. */
typedef enum { SPLIT, SPACE_PREFIX, BYTES, METASPACE } kind;

struct uvk_pretokenizer {
    kind kind;
    uvk_splitter by;
    uvk_pattern *pattern; /* by's, owned */
    uvk_metaspace metaspace;
};

/* ---- Characters to split at --------------------------------------------------------------------------------------------------- */

static bool is_space(uint32_t c, uint32_t with)
{
    (void)with;
    return uvk_is_space(c);
}

static bool is_punctuation(uint32_t c, uint32_t with)
{
    (void)with;
    return uvk_is_punctuation(c);
}

static bool is_number(uint32_t c, uint32_t with)
{
    (void)with;
    return uvk_is_number(c);
}

static bool is_word(uint32_t c, uint32_t with)
{
    (void)with;
    return uvk_is_word(c);
}

static bool is_same(uint32_t c, uint32_t with)
{
    return c == with;
}

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_status add(uvk_pretokenizers *list, uvk_pretokenizer step, uvk_error *err)
{
    void *items = list->items;
    uvk_pretokenizer *item = uvk_list_add(&items, &list->count, sizeof *item);
    list->items = items;
    if (!item) {
        uvk_pattern_free(step.pattern);
        return uvk_fail_memory(err, sizeof step, "a pre-tokenizer");
    }
    *item = step;
    return UVK_OK;
}

static uvk_status add_split(uvk_pretokenizers *list, bool (*is)(uint32_t, uint32_t), uint32_t with, uvk_behavior behavior, uvk_error *err)
{
    return add(list, (uvk_pretokenizer){.kind = SPLIT, .by = {.is = is, .with = with, .behavior = behavior}}, err);
}

static uvk_status add_pattern(uvk_pretokenizers *list, uvk_pattern *pattern, uvk_behavior behavior, bool invert, uvk_error *err)
{
    uvk_splitter by = {.pattern = pattern, .behavior = behavior, .invert = invert};
    return add(list, (uvk_pretokenizer){.kind = SPLIT, .by = by, .pattern = pattern}, err);
}

static uvk_status add_byte_level(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    bool add_prefix_space = true, use_regex = true;
    uvk_pattern *pattern = NULL;
    uvk_status status = uvk_json_bool(component, "add_prefix_space", file, &add_prefix_space, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "use_regex", file, &use_regex, err);
    if (status == UVK_OK && add_prefix_space)
        status = add(list, (uvk_pretokenizer){.kind = SPACE_PREFIX}, err);
    if (status == UVK_OK && use_regex)
        status = uvk_pattern_regex(gpt2, file, &pattern, err);
    if (status == UVK_OK && use_regex)
        status = add_pattern(list, pattern, UVK_SPLIT_ISOLATED, false, err);
    return status == UVK_OK ? add(list, (uvk_pretokenizer){.kind = BYTES}, err) : status;
}

static uvk_status add_metaspace(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_metaspace m;
    uvk_status status = uvk_metaspace_load(&m, component, file, err);
    if (status == UVK_OK)
        status = add(list, (uvk_pretokenizer){.kind = METASPACE, .metaspace = m}, err);
    return status == UVK_OK && m.split ? add_split(list, is_same, m.replacement, UVK_SPLIT_NEXT, err) : status;
}

static uvk_status add_split_component(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_behavior behavior = UVK_SPLIT_ISOLATED;
    bool invert = false;
    uvk_pattern *pattern = NULL;
    uvk_status status = uvk_behavior_load(component, file, &behavior, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "invert", file, &invert, err);
    if (status == UVK_OK)
        status = uvk_component_pattern(component, file, &pattern, err);
    return status == UVK_OK ? add_pattern(list, pattern, behavior, invert, err) : status;
}

/* Runs of word characters, and runs of what is neither word nor space. */
static uvk_status add_whitespace(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    (void)component, (void)file;
    uvk_status status = add_split(list, is_space, 0, UVK_SPLIT_REMOVED, err);
    return status == UVK_OK ? add_split(list, is_word, 0, UVK_SPLIT_CONTIGUOUS, err) : status;
}

static uvk_status add_whitespace_split(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    (void)component, (void)file;
    return add_split(list, is_space, 0, UVK_SPLIT_REMOVED, err);
}

static uvk_status add_bert(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    (void)component, (void)file;
    uvk_status status = add_split(list, is_space, 0, UVK_SPLIT_REMOVED, err);
    return status == UVK_OK ? add_split(list, is_punctuation, 0, UVK_SPLIT_ISOLATED, err) : status;
}

static uvk_status add_punctuation(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_behavior behavior = UVK_SPLIT_ISOLATED;
    uvk_status status = uvk_behavior_load(component, file, &behavior, err);
    return status == UVK_OK ? add_split(list, is_punctuation, 0, behavior, err) : status;
}

static uvk_status add_digits(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    bool individual = false;
    uvk_status status = uvk_json_bool(component, "individual_digits", file, &individual, err);
    return status == UVK_OK ? add_split(list, is_number, 0, individual ? UVK_SPLIT_ISOLATED : UVK_SPLIT_CONTIGUOUS, err) : status;
}

static uvk_status add_delimiter(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    uint32_t delimiter = 0;
    uvk_status status = uvk_component_character(component, "delimiter", file, &delimiter, err);
    return status == UVK_OK ? add_split(list, is_same, delimiter, UVK_SPLIT_REMOVED, err) : status;
}

static uvk_status add_component(void *list, const cJSON *component, const char *file, uvk_error *err)
{
    static const struct {
        const char *type;
        uvk_status (*add)(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err);
    } known[] = {{"ByteLevel", add_byte_level},
                 {"Metaspace", add_metaspace},
                 {"Split", add_split_component},
                 {"Whitespace", add_whitespace},
                 {"WhitespaceSplit", add_whitespace_split},
                 {"BertPreTokenizer", add_bert},
                 {"Punctuation", add_punctuation},
                 {"Digits", add_digits},
                 {"CharDelimiterSplit", add_delimiter}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(uvk_component_type(component), known[i].type) == 0)
            return known[i].add(list, component, file, err);
    return uvk_component_refuse(file, "pre_tokenizer", component, err);
}

uvk_status uvk_pretokenizers_load(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err)
{
    return uvk_component_flatten(component, "pretokenizers", file, add_component, list, err);
}

void uvk_pretokenizers_free(uvk_pretokenizers *list)
{
    for (size_t i = 0; i < list->count; i++)
        uvk_pattern_free(list->items[i].pattern);
    free(list->items);
    *list = (uvk_pretokenizers){0};
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------- */

static bool edit_space_prefix(uvk_edit *e, const void *with)
{
    (void)with;
    if (e->from->bytes[e->source.from] != ' ') {
        uvk_edit_prepend(e, " ", 1);
    } else {
        uvk_edit_restart(e);
        uvk_edit_keep(e, e->source.to - e->source.from);
    }
    return true;
}

static bool edit_spaces(uvk_edit *e, const void *with)
{
    const uvk_metaspace *m = with;
    char replacement[4];
    size_t n = uvk_utf8_put(m->replacement, replacement);
    uvk_edit_restart(e);
    while (e->at < e->source.to) {
        if (e->from->bytes[e->at] == ' ')
            uvk_edit_replace(e, replacement, n, 1);
        else
            uvk_edit_keep(e, 1);
    }
    return true;
}

static bool edit_prefix(uvk_edit *e, const void *with)
{
    const uvk_metaspace *m = with;
    char replacement[4];
    size_t n = uvk_utf8_put(m->replacement, replacement), length = e->source.to - e->source.from;
    bool there = length >= n && memcmp(e->from->bytes + e->source.from, replacement, n) == 0;
    bool wanted = m->prepend == UVK_PREPEND_ALWAYS || (m->prepend == UVK_PREPEND_FIRST && e->source.start == 0);
    if (wanted && !there) {
        uvk_edit_prepend(e, replacement, n);
    } else {
        uvk_edit_restart(e);
        uvk_edit_keep(e, length);
    }
    return true;
}

static uvk_status run(const uvk_pretokenizer *step, uvk_pieces *p, uvk_error *err)
{
    uvk_status status = UVK_OK;
    switch (step->kind) {
    case SPLIT: return uvk_pieces_split(p, &step->by, err);
    case SPACE_PREFIX: return uvk_pieces_rewrite(p, edit_space_prefix, NULL, err);
    case BYTES: return uvk_pieces_rewrite(p, uvk_edit_byte_level, NULL, err);
    case METASPACE:
        status = uvk_pieces_rewrite(p, edit_spaces, &step->metaspace, err);
        if (status == UVK_OK && step->metaspace.prepend != UVK_PREPEND_NEVER)
            status = uvk_pieces_rewrite(p, edit_prefix, &step->metaspace, err);
    }
    return status;
}

uvk_status uvk_pretokenizers_run(const uvk_pretokenizers *list, uvk_pieces *p, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < list->count && status == UVK_OK; i++)
        status = run(&list->items[i], p, err);
    return status;
}
