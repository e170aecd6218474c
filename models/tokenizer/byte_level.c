#include "pipeline.h"

/* Bytes that are printable in Latin-1 stand for themselves, the other 68 for U+0100 on, in order. */
static bool is_printable(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

uint32_t uvk_byte_character(unsigned char byte)
{
    if (is_printable(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100u + byte;
    return byte <= 0xA0 ? 0x121u + byte - 0x7Fu : 0x143u; /* 7F to A0, AD */
}

int uvk_character_byte(uint32_t character)
{
    if (character < 0x100)
        return is_printable(character) ? (int)character : -1;
    if (character <= 0x120)
        return (int)(character - 0x100);
    if (character <= 0x142)
        return (int)(character - 0x121 + 0x7F);
    return character == 0x143 ? 0xAD : -1;
}

bool uvk_edit_byte_level(uvk_edit *e, const void *unused)
{
    (void)unused;
    for (size_t at = e->source.from; at < e->source.to; at++) {
        unsigned char byte = (unsigned char)e->from->bytes[at];
        bool first = (byte & 0xC0) != 0x80;
        uvk_edit_put(e, uvk_byte_character(byte), !first);
    }
    return true;
}
