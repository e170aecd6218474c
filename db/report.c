/* Rows for a report, each with the SQL that they came from. */
#include "report.h"
#include "source.h"

enum { MOST_COLUMNS = 40 };

uvk_status uvk_db_report_open(const char *path, uvk_db **out, uvk_error *err)
{
    uvk_status status = uvk_query_open(path, out, err);
    if (status)
        return status;
    /* BEGIN is not among what a query may do; what is between it and the end of the connection is one moment of the file. */
    sqlite3_set_authorizer((*out)->sqlite, NULL, NULL);
    status = uvk_sql_exec(*out, "BEGIN", err);
    if (!status && uvk_authorize_reading((*out)->sqlite) != SQLITE_OK)
        status = uvk_sql_fail(*out, err);
    if (status) {
        uvk_db_report_close(*out);
        *out = NULL;
    }
    return status;
}

uvk_status uvk_db_report_end(const uvk_db *db, uvk_status status, uvk_error *err)
{
    return uvk_query_end(db, status, err);
}

void uvk_db_report_close(uvk_db *db)
{
    uvk_query_close(db);
}

static uvk_db_cell cell_at(sqlite3_stmt *row, int i)
{
    switch (sqlite3_column_type(row, i)) {
    case SQLITE_INTEGER:
        return (uvk_db_cell){.type = UVK_DB_INTEGER, .integer = sqlite3_column_int64(row, i)};
    case SQLITE_FLOAT:
        return (uvk_db_cell){.type = UVK_DB_REAL, .real = sqlite3_column_double(row, i)};
    case SQLITE_TEXT:
        return (uvk_db_cell){.type = UVK_DB_TEXT, .bytes = (const char *)sqlite3_column_text(row, i), .size = (size_t)sqlite3_column_bytes(row, i)};
    case SQLITE_BLOB:
        return (uvk_db_cell){.type = UVK_DB_BLOB, .bytes = sqlite3_column_blob(row, i), .size = (size_t)sqlite3_column_bytes(row, i)};
    default:
        return (uvk_db_cell){.type = UVK_DB_NULL};
    }
}

static uvk_status begin_rows(uvk_db *db, sqlite3_stmt *statement, const uvk_db_rows *out, uvk_error *err)
{
    const char *names[MOST_COLUMNS];
    int columns = sqlite3_column_count(statement);
    if (columns > MOST_COLUMNS)
        return uvk_fail(err, UVK_FAILED, "%s: a view of %d columns (expected %d at most)", db->path, columns, MOST_COLUMNS);
    for (int i = 0; i < columns; i++)
        if (!(names[i] = sqlite3_column_name(statement, i)))
            return uvk_fail_memory(err, 0, "a column's name");
    char *sql = sqlite3_expanded_sql(statement);
    uvk_status status = sql ? out->begin(out->user, sql, names, columns, err) : uvk_fail_memory(err, 0, "a query");
    sqlite3_free(sql);
    return status;
}

static uvk_status give_rows(uvk_db *db, sqlite3_stmt *statement, const uvk_db_rows *out, uvk_error *err)
{
    uvk_db_cell cells[MOST_COLUMNS];
    int code = SQLITE_ROW, columns = sqlite3_column_count(statement);
    uvk_status status = UVK_OK;
    while (!status && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            cells[i] = cell_at(statement, i);
        status = out->row(out->user, cells, columns, err);
    }
    return !status && code != SQLITE_DONE ? uvk_source_fail(db, err) : status;
}

/* A run of 0 stays NULL. */
static int bind_chosen(sqlite3_stmt *statement, const uvk_db_chosen *chosen)
{
    const int64_t values[] = {chosen->run, chosen->sequence, chosen->most};
    int used = sqlite3_bind_parameter_count(statement), code = SQLITE_OK;
    for (int i = 0; i < used && code == SQLITE_OK; i++)
        if (values[i])
            code = sqlite3_bind_int64(statement, i + 1, values[i]);
    return code;
}

uvk_status uvk_db_report(uvk_db *db, uvk_db_part part, const uvk_db_chosen *chosen, const uvk_db_rows *out, uvk_error *err)
{
    sqlite3_stmt *statement = NULL;
    uvk_status status = UVK_OK;
    if (sqlite3_prepare_v2(db->sqlite, uvk_report_sql(part), -1, &statement, NULL) != SQLITE_OK || bind_chosen(statement, chosen) != SQLITE_OK)
        status = uvk_source_fail(db, err);
    if (!status)
        status = begin_rows(db, statement, out, err);
    if (!status)
        status = give_rows(db, statement, out, err);
    sqlite3_finalize(statement);
    return status;
}
