#include "pipeline.h"

#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct uvk_model_unigram {
    double *scores; /* by id */
    double unknown_score;
    int32_t unknown_id; /* -1: none */
    bool byte_fallback;
    int32_t bytes[256];
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_status add_piece(uvk_token_model *m, const cJSON *item, int64_t id, const char *file, uvk_error *err)
{
    const cJSON *piece = cJSON_IsArray(item) ? item->child : NULL, *score = piece ? piece->next : NULL;
    if (!cJSON_IsString(piece) || !cJSON_IsNumber(score) || !isfinite(score->valuedouble) || score->next)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: vocab entry %lld is not a piece and its score", file, (long long)id);
    uvk_status status = uvk_vocabulary_add(&m->vocabulary, piece->valuestring, id, file, err);
    if (status == UVK_OK)
        m->unigram->scores[id] = score->valuedouble;
    return status;
}

static uvk_status load_pieces(uvk_token_model *m, const cJSON *list, const char *file, uvk_error *err)
{
    if (!cJSON_IsArray(list))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the model lacks a vocab (found %s, expected a list)", file, uvk_json_kind(list));
    size_t count = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        count++;
    m->unigram->scores = malloc((count + 1) * sizeof *m->unigram->scores);
    if (!m->unigram->scores)
        return uvk_fail_memory(err, count * sizeof *m->unigram->scores, "a vocabulary");
    int64_t id = 0;
    double least = INFINITY;
    for (const cJSON *item = list->child; item; item = item->next, id++) {
        uvk_status status = add_piece(m, item, id, file, err);
        if (status != UVK_OK)
            return status;
        least = fmin(least, m->unigram->scores[id]);
    }
    m->unigram->unknown_score = least - 10.0;
    return uvk_vocabulary_index(&m->vocabulary, err);
}

uvk_status uvk_unigram_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err)
{
    m->unigram = calloc(1, sizeof *m->unigram);
    if (!m->unigram)
        return uvk_fail_memory(err, sizeof *m->unigram, "a model");
    uvk_status status = load_pieces(m, cJSON_GetObjectItemCaseSensitive(component, "vocab"), file, err);
    int64_t unknown = -1;
    if (status == UVK_OK)
        status = uvk_json_bool(component, "byte_fallback", file, &m->unigram->byte_fallback, err);
    if (status == UVK_OK)
        status = uvk_json_int(component, "unk_id", file, 0, (int64_t)m->vocabulary.size - 1, &unknown, err);
    m->unigram->unknown_id = (int32_t)unknown;
    if (status == UVK_OK)
        uvk_vocabulary_bytes(&m->vocabulary, m->unigram->bytes);
    return status;
}

void uvk_unigram_free(uvk_model_unigram *unigram)
{
    if (!unigram)
        return;
    free(unigram->scores);
    free(unigram);
}

/* ---- The best path ------------------------------------------------------------------------------------------------------------- */

/* The best way to a byte: the piece that ends there, and the score up to there. */
typedef struct state {
    double score;
    uint32_t from, next; /* next: where the piece that begins here ends, once the path is known */
    int32_t id;          /* -1: not reached */
} state;

static void reach(state *s, double score, size_t from, int32_t id)
{
    if (s->id < 0 || score > s->score)
        *s = (state){.score = score, .from = (uint32_t)from, .id = id};
}

static uvk_status step(const uvk_token_model *m, const char *text, size_t length, size_t at, size_t size, state *states, uvk_error *err)
{
    const uvk_trie *ids = m->vocabulary.ids;
    bool single = false;
    int32_t node = UVK_TRIE_ROOT;
    for (size_t i = at; i < length && (node = uvk_trie_step(ids, node, text[i])) >= 0; i++) {
        int32_t id = uvk_trie_value(ids, node);
        if (id < 0)
            continue;
        reach(&states[i + 1], m->unigram->scores[id] + states[at].score, at, id);
        single |= i + 1 == at + size;
    }
    if (single)
        return UVK_OK;
    if (m->unigram->unknown_id < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "the text has a character that the vocabulary lacks, and the model has no unk_id");
    reach(&states[at + size], m->unigram->unknown_score + states[at].score, at, m->unigram->unknown_id);
    return UVK_OK;
}

static bool add_bytes(const uvk_model_unigram *u, const char *text, size_t from, size_t to, uvk_found_list *out)
{
    for (size_t i = from; i < to; i++)
        if (u->bytes[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = from; i < to; i++)
        uvk_found_add(out, (uvk_found){.id = u->bytes[(unsigned char)text[i]], .start = (uint32_t)from, .end = (uint32_t)to, .text = text + i});
    return true;
}

/* Unknown characters side by side are one; a piece may happen to be what they spell. */
static void emit(const uvk_token_model *m, const char *text, size_t from, size_t to, uvk_found_list *out)
{
    int32_t id = uvk_vocabulary_find(&m->vocabulary, text + from, to - from);
    if (id < 0 && m->unigram->byte_fallback && add_bytes(m->unigram, text, from, to, out))
        return;
    id = id < 0 ? m->unigram->unknown_id : id;
    uvk_found_add(out, (uvk_found){.id = id, .start = (uint32_t)from, .end = (uint32_t)to, .text = text + from, .length = (uint32_t)(to - from)});
}

/* The path is known from its end. */
static void follow(const uvk_token_model *m, const char *text, size_t length, state *states, uvk_found_list *out)
{
    for (size_t at = length; at > 0; at = states[at].from)
        states[states[at].from].next = (uint32_t)at;
    for (size_t from = 0; from < length;) {
        size_t to = states[from].next;
        if (states[to].id == m->unigram->unknown_id)
            while (to < length && states[states[to].next].id == m->unigram->unknown_id)
                to = states[to].next;
        emit(m, text, from, to, out);
        from = to;
    }
}

uvk_status uvk_unigram_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err)
{
    state *states = uvk_scratch_get(scratch, (length + 1) * sizeof *states);
    if (!states)
        return uvk_fail_memory(err, (length + 1) * sizeof *states, "a lattice");
    for (size_t i = 0; i <= length; i++)
        states[i] = (state){.id = -1};
    uvk_status status = UVK_OK;
    for (size_t at = 0; at < length && status == UVK_OK;) {
        uint32_t character;
        size_t size = uvk_utf8_get(text + at, &character);
        status = step(m, text, length, at, size, states, err);
        at += size;
    }
    if (status == UVK_OK)
        follow(m, text, length, states, out);
    return status;
}
