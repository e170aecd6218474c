#include "safetensors_shard.h"

#include "file.h"
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As the format's own library limits it. */
static const uint64_t max_header = 100 * 1000 * 1000;

static const char metadata_key[] = "__metadata__";

/* ---- One entry of the header ---------------------------------------------------------------------------------------- */

/* What is needed to place tensors and to complain about them. */
typedef struct buffer {
    const char *path;
    const unsigned char *data;
    uint64_t size;
} buffer;

static uvk_status fail_tensor(const buffer *b, const char *name, const char *what, const char *found, const char *expected, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" %s (found %.100s, expected %s)", b->path, name, what, found, expected);
}

static uvk_status read_dtype(const buffer *b, const cJSON *item, uvk_tensor_view *view, uvk_error *err)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    if (!cJSON_IsString(dtype))
        return fail_tensor(b, view->name, "has no dtype", uvk_json_kind(dtype), "a string", err);
    for (int i = UVK_F32; i <= UVK_BOOL; i++)
        if (strcmp(dtype->valuestring, uvk_dtype_name((uvk_dtype)i)) == 0) {
            view->dtype = (uvk_dtype)i;
            return UVK_OK;
        }
    return fail_tensor(b, view->name, "has a dtype that this program does not read", dtype->valuestring,
                       "F32, F16 or BF16: weights that were not quantized", err);
}

static uvk_status read_shape(const buffer *b, const cJSON *item, uvk_tensor_view *view, uvk_error *err)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    if (!cJSON_IsArray(shape))
        return fail_tensor(b, view->name, "has no shape", uvk_json_kind(shape), "a list of sizes", err);
    view->rank = 0;
    view->count = 1;
    const cJSON *size;
    cJSON_ArrayForEach(size, shape)
    {
        int64_t value;
        if (view->rank == UVK_MAX_RANK)
            return fail_tensor(b, view->name, "has too many dimensions", "more", "at most 8", err);
        if (!uvk_json_whole(size, &value) || value < 0)
            return fail_tensor(b, view->name, "has a bad size in its shape", uvk_json_kind(size), "an integer from 0 to 2^53", err);
        if (!uvk_mul(view->count, (uint64_t)value, &view->count))
            return fail_tensor(b, view->name, "has an impossible shape", "a product beyond 2^64", "one that fits the file", err);
        view->shape[view->rank++] = (uint64_t)value;
    }
    return UVK_OK;
}

static uvk_status read_offsets(const buffer *b, const cJSON *item, uvk_tensor_view *view, uvk_error *err)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const cJSON *first = cJSON_IsArray(offsets) ? offsets->child : NULL;
    const cJSON *second = first ? first->next : NULL;
    int64_t begin, end;
    if (!second || second->next || !uvk_json_whole(first, &begin) || !uvk_json_whole(second, &end) || begin < 0)
        return fail_tensor(b, view->name, "has bad data_offsets", uvk_json_kind(offsets), "two integers from 0 to 2^53", err);
    if (end < begin || (uint64_t)end > b->size)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" lies outside the file (found bytes %lld to %lld, expected them within 0 to %llu)",
                        b->path, view->name, (long long)begin, (long long)end, (unsigned long long)b->size);
    uint64_t bytes;
    if (!uvk_mul(view->count, uvk_dtype_size(view->dtype), &bytes) || bytes != (uint64_t)(end - begin))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" has the wrong length (found %lld bytes, expected %llu elements of %s)", b->path,
                        view->name, (long long)(end - begin), (unsigned long long)view->count, uvk_dtype_name(view->dtype));
    view->data = b->data + begin;
    return UVK_OK;
}

static uvk_status read_entry(const buffer *b, const cJSON *item, uvk_tensor_view *view, uvk_error *err)
{
    view->name = item->string;
    view->file = b->path;
    if (!cJSON_IsObject(item))
        return fail_tensor(b, view->name, "is not described", uvk_json_kind(item), "an object", err);
    uvk_status status = read_dtype(b, item, view, err);
    if (status == UVK_OK)
        status = read_shape(b, item, view, err);
    if (status == UVK_OK)
        status = read_offsets(b, item, view, err);
    return status;
}

/* ---- All entries ----------------------------------------------------------------------------------------------------- */

static uint64_t view_bytes(const uvk_tensor_view *view)
{
    return view->count * uvk_dtype_size(view->dtype);
}

/* By place; an empty tensor before the one that begins at the same byte. */
static int by_place(const void *a, const void *b)
{
    const uvk_tensor_view *x = a, *y = b;
    uintptr_t px = (uintptr_t)x->data, py = (uintptr_t)y->data;
    if (px != py)
        return px < py ? -1 : 1;
    uint64_t nx = view_bytes(x), ny = view_bytes(y);
    return (nx > ny) - (nx < ny);
}

/* The format wants every byte of the buffer to belong to exactly one tensor: no overlap, no hole, nothing behind. */
static uvk_status check_coverage(const buffer *b, const uvk_shard *shard, uvk_error *err)
{
    const unsigned char *at = b->data;
    for (size_t i = 0; i < shard->n; i++) {
        const uvk_tensor_view *view = &shard->tensors[i];
        const unsigned char *begin = view->data;
        if (begin < at)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor \"%.200s\" overlaps \"%.200s\" (expected every byte in one tensor only)", b->path,
                            view->name, shard->tensors[i - 1].name);
        if (begin > at)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: a hole before tensor \"%.200s\" (found %zu bytes that belong to no tensor, expected none)",
                            b->path, view->name, (size_t)(begin - at));
        at = begin + view_bytes(view);
    }
    if (at != b->data + b->size)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: bytes after the last tensor (found %zu, expected none)", b->path,
                        (size_t)(b->data + b->size - at));
    return UVK_OK;
}

/* Until the names are copied, views point at those of the JSON tree, which is about to go. */
static uvk_status own_names(uvk_shard *shard, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < shard->n; i++) {
        const char *name = shard->tensors[i].name;
        shard->tensors[i].name = status == UVK_OK ? strdup(name) : NULL;
        if (status == UVK_OK && !shard->tensors[i].name)
            status = uvk_fail_memory(err, strlen(name) + 1, shard->path);
    }
    return status;
}

static uvk_status read_entries(const buffer *b, const cJSON *header, uvk_shard *shard, uvk_error *err)
{
    size_t capacity = (size_t)cJSON_GetArraySize(header);
    shard->tensors = calloc(capacity + 1, sizeof *shard->tensors);
    if (!shard->tensors)
        return uvk_fail_memory(err, (capacity + 1) * sizeof *shard->tensors, shard->path);
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, header)
    {
        if (strcmp(item->string, metadata_key) == 0)
            continue;
        uvk_status status = read_entry(b, item, &shard->tensors[n++], err);
        if (status != UVK_OK)
            return status;
    }
    shard->n = n;
    qsort(shard->tensors, n, sizeof *shard->tensors, by_place);
    uvk_status status = check_coverage(b, shard, err);
    if (status != UVK_OK) {
        shard->n = 0; /* names not owned yet */
        return status;
    }
    return own_names(shard, err);
}

/* ---- The file -------------------------------------------------------------------------------------------------------- */

static uint64_t little_endian_64(const unsigned char *p)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

static uvk_status check_header_length(const uvk_shard *shard, uint64_t length, uvk_error *err)
{
    static const char pointer[] = "version https://git-lfs";
    if (shard->map_size >= sizeof pointer && memcmp(shard->map, pointer, sizeof pointer - 1) == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a Git LFS pointer (expected the weights); fetch them with git lfs pull", shard->path);
    uint64_t limit = shard->map_size - 8 < max_header ? shard->map_size - 8 : max_header;
    if (length > limit)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a safetensors file, or cut short (found a header of %llu bytes, expected at most %llu)",
                        shard->path, (unsigned long long)length, (unsigned long long)limit);
    return UVK_OK;
}

static uvk_status read_mapped(uvk_shard *shard, uvk_error *err)
{
    const unsigned char *bytes = shard->map;
    uint64_t length = little_endian_64(bytes);
    uvk_status status = check_header_length(shard, length, err);
    if (status != UVK_OK)
        return status;
    cJSON *header = NULL;
    status = uvk_json_parse((const char *)bytes + 8, (size_t)length, shard->path, &header, err);
    if (status != UVK_OK)
        return status;
    buffer b = {shard->path, bytes + 8 + length, shard->map_size - 8 - length};
    status = read_entries(&b, header, shard, err);
    shard->metadata = cJSON_DetachItemFromObjectCaseSensitive(header, metadata_key);
    cJSON_Delete(header);
    return status;
}

static uvk_status map_file(uvk_shard *shard, uvk_error *err)
{
    int fd;
    uint64_t size;
    uvk_status status = uvk_file_open(shard->path, &fd, &size, err);
    if (status != UVK_OK)
        return status;
    if (size < 8 || size > SIZE_MAX) {
        close(fd);
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a safetensors file (found %llu bytes, expected at least 8)", shard->path,
                        (unsigned long long)size);
    }
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (map == MAP_FAILED)
        return uvk_fail(err, UVK_FAILED, "%s: cannot be mapped (%s)", shard->path, strerror(error));
    shard->map = map;
    shard->map_size = (size_t)size;
    return UVK_OK;
}

uvk_status uvk_shard_open(const char *path, uvk_shard *out, uvk_error *err)
{
    *out = (uvk_shard){.path = strdup(path)};
    if (!out->path)
        return uvk_fail_memory(err, strlen(path) + 1, path);
    uvk_status status = map_file(out, err);
    return status == UVK_OK ? read_mapped(out, err) : status;
}

const char *uvk_shard_metadata(const uvk_shard *shard, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(shard->metadata, key));
}

void uvk_shard_free(uvk_shard *shard)
{
    for (size_t i = 0; i < shard->n; i++)
        free((char *)shard->tensors[i].name);
    free(shard->tensors);
    cJSON_Delete(shard->metadata);
    if (shard->map)
        munmap(shard->map, shard->map_size);
    free(shard->path);
    *shard = (uvk_shard){0};
}
