/* Opening: one way for every connection, then what only a writer needs. */
#include "schema.h"
#include "sql.h"

#include <stdlib.h>
#include <string.h>

enum { BUSY_MILLISECONDS = 20000, WAL_RETRY_MILLISECONDS = 20, INDEX_BYTES = 32768 /* of a log, mapped at once */ };

/* A database may come from anywhere: its schema gets no rights that this program does not give it. */
static int harden(sqlite3 *sqlite)
{
    static const struct { int option, value; } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, /* this program makes none */
    };
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && code == SQLITE_OK; i++)
        code = sqlite3_db_config(sqlite, settings[i].option, settings[i].value, (int *)NULL);
    if (code == SQLITE_OK)
        code = sqlite3_extended_result_codes(sqlite, 0);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(sqlite, BUSY_MILLISECONDS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sqlite, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = uvk_scores_register(sqlite);
    if (code == SQLITE_OK)
        code = uvk_spearman_register(sqlite);
    return code;
}

static uvk_status open_name(const char *path, const char *name, int flags, uvk_db **out, uvk_error *err)
{
    uvk_db *db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path))) {
        free(db);
        return uvk_fail_memory(err, sizeof *db + strlen(path), "a database");
    }
    if (sqlite3_open_v2(name, &db->sqlite, flags, NULL) != SQLITE_OK || harden(db->sqlite) != SQLITE_OK) {
        uvk_status status = db->sqlite ? uvk_sql_fail(db, err) : uvk_fail_memory(err, 0, "a database");
        uvk_sql_close(db);
        return status;
    }
    *out = db;
    return UVK_OK;
}

uvk_status uvk_sql_open(const char *path, int flags, uvk_db **out, uvk_error *err)
{
    *out = NULL;
    char *name = sqlite3_mprintf("%s%s", *path == '/' ? "" : "./", path);
    if (!name)
        return uvk_fail_memory(err, strlen(path), "a path");
    uvk_status status = open_name(path, name, flags, out, err);
    sqlite3_free(name);
    return status;
}

static char *immutable_uri(const char *path)
{
    sqlite3_str *uri = sqlite3_str_new(NULL);
    sqlite3_str_appendf(uri, "file:%s", *path == '/' ? "" : "./");
    for (const char *c = path; *c; c++)
        sqlite3_str_appendf(uri, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
    sqlite3_str_appendall(uri, "?immutable=1");
    return sqlite3_str_finish(uri);
}

uvk_status uvk_sql_open_immutable(const char *path, uvk_db **out, uvk_error *err)
{
    *out = NULL;
    char *uri = immutable_uri(path);
    if (!uri)
        return uvk_fail_memory(err, strlen(path), "a path");
    uvk_status status = open_name(path, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, out, err);
    sqlite3_free(uri);
    return status;
}

uvk_status uvk_sql_open_memory(uvk_db **out, uvk_error *err)
{
    *out = NULL;
    return open_name("memory", ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, out, err);
}

void uvk_sql_close(uvk_db *db)
{
    if (!db)
        return;
    for (int i = 0; i < db->n_cached; i++)
        sqlite3_finalize(db->cache[i].statement);
    sqlite3_close(db->sqlite);
    free(db->path);
    free(db);
}

static int is_wal(void *wal, int n, char **values, char **names)
{
    (void)names;
    *(bool *)wal = n == 1 && values[0] && strcmp(values[0], "wal") == 0;
    return 0;
}

/* Whether processes share memory here. To find out by setting the mode would disturb whoever writes to the file meanwhile. */
static bool can_share(sqlite3 *sqlite)
{
    sqlite3_file *file = NULL;
    volatile void *memory = NULL;
    if (sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file->pMethods || file->pMethods->iVersion < 2 ||
        !file->pMethods->xShmMap)
        return false;
    int code = file->pMethods->xShmMap(file, 0, INDEX_BYTES, 1, &memory);
    bool can = code == SQLITE_OK || code == SQLITE_BUSY; /* busy: somebody does at this moment */
    file->pMethods->xShmUnmap(file, !can);
    return can;
}

/* Another process that opens the same new file makes this one busy, and SQLite does not wait by itself here. */
static bool set_wal(sqlite3 *sqlite)
{
    bool wal = false;
    if (sqlite3_exec(sqlite, "PRAGMA journal_mode", is_wal, &wal, NULL) != SQLITE_OK || wal || !can_share(sqlite))
        return wal;
    for (int waited = 0; waited < BUSY_MILLISECONDS; waited += WAL_RETRY_MILLISECONDS) {
        if (sqlite3_exec(sqlite, "PRAGMA journal_mode = WAL", is_wal, &wal, NULL) != SQLITE_BUSY)
            break;
        sqlite3_sleep(WAL_RETRY_MILLISECONDS);
    }
    return wal;
}

/* A connection that has the file to itself needs no shared memory to set the mode back. */
static uvk_status leave_wal(const char *path, uvk_error *err)
{
    uvk_db *db;
    uvk_status status = uvk_sql_open(path, SQLITE_OPEN_READWRITE, &db, err);
    if (!status)
        status = uvk_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE", err);
    uvk_sql_close(db);
    return status;
}

static uvk_status open_writable(const char *path, int flags, uvk_db **out, uvk_error *err)
{
    int n_steps;
    uvk_schema_steps(&n_steps);
    uvk_status status = uvk_sql_open(path, flags, out, err);
    if (!status && sqlite3_db_readonly((*out)->sqlite, "main") == 1)
        status = uvk_fail(err, UVK_FAILED, "%s: read-only (it must be writable to store results)", path);
    return status ? status : uvk_schema_check(*out, n_steps, true, NULL, err);
}

static uvk_status open_with_log(const char *path, bool *wal, uvk_db **out, uvk_error *err)
{
    uvk_status status = open_writable(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, out, err);
    *wal = !status && set_wal((*out)->sqlite);
    if (!status || !*out || !uvk_sql_lacks_sharing((*out)->sqlite))
        return status;
    uvk_sql_close(*out);
    *out = NULL;
    status = leave_wal(path, err);
    return status ? status : open_writable(path, SQLITE_OPEN_READWRITE, out, err);
}

static uvk_status prepare_for_writing(uvk_db *db, bool wal, uvk_error *err)
{
    int n_steps;
    const uvk_schema_step *steps = uvk_schema_steps(&n_steps);
    /* In WAL mode NORMAL cannot damage the file; a rollback journal needs FULL for that. */
    uvk_status status = uvk_sql_exec(db, wal ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", err);
    if (!status)
        status = uvk_sql_exec(db, "PRAGMA cache_size = -32768", err); /* KiB: one input's pages stay in memory until COMMIT */
    return status ? status : uvk_schema_migrate(db, steps, n_steps, err);
}

uvk_status uvk_db_open(const char *path, void (*warn)(void *user, const char *line), void *user, uvk_db **out, uvk_error *err)
{
    uvk_db *db = NULL;
    bool wal = false;
    uvk_status status = open_with_log(path, &wal, &db, err);
    if (!status)
        status = prepare_for_writing(db, wal, err);
    if (status) {
        uvk_sql_close(db);
        return status;
    }
    if (!wal && warn) {
        uvk_error line; /* for its one clean line */
        uvk_fail(&line, UVK_OK, "%s: no write-ahead log is possible here: readers and the writer wait for each other", path);
        warn(user, line.message);
    }
    *out = db;
    return UVK_OK;
}

void uvk_db_close(uvk_db *db)
{
    uvk_sql_close(db);
}
