/* scores(map_id): the raw row of a map, a row per token, out of its BLOB of little-endian float32. One token of it is found at
 * once, so that two maps can be joined by source_idx. */
#include "sql.h"

#include <stdlib.h>
#include <string.h>

enum { SOURCE_IDX, SCORE, MAP_ID };

typedef struct table {
    sqlite3_vtab base;
    sqlite3 *sqlite;
    bool reading; /* a hostile file can make "map" a view over scores(): that must not recurse */
} table;

typedef struct cursor {
    sqlite3_vtab_cursor base;
    sqlite3_stmt *map; /* kept between the maps of a join; its row holds the BLOB */
    const unsigned char *bytes;
    int64_t map_id;
    bool held; /* map stands on the row of map_id: bytes and size are its */
    int size;
    int64_t at, n;
} cursor;

enum { BY_MAP = 1, BY_SOURCE = 2 }; /* what filter is given: the map, and perhaps one token */

static int connect_table(sqlite3 *sqlite, void *user, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
    (void)user, (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(sqlite, "CREATE TABLE x(source_idx INTEGER, score REAL, map_id INTEGER HIDDEN)");
    if (code == SQLITE_OK)
        code = sqlite3_vtab_config(sqlite, SQLITE_VTAB_INNOCUOUS);
    if (code != SQLITE_OK)
        return code;
    table *t = calloc(1, sizeof *t);
    if (!t)
        return SQLITE_NOMEM;
    t->sqlite = sqlite;
    *out = &t->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base)
{
    free(base);
    return SQLITE_OK;
}

static int find_equal(const sqlite3_index_info *info, int column)
{
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == column && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ)
            return i;
    return -1;
}

/* map_id is an argument: a plan that does not know its value is no plan. */
static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    int map = find_equal(info, MAP_ID), source = find_equal(info, SOURCE_IDX);
    if (map < 0)
        return SQLITE_CONSTRAINT;
    info->aConstraintUsage[map].argvIndex = 1;
    info->aConstraintUsage[map].omit = 1;
    if (source >= 0) /* not omitted: SQLite compares once more, by its own rules for types */
        info->aConstraintUsage[source].argvIndex = 2;
    info->idxNum = source >= 0 ? BY_MAP | BY_SOURCE : BY_MAP;
    info->estimatedCost = source >= 0 ? 2 : 200;
    info->estimatedRows = source >= 0 ? 1 : 200;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    cursor *c = calloc(1, sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    sqlite3 *sqlite = ((table *)base)->sqlite;
    int code = sqlite3_prepare_v2(sqlite, "SELECT scores FROM main.map WHERE id = ?1", -1, &c->map, NULL);
    if (code != SQLITE_OK) {
        sqlite3_free(base->zErrMsg);
        base->zErrMsg = sqlite3_mprintf("scores: %s", sqlite3_errmsg(sqlite)); /* SQLite's to free */
        free(c);
        return code;
    }
    *out = &c->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    sqlite3_finalize(((cursor *)base)->map);
    free(base);
    return SQLITE_OK;
}

static int read_map(cursor *c)
{
    table *t = (table *)c->base.pVtab;
    if (t->reading)
        return SQLITE_CORRUPT;
    t->reading = true;
    int code = sqlite3_step(c->map);
    t->reading = false;
    return code;
}

/* Puts map on the row of that map; without one there are no bytes. */
static int find_map(cursor *c, sqlite3_value *map_id)
{
    c->held = false;
    c->size = 0;
    c->map_id = sqlite3_value_int64(map_id);
    sqlite3_reset(c->map); /* repeats the code of an earlier step, which that step returned */
    int code = sqlite3_bind_value(c->map, 1, map_id);
    if (code != SQLITE_OK)
        return code;
    code = read_map(c);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    c->held = sqlite3_value_type(map_id) == SQLITE_INTEGER;
    if (sqlite3_column_type(c->map, 0) == SQLITE_BLOB) {
        c->bytes = sqlite3_column_blob(c->map, 0);
        c->size = sqlite3_column_bytes(c->map, 0) / 4;
    }
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int index, const char *name, int argc, sqlite3_value **argv)
{
    (void)name, (void)argc;
    cursor *c = (cursor *)base;
    bool again = c->held && sqlite3_value_type(argv[0]) == SQLITE_INTEGER && sqlite3_value_int64(argv[0]) == c->map_id;
    int code = again ? SQLITE_OK : find_map(c, argv[0]);
    c->at = 0;
    c->n = c->size;
    if (index & BY_SOURCE) {
        int64_t source = sqlite3_value_int64(argv[1]);
        c->at = source >= 0 && source < c->size ? source : c->size;
        c->n = c->at < c->size ? c->at + 1 : c->size;
    }
    return code;
}

static int next(sqlite3_vtab_cursor *base)
{
    ((cursor *)base)->at++;
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const cursor *c = (const cursor *)base;
    return c->at >= c->n;
}

static float score_at(const cursor *c)
{
    const unsigned char *b = c->bytes + (size_t)c->at * 4;
    uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int which)
{
    const cursor *c = (const cursor *)base;
    if (which == SOURCE_IDX)
        sqlite3_result_int64(context, c->at);
    else if (which == SCORE)
        sqlite3_result_double(context, (double)score_at(c));
    else
        sqlite3_result_int64(context, c->map_id);
    return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((const cursor *)base)->at;
    return SQLITE_OK;
}

int uvk_scores_register(sqlite3 *sqlite)
{
    /* No xCreate: the table is there without CREATE VIRTUAL TABLE, and cannot be created by one. */
    static const sqlite3_module module = {
        .xConnect = connect_table, .xDisconnect = disconnect_table, .xBestIndex = best_index, .xOpen = open_cursor,
        .xClose = close_cursor, .xFilter = filter, .xNext = next, .xEof = at_end, .xColumn = column, .xRowid = row_id,
    };
    return sqlite3_create_module_v2(sqlite, "scores", &module, NULL, NULL);
}
