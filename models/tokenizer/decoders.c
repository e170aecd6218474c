#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

typedef enum { BYTE_LEVEL, METASPACE, WORDPIECE, BPE, REPLACE, BYTE_FALLBACK, FUSE, STRIP } kind;

struct uvk_decoder {
    kind kind;
    char *text;           /* WORDPIECE: prefix; BPE: suffix; REPLACE: content */
    uvk_pattern *pattern; /* REPLACE */
    bool cleanup;
    uvk_metaspace metaspace;
    uint32_t character; /* STRIP: what, and how many at either end */
    int64_t start, stop;
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_status load_text(uvk_decoder *d, const cJSON *component, const char *key, const char *absent, const char *file, uvk_error *err)
{
    const char *text = absent;
    uvk_status status = uvk_json_string(component, key, file, &text, err);
    if (status != UVK_OK)
        return status;
    d->text = strdup(text);
    return d->text ? UVK_OK : uvk_fail_memory(err, strlen(text), file);
}

static uvk_status load_wordpiece(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    d->cleanup = true;
    uvk_status status = uvk_json_bool(component, "cleanup", file, &d->cleanup, err);
    return status == UVK_OK ? load_text(d, component, "prefix", "##", file, err) : status;
}

static uvk_status load_bpe(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    return load_text(d, component, "suffix", "</w>", file, err);
}

static uvk_status load_metaspace(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    return uvk_metaspace_load(&d->metaspace, component, file, err);
}

static uvk_status load_replace(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_status status = uvk_component_string(component, "content", file, &d->text, err);
    return status == UVK_OK ? uvk_component_pattern(component, file, &d->pattern, err) : status;
}

static uvk_status load_strip(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_status status = uvk_component_character(component, "content", file, &d->character, err);
    if (status == UVK_OK)
        status = uvk_json_int(component, "start", file, 0, INT32_MAX, &d->start, err);
    return status == UVK_OK ? uvk_json_int(component, "stop", file, 0, INT32_MAX, &d->stop, err) : status;
}

static uvk_status load_nothing(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err)
{
    (void)d, (void)component, (void)file, (void)err;
    return UVK_OK;
}

static uvk_status add_component(void *to, const cJSON *component, const char *file, uvk_error *err)
{
    static const struct {
        const char *type;
        kind kind;
        uvk_status (*load)(uvk_decoder *d, const cJSON *component, const char *file, uvk_error *err);
    } known[] = {{"ByteLevel", BYTE_LEVEL, load_nothing}, {"Metaspace", METASPACE, load_metaspace}, {"WordPiece", WORDPIECE, load_wordpiece},
                 {"BPEDecoder", BPE, load_bpe},           {"Replace", REPLACE, load_replace},       {"ByteFallback", BYTE_FALLBACK, load_nothing},
                 {"Fuse", FUSE, load_nothing},            {"Strip", STRIP, load_strip}};
    uvk_decoders *list = to;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(uvk_component_type(component), known[i].type) != 0)
            continue;
        void *items = list->items;
        uvk_decoder *d = uvk_list_add(&items, &list->count, sizeof *d);
        list->items = items;
        if (!d)
            return uvk_fail_memory(err, sizeof *d, "a decoder");
        d->kind = known[i].kind;
        return known[i].load(d, component, file, err);
    }
    return uvk_component_refuse(file, "decoder", component, err);
}

uvk_status uvk_decoders_load(uvk_decoders *list, const cJSON *component, const char *file, uvk_error *err)
{
    return uvk_component_flatten(component, "decoders", file, add_component, list, err);
}

void uvk_decoders_free(uvk_decoders *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].text);
        uvk_pattern_free(list->items[i].pattern);
    }
    free(list->items);
    *list = (uvk_decoders){0};
}

/* ---- One string at a time ------------------------------------------------------------------------------------------------------ */

static void put_character(uvk_strings *out, uint32_t character)
{
    char bytes[4];
    uvk_strings_put(out, bytes, uvk_utf8_put(character, bytes));
}

static void metaspace(const uvk_decoder *d, size_t index, const char *text, size_t n, uvk_strings *out)
{
    bool drop = index == 0 && d->metaspace.prepend != UVK_PREPEND_NEVER;
    for (size_t at = 0; at < n;) {
        uint32_t character;
        at += uvk_utf8_get(text + at, &character);
        if (character != d->metaspace.replacement)
            put_character(out, character);
        else if (!drop)
            put_character(out, ' ');
    }
}

static void replace_all(uvk_strings *out, size_t from, const char *what, const char *with)
{
    size_t length = strlen(what), with_length = strlen(with), to = from;
    for (size_t at = from; at < out->length;) {
        bool here = length > 0 && out->length - at >= length && memcmp(out->bytes + at, what, length) == 0;
        if (here) {
            memcpy(out->bytes + to, with, with_length);
            to += with_length;
            at += length;
        } else {
            out->bytes[to++] = out->bytes[at++];
        }
    }
    out->length = to;
}

/* Spaces that a tokenizer of English puts where there were none; no replacement is longer than what it replaces. */
static void clean(uvk_strings *out, size_t from)
{
    static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},   {" !", "!"},           {" ,", ","},   {" ' ", "'"},  {" n't", "n't"},
                                           {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace_all(out, from, pairs[i][0], pairs[i][1]);
}

static void wordpiece(const uvk_decoder *d, size_t index, const char *text, size_t n, uvk_strings *out)
{
    size_t from = out->length, prefix = strlen(d->text);
    bool within = n >= prefix && memcmp(text, d->text, prefix) == 0;
    if (index > 0 && !within)
        uvk_strings_put(out, " ", 1);
    size_t skipped = index > 0 && within ? prefix : 0;
    uvk_strings_put(out, text + skipped, n - skipped);
    if (d->cleanup && !out->no_memory && !out->too_long)
        clean(out, from);
}

static void bpe(const uvk_decoder *d, bool last, const char *text, size_t n, uvk_strings *out)
{
    size_t suffix = strlen(d->text);
    for (size_t at = 0; at < n;) {
        if (suffix > 0 && n - at >= suffix && memcmp(text + at, d->text, suffix) == 0) {
            uvk_strings_put(out, " ", last ? 0 : 1);
            at += suffix;
        } else {
            uvk_strings_put(out, text + at++, 1);
        }
    }
}

static void strip(const uvk_decoder *d, const char *text, size_t n, uvk_strings *out)
{
    uint32_t character;
    size_t from = 0, to = n;
    for (int64_t i = 0; i < d->start && from < n; i++) {
        size_t size = uvk_utf8_get(text + from, &character);
        if (character != d->character)
            break;
        from += size;
    }
    for (int64_t i = 0; i < d->stop && to > from; i++) {
        size_t size = uvk_utf8_last(text, to, &character);
        if (character != d->character)
            break;
        to -= size;
    }
    uvk_strings_put(out, text + from, to - from);
}

static uvk_status substitute(const uvk_decoder *d, const char *text, size_t n, uvk_strings *out, uvk_matches *found, uvk_error *err)
{
    found->count = 0;
    uvk_status status = n > 0 ? uvk_pattern_find(d->pattern, text, n, found, err) : UVK_OK;
    for (size_t i = 0; i < found->count && status == UVK_OK; i++) {
        uvk_match m = found->items[i];
        if (m.is_match)
            uvk_strings_put(out, d->text, strlen(d->text));
        else
            uvk_strings_put(out, text + m.from, m.to - m.from);
    }
    return status;
}

static uvk_status each(const uvk_decoder *d, const uvk_strings *in, uvk_strings *out, uvk_error *err)
{
    uvk_matches found = {0};
    uvk_status status = UVK_OK;
    size_t from = 0;
    for (size_t i = 0; i < in->count && status == UVK_OK; i++) {
        const char *text = in->length > 0 ? in->bytes + from : "";
        size_t n = in->ends[i] - from;
        switch (d->kind) {
        case METASPACE: metaspace(d, i, text, n, out); break;
        case WORDPIECE: wordpiece(d, i, text, n, out); break;
        case BPE: bpe(d, i + 1 == in->count, text, n, out); break;
        case STRIP: strip(d, text, n, out); break;
        default: status = substitute(d, text, n, out, &found, err);
        }
        uvk_strings_end(out);
        from = in->ends[i];
    }
    uvk_matches_free(&found);
    return status;
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------------------ */

static void put_lossy(uvk_strings *out, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        bool valid;
        size_t size = uvk_utf8_sequence(bytes + at, n - at, &valid);
        uvk_strings_put(out, valid ? bytes + at : UVK_REPLACEMENT, valid ? size : strlen(UVK_REPLACEMENT));
        at += size;
    }
}

/* A string with a character that stands for no byte is taken as it is. */
static void put_bytes(uvk_strings *out, const char *text, size_t n)
{
    size_t before = out->length;
    for (size_t at = 0; at < n;) {
        uint32_t character;
        at += uvk_utf8_get(text + at, &character);
        int byte = uvk_character_byte(character);
        if (byte < 0) {
            out->length = before;
            uvk_strings_put(out, text, n);
            return;
        }
        char c = (char)byte;
        uvk_strings_put(out, &c, 1);
    }
}

static void byte_level(const uvk_strings *in, uvk_strings *out)
{
    uvk_strings bytes = {0};
    size_t from = 0;
    for (size_t i = 0; i < in->count; from = in->ends[i++])
        if (in->ends[i] > from)
            put_bytes(&bytes, in->bytes + from, in->ends[i] - from);
    put_lossy(out, bytes.bytes, bytes.length);
    uvk_strings_end(out);
    out->no_memory |= bytes.no_memory;
    out->too_long |= bytes.too_long;
    uvk_strings_free(&bytes);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* <0x0A>: its byte, or -1. */
static int byte_of(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex_digit(text[3]) < 0 || hex_digit(text[4]) < 0)
        return -1;
    return hex_digit(text[3]) * 16 + hex_digit(text[4]);
}

/* Bytes side by side are one string, or one U+FFFD each when they are not UTF-8. */
static void flush_bytes(uvk_strings *bytes, uvk_strings *out)
{
    if (bytes->length == 0)
        return;
    bool valid = uvk_utf8_check(bytes->bytes, bytes->length) == bytes->length;
    if (valid) {
        uvk_strings_put(out, bytes->bytes, bytes->length);
        uvk_strings_end(out);
    }
    for (size_t i = 0; !valid && i < bytes->length; i++) {
        uvk_strings_put(out, UVK_REPLACEMENT, strlen(UVK_REPLACEMENT));
        uvk_strings_end(out);
    }
    bytes->length = 0;
}

static void byte_fallback(const uvk_strings *in, uvk_strings *out)
{
    uvk_strings bytes = {0};
    size_t from = 0;
    for (size_t i = 0; i < in->count; from = in->ends[i++]) {
        const char *text = in->length > 0 ? in->bytes + from : "";
        int byte = byte_of(text, in->ends[i] - from);
        char c = (char)byte;
        if (byte >= 0) {
            uvk_strings_put(&bytes, &c, 1);
            continue;
        }
        flush_bytes(&bytes, out);
        uvk_strings_put(out, text, in->ends[i] - from);
        uvk_strings_end(out);
    }
    flush_bytes(&bytes, out);
    out->no_memory |= bytes.no_memory;
    out->too_long |= bytes.too_long;
    uvk_strings_free(&bytes);
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------- */

static uvk_status run(const uvk_decoder *d, const uvk_strings *in, uvk_strings *out, uvk_error *err)
{
    switch (d->kind) {
    case BYTE_LEVEL: byte_level(in, out); return UVK_OK;
    case BYTE_FALLBACK: byte_fallback(in, out); return UVK_OK;
    case FUSE:
        uvk_strings_put(out, in->bytes, in->length);
        uvk_strings_end(out);
        return UVK_OK;
    default: return each(d, in, out, err);
    }
}

uvk_status uvk_decode_strings(const uvk_decoders *list, uvk_strings *strings, uvk_error *err)
{
    uvk_status status = uvk_strings_check(strings, err);
    for (size_t i = 0; status == UVK_OK && i < list->count; i++) {
        uvk_strings next = {0};
        status = run(&list->items[i], strings, &next, err);
        uvk_strings_free(strings);
        *strings = next;
        if (status == UVK_OK)
            status = uvk_strings_check(strings, err);
    }
    return status;
}
