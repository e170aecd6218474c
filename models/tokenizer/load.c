#include "pipeline.h"

#include "file.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 128 * 1024 * 1024 };

/* ---- From a document ---------------------------------------------------------------------------------------------------------- */

static bool knows(const void *tokenizer, int64_t id)
{
    const uvk_tokenizer *t = tokenizer;
    return uvk_vocabulary_piece(&t->model.vocabulary, id) || uvk_added_at(&t->added, id);
}

/* truncation and padding, which the file may have as well, are the caller's. */
uvk_status uvk_tokenizer_from_json(uvk_tokenizer *t, const cJSON *document, const char *file, uvk_error *err)
{
    uvk_status status = uvk_normalizers_load(&t->normalizers, cJSON_GetObjectItemCaseSensitive(document, "normalizer"), file, err);
    if (status == UVK_OK)
        status = uvk_pretokenizers_load(&t->pretokenizers, cJSON_GetObjectItemCaseSensitive(document, "pre_tokenizer"), file, err);
    if (status == UVK_OK)
        status = uvk_postprocessors_load(&t->postprocessors, cJSON_GetObjectItemCaseSensitive(document, "post_processor"), file, err);
    if (status == UVK_OK)
        status = uvk_decoders_load(&t->decoders, cJSON_GetObjectItemCaseSensitive(document, "decoder"), file, err);
    if (status == UVK_OK)
        status = uvk_token_model_load(&t->model, cJSON_GetObjectItemCaseSensitive(document, "model"), file, err);
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(document, "added_tokens");
    if (status == UVK_OK)
        status = uvk_added_load(&t->added, added, &t->model.vocabulary, &t->normalizers, file, err);
    return status == UVK_OK ? uvk_postprocessors_check(&t->postprocessors, knows, t, file, err) : status;
}

/* Strings of the file are taken for UTF-8 from here on. */
static uvk_status read_document(const char *path, cJSON **out, uvk_error *err)
{
    void *bytes;
    size_t size;
    uvk_status status = uvk_file_read(path, MAX_FILE, &bytes, &size, err);
    if (status != UVK_OK)
        return status;
    size_t valid = uvk_utf8_check(bytes, size);
    if (valid < size)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: not UTF-8 (bad byte at offset %zu)", path, valid);
    else
        status = uvk_json_parse(bytes, size, path, out, err);
    free(bytes);
    return status;
}

/* ---- From a folder ------------------------------------------------------------------------------------------------------------ */

static bool has(const char *dir, const char *name)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path && uvk_file_exists(path);
}

bool uvk_tokenizer_exists(const char *dir)
{
    return has(dir, "tokenizer.json") || (has(dir, "vocab.json") && has(dir, "merges.txt")) || has(dir, "vocab.txt");
}

static uvk_status find_document(const char *dir, cJSON **out, char **file, uvk_error *err)
{
    if (!has(dir, "tokenizer.json"))
        return uvk_vocabulary_files_document(dir, out, file, err);
    *file = uvk_file_join(dir, "tokenizer.json");
    return *file ? read_document(*file, out, err) : uvk_fail_memory(err, strlen(dir), "a path");
}

uvk_status uvk_tokenizer_load(const char *dir, uvk_tokenizer **out, uvk_error *err)
{
    cJSON *document = NULL;
    char *file = NULL;
    uvk_tokenizer *t = calloc(1, sizeof *t);
    uvk_status status = t ? find_document(dir, &document, &file, err) : uvk_fail_memory(err, sizeof *t, "a tokenizer");
    if (status == UVK_OK)
        status = uvk_tokenizer_from_json(t, document, file, err);
    cJSON_Delete(document);
    free(file);
    if (status == UVK_OK)
        *out = t;
    else
        uvk_tokenizer_free(t);
    return status;
}

void uvk_tokenizer_free(uvk_tokenizer *t)
{
    if (!t)
        return;
    uvk_normalizers_free(&t->normalizers);
    uvk_pretokenizers_free(&t->pretokenizers);
    uvk_token_model_free(&t->model);
    uvk_added_free(&t->added);
    uvk_postprocessors_free(&t->postprocessors);
    uvk_decoders_free(&t->decoders);
    free(t);
}

/* ---- Questions ---------------------------------------------------------------------------------------------------------------- */

int32_t uvk_tokenizer_size(const uvk_tokenizer *t)
{
    int32_t size = (int32_t)t->model.vocabulary.size;
    int32_t last = t->added.count > 0 ? t->added.items[t->added.count - 1].id : -1;
    return last >= size ? last + 1 : size;
}

int32_t uvk_tokenizer_vocabulary(const uvk_tokenizer *t)
{
    return (int32_t)t->model.vocabulary.size;
}

const char *uvk_tokenizer_piece(const uvk_tokenizer *t, int32_t id)
{
    const uvk_added_token *added = uvk_added_at(&t->added, id);
    return added ? added->content : uvk_vocabulary_piece(&t->model.vocabulary, id);
}

int32_t uvk_tokenizer_find(const uvk_tokenizer *t, const char *piece)
{
    for (size_t i = 0; i < t->added.count; i++)
        if (strcmp(t->added.items[i].content, piece) == 0)
            return t->added.items[i].id;
    return uvk_vocabulary_find(&t->model.vocabulary, piece, strlen(piece));
}

bool uvk_tokenizer_is_special(const uvk_tokenizer *t, int32_t id)
{
    const uvk_added_token *added = uvk_added_at(&t->added, id);
    return added && added->special;
}
