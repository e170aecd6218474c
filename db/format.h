/* Values as text; appended to out, whose own error code tells of missing memory. Private to db/. */
#ifndef UVK_DB_FORMAT_H
#define UVK_DB_FORMAT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* UTF-8 text. Plain: what could steer a terminal is shown escaped, and so are bytes that are no UTF-8. */
void uvk_format_plain(sqlite3_str *out, const unsigned char *text, size_t size);
/* shown: on a terminal, where what could steer it is escaped; otherwise the text as it is. */
void uvk_format_csv_text(sqlite3_str *out, const char *text, size_t size, bool shown);
void uvk_format_json_text(sqlite3_str *out, const unsigned char *text, size_t size);

/* Column i of the current row. */
void uvk_format_table(sqlite3_str *out, sqlite3_stmt *row, int i);
void uvk_format_csv(sqlite3_str *out, sqlite3_stmt *row, int i, bool shown);
void uvk_format_json(sqlite3_str *out, sqlite3_stmt *row, int i);

#endif
