/* Private to db/. */
#ifndef UVK_DB_SEGMENTS_H
#define UVK_DB_SEGMENTS_H

#include "sql.h"

/* The segments of one input, what they are made of, and the dendrogram. */
uvk_status uvk_write_segments(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err);

#endif
