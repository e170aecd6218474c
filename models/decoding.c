#include "decoding.h"

#include "file.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_CONFIG = 16 << 20, MOST_IDS = 1 << 20 };

typedef struct reader {
    const cJSON *config;
    const char *file;
    int vocabulary;
} reader;

/* ---- Reading -------------------------------------------------------------------------------------------------------------------- */

/* One id; -1 where there is none. */
static uvk_status read_id(const reader *r, const char *key, int32_t *out, uvk_error *err)
{
    int64_t id = -1;
    uvk_status status = uvk_json_int(r->config, key, r->file, INT32_MIN, INT32_MAX, &id, err);
    if (status == UVK_OK)
        *out = id >= 0 && id < r->vocabulary ? (int32_t)id : -1;
    return status;
}

static uvk_status read_count(const reader *r, const char *key, int *out, uvk_error *err)
{
    int64_t count = *out;
    uvk_status status = uvk_json_int(r->config, key, r->file, 0, INT32_MAX, &count, err);
    *out = (int)count;
    return status;
}

/* Appends what of a number or a list of numbers is in the vocabulary. */
static uvk_status take_ids(const reader *r, const char *key, const cJSON *item, int32_t *ids, int most, int *count, uvk_error *err)
{
    const cJSON *first = cJSON_IsArray(item) ? item->child : item;
    for (const cJSON *at = first; at; at = cJSON_IsArray(item) ? at->next : NULL) {
        int64_t id;
        if (!uvk_json_whole(at, &id))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: %s must be a token id or a list of them (found %s)", r->file, key, uvk_json_kind(at));
        if (id < 0 || id >= r->vocabulary)
            continue;
        if (*count == most)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: more than %d ids in %s", r->file, most, key);
        ids[(*count)++] = (int32_t)id;
    }
    return UVK_OK;
}

static uvk_status read_ids(const reader *r, const char *key, int32_t **out, int *count, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->config, key);
    int most = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 1;
    if (!item || cJSON_IsNull(item))
        return UVK_OK;
    if (most > MOST_IDS)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: more than %d ids in %s", r->file, MOST_IDS, key);
    *out = malloc(((size_t)most + 1) * sizeof **out);
    return *out ? take_ids(r, key, item, *out, most, count, err) : uvk_fail_memory(err, (size_t)most * sizeof **out, key);
}

static uvk_status read_bad_words(const reader *r, uvk_decoding *d, uvk_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->config, "bad_words_ids"), *word;
    int count = cJSON_GetArraySize(list);
    uvk_status status = UVK_OK;
    if (!cJSON_IsArray(list) || count == 0)
        return UVK_OK;
    if (count > MOST_IDS)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: more than %d lists in bad_words_ids", r->file, MOST_IDS);
    if (!(d->bad_words = calloc((size_t)count, sizeof *d->bad_words)))
        return uvk_fail_memory(err, (size_t)count * sizeof *d->bad_words, "bad_words_ids");
    cJSON_ArrayForEach(word, list) {
        uvk_bad_word *to = &d->bad_words[d->n_bad_words];
        int size = cJSON_GetArraySize(word);
        if (status || size == 0 || !(to->ids = malloc((size_t)size * sizeof *to->ids)))
            continue;
        d->n_bad_words++;
        status = take_ids(r, "bad_words_ids", word, to->ids, size, &to->count, err);
        if (to->count < size)
            to->count = 0; /* a part of it is no token: it never comes */
    }
    return status;
}

/* What only sampling or a search with beams would use, or is not done. */
static void list_ignored(const reader *r, uvk_decoding *d)
{
    static const struct { const char *key; double none; } numbers[] = {
        {"num_beams", 1}, {"num_beam_groups", 1}, {"diversity_penalty", 0}, {"encoder_repetition_penalty", 1}, {"penalty_alpha", 0}, {"guidance_scale", 1},
    };
    static const char *const others[] = {"exponential_decay_length_penalty", "sequence_bias", "watermarking_config", "force_words_ids", "constraints", "stop_strings", "prompt_lookup_num_tokens"};
    size_t used = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->config, numbers[i].key);
        if (cJSON_IsNumber(item) && item->valuedouble != numbers[i].none && used < sizeof d->ignored)
            used += (size_t)snprintf(d->ignored + used, sizeof d->ignored - used, "%s%s %g", used ? ", " : "", numbers[i].key, item->valuedouble);
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->config, "do_sample")) && used < sizeof d->ignored)
        used += (size_t)snprintf(d->ignored + used, sizeof d->ignored - used, "%sdo_sample", used ? ", " : "");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->config, others[i]);
        if (item && !cJSON_IsNull(item) && !cJSON_IsFalse(item) && used < sizeof d->ignored)
            used += (size_t)snprintf(d->ignored + used, sizeof d->ignored - used, "%s%s", used ? ", " : "", others[i]);
    }
}

static uvk_status read_rules(const reader *r, uvk_decoding *d, uvk_error *err)
{
    uvk_status status;
    if ((status = read_id(r, "decoder_start_token_id", &d->start, err)) || (status = read_id(r, "forced_bos_token_id", &d->forced_first, err)) ||
        (status = read_count(r, "min_length", &d->least, err)) || (status = read_count(r, "min_new_tokens", &d->least_new, err)) ||
        (status = read_count(r, "no_repeat_ngram_size", &d->no_repeat, err)) || (status = read_count(r, "encoder_no_repeat_ngram_size", &d->no_repeat_encoder, err)) ||
        (status = uvk_json_double(r->config, "repetition_penalty", r->file, &d->penalty, err)) ||
        (status = read_ids(r, "suppress_tokens", &d->suppressed, &d->n_suppressed, err)) ||
        (status = read_ids(r, "begin_suppress_tokens", &d->suppressed_first, &d->n_suppressed_first, err)) || (status = read_bad_words(r, d, err)))
        return status;
    const cJSON *last = cJSON_GetObjectItemCaseSensitive(r->config, "forced_eos_token_id");
    int32_t id;
    int count = 0;
    if (last && !cJSON_IsNull(last) && (status = take_ids(r, "forced_eos_token_id", cJSON_IsArray(last) ? last->child : last, &id, 1, &count, err)) == UVK_OK && count)
        d->forced_last = id;
    if (!(d->penalty > 0))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: repetition_penalty %g is not above 0", r->file, d->penalty);
    list_ignored(r, d);
    return status;
}

/* One file: whether it is there, and what it says. The stop tokens of config.json stand in where the first file has none. */
static uvk_status read_file(const char *dir, const char *name, int vocabulary, bool *found, uvk_decoding *d, uvk_error *err)
{
    char *file = uvk_file_join(dir, name);
    cJSON *config = NULL;
    if (!file)
        return uvk_fail_memory(err, 4096, "a file name");
    bool there = uvk_file_exists(file);
    uvk_status status = there ? uvk_json_load(file, LARGEST_CONFIG, &config, err) : UVK_OK;
    if (status == UVK_OK && there) {
        reader r = {config, file, vocabulary};
        const cJSON *stops = cJSON_GetObjectItemCaseSensitive(config, "eos_token_id");
        if (d->n_stop_ids == 0 && stops && !cJSON_IsNull(stops))
            status = take_ids(&r, "eos_token_id", stops, d->stop_ids, UVK_MAX_STOP_IDS, &d->n_stop_ids, err);
        if (status == UVK_OK && !*found)
            status = read_rules(&r, d, err);
        *found = true;
    }
    cJSON_Delete(config);
    free(file);
    return status;
}

uvk_status uvk_decoding_load(const char *dir, int vocabulary, uvk_decoding *out, uvk_error *err)
{
    bool found = false;
    *out = (uvk_decoding){.start = -1, .forced_first = -1, .forced_last = -1, .penalty = 1};
    uvk_status status = read_file(dir, "generation_config.json", vocabulary, &found, out, err);
    return status ? status : read_file(dir, "config.json", vocabulary, &found, out, err);
}

void uvk_decoding_free(uvk_decoding *d)
{
    for (int i = 0; i < d->n_bad_words; i++)
        free(d->bad_words[i].ids);
    free(d->bad_words);
    free(d->suppressed);
    free(d->suppressed_first);
}

bool uvk_decoding_stops(const uvk_decoding *d, int32_t id)
{
    for (int i = 0; i < d->n_stop_ids; i++)
        if (d->stop_ids[i] == id)
            return true;
    return false;
}

/* ---- Applying -------------------------------------------------------------------------------------------------------------------- */

static void forbid(float *logits, int32_t id)
{
    logits[id] = -INFINITY;
}

/* Every token that was there, once. */
static void penalize(double penalty, const uvk_generated *g, float *logits)
{
    for (int i = 0; i < g->count && penalty != 1; i++) {
        bool seen = false;
        for (int k = 0; k < i && !seen; k++)
            seen = g->ids[k] == g->ids[i];
        float *logit = &logits[g->ids[i]];
        if (!seen)
            *logit = (float)(*logit < 0 ? *logit * penalty : *logit / penalty);
    }
}

/* What would end a run of `size` tokens of text[n] again. */
static void forbid_repeats(int size, const int32_t *text, int n, const uvk_generated *g, float *logits)
{
    if (size < 1 || size - 1 > g->count)
        return;
    const int32_t *tail = g->ids + g->count - (size - 1);
    for (int i = 0; i <= n - size; i++)
        if (memcmp(text + i, tail, (size_t)(size - 1) * sizeof *tail) == 0)
            forbid(logits, text[i + size - 1]);
}

static void forbid_words(const uvk_decoding *d, const uvk_generated *g, float *logits)
{
    for (int i = 0; i < d->n_bad_words; i++) {
        const uvk_bad_word *w = &d->bad_words[i];
        bool alone = w->count == 1 && !uvk_decoding_stops(d, w->ids[0]); /* the end of a sequence is no word */
        if (alone || (w->count > 1 && g->count >= w->count - 1 &&
                      memcmp(w->ids, g->ids + g->count - (w->count - 1), (size_t)(w->count - 1) * sizeof *w->ids) == 0))
            forbid(logits, w->ids[w->count - 1]);
    }
}

static void force(float *logits, int vocabulary, int32_t id)
{
    for (int i = 0; i < vocabulary; i++)
        logits[i] = i == id ? 0 : -INFINITY;
}

void uvk_decoding_apply(const uvk_decoding *d, const uvk_generated *g, float *logits, int vocabulary)
{
    int behind_start = g->given > 1 || d->forced_first < 0 ? g->given : g->given + 1;
    penalize(d->penalty, g, logits);
    forbid_repeats(d->no_repeat, g->ids, g->count, g, logits);
    forbid_repeats(d->no_repeat_encoder, g->encoder, g->n_encoder, g, logits);
    forbid_words(d, g, logits);
    for (int i = 0; i < d->n_stop_ids; i++)
        if (g->count < d->least || g->count - g->given < d->least_new)
            forbid(logits, d->stop_ids[i]);
    if (d->forced_first >= 0 && g->count == 1)
        force(logits, vocabulary, d->forced_first);
    if (d->forced_last >= 0 && g->count == g->most - 1)
        force(logits, vocabulary, d->forced_last);
    for (int i = 0; i < d->n_suppressed; i++)
        forbid(logits, d->suppressed[i]);
    for (int i = 0; i < d->n_suppressed_first && g->count == behind_start; i++)
        forbid(logits, d->suppressed_first[i]);
}
