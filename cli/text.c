#include "text.h"

#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <utf8proc.h>

void text_no_memory(void)
{
    fputs("ultravk: out of memory\n", stderr);
    exit(UVK_FAILED);
}

static void *or_die(void *memory)
{
    if (!memory)
        text_no_memory();
    return memory;
}

void *text_alloc(size_t count, size_t size)
{
    return or_die(calloc(count ? count : 1, size ? size : 1));
}

void *text_grow(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return or_die(NULL);
    return or_die(realloc(old, bytes ? bytes : 1));
}

char *text_copy(const char *text)
{
    return or_die(strdup(text));
}

char *text_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = text_alloc((size_t)length + 1, 1);
    vsnprintf(out, (size_t)length + 1, format, again);
    va_end(again);
    return out;
}

/* Length of the UTF-8 sequence at s and its code point; 0 where there is none. */
static size_t utf8_sequence(const char *s, int32_t *point)
{
    utf8proc_ssize_t length = utf8proc_iterate((const unsigned char *)s, -1, point);
    return length > 0 ? (size_t)length : 0;
}

char *text_utf8(const char *bytes)
{
    char *out = text_alloc(strlen(bytes) * 3 + 1, 1), *end = out;
    for (const char *s = bytes; *s;) {
        int32_t point;
        size_t length = utf8_sequence(s, &point);
        memcpy(end, length ? s : "\xef\xbf\xbd", length ? length : 3);
        end += length ? length : 3;
        s += length ? length : 1;
    }
    return out;
}

/* kept: control characters that stay. */
static char *escape(const char *bytes, const char *kept, bool json)
{
    char *clean = text_utf8(bytes), *out = text_alloc(strlen(clean) * 6 + 1, 1), *end = out;
    size_t length;
    for (const char *c = clean; *c; c += length) {
        int32_t point;
        length = utf8_sequence(c, &point);
        if (strchr(kept, *c) || uvk_control_length((const unsigned char *)c) == 0)
            end = (char *)memcpy(end, c, length) + length;
        else
            end += sprintf(end, length == 1 && !json ? "\\x%02x" : "\\u%04x", (unsigned)point);
    }
    free(clean);
    return out;
}

char *text_escaped(const char *bytes)
{
    char *doubled = text_alloc(2 * strlen(bytes) + 1, 1), *end = doubled;
    for (const char *c = bytes; *c; c++) {
        bool named = strchr("\n\t\r\\", *c) != NULL;
        if (named)
            *end++ = '\\';
        *end++ = !named || *c == '\\' ? *c : *c == '\n' ? 'n' : *c == '\t' ? 't' : 'r';
    }
    char *out = escape(doubled, "", false);
    free(doubled);
    return out;
}

char *text_shown(const char *bytes)
{
    return isatty(STDOUT_FILENO) ? escape(bytes, "\n\t", false) : text_copy(bytes);
}

char *text_json(const char *json)
{
    return escape(json, "\n\t", true);
}

char *text_unescaped(const char *text)
{
    char *out = text_copy(text), *end = out;
    for (const char *c = text; *c; c++) {
        bool escape = *c == '\\' && (c[1] == 'n' || c[1] == 't' || c[1] == '\\');
        *end++ = !escape ? *c : c[1] == 'n' ? '\n' : c[1] == 't' ? '\t' : '\\';
        c += escape;
    }
    *end = '\0';
    return out;
}

const char *text_bytes(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(out, 32, "%.*f %s", unit && value < 10 ? 1 : 0, value, units[unit]);
    return out;
}

const char *text_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *text_stem(const char *path)
{
    char *stem = text_copy(text_base_name(path));
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = '\0';
    return stem;
}

char *text_join_path(const char *directory, const char *name)
{
    size_t length = strlen(directory);
    return text_format("%s%s%s", directory, length && directory[length - 1] == '/' ? "" : "/", name);
}

int text_has_extension(const char *path, const char *extension)
{
    size_t length = strlen(path), tail = strlen(extension);
    return length > tail && strcasecmp(path + length - tail, extension) == 0;
}
