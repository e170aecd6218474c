#include "json.h"

#include "file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A value costs a hundred bytes as a tree and two in the file: without a limit, 100 MB of "[0,0,0..." would need 5 GB. */
enum { MAX_VALUES = 8 * 1000 * 1000 };

/* Every value but the first follows one of these; those within strings only make the count an upper bound. */
static size_t count_values(const char *bytes, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i < size; i++)
        n += bytes[i] == ',' || bytes[i] == '[' || bytes[i] == '{';
    return n;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* cJSON ends a string at an escaped NUL and says nothing of what follows. U+FFFF, which is no character, keeps such a string apart from
 * every other. */
static void keep_nul(char *text, size_t size)
{
    for (size_t i = 0; i + 6 <= size; i++) {
        if (text[i] != '\\')
            continue;
        if (memcmp(text + i, "\\u0000", 6) == 0)
            memcpy(text + i + 2, "ffff", 4);
        i++; /* what a backslash escapes begins no escape */
    }
}

/* text[size] is NUL: cJSON 1.7.15 can look one byte past an input that does not end so. */
static uvk_status parse_terminated(char *text, size_t size, const char *name, cJSON **out, uvk_error *err)
{
    if (count_values(text, size) > MAX_VALUES)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: too many JSON values (expected at most %d)", name, MAX_VALUES);
    keep_nul(text, size);
    const char *end = text;
    errno = 0;
    cJSON *document = cJSON_ParseWithLengthOpts(text, size + 1, &end, 0);
    if (document)
        end = skip_space(end, text + size);
    if (!document && errno == ENOMEM) /* cJSON does not tell it from an error in the text */
        return uvk_fail_memory(err, size, name);
    if (!document || end != text + size) {
        cJSON_Delete(document);
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not valid JSON (error near byte %zu of %zu)", name, (size_t)(end - text), size);
    }
    if (!cJSON_IsObject(document)) {
        cJSON_Delete(document);
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a JSON object (expected { at the start)", name);
    }
    *out = document;
    return UVK_OK;
}

uvk_status uvk_json_parse(const char *bytes, size_t size, const char *name, cJSON **out, uvk_error *err)
{
    char *text = malloc(size + 1);
    if (!text)
        return uvk_fail_memory(err, size + 1, name);
    if (size > 0)
        memcpy(text, bytes, size);
    text[size] = '\0';
    uvk_status status = parse_terminated(text, size, name, out, err);
    free(text);
    return status;
}

uvk_status uvk_json_load(const char *path, size_t max_bytes, cJSON **out, uvk_error *err)
{
    void *text;
    size_t size;
    uvk_status status = uvk_file_read(path, max_bytes, &text, &size, err);
    if (status != UVK_OK)
        return status;
    status = parse_terminated(text, size, path, out, err);
    free(text);
    return status;
}

bool uvk_json_whole(const cJSON *item, int64_t *out)
{
    double limit = 9007199254740992.0; /* 2^53: beyond it a double skips integers */
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= limit) || item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (int64_t)item->valuedouble;
    return true;
}

const char *uvk_json_kind(const cJSON *item)
{
    switch (item ? item->type & 0xff : cJSON_Invalid) {
    case cJSON_False:
    case cJSON_True: return "a boolean";
    case cJSON_NULL: return "null";
    case cJSON_Number: return "a number";
    case cJSON_String: return "a string";
    case cJSON_Array: return "a list";
    case cJSON_Object: return "an object";
    default: return "nothing";
    }
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static uvk_status fail_kind(const cJSON *item, const char *key, const char *file, const char *expected, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" is of the wrong type (found %s, expected %s)", file, key,
                    uvk_json_kind(item), expected);
}

uvk_status uvk_json_int(const cJSON *object, const char *key, const char *file, int64_t lo, int64_t hi, int64_t *out, uvk_error *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return UVK_OK;
    if (!cJSON_IsNumber(item))
        return fail_kind(item, key, file, "an integer", err);
    int64_t value;
    if (!uvk_json_whole(item, &value) || value < lo || value > hi)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" is out of range (found %.17g, expected an integer in %lld..%lld)", file, key,
                        item->valuedouble, (long long)lo, (long long)hi);
    *out = value;
    return UVK_OK;
}

uvk_status uvk_json_double(const cJSON *object, const char *key, const char *file, double *out, uvk_error *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return UVK_OK;
    if (!cJSON_IsNumber(item))
        return fail_kind(item, key, file, "a number", err);
    if (!isfinite(item->valuedouble))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" is not finite (expected a number)", file, key);
    *out = item->valuedouble;
    return UVK_OK;
}

uvk_status uvk_json_bool(const cJSON *object, const char *key, const char *file, bool *out, uvk_error *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return UVK_OK;
    if (!cJSON_IsBool(item))
        return fail_kind(item, key, file, "true or false", err);
    *out = cJSON_IsTrue(item);
    return UVK_OK;
}

uvk_status uvk_json_string(const cJSON *object, const char *key, const char *file, const char **out, uvk_error *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return UVK_OK;
    if (!cJSON_IsString(item))
        return fail_kind(item, key, file, "a string", err);
    *out = item->valuestring;
    return UVK_OK;
}
