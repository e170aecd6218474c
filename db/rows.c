/* Rows that an earlier run stored: gradients are dear, and what is made of them is not. */
#include "sql.h"

#include <math.h>
#include <string.h>

/* The latest run of the same parameters that has a row for every target. */
static uvk_status find_run(uvk_db *db, const uvk_db_rows_key *key, int n_targets, int32_t first, int32_t last, int64_t *run_id, uvk_error *err)
{
    return uvk_sql_get(db,
        "SELECT max(run_id) FROM (SELECT r.id AS run_id FROM run AS r JOIN model AS m ON m.id = r.model_id"
        " JOIN map AS p ON p.run_id = r.id JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
        " WHERE m.sha256 = ?1 AND i.sha256 = ?2 AND q.key = ?3 AND r.layer = ?4 AND r.first_block = ?5 AND r.scalar = ?6"
        " AND r.product_order = ?7 AND r.normalize = ?8 AND r.precision = ?9 AND json_extract(r.params, '$.weights') IS ?10"
        " AND json_extract(r.params, '$.approximation') IS ?14"
        " AND p.target_idx BETWEEN ?12 AND ?13 GROUP BY r.id HAVING count(DISTINCT p.target_idx) >= ?11)",
        UVK_VALUES(uvk_sql_text(key->model_sha256), uvk_sql_text(key->input_sha256), uvk_sql_text(key->sequence_key), uvk_sql_int(key->layer),
                   uvk_sql_int(key->first_block), uvk_sql_text(key->scalar), uvk_sql_text(key->product_order), uvk_sql_text(key->normalize),
                   uvk_sql_text(key->precision), uvk_sql_text(key->weights), uvk_sql_int(n_targets), uvk_sql_int(first), uvk_sql_int(last),
                   uvk_sql_text(key->approximation)),
        run_id, err);
}

static void from_little_endian(const unsigned char *bytes, int n, float *values)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits = 0;
        for (int k = 3; k >= 0; k--)
            bits = bits << 8 | bytes[4 * i + k];
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static uvk_status read_row(uvk_db *db, sqlite3_stmt *select, int32_t target, int n_tokens, float *row, bool *found, uvk_error *err)
{
    uvk_status status = UVK_OK;
    int code = sqlite3_bind_int(select, 3, target);
    if (code == SQLITE_OK)
        code = sqlite3_step(select);
    *found = code == SQLITE_ROW && sqlite3_column_type(select, 0) == SQLITE_BLOB && sqlite3_column_bytes(select, 0) == 4 * n_tokens;
    if (*found)
        from_little_endian(sqlite3_column_blob(select, 0), n_tokens, row);
    for (int i = 0; *found && i < n_tokens; i++) /* who else wrote to the file is not known */
        *found = isfinite(row[i]);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = uvk_sql_fail(db, err);
    sqlite3_reset(select);
    return status;
}

static uvk_status read_rows(uvk_db *db, const uvk_db_rows_key *key, const int32_t *targets, int n_targets, int n_tokens, float *rows, int64_t *run_id, uvk_error *err)
{
    sqlite3_stmt *select;
    bool found = true;
    uvk_status status = uvk_sql_prepare(db,
        "SELECT p.scores FROM map AS p JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
        " WHERE p.run_id = ?1 AND i.sha256 = ?2 AND p.target_idx = ?3 AND q.key = ?4", &select, err);
    if (status)
        return status;
    if (sqlite3_bind_int64(select, 1, *run_id) || sqlite3_bind_text(select, 2, key->input_sha256, -1, SQLITE_TRANSIENT) ||
        sqlite3_bind_text(select, 4, key->sequence_key, -1, SQLITE_TRANSIENT))
        return uvk_sql_fail(db, err);
    for (int k = 0; status == UVK_OK && found && k < n_targets; k++)
        status = read_row(db, select, targets[k], n_tokens, rows + (size_t)k * (size_t)n_tokens, &found, err);
    if (!found)
        *run_id = 0;
    return status;
}

uvk_status uvk_db_find_rows(uvk_db *db, const uvk_db_rows_key *key, const int32_t *targets, int n_targets, int n_tokens, float *rows, int64_t *run_id, uvk_error *err)
{
    *run_id = 0;
    uvk_status status = find_run(db, key, n_targets, targets[0], targets[n_targets - 1], run_id, err);
    return status || !*run_id ? status : read_rows(db, key, targets, n_targets, n_tokens, rows, run_id, err);
}
