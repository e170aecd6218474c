#include "text_file.h"

#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uvk_status read_stdin(char **out, size_t *size, uvk_error *err)
{
    size_t capacity = 0, used = 0;
    char *bytes = NULL;
    for (size_t got = 1; got > 0 && used <= UVK_MAX_TEXT; used += got) {
        if (capacity - used < 4096) {
            char *larger = realloc(bytes, capacity = 2 * capacity + 65536);
            if (!larger) {
                free(bytes);
                return uvk_fail_memory(err, capacity, "a text");
            }
            bytes = larger;
        }
        got = fread(bytes + used, 1, capacity - used - 1, stdin);
    }
    uvk_status status = UVK_OK;
    if (ferror(stdin))
        status = uvk_fail(err, UVK_BAD_INPUT, "-: cannot be read (%s)", strerror(errno));
    else if (used > UVK_MAX_TEXT)
        status = uvk_fail(err, UVK_BAD_INPUT, "-: too large (expected at most %d bytes)", UVK_MAX_TEXT);
    if (status) {
        free(bytes);
        return status;
    }
    bytes[used] = '\0';
    *out = bytes;
    *size = used;
    return UVK_OK;
}

uvk_status uvk_text_file_read(const char *path, char **out, size_t *size, uvk_error *err)
{
    void *bytes;
    if (strcmp(path, "-") == 0)
        return read_stdin(out, size, err);
    uvk_status status = uvk_file_read(path, UVK_MAX_TEXT, &bytes, size, err);
    if (status == UVK_OK)
        *out = bytes;
    return status;
}

size_t uvk_text_mark_size(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

uvk_status uvk_npy_ids(const char *path, const uvk_npy *npy, int32_t **out, int *count, uvk_error *err)
{
    if (npy->rank != 1 || (npy->dtype != UVK_I64 && npy->dtype != UVK_I32))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no token ids (found %s of rank %d, expected I64 or I32 of rank 1)", path, uvk_dtype_name(npy->dtype), npy->rank);
    if (npy->count > UVK_MAX_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: too large (found %llu ids, expected at most %d)", path, (unsigned long long)npy->count, UVK_MAX_TEXT);
    size_t n = (size_t)npy->count;
    int32_t *ids = malloc((n ? n : 1) * sizeof *ids);
    if (!ids)
        return uvk_fail_memory(err, n * sizeof *ids, "token ids");
    for (size_t i = 0; i < n; i++) {
        int64_t id = npy->dtype == UVK_I64 ? ((const int64_t *)npy->data)[i] : ((const int32_t *)npy->data)[i];
        if (id < 0 || id > INT32_MAX) {
            free(ids);
            return uvk_fail(err, UVK_BAD_INPUT, "%s: token %zu is in no vocabulary (found id %lld)", path, i, (long long)id);
        }
        ids[i] = (int32_t)id;
    }
    *out = ids;
    *count = (int)n;
    return UVK_OK;
}
