/* A sound SQLite file whose values are made up: after a byte that says what is done with it, each step of the input gives cells of a
 * table another value, of any type. */
#include "fuzz.h"

#include "use_database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {"model", "input", "run", "run_input", "sequence", "token", "word", "map", "contribution", "segment", "segment_token", "merge_step", "tcs", "metric"};
enum { TABLES = sizeof tables / sizeof *tables, MOST_STEPS = 24, MOST_COLUMNS = 32 };

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static unsigned byte(reader *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* Up to size bytes. */
static size_t bytes(reader *in, size_t size, void *out)
{
    size_t left = (size_t)(in->end - in->at), n = size < left ? size : left;
    memset(out, 0, size);
    memcpy(out, in->at, n);
    in->at += n;
    return n;
}

/* Nothing that the schema promises is sure in a file that somebody else wrote. */
static void make_template(void)
{
    const char *path = fuzz_path("template.db");
    sqlite3 *sqlite;
    make_database(path);
    if (sqlite3_open(path, &sqlite) != SQLITE_OK ||
        sqlite3_exec(sqlite, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(replace(sql, 'NOT NULL', ''), 'CHECK (status IN', 'CHECK (1 OR status IN')"
                             " WHERE type = 'table'", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    sqlite3_close(sqlite);
}

static int columns_of(sqlite3 *sqlite, const char *table, char names[MOST_COLUMNS][32])
{
    char sql[128];
    int n = 0;
    sqlite3_stmt *statement;
    snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", table);
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        abort();
    while (n < MOST_COLUMNS && sqlite3_step(statement) == SQLITE_ROW)
        snprintf(names[n++], 32, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return n;
}

static void bind_value(sqlite3_stmt *statement, reader *in)
{
    char text[64];
    int64_t whole;
    double real;
    unsigned kind = byte(in);
    size_t n = kind / 6 % 40;
    switch (kind % 6) {
    case 0: sqlite3_bind_null(statement, 1); break;
    case 1: sqlite3_bind_int(statement, 1, (int)byte(in) - 128); break;
    case 2: bytes(in, sizeof whole, &whole); sqlite3_bind_int64(statement, 1, whole); break;
    case 3: bytes(in, sizeof real, &real); sqlite3_bind_double(statement, 1, real); break;
    case 4: n = bytes(in, n, text); sqlite3_bind_text(statement, 1, text, (int)n, SQLITE_TRANSIENT); break;
    default: n = bytes(in, n, text); sqlite3_bind_blob(statement, 1, text, (int)n, SQLITE_TRANSIENT); break;
    }
}

/* The cells of a column that equal that of one row. */
static void change(sqlite3 *sqlite, reader *in)
{
    const char *table = tables[byte(in) % TABLES];
    char names[MOST_COLUMNS][32], sql[256];
    const char *column = names[byte(in) % (unsigned)columns_of(sqlite, table, names)];
    sqlite3_stmt *statement;
    snprintf(sql, sizeof sql, "UPDATE OR IGNORE \"%s\" SET \"%s\" = ?1 WHERE \"%s\" IS (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET %u)", table, column, column, column, table,
             byte(in) % 4);
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        abort();
    bind_value(statement, in);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    const char *path = fuzz_path("hostile.db");
    reader in = {data, data + size};
    unsigned which = byte(&in);
    sqlite3 *sqlite;
    if (!ready)
        make_template();
    ready = true;
    remove_database(path);
    copy_database(fuzz_path("template.db"), path);
    if (sqlite3_open(path, &sqlite) != SQLITE_OK || sqlite3_exec(sqlite, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    for (int i = 0; i < MOST_STEPS && in.at < in.end; i++)
        change(sqlite, &in);
    if (sqlite3_exec(sqlite, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    sqlite3_close(sqlite);
    use_database(path, which);
    return 0;
}
