#include "pipeline.h"

#include "file.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 128 * 1024 * 1024, MAX_CONFIG = 1 << 20 };

/* ---- Reading ------------------------------------------------------------------------------------------------------------------- */

/* A text file that is valid UTF-8, with a NUL behind it and none within. */
static uvk_status read_text(const char *path, char **out, uvk_error *err)
{
    void *bytes;
    size_t size;
    uvk_status status = uvk_file_read(path, MAX_FILE, &bytes, &size, err);
    if (status != UVK_OK)
        return status;
    size_t valid = strlen(bytes) == size ? uvk_utf8_check(bytes, size) : strlen(bytes);
    if (valid == size) {
        *out = bytes;
        return UVK_OK;
    }
    free(bytes);
    return uvk_fail(err, UVK_BAD_INPUT, "%s: not text in UTF-8 (bad byte at offset %zu)", path, valid);
}

/* The line at *text, NUL put in place of its end (\r\n too); *text moves on, to NULL after the last. */
static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    *text = end && end[1] ? end + 1 : NULL;
    size_t n = end ? (size_t)(end - line) : strlen(line);
    while (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return line;
}

/* tokenizer_config.json, or NULL where there is none. */
static uvk_status read_config(const char *dir, cJSON **out, char **path, uvk_error *err)
{
    *path = uvk_file_join(dir, "tokenizer_config.json");
    if (!*path)
        return uvk_fail_memory(err, strlen(dir), "a path");
    return uvk_file_exists(*path) ? uvk_json_load(*path, MAX_CONFIG, out, err) : UVK_OK;
}

/* ---- vocab.txt: BERT ------------------------------------------------------------------------------------------------------------ */

static const char bert[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100}}";

/* The flags of the normalizer that tokenizer_config.json has other names for. */
static uvk_status apply_bert_config(cJSON *normalizer, const cJSON *config, const char *path, uvk_error *err)
{
    static const char *const names[][2] = {
        {"do_lower_case", "lowercase"}, {"strip_accents", "strip_accents"}, {"tokenize_chinese_chars", "handle_chinese_chars"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, names[i][0]);
        if (!item || cJSON_IsNull(item))
            continue;
        bool value = false;
        uvk_status status = uvk_json_bool(config, names[i][0], path, &value, err);
        if (status != UVK_OK)
            return status;
        if (!cJSON_ReplaceItemInObjectCaseSensitive(normalizer, names[i][1], cJSON_CreateBool(value)))
            return uvk_fail_memory(err, sizeof(cJSON), "a tokenizer");
    }
    return UVK_OK;
}

static bool add_special(cJSON *document, const char *content, double id)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(document, "added_tokens");
    if (!list)
        list = cJSON_AddArrayToObject(document, "added_tokens");
    cJSON *item = cJSON_CreateObject();
    return list && item && cJSON_AddItemToArray(list, item) && cJSON_AddNumberToObject(item, "id", id) && cJSON_AddStringToObject(item, "content", content) &&
           cJSON_AddTrueToObject(item, "special");
}

/* One piece a line; of a piece that stands twice the last line counts. cJSON appends in constant time to lists, not to objects by
 * name, so names are compared by the vocabulary, not here. */
static bool add_lines(cJSON *vocab, char *text, double special_ids[5], const char *const specials[5])
{
    double id = 0;
    for (char *rest = text; rest; id++) {
        char *line = next_line(&rest);
        cJSON *item = cJSON_CreateNumber(id);
        if (!item || !cJSON_AddItemToObject(vocab, line, item))
            return false;
        for (int i = 0; i < 5; i++)
            if (strcmp(line, specials[i]) == 0)
                special_ids[i] = id;
    }
    return true;
}

static bool add_bert_template(cJSON *document, double cls, double sep)
{
    char text[256];
    snprintf(text, sizeof text, "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",%.0f],\"cls\":[\"[CLS]\",%.0f]}", sep, cls);
    return cls < 0 || sep < 0 || cJSON_AddItemToObject(document, "post_processor", cJSON_Parse(text));
}

static uvk_status build_bert(const char *path, cJSON *document, uvk_error *err)
{
    static const char *const specials[5] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    double ids[5] = {-1, -1, -1, -1, -1};
    char *text;
    uvk_status status = read_text(path, &text, err);
    if (status != UVK_OK)
        return status;
    cJSON *vocab = cJSON_AddObjectToObject(cJSON_GetObjectItemCaseSensitive(document, "model"), "vocab");
    bool ok = vocab && add_lines(vocab, text, ids, specials);
    free(text);
    for (int i = 0; i < 5; i++)
        ok = ok && (ids[i] < 0 || add_special(document, specials[i], ids[i]));
    ok = ok && add_bert_template(document, ids[2], ids[3]);
    return ok ? UVK_OK : uvk_fail_memory(err, MAX_CONFIG, path);
}

/* ---- vocab.json and merges.txt: GPT-2 --------------------------------------------------------------------------------------------- */

static const char gpt2[] = "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true},"
                           "\"post_processor\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":false},"
                           "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\"}}";

static bool add_merges(cJSON *model, char *text)
{
    cJSON *list = cJSON_AddArrayToObject(model, "merges");
    for (char *rest = text; list && rest;) {
        const char *line = next_line(&rest);
        if (!line[0] || strncmp(line, "#version", 8) == 0)
            continue;
        if (!cJSON_AddItemToArray(list, cJSON_CreateString(line)))
            return false;
    }
    return list != NULL;
}

static uvk_status build_gpt2(const char *dir, const char *path, cJSON *document, uvk_error *err)
{
    char *merges_path = uvk_file_join(dir, "merges.txt"), *text = NULL, *vocab_text = NULL;
    cJSON *vocab = NULL, *model = cJSON_GetObjectItemCaseSensitive(document, "model");
    uvk_status status = merges_path ? read_text(merges_path, &text, err) : uvk_fail_memory(err, strlen(dir), "a path");
    if (status == UVK_OK)
        status = read_text(path, &vocab_text, err);
    if (status == UVK_OK)
        status = uvk_json_parse(vocab_text, strlen(vocab_text), path, &vocab, err);
    if (status == UVK_OK) {
        const cJSON *end = cJSON_GetObjectItemCaseSensitive(vocab, "<|endoftext|>");
        bool ok = add_merges(model, text) && cJSON_AddItemToObject(model, "vocab", vocab);
        if (!ok || (cJSON_IsNumber(end) && !add_special(document, "<|endoftext|>", end->valuedouble)))
            status = uvk_fail_memory(err, MAX_CONFIG, path);
    }
    free(merges_path);
    free(text);
    free(vocab_text);
    return status;
}

/* ---- Which ---------------------------------------------------------------------------------------------------------------------- */

static uvk_status build(const char *dir, const char *path, bool is_bert, cJSON *document, uvk_error *err)
{
    if (!is_bert)
        return build_gpt2(dir, path, document, err);
    cJSON *config = NULL;
    char *config_path = NULL;
    uvk_status status = read_config(dir, &config, &config_path, err);
    if (status == UVK_OK)
        status = apply_bert_config(cJSON_GetObjectItemCaseSensitive(document, "normalizer"), config, config_path, err);
    cJSON_Delete(config);
    free(config_path);
    return status == UVK_OK ? build_bert(path, document, err) : status;
}

uvk_status uvk_vocabulary_files_document(const char *dir, cJSON **out, char **file, uvk_error *err)
{
    char *json = uvk_file_join(dir, "vocab.json"), *text = uvk_file_join(dir, "vocab.txt"), *merges = uvk_file_join(dir, "merges.txt");
    bool ok = json && text && merges, is_gpt2 = ok && uvk_file_exists(json) && uvk_file_exists(merges);
    bool is_bert = ok && !is_gpt2 && uvk_file_exists(text);
    free(merges);
    *file = is_gpt2 ? json : text;
    free(is_gpt2 ? text : json);
    if (!ok)
        return uvk_fail_memory(err, strlen(dir), "a path");
    if (!is_gpt2 && !is_bert)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no tokenizer (expected tokenizer.json, vocab.json and merges.txt, or vocab.txt)", dir);
    *out = cJSON_Parse(is_bert ? bert : gpt2);
    return *out ? build(dir, *file, is_bert, *out, err) : uvk_fail_memory(err, sizeof bert, "a tokenizer");
}
