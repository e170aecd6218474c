#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static uvk_status load_unknown(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_status status = uvk_vocabulary_load(&m->vocabulary, cJSON_GetObjectItemCaseSensitive(component, "vocab"), file, err);
    if (status == UVK_OK)
        status = uvk_component_string(component, "unk_token", file, &m->unknown, err);
    if (status == UVK_OK)
        m->unknown_id = uvk_vocabulary_find(&m->vocabulary, m->unknown, strlen(m->unknown));
    return status;
}

uvk_status uvk_wordlevel_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    return load_unknown(m, component, file, err);
}

uvk_status uvk_wordpiece_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    const char *prefix = "##";
    m->most_characters = 100;
    uvk_status status = load_unknown(m, component, file, err);
    if (status == UVK_OK)
        status = uvk_json_int(component, "max_input_chars_per_word", file, 0, INT32_MAX, &m->most_characters, err);
    if (status == UVK_OK)
        status = uvk_json_string(component, "continuing_subword_prefix", file, &prefix, err);
    if (status != UVK_OK)
        return status;
    m->prefix = strdup(prefix);
    return m->prefix ? UVK_OK : uvk_fail_memory(err, strlen(prefix), file);
}

static uvk_status add_unknown(const uvk_token_model *m, size_t length, uvk_found_list *out, uvk_error *err)
{
    if (m->unknown_id < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "the text has a word that the vocabulary lacks, and it lacks \"%.100s\" as well", m->unknown);
    uvk_found token = {.id = m->unknown_id, .end = (uint32_t)length, .text = m->unknown, .length = (uint32_t)strlen(m->unknown)};
    uvk_found_add(out, token);
    return UVK_OK;
}

uvk_status uvk_wordlevel_run(const uvk_token_model *m, const char *text, size_t length, uvk_found_list *out, uvk_error *err)
{
    int32_t id = uvk_vocabulary_find(&m->vocabulary, text, length);
    if (id < 0)
        return add_unknown(m, length, out, err);
    uvk_found_add(out, (uvk_found){.id = id, .end = (uint32_t)length, .text = text, .length = (uint32_t)length});
    return UVK_OK;
}

/* The longest piece each time; a word with a part that none fits is unknown as a whole. */
uvk_status uvk_wordpiece_run(const uvk_token_model *m, const char *text, size_t length, uvk_found_list *out, uvk_error *err)
{
    const uvk_trie *ids = m->vocabulary.ids;
    size_t before = out->count;
    if (uvk_utf8_count(text, length) > (uint64_t)m->most_characters)
        return add_unknown(m, length, out, err);
    int32_t within = uvk_trie_walk(ids, UVK_TRIE_ROOT, m->prefix, strlen(m->prefix));
    for (size_t at = 0; at < length;) {
        int32_t node = at == 0 ? UVK_TRIE_ROOT : within;
        size_t size = 0;
        int32_t id = node < 0 ? -1 : uvk_trie_longest(ids, node, text + at, length - at, &size);
        if (id < 0) {
            out->count = before;
            return add_unknown(m, length, out, err);
        }
        const char *piece = m->vocabulary.pieces[id];
        uvk_found_add(out, (uvk_found){
                                .id = id, .start = (uint32_t)at, .end = (uint32_t)(at + size), .text = piece, .length = (uint32_t)strlen(piece)});
        at += size;
    }
    return UVK_OK;
}
