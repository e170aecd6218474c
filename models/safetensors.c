#include "safetensors.h"

#include "file.h"
#include "json.h"
#include "safetensors_missing.h"
#include "safetensors_shard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct uvk_tensor_file {
    uvk_shard *shards;
    size_t n_shards;
    uvk_tensor_view *tensors; /* of all shards, sorted by name */
    size_t n;
    char *index;              /* path, or NULL */
    const char **paths;
    size_t n_paths;
};

static const size_t max_index = 100 * 1000 * 1000;

/* ---- Putting the shards together -------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const uvk_tensor_view *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static uvk_status check_unique(const uvk_tensor_file *file, uvk_error *err)
{
    for (size_t i = 1; i < file->n; i++)
        if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" is there twice (the other one in %s)", file->tensors[i].file,
                            file->tensors[i].name, file->tensors[i - 1].file);
    return UVK_OK;
}

static uvk_status collect_tensors(uvk_tensor_file *file, uvk_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < file->n_shards; i++)
        n += file->shards[i].n;
    file->tensors = malloc((n + 1) * sizeof *file->tensors);
    if (!file->tensors)
        return uvk_fail_memory(err, (n + 1) * sizeof *file->tensors, "the list of tensors");
    for (size_t i = 0; i < file->n_shards; i++) {
        memcpy(file->tensors + file->n, file->shards[i].tensors, file->shards[i].n * sizeof *file->tensors);
        file->n += file->shards[i].n;
    }
    qsort(file->tensors, file->n, sizeof *file->tensors, by_name);
    return check_unique(file, err);
}

static uvk_status collect_paths(uvk_tensor_file *file, uvk_error *err)
{
    file->paths = malloc((file->n_shards + 1) * sizeof *file->paths);
    if (!file->paths)
        return uvk_fail_memory(err, (file->n_shards + 1) * sizeof *file->paths, "the list of files");
    if (file->index)
        file->paths[file->n_paths++] = file->index;
    for (size_t i = 0; i < file->n_shards; i++)
        file->paths[file->n_paths++] = file->shards[i].path;
    return UVK_OK;
}

/* names: sorted and different. */
static uvk_status open_shards(uvk_tensor_file *file, const char *dir, const char *const *names, size_t n, uvk_error *err)
{
    file->shards = calloc(n, sizeof *file->shards);
    if (!file->shards)
        return uvk_fail_memory(err, n * sizeof *file->shards, "the list of shards");
    for (size_t i = 0; i < n; i++) {
        char *path = uvk_file_join(dir, names[i]);
        if (!path)
            return uvk_fail_memory(err, strlen(dir) + strlen(names[i]) + 2, "a path");
        uvk_status status = uvk_file_exists(path) ? uvk_shard_open(path, &file->shards[file->n_shards++], err)
                                         : uvk_fail(err, UVK_BAD_INPUT, "%s: missing (%s names it)", path, file->index);
        free(path);
        if (status != UVK_OK)
            return status;
    }
    uvk_status status = collect_tensors(file, err);
    return status == UVK_OK ? collect_paths(file, err) : status;
}

/* ---- The index of a sharded model ---------------------------------------------------------------------------------------- */

/* A name that stays in the folder whatever is done with it. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') && !strchr(name, '\\');
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The different file names of weight_map, sorted; they point into the document. */
static uvk_status shard_names(const char *index, const cJSON *map, const char ***out, size_t *n, uvk_error *err)
{
    size_t capacity = (size_t)cJSON_GetArraySize(map);
    if (!cJSON_IsObject(map) || capacity == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no \"weight_map\" (found %s, expected an object of tensor and file names)", index,
                        uvk_json_kind(map));
    const char **names = malloc(capacity * sizeof *names);
    if (!names)
        return uvk_fail_memory(err, capacity * sizeof *names, index);
    size_t count = 0, kept = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        if (!cJSON_IsString(item) || !is_plain(item->valuestring)) {
            uvk_fail(err, UVK_BAD_INPUT, "%s: \"%.200s\" is in a bad place (found %.200s, expected the name of a file in this folder)", index,
                     item->string, cJSON_IsString(item) ? item->valuestring : uvk_json_kind(item));
            free(names);
            return UVK_BAD_INPUT;
        }
        names[count++] = item->valuestring;
    }
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[kept - 1]) != 0)
            names[kept++] = names[i];
    *out = names;
    *n = kept;
    return UVK_OK;
}

static uvk_status check_map(const uvk_tensor_file *file, const cJSON *map, uvk_error *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        const uvk_tensor_view *view = uvk_tensor_file_find(file, item->string);
        if (!view || strcmp(strrchr(view->file, '/') + 1, item->valuestring) != 0)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" is not where it should be (found in %s, expected in %.200s)", file->index,
                            item->string, view ? view->file : "no file", item->valuestring);
    }
    return UVK_OK;
}

static uvk_status open_index(uvk_tensor_file *file, const char *dir, uvk_error *err)
{
    cJSON *document = NULL;
    uvk_status status = uvk_json_load(file->index, max_index, &document, err);
    if (status != UVK_OK)
        return status;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(document, "weight_map");
    const char **names = NULL;
    size_t n = 0;
    status = shard_names(file->index, map, &names, &n, err);
    if (status == UVK_OK)
        status = open_shards(file, dir, names, n, err);
    if (status == UVK_OK)
        status = check_map(file, map, err);
    free(names);
    cJSON_Delete(document);
    return status;
}

/* ---- The folder ------------------------------------------------------------------------------------------------------------ */

static uvk_status open_folder(uvk_tensor_file *file, const char *dir, const char *single, uvk_error *err)
{
    static const char *const name = "model.safetensors";
    if (uvk_file_exists(single))
        return open_shards(file, dir, &name, 1, err);
    file->index = uvk_file_join(dir, "model.safetensors.index.json");
    if (!file->index)
        return uvk_fail_memory(err, strlen(dir), "a path");
    if (uvk_file_exists(file->index))
        return open_index(file, dir, err);
    return uvk_fail_no_weights(dir, err);
}

uvk_status uvk_tensor_file_open(const char *dir, uvk_tensor_file **out, uvk_error *err)
{
    uvk_tensor_file *file = calloc(1, sizeof *file);
    char *single = uvk_file_join(dir, "model.safetensors");
    uvk_status status = file && single ? open_folder(file, dir, single, err) : uvk_fail_memory(err, sizeof *file, dir);
    free(single);
    if (status == UVK_OK)
        *out = file;
    else
        uvk_tensor_file_free(file);
    return status;
}

void uvk_tensor_file_free(uvk_tensor_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->n_shards; i++)
        uvk_shard_free(&file->shards[i]);
    free(file->shards);
    free(file->tensors);
    free(file->index);
    free(file->paths);
    free(file);
}

/* ---- Looking things up -------------------------------------------------------------------------------------------------------- */

size_t uvk_tensor_file_count(const uvk_tensor_file *file)
{
    return file->n;
}

const uvk_tensor_view *uvk_tensor_file_at(const uvk_tensor_file *file, size_t i)
{
    return &file->tensors[i];
}

const uvk_tensor_view *uvk_tensor_file_find(const uvk_tensor_file *file, const char *name)
{
    uvk_tensor_view key = {.name = name};
    return bsearch(&key, file->tensors, file->n, sizeof key, by_name);
}

size_t uvk_tensor_file_paths(const uvk_tensor_file *file, const char *const **paths)
{
    *paths = file->paths;
    return file->n_paths;
}
