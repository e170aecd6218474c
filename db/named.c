/* Queries with a name: found, their parameters bound, run. */
#include "named.h"
#include "source.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uvk_db_named *uvk_db_named_queries(int *n)
{
    *n = uvk_n_named_queries;
    return uvk_named_queries;
}

static uvk_status find_query(const char *name, const uvk_db_named **out, uvk_error *err)
{
    char known[512] = "";
    for (int i = 0; i < uvk_n_named_queries; i++) {
        if (strcmp(uvk_named_queries[i].name, name) == 0) {
            *out = &uvk_named_queries[i];
            return UVK_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", uvk_named_queries[i].name);
    }
    return uvk_fail(err, UVK_USAGE, "no query is named '%s' (there are %s)", name, known);
}

/* ---- Parameters --------------------------------------------------------------------------------------------------------- */

/* Where key stands as "[key]" or "[key=default]" in the list of parameters, behind the key; NULL: it has to be given. */
static const char *find_optional(const uvk_db_named *query, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = strchr(query->parameters, '['); at; at = strchr(at + 1, '['))
        if (strncmp(at + 1, key, length) == 0 && (at[1 + length] == ']' || at[1 + length] == '='))
            return at + 1 + length;
    return NULL;
}

static bool is_number(const char *key)
{
    static const char *const numbers[] = {"run", "other", "top", "token", "row", "col", "steps"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i]) == 0)
            return true;
    return false;
}

static uvk_status bind_number(uvk_db *db, sqlite3_stmt *statement, int at, const char *key, const char *value, uvk_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || isspace((unsigned char)*value))
        return uvk_fail(err, UVK_USAGE, "%s=%s: expected a whole number", key, value);
    if (number < 0)
        return uvk_fail(err, UVK_USAGE, "%s=%s: expected a number from 0 up", key, value);
    return sqlite3_bind_int64(statement, at, number) == SQLITE_OK ? UVK_OK : uvk_query_fail(db, err);
}

static uvk_status bind_value(uvk_db *db, sqlite3_stmt *statement, int at, const char *key, const char *value, uvk_error *err)
{
    if (is_number(key))
        return bind_number(db, statement, at, key, value, err);
    return sqlite3_bind_text(statement, at, value, -1, SQLITE_STATIC) == SQLITE_OK ? UVK_OK : uvk_query_fail(db, err);
}

static uvk_status bind_given(uvk_db *db, sqlite3_stmt *statement, const uvk_db_named *query, const char *param, uvk_error *err)
{
    char key[64];
    const char *equals = strchr(param, '=');
    int length = equals ? (int)(equals - param) : 0;
    if (length == 0 || length > 60)
        return uvk_fail(err, UVK_USAGE, "'%s' is not a parameter (expected key=value)", param);
    snprintf(key, sizeof key, ":%.*s", length, param);
    int at = sqlite3_bind_parameter_index(statement, key);
    if (at == 0)
        return uvk_fail(err, UVK_USAGE, "query '%s' has no parameter '%s' (it takes: %s)", query->name, key + 1,
                        *query->parameters ? query->parameters : "none");
    return bind_value(db, statement, at, key + 1, equals + 1, err);
}

static uvk_status bind_default(uvk_db *db, sqlite3_stmt *statement, const uvk_db_named *query, int at, uvk_error *err)
{
    char value[32];
    const char *key = sqlite3_bind_parameter_name(statement, at) + 1, *found = find_optional(query, key);
    if (!found)
        return uvk_fail(err, UVK_USAGE, "query '%s' needs %s=... (it takes: %s)", query->name, key, query->parameters);
    if (*found != '=')
        return UVK_OK;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(found + 1, "]"), found + 1);
    return bind_number(db, statement, at, key, value, err); /* only numbers have defaults */
}

static bool is_given(const char *key, const char *const *params, int n_params)
{
    size_t length = strlen(key);
    for (int i = 0; i < n_params; i++)
        if (strncmp(params[i], key, length) == 0 && params[i][length] == '=')
            return true;
    return false;
}

static uvk_status bind_all(uvk_db *db, sqlite3_stmt *statement, const uvk_db_named *query, const char *const *params, int n_params,
                           uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < n_params; i++)
        status = bind_given(db, statement, query, params[i], err);
    for (int i = 1; !status && i <= sqlite3_bind_parameter_count(statement); i++)
        if (!is_given(sqlite3_bind_parameter_name(statement, i) + 1, params, n_params))
            status = bind_default(db, statement, query, i, err);
    return status;
}

uvk_status uvk_db_query_named(const char *path, const char *name, const char *const *params, int n_params, uvk_db_format format,
                              FILE *out, uvk_error *err)
{
    const uvk_db_named *query;
    uvk_db *db;
    sqlite3_stmt *statement = NULL;
    uvk_status status = find_query(name, &query, err);
    if (!status)
        status = uvk_query_open(path, &db, err);
    if (status)
        return status;
    if (sqlite3_prepare_v2(db->sqlite, query->sql, -1, &statement, NULL) != SQLITE_OK)
        status = uvk_source_fail(db, err);
    if (!status)
        status = bind_all(db, statement, query, params, n_params, err);
    if (!status)
        status = uvk_print_rows(db, statement, format, out, err);
    sqlite3_finalize(statement);
    status = uvk_query_end(db, status, err);
    uvk_query_close(db);
    return status;
}
