#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int uvk_control_length(const unsigned char *c)
{
    if (c[0] < 0x20 || c[0] == 0x7f)
        return 1;
    if (c[0] == 0xc2)
        return c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
    if (c[0] == 0xd8)
        return c[1] == 0x9c ? 2 : 0;
    if (c[0] == 0xef)
        return c[1] == 0xbb && c[2] == 0xbf ? 3 : 0;
    if (c[0] != 0xe2)
        return 0;
    bool turns = c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae));
    return turns || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9) ? 3 : 0;
}

static void replace_control_characters(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        for (int n = uvk_control_length(c); n > 0; n--, c += n > 0)
            *c = '?';
}

uvk_status uvk_fail(uvk_error *err, uvk_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    replace_control_characters(err->message);
    err->status = status;
    err->device = false;
    return status;
}

static const char no_memory[] = "out of memory";

uvk_status uvk_fail_memory(uvk_error *err, size_t bytes, const char *what)
{
    return bytes ? uvk_fail(err, UVK_FAILED, "%s (%zu bytes for %s)", no_memory, bytes, what) : uvk_fail(err, UVK_FAILED, "%s (for %s)", no_memory, what);
}

bool uvk_lacked_memory(const uvk_error *err)
{
    return err && err->status == UVK_FAILED && strncmp(err->message, no_memory, strlen(no_memory)) == 0;
}

bool uvk_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool uvk_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
