#include "source.h"

#include "schema.h"

#include <string.h>

/* Nothing in the file is wrong then, as far as anybody could read it. */
static bool is_the_systems(int code)
{
    switch (code) {
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
        return true;
    default:
        return false;
    }
}

uvk_status uvk_source_blame(const uvk_db *source, uvk_status status, uvk_error *err)
{
    if (status == UVK_OK || uvk_lacked_memory(err) || is_the_systems(sqlite3_errcode(source->sqlite)))
        return status;
    if (err)
        err->status = UVK_BAD_INPUT;
    return UVK_BAD_INPUT;
}

uvk_status uvk_source_fail(const uvk_db *source, uvk_error *err)
{
    return uvk_source_blame(source, uvk_sql_fail(source, err), err);
}

/* ---- Its tables --------------------------------------------------------------------------------------------------------- */

/* A view in the place of a table, a computed column, a constraint left out: what does not come from this program could make
 * reading it run for ever or give what was never stored. So each table must be defined as in a new database of that version. */
static uvk_status compare_tables(uvk_db *source, uvk_db *pattern, int version, uvk_error *err)
{
    sqlite3_stmt *expected, *found;
    static const char tables[] = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    static const char one[] = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1 AND sql = ?2";
    uvk_status status = uvk_sql_prepare(pattern, tables, &expected, err);
    if (!status)
        status = uvk_sql_prepare(source, one, &found, err);
    while (!status && sqlite3_step(expected) == SQLITE_ROW) {
        int code = sqlite3_bind_value(found, 1, sqlite3_column_value(expected, 0));
        if (code == SQLITE_OK)
            code = sqlite3_bind_value(found, 2, sqlite3_column_value(expected, 1));
        if (code == SQLITE_OK)
            code = sqlite3_step(found);
        if (code == SQLITE_DONE)
            status = uvk_fail(err, UVK_BAD_INPUT, "%s: table %s is not as ultravk makes it in schema version %d", source->path,
                              (const char *)sqlite3_column_text(expected, 0), version);
        else if (code != SQLITE_ROW)
            status = uvk_source_fail(source, err);
        sqlite3_reset(found);
    }
    return status;
}

static uvk_status check_tables(uvk_db *source, uvk_error *err)
{
    int n, version = 0;
    const uvk_schema_step *steps = uvk_schema_steps(&n);
    uvk_status status = uvk_schema_check(source, n, false, &version, err);
    uvk_db *pattern = NULL;
    if (!status)
        status = uvk_sql_open_memory(&pattern, err);
    if (!status)
        status = uvk_schema_migrate(pattern, steps, version, err);
    if (!status)
        status = compare_tables(source, pattern, version, err);
    uvk_sql_close(pattern);
    return status;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------------ */

/* What runs on it from here on is this program's. A transaction holds the state that is read. */
static uvk_status hold(uvk_db *source, uvk_error *err)
{
    sqlite3_set_authorizer(source->sqlite, NULL, NULL);
    return uvk_sql_exec(source, "BEGIN; SELECT 1 FROM sqlite_master", err);
}

uvk_status uvk_source_open(const char *path, uvk_db **out, uvk_error *err)
{
    *out = NULL;
    uvk_status status = uvk_query_open(path, out, err);
    if (status)
        return status;
    status = hold(*out, err);
    if (!status)
        status = check_tables(*out, err);
    if (!status)
        return UVK_OK;
    status = uvk_source_blame(*out, status, err);
    uvk_query_close(*out);
    *out = NULL;
    return status;
}
