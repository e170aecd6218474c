/* One connection with its prepared statements, and the few calls that keep error handling flat. Private to db/. */
#ifndef UVK_DB_SQL_H
#define UVK_DB_SQL_H

#include "db.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { UVK_SQL_CACHE = 64 };

struct uvk_db {
    sqlite3 *sqlite;
    char *path;
    struct { const char *sql; sqlite3_stmt *statement; } cache[UVK_SQL_CACHE];
    int n_cached;
    int64_t run_id, run_started; /* of the last run that was started here, 0: none; */
    char run_key[65];            /* without a number behind it */
    bool made_log; /* a reader: there was no write-ahead log before it came */
    bool apart;    /* a reader that takes no locks, */
    struct stat before; /* and what the file was when it came */
};

/* A value to bind. The constructors hold the rules of db.h for what is NULL. */
typedef struct uvk_sql_value {
    int type; /* SQLITE_NULL, SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT or SQLITE_BLOB */
    int64_t integer;
    double real;
    const void *bytes;
    size_t size;
} uvk_sql_value;

uvk_sql_value uvk_sql_int(int64_t value);
uvk_sql_value uvk_sql_index(int value);  /* -1: NULL */
uvk_sql_value uvk_sql_count(int value);  /* 0: NULL */
uvk_sql_value uvk_sql_real(double value); /* NaN: NULL */
uvk_sql_value uvk_sql_text(const char *text); /* NULL: NULL */
uvk_sql_value uvk_sql_blob(const void *bytes, size_t size);

/* Two arguments: the values and their number. */
#define UVK_VALUES(...) \
    (const uvk_sql_value[]){__VA_ARGS__}, (int)(sizeof((const uvk_sql_value[]){__VA_ARGS__}) / sizeof(uvk_sql_value))

/* Opens path with these SQLITE_OPEN flags, hardened, with the busy timeout, scores() and spearman(). A name is never taken for a URI or
 * for ":memory:". On failure *out is NULL. */
uvk_status uvk_sql_open(const char *path, int flags, uvk_db **out, uvk_error *err);
/* Opens a file that nothing can change meanwhile, without locks and without creating a file beside it. */
uvk_status uvk_sql_open_immutable(const char *path, uvk_db **out, uvk_error *err);
/* An empty database of no file. */
uvk_status uvk_sql_open_memory(uvk_db **out, uvk_error *err);
void uvk_sql_close(uvk_db *db);

/* Whether the last error was that processes share no memory here, which the write-ahead log takes: on some network file systems. */
bool uvk_sql_lacks_sharing(sqlite3 *sqlite);

/* UVK_FAILED, "PATH: SQLite's reason", the system's reason with it where there is one. */
uvk_status uvk_sql_fail(const uvk_db *db, uvk_error *err);

/* SQLite's code. What the value points to must stay until the statement is bound anew. */
int uvk_sql_bind(sqlite3_stmt *statement, int at, const uvk_sql_value *value);

/* Runs statements that take no values. */
uvk_status uvk_sql_exec(uvk_db *db, const char *sql, uvk_error *err);
/* A statement of the connection's cache, reset. sql must live as long as the connection (a literal). */
uvk_status uvk_sql_prepare(uvk_db *db, const char *sql, sqlite3_stmt **out, uvk_error *err);
/* Binds ?1, ?2, ... and runs sql. */
uvk_status uvk_sql_run(uvk_db *db, const char *sql, const uvk_sql_value *values, int n, uvk_error *err);
/* The same; *out receives the first column of the first row and keeps what it had when there is no row or it is NULL. */
uvk_status uvk_sql_get(uvk_db *db, const char *sql, const uvk_sql_value *values, int n, int64_t *out, uvk_error *err);

/* Takes the write lock at once, so that a transaction never fails half-way for want of it. */
uvk_status uvk_sql_begin(uvk_db *db, uvk_error *err);
/* Commits when status is UVK_OK; otherwise, or when that fails, rolls back. */
uvk_status uvk_sql_end(uvk_db *db, uvk_status status, uvk_error *err);

/* The table function scores(map_id): a row per token, from the BLOB. */
int uvk_scores_register(sqlite3 *sqlite);
/* The aggregate spearman(x, y). */
int uvk_spearman_register(sqlite3 *sqlite);

#endif
