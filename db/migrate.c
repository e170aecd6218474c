#include "schema.h"

#include <stdio.h>

enum { APPLICATION_ID = 0x75766b64 }; /* "uvkd"; PRAGMA application_id tells our files from those of other programs */

const uvk_schema_step *uvk_schema_steps(int *n)
{
    static const uvk_schema_step steps[] = {
        {uvk_schema_1, NULL},
    };
    *n = sizeof steps / sizeof *steps;
    return steps;
}

uvk_status uvk_schema_check(uvk_db *db, int newest, bool create, int *version, uvk_error *err)
{
    int64_t found = 0, application = 0, objects = 0;
    uvk_status status = uvk_sql_get(db, "PRAGMA user_version", NULL, 0, &found, err);
    if (!status)
        status = uvk_sql_get(db, "PRAGMA application_id", NULL, 0, &application, err);
    if (!status)
        status = uvk_sql_get(db, "SELECT count(*) FROM sqlite_master", NULL, 0, &objects, err);
    if (status)
        return status;
    if (found > newest)
        return uvk_fail(err, UVK_FAILED, "%s: written by a newer ultravk (schema version %lld, this one knows up to %d)", db->path,
                        (long long)found, newest);
    bool empty = found == 0 && application == 0 && objects == 0;
    bool ours = found > 0 && application == APPLICATION_ID;
    if (!ours && !(empty && create))
        return uvk_fail(err, UVK_FAILED, "%s: not an ultravk database (%s)", db->path, empty ? "it is empty" : "another program's SQLite file");
    if (version)
        *version = (int)found;
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
