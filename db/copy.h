/* Rows from one database to another. Private to db/. */
#ifndef UVK_DB_COPY_H
#define UVK_DB_COPY_H

#include "sql.h"

enum { UVK_COPY_KEYS = 4 };

/* A table and those of its columns that mean something else in the other database. Every other column, as the schema has it, is
 * taken over as it is. */
typedef struct uvk_copy_table {
    const char *name;
    const char *keys[UVK_COPY_KEYS];
    int n_where;           /* the first of them choose the rows */
} uvk_copy_table;

typedef struct uvk_copy {
    const uvk_copy_table *table;
    uvk_db *from, *to;
    sqlite3_stmt *select, *insert; /* select gives the keys first */
    int n_keys, n_columns;
} uvk_copy;

/* Release with uvk_copy_close, also after a failure. */
uvk_status uvk_copy_open(uvk_copy *c, const uvk_copy_table *table, uvk_db *from, uvk_db *to, uvk_error *err);
void uvk_copy_close(uvk_copy *c);

/* Row by row: *more is false behind the last. where: n_where values, of the old database. */
uvk_status uvk_copy_start(uvk_copy *c, const uvk_sql_value *where, uvk_error *err);
uvk_status uvk_copy_next(uvk_copy *c, bool *more, uvk_error *err);
/* Inserts the present row with these values for the keys (NULL for an id: the next one). A row that the new database does not
 * take is the old one's fault: UVK_BAD_INPUT. */
uvk_status uvk_copy_put(uvk_copy *c, const uvk_sql_value *keys, uvk_error *err);
/* All rows. */
uvk_status uvk_copy_all(uvk_copy *c, const uvk_sql_value *where, const uvk_sql_value *keys, int64_t *count, uvk_error *err);

#endif
