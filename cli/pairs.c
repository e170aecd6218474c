#include "pairs.h"

#include "file.h"
#include "json.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_LIMIT = 1 << 27 };

uvk_status pairs_open(const char *path, pairs *out, uvk_error *err)
{
    int fd;
    uint64_t size;
    *out = (pairs){.path = path};
    uvk_status status = uvk_file_open(path, &fd, &size, err);
    if (status != UVK_OK)
        return status;
    out->size = (double)size;
    out->stream = fdopen(fd, "rb");
    if (out->stream)
        return UVK_OK;
    close(fd);
    return uvk_fail(err, UVK_FAILED, "%s: cannot be read (%s)", path, strerror(errno));
}

void pairs_close(pairs *p)
{
    if (p->stream)
        fclose(p->stream);
    free(p->text);
}

/* One line; of one that is longer than LINE_LIMIT the rest is read and dropped, but counted. False at the end. */
static bool read_line(pairs *p)
{
    int c = getc(p->stream);
    if (c == EOF)
        return false;
    for (p->length = 0; c != EOF && c != '\n'; c = getc(p->stream), p->read++) {
        if (p->length + 2 > p->capacity) {
            p->capacity = p->capacity ? 2 * p->capacity : 4096;
            p->text = text_grow(p->text, p->capacity, 1);
        }
        if (p->length <= LINE_LIMIT)
            p->text[p->length++] = (char)c;
    }
    p->read++;
    p->line++;
    return true;
}

static bool is_blank(const pairs *p)
{
    for (size_t i = 0; i < p->length; i++)
        if (!strchr(" \t\r", p->text[i]) || !p->text[i])
            return false;
    return true;
}

bool pairs_next(pairs *p)
{
    while (read_line(p))
        if (!is_blank(p))
            return true;
    return false;
}

int pairs_count(pairs *p)
{
    int count = 0;
    while (count < INT_MAX && pairs_next(p))
        count++;
    rewind(p->stream);
    p->read = 0;
    p->line = 0;
    return count;
}

/* cJSON ends a string at a NUL and says nothing of what follows. */
static bool has_nul(const pairs *p)
{
    for (size_t i = 0; i + 6 <= p->length; i++) {
        if (p->text[i] != '\\')
            continue;
        if (memcmp(p->text + i, "\\u0000", 6) == 0)
            return true;
        i++; /* what a backslash escapes begins no escape */
    }
    return memchr(p->text, 0, p->length) != NULL;
}

static uvk_status read_id(const cJSON *json, const char *where, char **id, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "id");
    int64_t number;
    if (!item || cJSON_IsNull(item))
        return UVK_OK;
    if (cJSON_IsString(item) && *item->valuestring)
        *id = text_utf8(item->valuestring);
    else if (uvk_json_whole(item, &number))
        *id = text_format("%lld", (long long)number);
    else
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"id\" is %s (expected a string or a whole number)", where, uvk_json_kind(item));
    return UVK_OK;
}

static uvk_status read_text(const cJSON *json, const char *key, const char *where, source_part *out, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!item)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: has no \"%s\" (expected {\"document\": ..., \"summary\": ...})", where, key);
    if (!cJSON_IsString(item))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" is %s (expected a string)", where, key, uvk_json_kind(item));
    out->text = text_copy(item->valuestring);
    out->length = strlen(out->text);
    return UVK_OK;
}

static uvk_status read_paraphrase(const cJSON *json, const char *where, source_part *out, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "paraphrase");
    if (!item || cJSON_IsNull(item))
        return UVK_OK;
    if (!cJSON_IsString(item))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"paraphrase\" is %s (expected a string)", where, uvk_json_kind(item));
    out->text = text_copy(item->valuestring);
    out->length = strlen(out->text);
    return UVK_OK;
}

static int count_characters(const source_part *part)
{
    int count = 0;
    for (size_t i = 0; i < part->length; i++)
        count += (part->text[i] & 0xc0) != 0x80;
    return count;
}

/* One [start, end] of a text with so many characters; what: how the user calls it. */
static uvk_status add_span(const cJSON *item, const char *what, const char *where, int characters, span_list *out, uvk_error *err)
{
    int64_t start, end;
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 || !uvk_json_whole(item->child, &start) || !uvk_json_whole(item->child->next, &end))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" holds %s (expected [start, end])", where, what, uvk_json_kind(item));
    if (start < 0 || end <= start || end > characters)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: [%lld, %lld] of \"%s\" lies outside the text (expected characters from 0 to %d)", where, (long long)start,
                        (long long)end, what, characters);
    out->at = text_grow(out->at, (size_t)out->count + 1, sizeof *out->at);
    out->at[out->count++] = (char_span){(int)start, (int)end};
    return UVK_OK;
}

static uvk_status add_spans(const cJSON *list, const char *what, const char *where, int characters, span_list *out, uvk_error *err)
{
    uvk_status status = UVK_OK;
    if (!cJSON_IsArray(list))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: \"%s\" holds %s (expected [[start, end], ...])", where, what, uvk_json_kind(list));
    for (const cJSON *item = list->child; item && status == UVK_OK; item = item->next)
        status = add_span(item, what, where, characters, out, err);
    return status;
}

/* [[start, end]...], or such a list for each fact. */
static uvk_status read_rationales(const cJSON *json, const char *where, source *out, uvk_error *err)
{
    static const char key[] = "rationales";
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    int characters = count_characters(&out->context);
    span_list spans = {0};
    uvk_status status = UVK_OK;
    if (cJSON_IsObject(item))
        for (const cJSON *fact = item->child; fact && status == UVK_OK; fact = fact->next)
            status = add_spans(fact, key, where, characters, &spans, err);
    else if (item && !cJSON_IsNull(item))
        status = add_spans(item, key, where, characters, &spans, err);
    out->rationales = spans.at;
    out->n_rationales = spans.count;
    return status;
}

static uvk_status read_spans(const cJSON *json, const char *key, const char *where, const source_part *part, span_list *out, uvk_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return !item || cJSON_IsNull(item) ? UVK_OK : add_spans(item, key, where, count_characters(part), out, err);
}

static uvk_status read_object(const cJSON *json, const char *where, source *out, char **id, uvk_error *err)
{
    uvk_status status = read_id(json, where, id, err);
    if (status == UVK_OK)
        status = read_text(json, "document", where, &out->context, err);
    if (status == UVK_OK)
        status = read_text(json, "summary", where, &out->summary, err);
    if (status == UVK_OK)
        status = read_paraphrase(json, where, &out->paraphrase, err);
    if (status == UVK_OK)
        status = read_rationales(json, where, out, err);
    if (status == UVK_OK)
        status = read_spans(json, "summary_spans", where, &out->summary, &out->summary_spans, err);
    return status == UVK_OK ? read_spans(json, "context_spans", where, &out->context, &out->context_spans, err) : status;
}

uvk_status pairs_read(const pairs *p, source *out, char **id, uvk_error *err)
{
    cJSON *json = NULL;
    char *where = text_format("%s:%ld", p->path, p->line);
    uvk_status status;
    *id = NULL;
    *out = (source){0};
    if (p->length > LINE_LIMIT)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: the line is too long (expected at most %d bytes)", where, LINE_LIMIT);
    else if (has_nul(p))
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: holds a NUL character", where);
    else
        status = uvk_json_parse(p->text, p->length, where, &json, err);
    if (status == UVK_OK)
        status = read_object(json, where, out, id, err);
    cJSON_Delete(json);
    free(where);
    return status;
}
