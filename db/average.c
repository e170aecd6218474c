/* What a run's metrics say as a whole. */
#include "run.h"

static uvk_status replace_means(uvk_db *db, int64_t run_id, uvk_error *err)
{
    uvk_status status = uvk_sql_run(db, "DELETE FROM metric WHERE run_id = ?1 AND sequence_id IS NULL", UVK_VALUES(uvk_sql_int(run_id)), err);
    if (!status)
        status = uvk_sql_run(db,
            "INSERT INTO metric (run_id, sequence_id, target_idx, name, method, k, value)"
            " SELECT run_id, NULL, NULL, name, method, k, avg(value) FROM metric"
            " WHERE run_id = ?1 AND sequence_id IS NOT NULL GROUP BY name, method, k",
            UVK_VALUES(uvk_sql_int(run_id)), err);
    if (!status)
        status = uvk_sql_run(db,
            "INSERT INTO metric (run_id, sequence_id, target_idx, name, method, k, value)"
            " SELECT run_id, NULL, NULL, 'faithfulness_share', method, NULL, avg(value > 0) FROM metric"
            " WHERE run_id = ?1 AND sequence_id IS NOT NULL AND name = 'faithfulness_gap' GROUP BY method",
            UVK_VALUES(uvk_sql_int(run_id)), err);
    return status;
}

uvk_status uvk_db_average_metrics(uvk_db *db, int64_t run_id, uvk_error *err)
{
    uvk_status status = uvk_run_begin(db, run_id, err);
    return status ? status : uvk_sql_end(db, replace_means(db, run_id, err), err);
}
