#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- Strings ---------------------------------------------------------------------------------------------------------------- */

/* A decoder may make each character a thousand, and there may be many of them. */
enum { LONGEST = 1 << 26 };

void uvk_strings_put(uvk_strings *s, const char *bytes, size_t n)
{
    if (s->too_long || n > LONGEST - s->length) {
        s->too_long = true;
        return;
    }
    if (s->length + n > s->room) {
        size_t room = s->room * 2 + n + 256;
        char *grown = realloc(s->bytes, room);
        if (!grown) {
            s->no_memory = true;
            return;
        }
        s->bytes = grown;
        s->room = room;
    }
    if (n > 0)
        memcpy(s->bytes + s->length, bytes, n);
    s->length += n;
}

void uvk_strings_end(uvk_strings *s)
{
    if (s->count == s->end_room) {
        size_t room = s->end_room * 2 + 64;
        size_t *ends = realloc(s->ends, room * sizeof *ends);
        if (!ends) {
            s->no_memory = true;
            return;
        }
        s->ends = ends;
        s->end_room = room;
    }
    s->ends[s->count++] = s->length;
}

uvk_status uvk_strings_check(const uvk_strings *s, uvk_error *err)
{
    if (s->no_memory)
        return uvk_fail_memory(err, s->length, "decoded text");
    return s->too_long ? uvk_fail(err, UVK_BAD_INPUT, "the decoded text is too long (expected at most %d bytes)", LONGEST) : UVK_OK;
}

void uvk_strings_free(uvk_strings *s)
{
    free(s->bytes);
    free(s->ends);
    *s = (uvk_strings){0};
}

/* ---- Ids to text ------------------------------------------------------------------------------------------------------------ */

/* An added token that is looked for in normalized text is decoded from there too: the decoders undo what the normalizer did. */
static const char *decoded_piece(const uvk_tokenizer *t, int64_t id)
{
    const uvk_added_token *added = uvk_added_at(&t->added, id);
    if (added)
        return added->normalized ? added->normalized_content : added->content;
    return uvk_vocabulary_piece(&t->model.vocabulary, id);
}

static uvk_status collect(const uvk_tokenizer *t, const int32_t *ids, size_t count, bool skip_special, uvk_strings *out, uvk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *piece = decoded_piece(t, ids[i]);
        if (!piece)
            return uvk_fail(err, UVK_BAD_INPUT, "no token has id %d (token %zu)", (int)ids[i], i);
        if (skip_special && uvk_tokenizer_is_special(t, ids[i]))
            continue;
        uvk_strings_put(out, piece, strlen(piece));
        uvk_strings_end(out);
    }
    return UVK_OK;
}

static uvk_status join(const uvk_strings *s, const char *between, char **out, uvk_error *err)
{
    size_t gap = strlen(between), size = s->length + s->count * gap + 1, to = 0, from = 0;
    char *text = malloc(size);
    if (!text)
        return uvk_fail_memory(err, size, "decoded text");
    for (size_t i = 0; i < s->count; i++) {
        size_t n = s->ends[i] - from;
        if (i > 0)
            memcpy(text + to, between, gap);
        to += i > 0 ? gap : 0;
        if (n > 0)
            memcpy(text + to, s->bytes + from, n);
        to += n;
        from = s->ends[i];
    }
    text[to] = '\0';
    *out = text;
    return UVK_OK;
}

uvk_status uvk_tokenizer_decode(const uvk_tokenizer *t, const int32_t *ids, size_t count, bool skip_special, char **out, uvk_error *err)
{
    uvk_strings strings = {0};
    uvk_status status = collect(t, ids, count, skip_special, &strings, err);
    if (status == UVK_OK)
        status = uvk_decode_strings(&t->decoders, &strings, err);
    if (status == UVK_OK)
        status = join(&strings, t->decoders.count > 0 ? "" : " ", out, err);
    uvk_strings_free(&strings);
    return status;
}
