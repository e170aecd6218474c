#include "class_names.h"

#include "file.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_CONFIG = 16 << 20, LONGEST = 1024 };

static uvk_status take_label(const cJSON *item, const char *file, char **labels, int classes, uvk_error *err)
{
    char *end;
    long id = strtol(item->string, &end, 10);
    if (end == item->string || *end || id < 0 || id >= classes)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: id2label has a class %.40s (expected 0 to %d)", file, item->string, classes - 1);
    if (!cJSON_IsString(item) || strlen(item->valuestring) > LONGEST)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the label of class %ld is no text of at most %d bytes", file, id, LONGEST);
    if (labels[id])
        return uvk_fail(err, UVK_BAD_INPUT, "%s: id2label names class %ld twice", file, id);
    labels[id] = strdup(item->valuestring);
    return labels[id] ? UVK_OK : uvk_fail_memory(err, strlen(item->valuestring) + 1, "labels");
}

static uvk_status take_labels(const cJSON *config, const char *file, char **labels, int classes, uvk_error *err)
{
    const cJSON *item;
    uvk_status status = UVK_OK;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(config, "id2label"))
        if (status == UVK_OK && item->string)
            status = take_label(item, file, labels, classes, err);
    return status;
}

uvk_status uvk_class_names_load(const char *dir, int classes, char ***out, uvk_error *err)
{
    char **labels = calloc((size_t)classes, sizeof *labels), *file = uvk_file_join(dir, "config.json");
    cJSON *config = NULL;
    uvk_status status = labels && file ? uvk_json_load(file, LARGEST_CONFIG, &config, err) : uvk_fail_memory(err, (size_t)classes * sizeof *labels, "labels");
    if (status == UVK_OK)
        status = take_labels(config, file, labels, classes, err);
    cJSON_Delete(config);
    free(file);
    if (status)
        uvk_class_names_free(labels, classes);
    else
        *out = labels;
    return status;
}

void uvk_class_names_free(char **labels, int classes)
{
    for (int i = 0; labels && i < classes; i++)
        free(labels[i]);
    free(labels);
}
