#include "discard.h"

static uvk_status run_with_ids(uvk_db *db, const char *const *sql, int n, int64_t first, int64_t second, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < n; i++)
        status = uvk_sql_run(db, sql[i], UVK_VALUES(uvk_sql_int(first), uvk_sql_int(second)), err);
    return status;
}

#define OF_INPUT "WHERE run_id = ?1 AND sequence_id IN (SELECT id FROM sequence WHERE input_id = ?2)"

uvk_status uvk_discard_results(uvk_db *db, int64_t run_id, int64_t input_id, uvk_error *err)
{
    /* What hangs on these (contribution, segment_token) goes with them. */
    static const char *const sql[] = {
        "UPDATE run SET contributions = contributions - (SELECT count(*) FROM contribution WHERE map_id IN"
        " (SELECT id FROM map " OF_INPUT ")) WHERE id = ?1",
        "DELETE FROM map " OF_INPUT,
        "DELETE FROM segment " OF_INPUT,
        "DELETE FROM merge_step " OF_INPUT,
        "DELETE FROM tcs " OF_INPUT,
        "DELETE FROM metric " OF_INPUT,
    };
    return run_with_ids(db, sql, sizeof sql / sizeof *sql, run_id, input_id, err);
}

#define UNUSED \
    " AND NOT EXISTS (SELECT 1 FROM map AS x WHERE x.sequence_id = sequence.id)" \
    " AND NOT EXISTS (SELECT 1 FROM segment AS x WHERE x.sequence_id = sequence.id)" \
    " AND NOT EXISTS (SELECT 1 FROM merge_step AS x WHERE x.sequence_id = sequence.id)" \
    " AND NOT EXISTS (SELECT 1 FROM tcs AS x WHERE x.sequence_id = sequence.id)" \
    " AND NOT EXISTS (SELECT 1 FROM metric AS x WHERE x.sequence_id = sequence.id)"

uvk_status uvk_discard_sequences(uvk_db *db, int64_t input_id, uvk_error *err)
{
    return uvk_sql_run(db, "DELETE FROM sequence WHERE input_id = ?1" UNUSED, UVK_VALUES(uvk_sql_int(input_id)), err);
}

#define UNREAD "(SELECT u.id FROM input AS u JOIN input AS i ON i.id = ?2 WHERE u.sha256 = '' AND u.name = i.name AND u.path IS i.path AND u.id <> i.id)"

uvk_status uvk_discard_unread(uvk_db *db, int64_t run_id, int64_t input_id, uvk_error *err)
{
    static const char *const sql[] = {
        "DELETE FROM run_input WHERE run_id = ?1 AND input_id = " UNREAD,
        "DELETE FROM input WHERE id = " UNREAD " AND NOT EXISTS (SELECT 1 FROM run_input AS x WHERE x.input_id = input.id)",
    };
    return run_with_ids(db, sql, sizeof sql / sizeof *sql, run_id, input_id, err);
}

static uvk_status prune_locked(uvk_db *db, int64_t run_id, uvk_error *err)
{
    int64_t model_id = 0;
    uvk_status status = uvk_sql_get(db, "SELECT model_id FROM run WHERE id = ?1", UVK_VALUES(uvk_sql_int(run_id)), &model_id, err);
    if (status)
        return status;
    if (!model_id)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no run %lld", db->path, (long long)run_id);
    /* Only what this run touched is looked at: another process may just have put a model whose first run is yet to come.
     * The results go first, run_input stays until the inputs are known, and goes with the run. */
    static const char *const sql[] = {
        "DELETE FROM map WHERE run_id = ?1",
        "DELETE FROM segment WHERE run_id = ?1",
        "DELETE FROM merge_step WHERE run_id = ?1",
        "DELETE FROM tcs WHERE run_id = ?1",
        "DELETE FROM metric WHERE run_id = ?1",
        "DELETE FROM sequence WHERE input_id IN (SELECT input_id FROM run_input WHERE run_id = ?1)" UNUSED,
        "DELETE FROM input WHERE id IN (SELECT input_id FROM run_input WHERE run_id = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM run_input AS x WHERE x.input_id = input.id AND x.run_id <> ?1)"
        " AND NOT EXISTS (SELECT 1 FROM sequence AS x WHERE x.input_id = input.id)",
        "DELETE FROM run WHERE id = ?1",
        "DELETE FROM model WHERE id = ?2 AND id NOT IN (SELECT model_id FROM run UNION SELECT model_id FROM sequence)",
    };
    return run_with_ids(db, sql, sizeof sql / sizeof *sql, run_id, model_id, err);
}

uvk_status uvk_db_prune(uvk_db *db, int64_t run_id, uvk_error *err)
{
    uvk_status status = uvk_sql_begin(db, err);
    return status ? status : uvk_sql_end(db, prune_locked(db, run_id, err), err);
}
