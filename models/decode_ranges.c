/* Which bytes of a decoded text each id stands for: what the text gains when the id is added to those before it. */
#include "input.h"

#include <stdlib.h>
#include <string.h>

/* Decoding all prefixes would be quadratic. An id changes the text only near its own place, so that a prefix is decoded from a
 * few ids before, and the beginning moves on wherever the text so far is whole characters. */
enum { BEFORE = 8, STRIDE = 32 };

typedef struct ids {
    int32_t *list; /* those of the text */
    int *place;    /* where each stood among those given */
    int count;
} ids;

static bool is_inner(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes in which two texts agree at their beginning, whole characters. */
static size_t common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    while (n > 0 && (is_inner(a[n]) || is_inner(b[n])))
        n--;
    return n;
}

/* Where in the text each id ends: ends[k]. */
static uvk_status find_ends(const uvk_tokenizer *t, const ids *in, const char *text, size_t *ends, uvk_error *err)
{
    int from = 0, whole = 0;           /* the window begins at id from; ids before whole end at done */
    size_t done = 0, at = 0, skip = 0; /* skip: bytes of the window's text that belong to ids before whole */
    for (int k = 0; k < in->count; k++) {
        char *part;
        uvk_status status = uvk_tokenizer_decode(t, in->list + from, (size_t)(k + 1 - from), false, &part, err);
        if (status)
            return status;
        size_t size = strlen(part), gained = size >= skip ? common(part + skip, text + done) : 0;
        at = done + gained > at ? done + gained : at;
        ends[k] = at;
        free(part);
        if (k + 1 - whole < STRIDE || skip + gained != size || at != done + gained)
            continue;
        from = k + 1 > BEFORE ? k + 1 - BEFORE : 0;
        whole = k + 1;
        done = at;
        status = uvk_tokenizer_decode(t, in->list + from, (size_t)(whole - from), false, &part, err);
        if (status)
            return status;
        skip = strlen(part);
        free(part);
    }
    return UVK_OK;
}

/* The parts of one character come to nothing but the last, which completes it: they share it. */
static void set_ranges(const ids *in, const char *text, const size_t *ends, int32_t *ranges)
{
    for (int k = 0; k < in->count; k++) {
        size_t start = k > 0 ? ends[k - 1] : 0, end = ends[k];
        if (start == end && text[end])
            for (end++; is_inner(text[end]); end++) {}
        ranges[2 * in->place[k]] = (int32_t)start;
        ranges[2 * in->place[k] + 1] = (int32_t)end;
    }
}

static void take_text(const uvk_tokenizer *t, const int32_t *list, int count, ids *out)
{
    out->count = 0;
    for (int i = 0; i < count; i++) {
        if (!uvk_tokenizer_piece(t, list[i]) || uvk_is_marker(t, list[i]))
            continue;
        out->list[out->count] = list[i];
        out->place[out->count++] = i;
    }
}

uvk_status uvk_decode_ranges(const uvk_tokenizer *t, const int32_t *list, int count, char **out, int32_t *ranges, uvk_error *err)
{
    size_t n = (size_t)count + 1, bytes = n * (sizeof(int32_t) + sizeof(int) + sizeof(size_t));
    ids in = {.list = malloc(n * sizeof *in.list), .place = malloc(n * sizeof *in.place)};
    size_t *ends = malloc(n * sizeof *ends);
    char *text = NULL;
    uvk_status status = in.list && in.place && ends ? UVK_OK : uvk_fail_memory(err, bytes, "tokens");
    for (int i = 0; i < 2 * count; i++)
        ranges[i] = -1;
    if (!status) {
        take_text(t, list, count, &in);
        status = uvk_tokenizer_decode(t, in.list, (size_t)in.count, false, &text, err);
    }
    if (!status)
        status = find_ends(t, &in, text, ends, err);
    if (!status)
        set_ranges(&in, text, ends, ranges);
    free(in.list);
    free(in.place);
    free(ends);
    if (status)
        free(text);
    else
        *out = text;
    return status;
}
