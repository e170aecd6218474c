#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* units: a double array as Darts-clone lays it out; strings: NUL-terminated replacements, by their offset. */
struct uvk_charsmap {
    uint32_t *units;
    size_t count;
    char *strings;
    size_t length;
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* NULL: not base64 (or no memory). */
static unsigned char *decode_base64(const char *text, size_t *size)
{
    size_t n = strlen(text);
    unsigned char *out = malloc(n / 4 * 3 + 3);
    while (n > 0 && text[n - 1] == '=')
        n--;
    uint32_t bits = 0;
    *size = 0;
    for (size_t i = 0; out && i < n; i++) {
        int value = digit(text[i]);
        if (value < 0 || n % 4 == 1) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            out[(*size)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    return out;
}

static uint32_t little_endian(const unsigned char *b)
{
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uvk_status fail_broken(const char *file, const char *why, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: broken precompiled_charsmap (%s)", file, why);
}

/* The size of the array in bytes, the array, the strings. */
static uvk_status parse(uvk_charsmap *map, const unsigned char *bytes, size_t size, const char *file, uvk_error *err)
{
    if (size < 4 || little_endian(bytes) > size - 4 || little_endian(bytes) < 4)
        return fail_broken(file, "its size is wrong", err);
    map->count = little_endian(bytes) / 4;
    const char *strings = (const char *)bytes + 4 + map->count * 4;
    map->length = size - 4 - map->count * 4;
    if (uvk_utf8_check(strings, map->length) != map->length)
        return fail_broken(file, "not UTF-8", err);
    map->units = malloc(map->count * sizeof *map->units);
    map->strings = malloc(map->length + 1);
    if (!map->units || !map->strings)
        return uvk_fail_memory(err, size, "a precompiled_charsmap");
    for (size_t i = 0; i < map->count; i++)
        map->units[i] = little_endian(bytes + 4 + 4 * i);
    memcpy(map->strings, strings, map->length);
    map->strings[map->length] = '\0';
    return UVK_OK;
}

uvk_status uvk_charsmap_load(const char *base64, const char *file, uvk_charsmap **out, uvk_error *err)
{
    size_t size;
    unsigned char *bytes = decode_base64(base64, &size);
    if (!bytes)
        return fail_broken(file, "not base64", err);
    uvk_charsmap *map = calloc(1, sizeof *map);
    uvk_status status = map ? parse(map, bytes, size, file, err) : uvk_fail_memory(err, sizeof *map, "a precompiled_charsmap");
    free(bytes);
    if (status == UVK_OK)
        *out = map;
    else
        uvk_charsmap_free(map);
    return status;
}

void uvk_charsmap_free(uvk_charsmap *map)
{
    if (!map)
        return;
    free(map->units);
    free(map->strings);
    free(map);
}

/* ---- Looking up ------------------------------------------------------------------------------------------------------------- */

static size_t offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* The replacement for the shortest key that the bytes begin with: the library takes the first it meets, for all of them. NULL:
 * none. Offsets that lead out of the array or into the middle of a character lead nowhere. */
static const char *look_up(const uvk_charsmap *map, const char *bytes, size_t length)
{
    size_t at = offset(map->units[0]);
    for (size_t i = 0; i < length && bytes[i] != '\0'; i++) {
        unsigned char c = (unsigned char)bytes[i];
        at ^= c;
        if (at >= map->count || (map->units[at] & (1u << 31 | 0xFF)) != c)
            return NULL;
        bool leaf = map->units[at] >> 8 & 1;
        at ^= offset(map->units[at]);
        if (!leaf)
            continue;
        size_t value = at < map->count ? map->units[at] & 0x7FFFFFFF : SIZE_MAX;
        return value <= map->length && ((unsigned char)map->strings[value] & 0xC0) != 0x80 ? map->strings + value : NULL;
    }
    return NULL;
}

/* ---- Rewriting: the changes of the library, which are known only once what follows is ------------------------------------------- */

typedef struct change {
    uint32_t character;
    long change;
} change;

typedef struct changes {
    change *items;
    size_t count, room;
} changes;

static bool push(changes *c, uint32_t character, long by)
{
    if (c->count == c->room) {
        size_t room = c->room * 2 + 256;
        change *items = realloc(c->items, room * sizeof *items);
        if (!items)
            return false;
        c->items = items;
        c->room = room;
    }
    c->items[c->count++] = (change){character, by};
    return true;
}

/* Longer: the last ones are new. Shorter: the last one, even if of an earlier replacement, swallows the rest. */
static bool push_replacement(changes *c, const char *with, size_t old)
{
    size_t length = strlen(with), count = uvk_utf8_count(with, length), index = 0;
    for (size_t at = 0; at < length; index++) {
        uint32_t character;
        at += uvk_utf8_get(with + at, &character);
        if (!push(c, character, index >= old))
            return false;
    }
    if (count < old && c->count > 0)
        c->items[c->count - 1].change += (long)count - (long)old;
    return true;
}

static bool push_cluster(changes *c, const uvk_charsmap *map, const char *bytes, size_t length, bool *modified)
{
    enum { LONGEST_WHOLE = 5 };
    const char *with = length <= LONGEST_WHOLE ? look_up(map, bytes, length) : NULL;
    if (with) {
        *modified = true;
        return push_replacement(c, with, uvk_utf8_count(bytes, length));
    }
    bool ok = true;
    for (size_t at = 0; ok && at < length;) {
        uint32_t character;
        size_t size = uvk_utf8_get(bytes + at, &character);
        with = look_up(map, bytes + at, size);
        *modified |= with != NULL;
        ok = with ? push_replacement(c, with, 1) : push(c, character, 0);
        at += size;
    }
    return ok;
}

/* Marks up to Unicode 17, which utf8proc does not know yet. Those beyond U+FFFF make a cluster too long to be replaced as a whole. */
static bool is_newer_mark(uint32_t c)
{
    return c == 0x897 || (c >= 0x1ACF && c <= 0x1ADD) || (c >= 0x1AE0 && c <= 0x1AEB);
}

/* The grapheme cluster at the start of the bytes. */
static size_t cluster(const char *bytes, size_t length)
{
    uint32_t before, character;
    utf8proc_int32_t state = 0;
    size_t size = uvk_utf8_get(bytes, &before);
    while (size < length) {
        size_t step = uvk_utf8_get(bytes + size, &character);
        bool ends = utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)character, &state);
        if (ends && !(is_newer_mark(character) && before >= 0xA0)) /* nothing joins a control character */
            break;
        size += step;
        before = character;
    }
    return size;
}

bool uvk_edit_charsmap(uvk_edit *e, const uvk_charsmap *map)
{
    changes c = {0};
    bool ok = true, modified = false;
    for (size_t at = e->source.from; ok && at < e->source.to;) {
        const char *bytes = e->from->bytes + at;
        size_t size = cluster(bytes, e->source.to - at);
        ok = push_cluster(&c, map, bytes, size, &modified);
        at += size;
    }
    if (!modified)
        uvk_edit_keep(e, e->source.to - e->at);
    for (size_t i = 0; ok && modified && i < c.count; i++)
        uvk_edit_put(e, c.items[i].character, c.items[i].change);
    free(c.items);
    return ok;
}
