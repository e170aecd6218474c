/* The parts of a query: what SQL may do, and how rows are printed. Private to db/. */
#ifndef UVK_DB_QUERY_H
#define UVK_DB_QUERY_H

#include "sql.h"

/* From here on the connection only reads. */
int uvk_authorize_reading(sqlite3 *sqlite);

/* Prints the rows of a bound statement. UVK_USAGE when SQL fails on the data, UVK_FAILED when reading or printing fails. */
uvk_status uvk_print_rows(uvk_db *db, sqlite3_stmt *statement, uvk_db_format format, FILE *out, uvk_error *err);
/* What to say behind SQLite's words for its last error; "" mostly. */
const char *uvk_query_hint(const uvk_db *db);
/* What the last SQL error of db is: the user's (UVK_USAGE), the file's, which is damaged (UVK_BAD_INPUT), or the system's (UVK_FAILED). */
uvk_status uvk_query_fail(uvk_db *db, uvk_error *err);
/* UVK_USAGE, with line and column: the statement that begins at at, of sql, could not be prepared. */
uvk_status uvk_sql_misspelt(uvk_db *db, const char *sql, const char *at, uvk_error *err);

/* Opens for reading, checked, in the schema of this version, limited to reading. */
uvk_status uvk_query_open(const char *path, uvk_db **out, uvk_error *err);
/* Reading came to status, which is returned: UVK_FAILED instead where a writer changed the file meanwhile, and the reader could not keep to
 * one moment of it. */
uvk_status uvk_query_end(const uvk_db *db, uvk_status status, uvk_error *err);
void uvk_query_close(uvk_db *db);

#endif
