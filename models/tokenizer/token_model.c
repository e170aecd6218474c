#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

/* Old files have no type: what a model has says what it is. */
static const char *guess_type(const cJSON *component)
{
    if (uvk_component_type(component)[0])
        return uvk_component_type(component);
    if (cJSON_GetObjectItemCaseSensitive(component, "merges"))
        return "BPE";
    if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(component, "vocab")))
        return "Unigram";
    return cJSON_GetObjectItemCaseSensitive(component, "continuing_subword_prefix") ? "WordPiece" : "";
}

uvk_status uvk_token_model_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    static const struct {
        const char *type;
        int kind;
        uvk_status (*load)(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
    } known[] = {{"BPE", UVK_MODEL_BPE, uvk_bpe_load},
                 {"Unigram", UVK_MODEL_UNIGRAM, uvk_unigram_load},
                 {"WordPiece", UVK_MODEL_WORDPIECE, uvk_wordpiece_load},
                 {"WordLevel", UVK_MODEL_WORDLEVEL, uvk_wordlevel_load}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(guess_type(component), known[i].type) != 0)
            continue;
        m->kind = known[i].kind;
        return known[i].load(m, component, file, err);
    }
    return uvk_component_refuse(file, "model", component, err);
}

void uvk_token_model_free(uvk_token_model *m)
{
    uvk_vocabulary_free(&m->vocabulary);
    uvk_bpe_free(m->bpe);
    uvk_unigram_free(m->unigram);
    free(m->unknown);
    free(m->prefix);
}

uvk_status uvk_token_model_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err)
{
    switch (m->kind) {
    case UVK_MODEL_BPE: return uvk_bpe_run(m, text, length, scratch, out, err);
    case UVK_MODEL_UNIGRAM: return uvk_unigram_run(m, text, length, scratch, out, err);
    case UVK_MODEL_WORDPIECE: return uvk_wordpiece_run(m, text, length, out, err);
    default: return uvk_wordlevel_run(m, text, length, out, err);
    }
}

void uvk_found_add(uvk_found_list *t, uvk_found token)
{
    if (t->count == t->room) {
        size_t room = t->room * 2 + 64;
        uvk_found *items = realloc(t->items, room * sizeof *items);
        if (!items) {
            t->no_memory = true;
            return;
        }
        t->items = items;
        t->room = room;
    }
    t->items[t->count++] = token;
}

void *uvk_scratch_get(uvk_scratch *s, size_t size)
{
    if (size <= s->size)
        return s->bytes;
    size_t room = size + size / 2;
    void *bytes = malloc(room);
    if (!bytes)
        return NULL;
    free(s->bytes);
    *s = (uvk_scratch){bytes, room};
    return bytes;
}
