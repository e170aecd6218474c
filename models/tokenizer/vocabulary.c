#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(uvk_vocabulary *v, size_t size)
{
    if (size <= v->size)
        return true;
    /* Grown in steps that double: ids come in order. v->size is how much of it is filled. */
    size_t room = 1024;
    while (room < v->size)
        room *= 2;
    size_t wanted = room;
    while (wanted < size)
        wanted *= 2;
    if (wanted > room || !v->pieces) {
        char **pieces = realloc(v->pieces, wanted * sizeof *pieces);
        if (!pieces)
            return false;
        v->pieces = pieces;
    }
    for (; v->size < size; v->size++)
        v->pieces[v->size] = NULL;
    return true;
}

uvk_status uvk_vocabulary_add(uvk_vocabulary *v, const char *piece, int64_t id, const char *file, uvk_error *err)
{
    if (id < 0 || id > UVK_MAX_ID)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the id of \"%.100s\" is out of range (found %lld, expected 0..%d)", file, piece, (long long)id,
                        UVK_MAX_ID);
    if (uvk_vocabulary_piece(v, id))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: id %lld is given twice (\"%.100s\" and \"%.100s\")", file, (long long)id, v->pieces[id], piece);
    if (!reserve(v, (size_t)id + 1) || !(v->pieces[id] = strdup(piece)))
        return uvk_fail_memory(err, (size_t)id + 1, "a vocabulary");
    return UVK_OK;
}

uvk_status uvk_vocabulary_index(uvk_vocabulary *v, uvk_error *err)
{
    uvk_entry *entries = malloc((v->size + 1) * sizeof *entries);
    if (!entries)
        return uvk_fail_memory(err, v->size * sizeof *entries, "a vocabulary");
    size_t count = 0;
    for (size_t id = 0; id < v->size; id++)
        if (v->pieces[id] && v->pieces[id][0])
            entries[count++] = (uvk_entry){v->pieces[id], strlen(v->pieces[id]), (int32_t)id};
    uvk_status status = uvk_trie_create(entries, count, &v->ids, err);
    free(entries);
    return status;
}

uvk_status uvk_vocabulary_load(uvk_vocabulary *v, const cJSON *object, const char *file, uvk_error *err)
{
    if (!cJSON_IsObject(object))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the model lacks a vocab (found %s, expected an object)", file, uvk_json_kind(object));
    for (const cJSON *item = object->child; item; item = item->next) {
        int64_t id;
        if (!uvk_json_whole(item, &id))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: the id of \"%.100s\" is not a whole number", file, item->string);
        uvk_status status = uvk_vocabulary_add(v, item->string, id, file, err);
        if (status != UVK_OK)
            return status;
    }
    return uvk_vocabulary_index(v, err);
}

void uvk_vocabulary_free(uvk_vocabulary *v)
{
    for (size_t i = 0; i < v->size; i++)
        free(v->pieces[i]);
    free(v->pieces);
    uvk_trie_free(v->ids);
    *v = (uvk_vocabulary){0};
}

int32_t uvk_vocabulary_find(const uvk_vocabulary *v, const char *piece, size_t length)
{
    return uvk_trie_find(v->ids, piece, length);
}

const char *uvk_vocabulary_piece(const uvk_vocabulary *v, int64_t id)
{
    return id >= 0 && (uint64_t)id < v->size ? v->pieces[id] : NULL;
}

void uvk_vocabulary_bytes(const uvk_vocabulary *v, int32_t ids[256])
{
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        ids[byte] = uvk_vocabulary_find(v, name, (size_t)n);
    }
}
