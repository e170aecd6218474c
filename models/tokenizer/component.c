#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

const char *uvk_component_type(const cJSON *component)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(component, "type");
    return cJSON_IsString(type) ? type->valuestring : "";
}

uvk_status uvk_component_refuse(const char *file, const char *what, const cJSON *component, uvk_error *err)
{
    const char *type = uvk_component_type(component);
    if (!cJSON_IsObject(component) || !type[0])
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a %s has no type (found %s)", file, what, uvk_json_kind(component));
    return uvk_fail(err, UVK_BAD_INPUT, "%s: %s %.100s is not supported", file, what, type);
}

uvk_status uvk_component_string(const cJSON *component, const char *key, const char *file, char **out, uvk_error *err)
{
    const char *found = NULL;
    uvk_status status = uvk_json_string(component, key, file, &found, err);
    if (status != UVK_OK)
        return status;
    if (!found)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %.100s lacks \"%s\"", file, uvk_component_type(component), key);
    *out = strdup(found);
    return *out ? UVK_OK : uvk_fail_memory(err, strlen(found), file);
}

uvk_status uvk_component_character(const cJSON *component, const char *key, const char *file, uint32_t *out, uvk_error *err)
{
    const char *found = NULL;
    uvk_status status = uvk_json_string(component, key, file, &found, err);
    if (status != UVK_OK)
        return status;
    if (!found || uvk_utf8_count(found, strlen(found)) != 1)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" of %.100s is not one character", file, key, uvk_component_type(component));
    uvk_utf8_get(found, out);
    return UVK_OK;
}

uvk_status uvk_component_pattern(const cJSON *component, const char *file, uvk_pattern **out, uvk_error *err)
{
    const cJSON *pattern = cJSON_GetObjectItemCaseSensitive(component, "pattern");
    const cJSON *regex = cJSON_GetObjectItemCaseSensitive(pattern, "Regex"), *string = cJSON_GetObjectItemCaseSensitive(pattern, "String");
    if (cJSON_IsString(regex))
        return uvk_pattern_regex(regex->valuestring, file, out, err);
    if (cJSON_IsString(string) || cJSON_IsString(pattern))
        return uvk_pattern_string(cJSON_IsString(string) ? string->valuestring : pattern->valuestring, out, err);
    return uvk_fail(err, UVK_BAD_INPUT, "%s: %.100s lacks a pattern (found %s)", file, uvk_component_type(component), uvk_json_kind(pattern));
}

uvk_status uvk_component_flatten(const cJSON *component, const char *key, const char *file, uvk_component_add *add, void *list, uvk_error *err)
{
    if (!component || cJSON_IsNull(component))
        return UVK_OK;
    if (strcmp(uvk_component_type(component), "Sequence") != 0)
        return add(list, component, file, err);
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(component, key), *item;
    if (!cJSON_IsArray(items))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a Sequence lacks \"%s\" (found %s)", file, key, uvk_json_kind(items));
    uvk_status status = UVK_OK;
    for (item = items->child; item && status == UVK_OK; item = item->next)
        status = uvk_component_flatten(item, key, file, add, list, err);
    return status;
}

void *uvk_list_add(void **items, size_t *count, size_t size)
{
    char *grown = realloc(*items, (*count + 1) * size);
    if (!grown)
        return NULL;
    *items = grown;
    void *item = grown + *count * size;
    memset(item, 0, size);
    ++*count;
    return item;
}
