/* Runs while they are written. Private to db/. */
#ifndef UVK_DB_RUN_H
#define UVK_DB_RUN_H

#include "sql.h"

enum { UVK_RUN_KEY = 64, UVK_RUN_KEY_SIZE = 96 }; /* digits of a key, and room for "#2", "#3", ... behind them */

/* SQL: run.key is the base key ?1, or that with a number. The text after all "KEY#..." is "KEY$": a range that the index serves. */
#define UVK_RUN_HAS_BASE "key >= ?1 AND key < ?1 || '$'"

/* A key that no run has yet: base itself, or that with the next number. */
uvk_status uvk_run_fresh_key(uvk_db *db, const char *base, char key[UVK_RUN_KEY_SIZE], uvk_error *err);

/* Begins a transaction that writes to a run. Another process may have pruned it, and its number be that of a run begun since:
 * UVK_FAILED then, and there is no transaction. */
uvk_status uvk_run_begin(uvk_db *db, int64_t run_id, uvk_error *err);

#endif
