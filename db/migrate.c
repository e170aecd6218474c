#include "schema.h"

#include <stdio.h>

enum { APPLICATION_ID = 0x75766b64 }; /* "uvkd"; PRAGMA application_id tells our files from those of other programs */

const uvk_schema_step *uvk_schema_steps(int *n)
{
    static const uvk_schema_step steps[] = {
        {uvk_schema_1, NULL},
        {uvk_schema_2, uvk_schema_2_shown},
    };
    *n = sizeof steps / sizeof *steps;
    return steps;
}

typedef struct schema_marks {
    int64_t version, application, objects;
} schema_marks;

/* In one statement, so that all are of one moment: another process may be creating the schema right now. Read as numbers: as
 * texts, each would be an allocation whose failure looks like the file's. */
static uvk_status read_marks(uvk_db *db, schema_marks *m, uvk_error *err)
{
    static const char sql[] = "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version, pragma_application_id";
    sqlite3_stmt *marks = NULL;
    int code = sqlite3_prepare_v2(db->sqlite, sql, -1, &marks, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(marks);
    if (code == SQLITE_ROW)
        *m = (schema_marks){sqlite3_column_int64(marks, 0), sqlite3_column_int64(marks, 1), sqlite3_column_int64(marks, 2)};
    uvk_status status = code == SQLITE_ROW ? UVK_OK : uvk_sql_fail(db, err);
    sqlite3_finalize(marks);
    return status;
}

uvk_status uvk_schema_check(uvk_db *db, int newest, bool create, int *version, uvk_error *err)
{
    schema_marks m = {0};
    uvk_status status = read_marks(db, &m, err);
    if (status)
        return status;
    if (m.version > newest)
        return uvk_fail(err, UVK_FAILED, "%s: written by a newer ultravk (schema version %lld, this one knows up to %d)", db->path,
                        (long long)m.version, newest);
    bool empty = m.version == 0 && m.application == 0 && m.objects == 0;
    bool ours = m.version > 0 && m.application == APPLICATION_ID;
    if (!ours && !(empty && create))
        return uvk_fail(err, UVK_FAILED, "%s: not an ultravk database (%s)", db->path, empty ? "it is empty" : "another program's SQLite file");
    if (version)
        *version = (int)m.version;
    return UVK_OK;
}

static uvk_status run_all(uvk_db *db, const char *const *sql, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (; !status && sql && *sql; sql++)
        status = uvk_sql_exec(db, *sql, err);
    return status;
}

static uvk_status set_version(uvk_db *db, int version, uvk_error *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, version);
    return uvk_sql_exec(db, sql, err);
}

static uvk_status migrate_locked(uvk_db *db, const uvk_schema_step *steps, int n, uvk_error *err)
{
    int version = 0;
    uvk_status status = uvk_schema_check(db, n, true, &version, err); /* again: another process may have been faster */
    for (int k = version; !status && k < n; k++)
        status = run_all(db, steps[k].sql, err);
    return status ? status : set_version(db, n, err);
}

uvk_status uvk_schema_migrate(uvk_db *db, const uvk_schema_step *steps, int n, uvk_error *err)
{
    int version = 0;
    uvk_status status = uvk_schema_check(db, n, true, &version, err);
    if (status || version == n)
        return status;
    status = uvk_sql_begin(db, err);
    return status ? status : uvk_sql_end(db, migrate_locked(db, steps, n, err), err);
}

uvk_status uvk_schema_show(uvk_db *db, const uvk_schema_step *steps, int n, uvk_error *err)
{
    int version = 0;
    uvk_status status = uvk_schema_check(db, n, false, &version, err);
    for (int k = version; !status && k < n; k++)
        status = run_all(db, steps[k].views, err);
    return status;
}
