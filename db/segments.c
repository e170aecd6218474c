#include "segments.h"

static uvk_status write_segment(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, int cluster, uvk_error *err)
{
    const uvk_db_segment *s = &result->segments[cluster];
    return uvk_sql_run(db,
        "INSERT INTO segment (run_id, sequence_id, cluster, n_tokens, area, x0, y0, x1, y1, class_id, class_name, iou)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(sequence_id), uvk_sql_int(cluster), uvk_sql_int(s->n_tokens), uvk_sql_int(s->area),
                   uvk_sql_real(s->x0), uvk_sql_real(s->y0), uvk_sql_real(s->x1), uvk_sql_real(s->y1), uvk_sql_index(s->class_id),
                   uvk_sql_text(s->class_name), uvk_sql_real(s->iou)),
        err);
}

static uvk_status write_members(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < result->sequence.n_tokens; i++)
        if (result->token_segments[i] >= 0)
            status = uvk_sql_run(db, "INSERT INTO segment_token (run_id, sequence_id, cluster, token_idx) VALUES (?1, ?2, ?3, ?4)",
                UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(sequence_id), uvk_sql_int(result->token_segments[i]), uvk_sql_int(i)), err);
    return status;
}

static uvk_status write_merges(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int k = 0; !status && k < result->n_merges; k++) {
        const uvk_db_merge_step *m = &result->merges[k];
        status = uvk_sql_run(db, "INSERT INTO merge_step (run_id, sequence_id, step, a, b, height, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(sequence_id), uvk_sql_int(k), uvk_sql_int(m->a), uvk_sql_int(m->b),
                       uvk_sql_real(m->height), uvk_sql_int(m->size)),
            err);
    }
    return status;
}

uvk_status uvk_write_segments(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int cluster = 0; !status && cluster < result->n_segments; cluster++)
        status = write_segment(db, result, sequence_id, cluster, err);
    if (!status && result->n_segments)
        status = write_members(db, result, sequence_id, err);
    return status ? status : write_merges(db, result, sequence_id, err);
}
