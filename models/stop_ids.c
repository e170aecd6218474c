#include "stop_ids.h"

#include "file.h"
#include "json.h"

#include <stdlib.h>
#include <unistd.h>

enum { LARGEST_CONFIG = 16 << 20 };

typedef struct id_list {
    const char *file;
    int vocabulary, capacity, *count;
    int32_t *ids;
} id_list;

static uvk_status add_id(id_list *list, const cJSON *item, uvk_error *err)
{
    int64_t id;
    if (!uvk_json_whole(item, &id))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: eos_token_id must be a token id or a list of them (found %s)", list->file, uvk_json_kind(item));
    if (id < 0 || id >= list->vocabulary) /* what some checkpoints write for "none", or one that the embedding was never given */
        return UVK_OK;
    if (*list->count == list->capacity)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: more than %d ids in eos_token_id", list->file, list->capacity);
    list->ids[(*list->count)++] = (int32_t)id;
    return UVK_OK;
}

static uvk_status read_ids(const cJSON *config, id_list *list, uvk_error *err)
{
    const cJSON *eos = cJSON_GetObjectItemCaseSensitive(config, "eos_token_id"), *item;
    uvk_status status = UVK_OK;
    if (!eos || cJSON_IsNull(eos))
        return UVK_OK;
    if (!cJSON_IsArray(eos))
        return add_id(list, eos, err);
    cJSON_ArrayForEach(item, eos) {
        if (status == UVK_OK)
            status = add_id(list, item, err);
    }
    return status;
}

uvk_status uvk_stop_ids_load(const char *dir, int vocabulary, int32_t *ids, int capacity, int *count, uvk_error *err)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    uvk_status status = UVK_OK;
    *count = 0;
    for (int i = 0; i < 2 && status == UVK_OK && *count == 0; i++) {
        char *file = uvk_file_join(dir, names[i]);
        cJSON *config = NULL;
        if (!file)
            return uvk_fail_memory(err, 4096, "a file name");
        if (access(file, F_OK) == 0 && (status = uvk_json_load(file, LARGEST_CONFIG, &config, err)) == UVK_OK) {
            id_list list = {file, vocabulary, capacity, count, ids};
            status = read_ids(config, &list, err);
        }
        cJSON_Delete(config);
        free(file);
    }
    return status;
}
