#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static void replace_control_characters(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
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
    return status;
}

uvk_status uvk_fail_memory(uvk_error *err, size_t bytes, const char *what)
{
    return uvk_fail(err, UVK_FAILED, "out of memory (%zu bytes for %s)", bytes, what);
}

bool uvk_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool uvk_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
