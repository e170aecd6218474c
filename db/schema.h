/* The tables and views of INTERFACE, and how a file of an older version gets there. Private to db/. */
#ifndef UVK_DB_SCHEMA_H
#define UVK_DB_SCHEMA_H

#include "sql.h"

/* From version k to k + 1; both lists end with NULL. sql changes the file; views (may be NULL) are CREATE TEMP VIEW statements
 * that show a file of version k, which cannot be changed, as one of version k + 1. */
typedef struct uvk_schema_step { const char *const *sql, *const *views; } uvk_schema_step;

/* All steps there are; their number is the version that this program writes. */
const uvk_schema_step *uvk_schema_steps(int *n);

/* Refuses what is not ours: a newer version, or a file of another program. An empty database passes when create is set.
 * version may be NULL. */
uvk_status uvk_schema_check(uvk_db *db, int newest, bool create, int *version, uvk_error *err);
/* Brings the file to version n in one transaction; other processes may do the same at the same time. */
uvk_status uvk_schema_migrate(uvk_db *db, const uvk_schema_step *steps, int n, uvk_error *err);
/* Lets a read-only connection see version n. */
uvk_status uvk_schema_show(uvk_db *db, const uvk_schema_step *steps, int n, uvk_error *err);

extern const char *const uvk_schema_1[]; /* version 0, an empty file, to 1 */
extern const char *const uvk_schema_2[], *const uvk_schema_2_shown[];

/* SQL: the sentence of the context that token t stands in, punctuation included: that of the last word that begins before its
 * end. What stands before the first word belongs to the first sentence. */
#define UVK_SENTENCE_OF_T \
    "coalesce((SELECT w.sentence FROM word AS w WHERE w.sequence_id = t.sequence_id AND w.role = 'context'" \
    " AND w.char_start < t.char_end ORDER BY w.char_start DESC LIMIT 1), 0)"

#endif
