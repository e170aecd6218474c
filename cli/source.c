#include "source.h"

#include "text.h"
#include "text_file.h"

#include <stdlib.h>
#include <string.h>

static uvk_status read_text(const char *path, source_part *out, uvk_error *err)
{
    uvk_status status = uvk_text_file_read(path, &out->text, &out->length, err);
    if (status != UVK_OK)
        return status;
    size_t mark = uvk_text_mark_size(out->text, out->length);
    out->length -= mark;
    memmove(out->text, out->text + mark, out->length + 1);
    return UVK_OK;
}

static uvk_status read_ids(const char *path, source_part *out, uvk_error *err)
{
    uvk_npy npy;
    uvk_status status = uvk_npy_load(path, &npy, err);
    if (status != UVK_OK)
        return status;
    status = uvk_npy_ids(path, &npy, &out->ids, &out->n_ids, err);
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
    free(s->paraphrase.text);
    free(s->rationales);
    free(s->summary_spans.at);
    free(s->context_spans.at);
    *s = (source){0};
}
