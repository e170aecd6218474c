/* Queries: a database opened for reading, SQL of the user's or one of ours. */
#include "query.h"
#include "schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Opening -------------------------------------------------------------------------------------------------------- */

/* Bytes in the write-ahead log beside a database; -1 where there is none. */
static int64_t log_size(const char *path)
{
    struct stat info;
    char *log = sqlite3_mprintf("%s-wal", path);
    int64_t size = log && stat(log, &info) == 0 ? (int64_t)info.st_size : -1;
    sqlite3_free(log);
    return size;
}

static uvk_status show_schema(uvk_db *db, uvk_error *err)
{
    int n;
    const uvk_schema_step *steps = uvk_schema_steps(&n);
    return uvk_schema_show(db, steps, n, err);
}

/* Reading in WAL mode makes an index file beside the database. Where it cannot (a read-only medium), nobody can be writing
 * either, and all there is lies in the database itself as long as there is no log. */
static uvk_status open_readable(const char *path, uvk_db **out, uvk_error *err)
{
    uvk_status status = uvk_sql_open(path, SQLITE_OPEN_READONLY, out, err);
    if (status)
        return status;
    status = show_schema(*out, err);
    int code = sqlite3_errcode((*out)->sqlite);
    if (!status || (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) || log_size(path) > 0)
        return status;
    uvk_sql_close(*out);
    status = uvk_sql_open_immutable(path, out, err);
    return status ? status : show_schema(*out, err);
}

uvk_status uvk_query_open(const char *path, uvk_db **out, uvk_error *err)
{
    struct stat info;
    uvk_db *db = NULL;
    bool had_log = log_size(path) >= 0;
    if (stat(path, &info) != 0)
        return uvk_fail(err, errno == ENOENT || errno == ENOTDIR ? UVK_BAD_INPUT : UVK_FAILED, "%s: %s", path, strerror(errno));
    uvk_status status = open_readable(path, &db, err);
    if (!status && uvk_authorize_reading(db->sqlite) != SQLITE_OK)
        status = uvk_sql_fail(db, err);
    if (db)
        db->made_log = !had_log;
    if (status) {
        uvk_query_close(db);
        return status;
    }
    *out = db;
    return UVK_OK;
}

/* A reader in WAL mode makes an empty log and its index, and may not remove them. A connection that may write does so when it
 * is the last to close; where it cannot be opened the files stay, as they may. */
static void sweep_log(const char *path)
{
    uvk_db *db;
    if (uvk_sql_open(path, SQLITE_OPEN_READWRITE, &db, NULL) != UVK_OK)
        return;
    (void)uvk_sql_exec(db, "SELECT 1 FROM sqlite_master", NULL); /* only who has read takes part */
    uvk_sql_close(db);
}

void uvk_query_close(uvk_db *db)
{
    char *path = db && db->made_log ? strdup(db->path) : NULL;
    uvk_sql_close(db);
    if (path && log_size(path) == 0)
        sweep_log(path);
    free(path);
}

/* ---- Errors --------------------------------------------------------------------------------------------------------- */

static bool is_the_users(int code)
{
    switch (code) {
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_RANGE:
        return true;
    default:
        return false;
    }
}

uvk_status uvk_query_fail(uvk_db *db, uvk_error *err)
{
    int code = sqlite3_errcode(db->sqlite);
    if (code == SQLITE_AUTH)
        return uvk_fail(err, UVK_USAGE, "%s: SQL error: %s (a query only reads)", db->path, sqlite3_errmsg(db->sqlite));
    if (is_the_users(code))
        return uvk_fail(err, UVK_USAGE, "%s: SQL error: %s", db->path, sqlite3_errmsg(db->sqlite));
    return uvk_sql_fail(db, err);
}

static int error_offset(sqlite3 *sqlite)
{
#if SQLITE_VERSION_NUMBER >= 3038000
    return sqlite3_error_offset(sqlite);
#else
    (void)sqlite;
    return -1;
#endif
}

/* at is where in sql the statement begins that could not be prepared. Lines and columns count from 1, columns in characters. */
static uvk_status fail_prepare(uvk_db *db, const char *sql, const char *at, uvk_error *err)
{
    int offset = error_offset(db->sqlite), line = 1, column = 1;
    if (offset < 0 || !is_the_users(sqlite3_errcode(db->sqlite)))
        return uvk_query_fail(db, err);
    for (const char *c = sql; c < at + offset; c++) {
        column = *c == '\n' ? 1 : column + (((unsigned char)*c & 0xc0) != 0x80);
        line += *c == '\n';
    }
    return uvk_fail(err, UVK_USAGE, "%s: SQL error at line %d, column %d: %s", db->path, line, column, sqlite3_errmsg(db->sqlite));
}

/* ---- SQL of the user's ---------------------------------------------------------------------------------------------- */

static uvk_status run_statements(uvk_db *db, const char *sql, uvk_db_format format, FILE *out, uvk_error *err)
{
    bool any = false;
    uvk_status status = UVK_OK;
    for (const char *at = sql, *tail; !status && *at; at = tail) {
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(db->sqlite, at, -1, &statement, &tail) != SQLITE_OK)
            return fail_prepare(db, sql, at, err);
        if (!statement) /* white space, a comment, a lone semicolon */
            continue;
        any = true;
        status = uvk_print_rows(db, statement, format, out, err);
        sqlite3_finalize(statement);
    }
    return status || any ? status : uvk_fail(err, UVK_USAGE, "%s: no SQL to run", db->path);
}

uvk_status uvk_db_query(const char *path, const char *sql, uvk_db_format format, FILE *out, uvk_error *err)
{
    uvk_db *db = NULL;
    uvk_status status = uvk_query_open(path, &db, err);
    if (status)
        return status;
    status = run_statements(db, sql, format, out, err);
    uvk_query_close(db);
    return status;
}
