#include "utf8.h"

/* How many bytes follow a lead byte, and the range of the first of them; -1 for what no character begins with. */
static int continuation(unsigned char lead, unsigned char *lo, unsigned char *hi)
{
    *lo = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *hi = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 0;
    if (lead < 0xC2 || lead > 0xF4)
        return -1;
    return lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
}

size_t uvk_utf8_sequence(const char *bytes, size_t length, bool *valid)
{
    unsigned char lo, hi;
    int more = continuation((unsigned char)bytes[0], &lo, &hi);
    *valid = false;
    if (more < 0)
        return 1;
    size_t size = 1;
    for (; size <= (size_t)more; size++) {
        unsigned char c = size < length ? (unsigned char)bytes[size] : 0;
        if (c < lo || c > hi)
            return size;
        lo = 0x80;
        hi = 0xBF;
    }
    *valid = true;
    return size;
}

size_t uvk_utf8_check(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        bool valid;
        size_t size = uvk_utf8_sequence(bytes + at, length - at, &valid);
        if (!valid)
            break;
        at += size;
    }
    return at;
}

size_t uvk_utf8_get(const char *bytes, uint32_t *character)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (b[0] < 0x80) {
        *character = b[0];
        return 1;
    }
    if (b[0] < 0xE0) {
        *character = (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu);
        return 2;
    }
    if (b[0] < 0xF0) {
        *character = (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
        return 3;
    }
    *character = (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu);
    return 4;
}

size_t uvk_utf8_last(const char *bytes, size_t length, uint32_t *character)
{
    size_t size = 1;
    while (size < length && ((unsigned char)bytes[length - size] & 0xC0) == 0x80)
        size++;
    uvk_utf8_get(bytes + length - size, character);
    return size;
}

size_t uvk_utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

size_t uvk_utf8_count(const char *bytes, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return n;
}
