/* The list of queries that have a name. Private to db/. */
#ifndef UVK_DB_NAMED_H
#define UVK_DB_NAMED_H

#include "db.h"

/* In the SQL a parameter that is left out has its default, or NULL where there is none. "run", "other", "top", "token", "row",
 * "col" and "steps" are whole numbers, every other is text. */
extern const uvk_db_named uvk_named_queries[];
extern const int uvk_n_named_queries;

#endif
