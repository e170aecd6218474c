#include "copy.h"

#include "source.h"

#include <string.h>

static bool is_key(const uvk_copy *c, const char *column)
{
    for (int i = 0; i < c->n_keys; i++)
        if (strcmp(c->table->keys[i], column) == 0)
            return true;
    return false;
}

/* ", NAME" for each column that is no key, in the order of the table. */
static uvk_status list_columns(uvk_copy *c, sqlite3_str *out, uvk_error *err)
{
    sqlite3_stmt *columns;
    uvk_status status = uvk_sql_prepare(c->to, "SELECT name FROM pragma_table_info(?1, 'main')", &columns, err);
    if (status)
        return status;
    sqlite3_bind_text(columns, 1, c->table->name, -1, SQLITE_STATIC);
    int code;
    while ((code = sqlite3_step(columns)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(columns, 0);
        if (is_key(c, name))
            continue;
        sqlite3_str_appendf(out, ", \"%w\"", name);
        c->n_columns++;
    }
    if (code != SQLITE_DONE)
        status = uvk_sql_fail(c->to, err);
    sqlite3_reset(columns);
    return status;
}

static void append_keys(const uvk_copy *c, sqlite3_str *out)
{
    for (int i = 0; i < c->n_keys; i++)
        sqlite3_str_appendf(out, "%s%s", i ? ", " : "", c->table->keys[i]);
}

static char *select_sql(const uvk_copy *c, const char *columns)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "SELECT ");
    append_keys(c, sql);
    sqlite3_str_appendf(sql, "%s FROM %s", columns, c->table->name);
    for (int i = 0; i < c->table->n_where; i++)
        sqlite3_str_appendf(sql, " %s %s IS ?%d", i ? "AND" : "WHERE", c->table->keys[i], i + 1);
    return sqlite3_str_finish(sql);
}

static char *insert_sql(const uvk_copy *c, const char *columns)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendf(sql, "INSERT INTO %s (", c->table->name);
    append_keys(c, sql);
    sqlite3_str_appendf(sql, "%s) VALUES (?1", columns);
    for (int i = 1; i < c->n_columns; i++)
        sqlite3_str_appendf(sql, ", ?%d", i + 1);
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static uvk_status prepare(uvk_copy *c, const char *columns, uvk_error *err)
{
    char *select = select_sql(c, columns), *insert = insert_sql(c, columns);
    uvk_status status = UVK_OK;
    if (!select || !insert)
        status = uvk_fail_memory(err, 0, "a statement");
    else if (sqlite3_prepare_v2(c->from->sqlite, select, -1, &c->select, NULL) != SQLITE_OK)
        status = uvk_source_fail(c->from, err);
    else if (sqlite3_prepare_v2(c->to->sqlite, insert, -1, &c->insert, NULL) != SQLITE_OK)
        status = uvk_sql_fail(c->to, err);
    sqlite3_free(select);
    sqlite3_free(insert);
    return status;
}

uvk_status uvk_copy_open(uvk_copy *c, const uvk_copy_table *table, uvk_db *from, uvk_db *to, uvk_error *err)
{
    *c = (uvk_copy){.table = table, .from = from, .to = to};
    while (c->n_keys < UVK_COPY_KEYS && table->keys[c->n_keys])
        c->n_keys++;
    c->n_columns = c->n_keys;
    sqlite3_str *columns = sqlite3_str_new(NULL);
    uvk_status status = list_columns(c, columns, err);
    char *list = sqlite3_str_finish(columns);
    if (!status)
        status = prepare(c, list ? list : "", err);
    sqlite3_free(list);
    return status;
}

void uvk_copy_close(uvk_copy *c)
{
    sqlite3_finalize(c->select);
    sqlite3_finalize(c->insert);
}

uvk_status uvk_copy_start(uvk_copy *c, const uvk_sql_value *where, uvk_error *err)
{
    sqlite3_reset(c->select);
    for (int i = 0; i < c->table->n_where; i++)
        if (uvk_sql_bind(c->select, i + 1, &where[i]) != SQLITE_OK)
            return uvk_source_fail(c->from, err);
    return UVK_OK;
}

uvk_status uvk_copy_next(uvk_copy *c, bool *more, uvk_error *err)
{
    int code = sqlite3_step(c->select);
    *more = code == SQLITE_ROW;
    if (*more)
        return UVK_OK;
    uvk_status status = code == SQLITE_DONE ? UVK_OK : uvk_source_fail(c->from, err);
    sqlite3_reset(c->select);
    return status;
}

static uvk_status fail_put(const uvk_copy *c, uvk_error *err)
{
    switch (sqlite3_errcode(c->to->sqlite)) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a row of table %s fits no results database (%s)", c->from->path, c->table->name,
                        sqlite3_errmsg(c->to->sqlite));
    default:
        return uvk_sql_fail(c->to, err);
    }
}

uvk_status uvk_copy_put(uvk_copy *c, const uvk_sql_value *keys, uvk_error *err)
{
    int code = SQLITE_OK;
    for (int i = 0; i < c->n_columns && code == SQLITE_OK; i++)
        code = i < c->n_keys ? uvk_sql_bind(c->insert, i + 1, &keys[i]) : sqlite3_bind_value(c->insert, i + 1, sqlite3_column_value(c->select, i));
    bool done = code == SQLITE_OK && sqlite3_step(c->insert) == SQLITE_DONE;
    uvk_status status = done ? UVK_OK : fail_put(c, err);
    sqlite3_reset(c->insert);
    return status;
}

uvk_status uvk_copy_all(uvk_copy *c, const uvk_sql_value *where, const uvk_sql_value *keys, int64_t *count, uvk_error *err)
{
    bool more = false;
    uvk_status status = uvk_copy_start(c, where, err);
    if (!status)
        status = uvk_copy_next(c, &more, err);
    while (!status && more) {
        status = uvk_copy_put(c, keys, err);
        if (!status && count)
            ++*count;
        if (!status)
            status = uvk_copy_next(c, &more, err);
    }
    if (status)
        sqlite3_reset(c->select);
    return status;
}
