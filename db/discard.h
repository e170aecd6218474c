/* Taking results away again; inside the caller's transaction. Private to db/. */
#ifndef UVK_DB_DISCARD_H
#define UVK_DB_DISCARD_H

#include "sql.h"

/* All that run_id has of one input, run_input excepted. */
uvk_status uvk_discard_results(uvk_db *db, int64_t run_id, int64_t input_id, uvk_error *err);
/* Those sequences of an input that no result of any run uses. */
uvk_status uvk_discard_sequences(uvk_db *db, int64_t input_id, uvk_error *err);
/* An input is read now: the run's note that its file could not be read, which is about a name without a hash, goes. */
uvk_status uvk_discard_unread(uvk_db *db, int64_t run_id, int64_t input_id, uvk_error *err);

#endif
