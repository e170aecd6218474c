#include "source.h"

#include "file.h"
#include "input.h"
#include "npy.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uvk_status read_stdin(source_part *out, uvk_error *err)
{
    size_t got = 1;
    for (size_t capacity = 0; got > 0 && out->length <= UVK_MAX_TEXT; out->length += got) {
        if (capacity - out->length < 4096) {
            capacity = 2 * capacity + 65536;
            out->text = text_grow(out->text, capacity, 1);
        }
        got = fread(out->text + out->length, 1, capacity - out->length - 1, stdin);
    }
    out->text[out->length] = '\0';
    if (ferror(stdin))
        return uvk_fail(err, UVK_BAD_INPUT, "-: cannot be read (%s)", strerror(errno));
    return out->length <= UVK_MAX_TEXT ? UVK_OK : uvk_fail(err, UVK_BAD_INPUT, "-: too large (expected at most %d bytes)", UVK_MAX_TEXT);
}

/* A mark of the byte order is no part of the text. */
static void drop_mark(source_part *part)
{
    if (part->length < 3 || memcmp(part->text, "\xef\xbb\xbf", 3) != 0)
        return;
    part->length -= 3;
    memmove(part->text, part->text + 3, part->length + 1);
}

static uvk_status read_text(const char *path, source_part *out, uvk_error *err)
{
    void *bytes = NULL;
    uvk_status status;
    if (strcmp(path, "-") == 0) {
        status = read_stdin(out, err);
    } else {
        status = uvk_file_read(path, UVK_MAX_TEXT, &bytes, &out->length, err);
        out->text = bytes;
    }
    if (status == UVK_OK)
        drop_mark(out);
    return status;
}

/* What does not fit 32 bits is in no vocabulary: the library says so of -1. */
static uvk_status take_ids(const char *path, const uvk_npy *npy, source_part *out, uvk_error *err)
{
    if (npy->rank != 1 || (npy->dtype != UVK_I64 && npy->dtype != UVK_I32))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no token ids (found %s of rank %d, expected I64 or I32 of rank 1)", path, uvk_dtype_name(npy->dtype), npy->rank);
    if (npy->count > UVK_MAX_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: too large (found %llu ids, expected at most %d)", path, (unsigned long long)npy->count, UVK_MAX_TEXT);
    out->n_ids = (int)npy->count;
    out->ids = text_alloc((size_t)npy->count, sizeof *out->ids);
    for (uint64_t i = 0; i < npy->count; i++) {
        int64_t id = npy->dtype == UVK_I64 ? ((const int64_t *)npy->data)[i] : ((const int32_t *)npy->data)[i];
        out->ids[i] = id < 0 || id > INT32_MAX ? -1 : (int32_t)id;
    }
    return UVK_OK;
}

static uvk_status read_ids(const char *path, source_part *out, uvk_error *err)
{
    uvk_npy npy;
    uvk_status status = uvk_npy_load(path, &npy, err);
    if (status != UVK_OK)
        return status;
    status = take_ids(path, &npy, out, err);
    uvk_npy_free(&npy);
    return status;
}

uvk_status source_read(const char *path, source_part *out, uvk_error *err)
{
    *out = (source_part){0};
    return text_has_extension(path, ".npy") ? read_ids(path, out, err) : read_text(path, out, err);
}

void source_free(source *s)
{
    free(s->context.text);
    free(s->context.ids);
    free(s->summary.text);
    free(s->summary.ids);
    free(s->rationales);
    free(s->summary_spans.at);
    free(s->context_spans.at);
    *s = (source){0};
}
