#include "sql.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uvk_sql_value uvk_sql_int(int64_t value)
{
    return (uvk_sql_value){.type = SQLITE_INTEGER, .integer = value};
}

uvk_sql_value uvk_sql_index(int value)
{
    return value < 0 ? (uvk_sql_value){.type = SQLITE_NULL} : uvk_sql_int(value);
}

uvk_sql_value uvk_sql_count(int value)
{
    return value == 0 ? (uvk_sql_value){.type = SQLITE_NULL} : uvk_sql_int(value);
}

uvk_sql_value uvk_sql_real(double value)
{
    return isnan(value) ? (uvk_sql_value){.type = SQLITE_NULL} : (uvk_sql_value){.type = SQLITE_FLOAT, .real = value};
}

uvk_sql_value uvk_sql_text(const char *text)
{
    return text ? (uvk_sql_value){.type = SQLITE_TEXT, .bytes = text, .size = strlen(text)} : (uvk_sql_value){.type = SQLITE_NULL};
}

uvk_sql_value uvk_sql_blob(const void *bytes, size_t size)
{
    return (uvk_sql_value){.type = SQLITE_BLOB, .bytes = bytes, .size = size};
}

/* Only for codes that come from the file system: SQLite keeps the number after it has lost its meaning. */
static int system_error(const uvk_db *db)
{
    switch (sqlite3_errcode(db->sqlite)) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
        return sqlite3_system_errno(db->sqlite);
    default:
        return 0;
    }
}

bool uvk_sql_lacks_sharing(sqlite3 *sqlite)
{
    switch (sqlite3_extended_errcode(sqlite)) {
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_IOERR_SHMLOCK:
        return sqlite3_system_errno(sqlite) != ENOSPC;
    default:
        return false;
    }
}

uvk_status uvk_sql_fail(const uvk_db *db, uvk_error *err)
{
    int number = system_error(db), code = sqlite3_extended_errcode(db->sqlite);
    if (code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
        return uvk_fail_memory(err, 0, db->path);
    if (number)
        return uvk_fail(err, UVK_FAILED, "%s: %s (%s)", db->path, sqlite3_errmsg(db->sqlite), strerror(number));
    return uvk_fail(err, UVK_FAILED, "%s: %s", db->path, sqlite3_errmsg(db->sqlite));
}

uvk_status uvk_sql_exec(uvk_db *db, const char *sql, uvk_error *err)
{
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? UVK_OK : uvk_sql_fail(db, err);
}

uvk_status uvk_sql_prepare(uvk_db *db, const char *sql, sqlite3_stmt **out, uvk_error *err)
{
    for (int i = 0; i < db->n_cached; i++)
        if (strcmp(db->cache[i].sql, sql) == 0) {
            *out = db->cache[i].statement;
            return UVK_OK;
        }
    if (db->n_cached == UVK_SQL_CACHE)
        return uvk_fail(err, UVK_FAILED, "%s: more than %d prepared statements", db->path, UVK_SQL_CACHE);
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        return uvk_sql_fail(db, err);
    db->cache[db->n_cached].sql = sql;
    db->cache[db->n_cached++].statement = statement;
    *out = statement;
    return UVK_OK;
}

/* Bound bytes are SQLITE_STATIC: every statement here is run and unbound before its caller returns. */
int uvk_sql_bind(sqlite3_stmt *statement, int at, const uvk_sql_value *value)
{
    switch (value->type) {
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(statement, at, value->integer);
    case SQLITE_FLOAT:
        return sqlite3_bind_double(statement, at, value->real);
    case SQLITE_TEXT:
        return sqlite3_bind_text64(statement, at, value->bytes, value->size, SQLITE_STATIC, SQLITE_UTF8);
    case SQLITE_BLOB:
        return sqlite3_bind_blob64(statement, at, value->bytes, value->size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, at);
    }
}

/* A list of statements may share one list of values, of which each uses the first few. */
static int bind_values(sqlite3_stmt *statement, const uvk_sql_value *values, int n)
{
    int code = SQLITE_OK, used = sqlite3_bind_parameter_count(statement);
    for (int i = 0; i < n && i < used && code == SQLITE_OK; i++)
        code = uvk_sql_bind(statement, i + 1, &values[i]);
    return code;
}

static int step_through(sqlite3_stmt *statement, int64_t *first)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && first && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *first = sqlite3_column_int64(statement, 0);
    while (code == SQLITE_ROW)
        code = sqlite3_step(statement);
    return code;
}

uvk_status uvk_sql_get(uvk_db *db, const char *sql, const uvk_sql_value *values, int n, int64_t *out, uvk_error *err)
{
    sqlite3_stmt *statement = NULL;
    uvk_status status = uvk_sql_prepare(db, sql, &statement, err);
    if (status)
        return status;
    if (bind_values(statement, values, n) != SQLITE_OK || step_through(statement, out) != SQLITE_DONE)
        status = uvk_sql_fail(db, err);
    sqlite3_reset(statement); /* repeats the code of the step, which is dealt with */
    sqlite3_clear_bindings(statement);
    return status;
}

uvk_status uvk_sql_run(uvk_db *db, const char *sql, const uvk_sql_value *values, int n, uvk_error *err)
{
    return uvk_sql_get(db, sql, values, n, NULL, err);
}

uvk_status uvk_sql_begin(uvk_db *db, uvk_error *err)
{
    return uvk_sql_exec(db, "BEGIN IMMEDIATE", err);
}

uvk_status uvk_sql_end(uvk_db *db, uvk_status status, uvk_error *err)
{
    if (status == UVK_OK)
        status = uvk_sql_exec(db, "COMMIT", err);
    /* Some errors (disk full) have rolled back already, so what a second rollback says is of no interest. */
    if (status != UVK_OK && !sqlite3_get_autocommit(db->sqlite))
        (void)sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
