/* preprocessor_config.json: what it says, and what the image processor it names takes for the rest. */
#include "preprocess.h"

#include "file.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 1 << 20 };

/* ---- Defaults ------------------------------------------------------------------------------------------------------------ */

/* How a class of image processors fills in absent keys. */
typedef struct processor {
    const char *name;
    bool int_is_square; /* a plain number as size: a square; otherwise the shorter edge */
    uvk_preprocess defaults;
} processor;

#define COMMON .resize = true, .rescale = true, .rescale_factor = 1.0 / 255, .normalize = true
#define HALF .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}
#define CLIP .mean = {0.48145466f, 0.4578275f, 0.40821073f}, .std = {0.26862954f, 0.26130258f, 0.27577711f}
#define SQUARE(n) .resize_height = n, .resize_width = n
#define CROP(n) .center_crop = true, .crop_height = n, .crop_width = n

static const processor processors[] = {
    {"ViT", true, {COMMON, HALF, .filter = UVK_BILINEAR, SQUARE(224)}},
    {"DeiT", true, {COMMON, HALF, .filter = UVK_BICUBIC, SQUARE(256), CROP(224)}},
    {"CLIP", false, {COMMON, CLIP, .filter = UVK_BICUBIC, .shortest_edge = 224, CROP(224)}},
    {"Bit", false, {COMMON, CLIP, .filter = UVK_BICUBIC, .shortest_edge = 224, CROP(224)}},
    {"Siglip", false, {COMMON, HALF, .filter = UVK_BICUBIC, SQUARE(224)}},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "ViTImageProcessor", "ViTImageProcessorFast", "ViTFeatureExtractor" are all of the class "ViT". */
static const processor *find_processor(const char *type)
{
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++) {
        const char *rest = type + strlen(processors[i].name);
        if (starts_with(type, processors[i].name) && (starts_with(rest, "ImageProcessor") || starts_with(rest, "FeatureExtractor")))
            return &processors[i];
    }
    return NULL;
}

/* A type that is not known may do something else with the same keys: it is not guessed. */
static uvk_status choose_processor(const cJSON *config, const char *file, const processor **out, uvk_error *err)
{
    const char *type = "ViTImageProcessor";
    uvk_status status = uvk_json_string(config, "feature_extractor_type", file, &type, err);
    if (status == UVK_OK)
        status = uvk_json_string(config, "image_processor_type", file, &type, err);
    if (status != UVK_OK)
        return status;
    *out = find_processor(type);
    if (!*out)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: an image processor that is not supported (found %.100s, expected that of ViT, DeiT, CLIP, Bit or Siglip)",
                        file, type);
    return UVK_OK;
}

/* ---- Sizes --------------------------------------------------------------------------------------------------------------- */

typedef struct edges {
    int64_t height, width, shortest, longest; /* 0: not given */
} edges;

static uvk_status fail_size(const char *key, const char *file, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" has an unknown form (expected an integer from 1 to %d, {\"height\", \"width\"} or {\"shortest_edge\"})",
                    file, key, UVK_MAX_SIDE);
}

static uvk_status read_size_object(const cJSON *object, const char *key, const char *file, edges *out, uvk_error *err)
{
    const struct {
        const char *key;
        int64_t *out;
    } members[] = {{"height", &out->height}, {"width", &out->width}, {"shortest_edge", &out->shortest}, {"longest_edge", &out->longest}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        uvk_status status = uvk_json_int(object, members[i].key, file, 1, UVK_MAX_SIDE, members[i].out, err);
        if (status != UVK_OK)
            return status;
    }
    bool exact = out->height && out->width && !out->shortest && !out->longest;
    bool by_edge = out->shortest && !out->height && !out->width;
    return exact || by_edge ? UVK_OK : fail_size(key, file, err);
}

/* [height, width] */
static uvk_status read_size_list(const cJSON *list, const char *key, const char *file, edges *out, uvk_error *err)
{
    const cJSON *first = list->child, *second = first ? first->next : NULL;
    if (!second || second->next || !uvk_json_whole(first, &out->height) || !uvk_json_whole(second, &out->width))
        return fail_size(key, file, err);
    if (out->height < 1 || out->width < 1 || out->height > UVK_MAX_SIDE || out->width > UVK_MAX_SIDE)
        return fail_size(key, file, err);
    return UVK_OK;
}

static uvk_status read_size_number(const cJSON *number, const char *key, const char *file, bool square, edges *out, uvk_error *err)
{
    int64_t size;
    if (!uvk_json_whole(number, &size) || size < 1 || size > UVK_MAX_SIDE)
        return fail_size(key, file, err);
    *out = square ? (edges){.height = size, .width = size} : (edges){.shortest = size};
    return UVK_OK;
}

/* *given tells whether the key is there. */
static uvk_status read_size(const cJSON *config, const char *key, const char *file, bool square, edges *out, bool *given, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    *out = (edges){0};
    *given = item && !cJSON_IsNull(item);
    if (!*given)
        return UVK_OK;
    if (cJSON_IsObject(item))
        return read_size_object(item, key, file, out, err);
    if (cJSON_IsArray(item))
        return read_size_list(item, key, file, out, err);
    return read_size_number(item, key, file, square, out, err);
}

static uvk_status read_resize(const cJSON *config, const char *file, bool int_is_square, uvk_preprocess *p, uvk_error *err)
{
    edges size;
    bool given;
    uvk_status status = read_size(config, "size", file, int_is_square, &size, &given, err);
    if (status == UVK_OK && given) {
        p->resize_height = (int)size.height;
        p->resize_width = (int)size.width;
        p->shortest_edge = (int)size.shortest;
        p->longest_edge = (int)size.longest;
    }
    int64_t filter = p->filter;
    if (status == UVK_OK)
        status = uvk_json_int(config, "resample", file, UVK_NEAREST, UVK_HAMMING, &filter, err);
    p->filter = (uvk_filter)filter;
    return status;
}

static uvk_status read_crop(const cJSON *config, const char *file, uvk_preprocess *p, uvk_error *err)
{
    edges size;
    bool given;
    uvk_status status = read_size(config, "crop_size", file, true, &size, &given, err);
    if (status != UVK_OK)
        return status;
    if (given) {
        p->crop_height = (int)size.height;
        p->crop_width = (int)size.width;
    }
    if (p->center_crop && p->crop_height == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"do_center_crop\" without a \"crop_size\" of height and width", file);
    return UVK_OK;
}

/* ---- Colours --------------------------------------------------------------------------------------------------------------- */

/* One number for all channels, or a list of three. */
static uvk_status read_channels(const cJSON *config, const char *key, const char *file, float out[3], uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    if (!item || cJSON_IsNull(item))
        return UVK_OK;
    bool list = cJSON_IsArray(item);
    if (list && cJSON_GetArraySize(item) != 3)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" has the wrong length (found %d, expected 3)", file, key, cJSON_GetArraySize(item));
    const cJSON *value = list ? item->child : item;
    for (int c = 0; c < 3; c++) {
        if (!cJSON_IsNumber(value) || !isfinite((float)value->valuedouble))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" is not made of numbers (found %s, expected a number or a list of 3)", file, key,
                            uvk_json_kind(value));
        out[c] = (float)value->valuedouble;
        value = list ? value->next : value;
    }
    return UVK_OK;
}

static uvk_status read_colours(const cJSON *config, const char *file, uvk_preprocess *p, uvk_error *err)
{
    uvk_status status = uvk_json_double(config, "rescale_factor", file, &p->rescale_factor, err);
    if (status == UVK_OK)
        status = read_channels(config, "image_mean", file, p->mean, err);
    if (status == UVK_OK)
        status = read_channels(config, "image_std", file, p->std, err);
    for (int c = 0; status == UVK_OK && c < 3; c++)
        if (p->std[c] == 0)
            status = uvk_fail(err, UVK_BAD_INPUT, "%s: \"image_std\" holds 0 (expected numbers to divide by)", file);
    return status;
}

/* ---- The file ---------------------------------------------------------------------------------------------------------------- */

static uvk_status read_flags(const cJSON *config, const char *file, uvk_preprocess *p, uvk_error *err)
{
    bool pad = false;
    const struct {
        const char *key;
        bool *out;
    } flags[] = {{"do_resize", &p->resize}, {"do_center_crop", &p->center_crop}, {"do_rescale", &p->rescale}, {"do_normalize", &p->normalize}, {"do_pad", &pad}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        uvk_status status = uvk_json_bool(config, flags[i].key, file, flags[i].out, err);
        if (status != UVK_OK)
            return status;
    }
    return pad ? uvk_fail(err, UVK_BAD_INPUT, "%s: \"do_pad\" is not supported (found true, expected false)", file) : UVK_OK;
}

static uvk_status read_config(const cJSON *config, const char *file, uvk_preprocess *out, uvk_error *err)
{
    const processor *chosen = NULL;
    uvk_status status = choose_processor(config, file, &chosen, err);
    if (status != UVK_OK)
        return status;
    uvk_preprocess p = chosen->defaults;
    status = read_flags(config, file, &p, err);
    if (status == UVK_OK)
        status = read_resize(config, file, chosen->int_is_square, &p, err);
    if (status == UVK_OK)
        status = read_crop(config, file, &p, err);
    if (status == UVK_OK)
        status = read_colours(config, file, &p, err);
    if (status == UVK_OK)
        *out = p;
    return status;
}

/* Loads dir/name when it is there; *path (owned) and *document are NULL when it is not. */
static uvk_status load_optional(const char *dir, const char *name, char **path, cJSON **document, uvk_error *err)
{
    *document = NULL;
    *path = uvk_file_join(dir, name);
    if (!*path)
        return uvk_fail_memory(err, strlen(dir) + strlen(name) + 2, "a path");
    return uvk_file_exists(*path) ? uvk_json_load(*path, MAX_CONFIG, document, err) : UVK_OK;
}

/* Reads dir/name, or the object called member in it; *found tells whether there was such a thing. */
static uvk_status try_file(const char *dir, const char *name, const char *member, uvk_preprocess *out, bool *found, uvk_error *err)
{
    char *path;
    cJSON *document;
    uvk_status status = load_optional(dir, name, &path, &document, err);
    const cJSON *config = member ? cJSON_GetObjectItemCaseSensitive(document, member) : document;
    *found = cJSON_IsObject(config);
    if (status == UVK_OK && *found)
        status = read_config(config, path, out, err);
    cJSON_Delete(document);
    free(path);
    return status;
}

uvk_status uvk_preprocess_load(const char *dir, int height, int width, uvk_preprocess *out, uvk_error *err)
{
    bool found = false;
    uvk_status status = try_file(dir, "processor_config.json", "image_processor", out, &found, err);
    if (status == UVK_OK && !found)
        status = try_file(dir, "preprocessor_config.json", NULL, out, &found, err);
    if (status == UVK_OK && !found) {
        *out = processors[0].defaults;
        out->resize_height = height;
        out->resize_width = width;
    }
    return status;
}
