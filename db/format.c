/* One value as text: for people, for CSV (RFC 4180) and for JSON. */
#include "format.h"

#include "error.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- Text: one code point at a time -------------------------------------------------------------------------------- */

/* Bytes taken from text (size left, at least one) and their code point; 1 and -1 where there is no UTF-8. */
static size_t decode(const unsigned char *text, size_t size, int32_t *point)
{
    utf8proc_ssize_t length = utf8proc_iterate(text, (utf8proc_ssize_t)size, point);
    return length > 0 ? (size_t)length : 1;
}

static void escape_for_people(sqlite3_str *out, int32_t c)
{
    if (c == '\n' || c == '\t' || c == '\r')
        sqlite3_str_appendall(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
    else
        sqlite3_str_appendf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
}

void uvk_format_plain(sqlite3_str *out, const unsigned char *text, size_t size)
{
    for (size_t length; size > 0; text += length, size -= length) {
        int32_t c;
        length = decode(text, size, &c);
        if (c < 0)
            sqlite3_str_appendf(out, "\\x%02x", *text);
        else if (uvk_control_length(text) > 0)
            escape_for_people(out, c);
        else
            sqlite3_str_append(out, (const char *)text, (int)length);
    }
}

void uvk_format_json_text(sqlite3_str *out, const unsigned char *text, size_t size)
{
    sqlite3_str_appendchar(out, 1, '"');
    for (size_t length; size > 0; text += length, size -= length) {
        int32_t c;
        length = decode(text, size, &c);
        if (c < 0)
            sqlite3_str_appendall(out, "\\ufffd");
        else if (uvk_control_length(text) > 0)
            sqlite3_str_appendf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            sqlite3_str_appendf(out, "\\%c", c);
        else
            sqlite3_str_append(out, (const char *)text, (int)length);
    }
    sqlite3_str_appendchar(out, 1, '"');
}

static void append_quoted(sqlite3_str *out, const char *text, size_t size)
{
    bool quoted = size == 0; /* "" is empty text, nothing at all is NULL */
    for (size_t i = 0; i < size; i++)
        quoted = quoted || strchr(",\"\r\n", text[i]);
    if (quoted)
        sqlite3_str_appendchar(out, 1, '"');
    for (size_t i = 0; i < size; i++)
        sqlite3_str_appendchar(out, text[i] == '"' ? 2 : 1, text[i]);
    if (quoted)
        sqlite3_str_appendchar(out, 1, '"');
}

void uvk_format_csv_text(sqlite3_str *out, const char *text, size_t size, bool shown)
{
    if (!shown) {
        append_quoted(out, text, size);
        return;
    }
    sqlite3_str *plain = sqlite3_str_new(NULL);
    uvk_format_plain(plain, (const unsigned char *)text, size);
    size_t length = (size_t)sqlite3_str_length(plain);
    char *harmless = sqlite3_str_finish(plain);
    append_quoted(out, harmless ? harmless : "", harmless ? length : 0);
    sqlite3_free(harmless);
}

/* ---- Values --------------------------------------------------------------------------------------------------------- */

static void append_hex(sqlite3_str *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        sqlite3_str_appendchar(out, 1, digits[bytes[i] >> 4]);
        sqlite3_str_appendchar(out, 1, digits[bytes[i] & 15]);
    }
}

/* The shortest digits that read back as the same number; a real stays one ("1.0"). */
static void append_real(sqlite3_str *out, double value)
{
    char digits[40];
    if (isinf(value)) {
        sqlite3_str_appendall(out, value < 0 ? "-9e999" : "9e999"); /* JSON has no infinity; this reads back as one */
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    sqlite3_str_appendall(out, digits);
    if (!strpbrk(digits, ".e"))
        sqlite3_str_appendall(out, ".0");
}

void uvk_format_table(sqlite3_str *out, sqlite3_stmt *row, int i)
{
    char digits[40];
    switch (sqlite3_column_type(row, i)) {
    case SQLITE_NULL:
        break;
    case SQLITE_FLOAT:
        snprintf(digits, sizeof digits, "%.6g", sqlite3_column_double(row, i));
        sqlite3_str_appendall(out, digits);
        break;
    case SQLITE_BLOB:
        sqlite3_str_appendf(out, "<blob %d bytes>", sqlite3_column_bytes(row, i));
        break;
    default:
        uvk_format_plain(out, sqlite3_column_text(row, i), (size_t)sqlite3_column_bytes(row, i));
    }
}

void uvk_format_csv(sqlite3_str *out, sqlite3_stmt *row, int i, bool shown)
{
    switch (sqlite3_column_type(row, i)) {
    case SQLITE_NULL:
        break;
    case SQLITE_FLOAT:
        append_real(out, sqlite3_column_double(row, i));
        break;
    case SQLITE_BLOB:
        append_hex(out, sqlite3_column_blob(row, i), (size_t)sqlite3_column_bytes(row, i));
        break;
    default:
        uvk_format_csv_text(out, (const char *)sqlite3_column_text(row, i), (size_t)sqlite3_column_bytes(row, i), shown);
    }
}

void uvk_format_json(sqlite3_str *out, sqlite3_stmt *row, int i)
{
    switch (sqlite3_column_type(row, i)) {
    case SQLITE_NULL:
        sqlite3_str_appendall(out, "null");
        break;
    case SQLITE_INTEGER:
        sqlite3_str_appendf(out, "%lld", sqlite3_column_int64(row, i));
        break;
    case SQLITE_FLOAT:
        append_real(out, sqlite3_column_double(row, i));
        break;
    case SQLITE_BLOB:
        sqlite3_str_appendchar(out, 1, '"');
        append_hex(out, sqlite3_column_blob(row, i), (size_t)sqlite3_column_bytes(row, i));
        sqlite3_str_appendchar(out, 1, '"');
        break;
    default:
        uvk_format_json_text(out, sqlite3_column_text(row, i), (size_t)sqlite3_column_bytes(row, i));
    }
}
