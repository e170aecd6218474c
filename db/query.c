/* Queries: a database opened for reading, SQL of the user's or one of ours. */
#include "query.h"
#include "schema.h"
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Opening -------------------------------------------------------------------------------------------------------- */

/* Bytes of the file beside a database whose name goes on so; -1 where there is none. */
static int64_t size_beside(const char *path, const char *suffix)
{
    struct stat info;
    char *name = sqlite3_mprintf("%s%s", path, suffix);
    int64_t size = name && stat(name, &info) == 0 ? (int64_t)info.st_size : -1;
    sqlite3_free(name);
    return size;
}

static uvk_status show_schema(uvk_db *db, uvk_error *err)
{
    int n;
    const uvk_schema_step *steps = uvk_schema_steps(&n);
    return uvk_source_blame(db, uvk_schema_show(db, steps, n, err), err);
}

/* Reading in WAL mode makes an index file beside the database: not on a read-only medium, in a folder of somebody else's, on a full disk,
 * or where processes share no memory. */
static bool lacks_index(sqlite3 *sqlite)
{
    switch (sqlite3_errcode(sqlite)) {
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_FULL:
        return true;
    case SQLITE_IOERR:
        return sqlite3_system_errno(sqlite) == ENOSPC || uvk_sql_lacks_sharing(sqlite);
    default:
        return false;
    }
}

/* There all lies in the database itself as long as there is no log, and uvk_query_end finds out whether somebody wrote meanwhile. */
static uvk_status open_apart(const char *path, const struct stat *before, uvk_db **out, uvk_error *err)
{
    uvk_status status = uvk_sql_open_immutable(path, out, err);
    if (status)
        return status;
    (*out)->apart = true;
    (*out)->before = *before;
    return uvk_query_end(*out, show_schema(*out, err), err);
}

static uvk_status open_readable(const char *path, const struct stat *before, uvk_db **out, uvk_error *err)
{
    uvk_status status = uvk_sql_open(path, SQLITE_OPEN_READONLY, out, err);
    if (status)
        return status;
    status = show_schema(*out, err);
    if (!status || !lacks_index((*out)->sqlite) || size_beside(path, "-wal") > 0)
        return status;
    if (size_beside(path, "-journal") > 0)
        return uvk_fail(err, UVK_FAILED, "%s: a writer was killed half-way: what it left is undone when somebody writes to it again, as with --resume", path);
    uvk_sql_close(*out);
    return open_apart(path, before, out, err);
}

uvk_status uvk_query_open(const char *path, uvk_db **out, uvk_error *err)
{
    struct stat info;
    uvk_db *db = NULL;
    bool had_log = size_beside(path, "-wal") >= 0;
    if (stat(path, &info) != 0)
        return uvk_fail(err, errno == ENOENT || errno == ENOTDIR ? UVK_BAD_INPUT : UVK_FAILED, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a regular file", path);
    uvk_status status = open_readable(path, &info, &db, err);
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

uvk_status uvk_query_end(const uvk_db *db, uvk_status status, uvk_error *err)
{
    struct stat now;
    if (!db->apart || status == UVK_USAGE)
        return status;
    if (stat(db->path, &now) == 0 && now.st_size == db->before.st_size && now.st_mtim.tv_sec == db->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == db->before.st_mtim.tv_nsec)
        return status;
    return uvk_fail(err, UVK_FAILED, "%s: was written to while it was read: ask again (only who may write beside it can read it meanwhile)", db->path);
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
    if (path && size_beside(path, "-wal") == 0)
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

const char *uvk_query_hint(const uvk_db *db)
{
    return sqlite3_errcode(db->sqlite) == SQLITE_AUTH ? " (a query only reads)" : "";
}

uvk_status uvk_query_fail(uvk_db *db, uvk_error *err)
{
    if (is_the_users(sqlite3_errcode(db->sqlite)))
        return uvk_fail(err, UVK_USAGE, "%s: SQL error: %s%s", db->path, sqlite3_errmsg(db->sqlite), uvk_query_hint(db));
    return uvk_source_fail(db, err);
}

/* ---- SQL of the user's ---------------------------------------------------------------------------------------------- */

static uvk_status run_statements(uvk_db *db, const char *sql, uvk_db_format format, FILE *out, uvk_error *err)
{
    bool any = false;
    uvk_status status = UVK_OK;
    for (const char *at = sql, *tail; !status && *at; at = tail) {
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(db->sqlite, at, -1, &statement, &tail) != SQLITE_OK)
            return is_the_users(sqlite3_errcode(db->sqlite)) ? uvk_sql_misspelt(db, sql, at, err) : uvk_query_fail(db, err);
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
    status = uvk_query_end(db, run_statements(db, sql, format, out, err), err);
    uvk_query_close(db);
    return status;
}
