#include "mask.h"

#include "file.h"
#include "image.h"
#include "json.h"
#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO_CLASS = 255 };

static const size_t max_map = 1 << 20;

/* ---- What labels stand for ------------------------------------------------------------------------------------------------ */

static bool read_label(const char *text, long *out)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    *out = strtol(text, &end, 10);
    return *end == '\0' && *out <= 255;
}

static uvk_status ignore_labels(const char *list, label_map *map, uvk_error *err)
{
    char *items = text_copy(list), *rest = items, *item;
    uvk_status status = UVK_OK;
    while (status == UVK_OK && (item = strsep(&rest, ","))) {
        long label = 0;
        if (read_label(item, &label))
            map->classes[label] = NO_CLASS;
        else
            status = uvk_fail(err, UVK_USAGE, "--ignore %s: expected labels from 0 to 255, such as 0,255", list);
    }
    free(items);
    return status;
}

static void set_name(label_map *map, int class, const cJSON *name)
{
    if (!cJSON_IsString(name) || map->names[class])
        return;
    map->names[class] = text_copy(name->valuestring);
}

static uvk_status fail_entry(const char *file, const cJSON *entry, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%.60s\" (expected a label from 0 to 254 with a name, a class from 0 to 254, {\"id\": class, \"name\": name}, or null)",
                    file, entry->string ? entry->string : "a list");
}

static uvk_status map_label(const char *file, const cJSON *entry, label_map *map, uvk_error *err)
{
    const cJSON *id = cJSON_IsObject(entry) ? cJSON_GetObjectItemCaseSensitive(entry, "id") : entry;
    long label;
    int64_t class;
    if (!entry->string || !read_label(entry->string, &label))
        return fail_entry(file, entry, err);
    class = label;
    if (cJSON_IsNull(entry))
        class = NO_CLASS;
    else if (!cJSON_IsString(entry) && (!uvk_json_whole(id, &class) || class < 0 || class >= NO_CLASS))
        return fail_entry(file, entry, err);
    if (map->classes[label] != NO_CLASS) /* --ignore stands */
        map->classes[label] = (uint8_t)class;
    set_name(map, (int)class, cJSON_IsObject(entry) ? cJSON_GetObjectItemCaseSensitive(entry, "name") : entry);
    return UVK_OK;
}

static uvk_status read_map(const char *file, label_map *map, uvk_error *err)
{
    void *bytes;
    size_t size;
    cJSON *json = NULL;
    uvk_status status = uvk_file_read(file, max_map, &bytes, &size, err);
    if (status)
        return status;
    status = uvk_json_parse(bytes, size, file, &json, err);
    free(bytes);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, json)
        if (status == UVK_OK)
            status = map_label(file, entry, map, err);
    cJSON_Delete(json);
    return status;
}

uvk_status label_map_open(const char *file, const char *ignore, label_map *out, uvk_error *err)
{
    *out = (label_map){0};
    for (int label = 0; label < 256; label++)
        out->classes[label] = (uint8_t)label; /* 255 is NO_CLASS */
    uvk_status status = ignore ? ignore_labels(ignore, out, err) : UVK_OK;
    return status == UVK_OK && file ? read_map(file, out, err) : status;
}

void label_map_free(label_map *map)
{
    for (int class = 0; class < 256; class++)
        free(map->names[class]);
}

/* ---- Masks ------------------------------------------------------------------------------------------------------------------ */

/* The mask's pixel under the middle of pixel i of the model's input; -1 outside. */
static int place(int i, double scale, double offset, int size)
{
    double at = floor((i + 0.5) * scale + offset);
    return at >= 0 && at < size ? (int)at : -1;
}

static void sample(const uvk_labels *mask, const uvk_model_info *model, const uvk_input_info *input, const label_map *map, uint8_t *classes)
{
    for (int y = 0; y < model->image_height; y++) {
        int row = place(y, input->scale_y, input->offset_y, mask->height);
        for (int x = 0; x < model->image_width; x++) {
            int column = place(x, input->scale_x, input->offset_x, mask->width);
            *classes++ = row < 0 || column < 0 ? NO_CLASS : map->classes[mask->values[(size_t)row * (size_t)mask->width + (size_t)column]];
        }
    }
}

static uvk_status check_size(const char *path, const uvk_labels *mask, const uvk_model_info *model, const uvk_input_info *input, uvk_error *err)
{
    int width = input->photo_width ? input->photo_width : model->image_width, height = input->photo_height ? input->photo_height : model->image_height;
    if (mask->width == width && mask->height == height)
        return UVK_OK;
    return uvk_fail(err, UVK_BAD_INPUT, "%s: a mask of another size (found %dx%d, expected that of %s, %dx%d)", path, mask->width, mask->height, input->path, width, height);
}

uvk_status mask_load(const char *folder, const char *path, const uvk_model_info *model, const uvk_input_info *input, const label_map *map, uint8_t **classes, uvk_error *err)
{
    char *stem = text_stem(path), *name = text_format("%s.png", stem), *file = text_join_path(folder, name);
    uvk_labels mask = {0};
    uvk_status status = uvk_labels_load(file, &mask, err);
    if (status == UVK_OK)
        status = check_size(file, &mask, model, input, err);
    if (status == UVK_OK) {
        *classes = text_alloc((size_t)model->image_height * (size_t)model->image_width, 1);
        sample(&mask, model, input, map, *classes);
    }
    uvk_labels_free(&mask);
    free(file);
    free(name);
    free(stem);
    return status;
}

int mask_count(const uint8_t *classes, size_t pixels)
{
    bool seen[256] = {false};
    int count = 0;
    for (size_t k = 0; k < pixels; k++)
        seen[classes[k]] = true;
    for (int class = 0; class < NO_CLASS; class++)
        count += seen[class];
    return count;
}
