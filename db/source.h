/* A database that is merged from. Private to db/. */
#ifndef UVK_DB_SOURCE_H
#define UVK_DB_SOURCE_H

#include "query.h"

/* Opens for reading, in the schema of this version, and stays at the moment of opening whatever others write meanwhile. The
 * tables must be what ultravk makes; UVK_BAD_INPUT for everything that is wrong with the file.
 * Close with uvk_query_close. */
uvk_status uvk_source_open(const char *path, uvk_db **out, uvk_error *err);
/* What went wrong is the file's fault: UVK_BAD_INPUT, unless status is UVK_OK, or memory or the system failed. */
uvk_status uvk_source_blame(const uvk_db *source, uvk_status status, uvk_error *err);
/* The same with SQLite's reason: SQL of ours failed, and no user is to blame. */
uvk_status uvk_source_fail(const uvk_db *source, uvk_error *err);

#endif
