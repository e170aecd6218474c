/* Models and runs: what a result belongs to, and how a run is found again. */
#include "run.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

uvk_status uvk_db_put_model(uvk_db *db, const uvk_db_model *model, int64_t *id, uvk_error *err)
{
    return uvk_sql_get(db,
        "INSERT INTO model (name, family, modality, sha256, path, layers, heads, width) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (sha256) DO UPDATE SET name = excluded.name, path = excluded.path RETURNING id",
        UVK_VALUES(uvk_sql_text(model->name), uvk_sql_text(model->family), uvk_sql_text(model->modality),
                   uvk_sql_text(model->sha256), uvk_sql_text(model->path), uvk_sql_int(model->layers),
                   uvk_sql_int(model->heads), uvk_sql_int(model->width)),
        id, err);
}

/* Each part with its NUL, so that no two triples make the same bytes. */
static void hash_text(struct sha256_ctx *hash, const char *text)
{
    const char *part = text ? text : "";
    sha256_update(hash, strlen(part) + 1, (const uint8_t *)part);
}

void uvk_db_run_key(const uvk_db_run *run, char key[65])
{
    struct sha256_ctx hash;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    hash_text(&hash, run->model_sha256);
    hash_text(&hash, run->probe);
    hash_text(&hash, run->params);
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(key + 2 * i, 3, "%02x", digest[i]);
}

static uvk_status continue_run(uvk_db *db, const char *key, int64_t *id, uvk_error *err)
{
    return uvk_sql_get(db,
        "UPDATE run SET status = 'running', finished_at = NULL"
        " WHERE id = (SELECT max(id) FROM run WHERE " UVK_RUN_HAS_BASE ") RETURNING id",
        UVK_VALUES(uvk_sql_text(key)), id, err);
}

uvk_status uvk_run_fresh_key(uvk_db *db, const char *base, char key[UVK_RUN_KEY_SIZE], uvk_error *err)
{
    int64_t last = 0; /* stays 0 without a run of that key; one without a suffix counts as 1 */
    uvk_status status = uvk_sql_get(db,
        "SELECT max(1, max(CASE WHEN n < 2147483648 THEN n ELSE 1 END)) FROM (SELECT CAST(substr(key, 66) AS INTEGER) AS n FROM run WHERE " UVK_RUN_HAS_BASE ")",
        UVK_VALUES(uvk_sql_text(base)), &last, err);
    if (last == 0)
        snprintf(key, UVK_RUN_KEY_SIZE, "%s", base);
    else
        snprintf(key, UVK_RUN_KEY_SIZE, "%s#%lld", base, (long long)last + 1);
    return status;
}

static uvk_status insert_run(uvk_db *db, const uvk_db_run *run, const char *key, int64_t *id, uvk_error *err)
{
    return uvk_sql_get(db,
        "INSERT INTO run (key, label, probe, model_id, layer, first_block, scalar, product_order, normalize, own_token, precision,"
        " params, command, device, driver, version, seed, started_at, status)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
        " strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'running') RETURNING id",
        UVK_VALUES(uvk_sql_text(key), uvk_sql_text(run->label), uvk_sql_text(run->probe), uvk_sql_int(run->model_id),
                   uvk_sql_int(run->layer), uvk_sql_int(run->first_block), uvk_sql_text(run->scalar),
                   uvk_sql_text(run->product_order), uvk_sql_text(run->normalize), uvk_sql_text(run->own_token),
                   uvk_sql_text(run->precision), uvk_sql_text(run->params), uvk_sql_text(run->command),
                   uvk_sql_text(run->device), uvk_sql_text(run->driver), uvk_sql_text(run->version), uvk_sql_int(run->seed)),
        id, err);
}

static uvk_status find_or_insert_run(uvk_db *db, const uvk_db_run *run, bool resume, int64_t *id, uvk_error *err)
{
    char key[UVK_RUN_KEY_SIZE];
    int64_t found = 0;
    uvk_db_run_key(run, db->run_key);
    uvk_status status = resume ? continue_run(db, db->run_key, &found, err) : UVK_OK;
    if (!status && !found) {
        status = uvk_run_fresh_key(db, db->run_key, key, err);
        if (!status)
            status = insert_run(db, run, key, &found, err);
    }
    if (!status)
        *id = found;
    return status;
}

/* When a run started, in milliseconds; 0: there is none of that key (NULL: of any). */
static uvk_status read_start(uvk_db *db, int64_t id, const char *key, int64_t *started, uvk_error *err)
{
    *started = 0;
    return uvk_sql_get(db,
        "SELECT coalesce(CAST(julianday(started_at) * 86400000 AS INTEGER), 1) FROM run WHERE id = ?2 AND (?1 IS NULL OR " UVK_RUN_HAS_BASE ")",
        UVK_VALUES(uvk_sql_text(key), uvk_sql_int(id)), started, err);
}

static uvk_status start_locked(uvk_db *db, const uvk_db_run *run, bool resume, int64_t *id, uvk_error *err)
{
    uvk_status status = find_or_insert_run(db, run, resume, id, err);
    db->run_id = status ? 0 : *id;
    return status ? status : read_start(db, *id, NULL, &db->run_started, err);
}

uvk_status uvk_db_start_run(uvk_db *db, const uvk_db_run *run, bool resume, int64_t *id, uvk_error *err)
{
    uvk_status status = uvk_sql_begin(db, err);
    return status ? status : uvk_sql_end(db, start_locked(db, run, resume, id, err), err);
}

uvk_status uvk_run_begin(uvk_db *db, int64_t run_id, uvk_error *err)
{
    int64_t started;
    bool own = run_id == db->run_id;
    uvk_status status = uvk_sql_begin(db, err);
    if (status)
        return status;
    status = read_start(db, run_id, own ? db->run_key : NULL, &started, err);
    if (!status && (!started || (own && started > db->run_started))) /* merge may set it back, nothing sets it forward */
        status = uvk_fail(err, UVK_FAILED, "%s: run %lld was removed while it was written", db->path, (long long)run_id);
    return status ? uvk_sql_end(db, status, err) : UVK_OK;
}

uvk_status uvk_db_finish_run(uvk_db *db, int64_t run_id, const char *status, uvk_error *err)
{
    uvk_status result = uvk_run_begin(db, run_id, err);
    if (result)
        return result;
    result = uvk_sql_run(db, "UPDATE run SET status = ?2, finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?1",
                         UVK_VALUES(uvk_sql_int(run_id), uvk_sql_text(status)), err);
    return uvk_sql_end(db, result, err);
}

uvk_status uvk_db_input_done(uvk_db *db, int64_t run_id, const char *sha256, const char *name, bool *done, uvk_error *err)
{
    int64_t found = 0;
    uvk_status status = uvk_sql_get(db,
        "SELECT 1 FROM input AS i JOIN run_input AS x ON x.input_id = i.id"
        " WHERE i.sha256 = ?2 AND i.name = ?3 AND x.run_id = ?1 AND x.status = 'done'",
        UVK_VALUES(uvk_sql_int(run_id), uvk_sql_text(sha256), uvk_sql_text(name)), &found, err);
    if (!status)
        *done = found != 0;
    return status;
}
