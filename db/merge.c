/* Joining databases. A run is recognised by its key and by what it cost: two runs of the same parameters that share an input with
 * the same times are one and the same, two that share none are shards of one, two that share one with other times stay two runs. */
#include "copy.h"
#include "discard.h"
#include "run.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum table_id { MODEL, INPUT, RUN, RUN_INPUT, SEQUENCE, TOKEN, WORD, MAP, CONTRIBUTION, SEGMENT, SEGMENT_TOKEN, MERGE_STEP, TCS, METRIC, N_TABLES };

static const uvk_copy_table tables[N_TABLES] = {
    [MODEL] = {"model", {"id"}, 1},
    [INPUT] = {"input", {"id"}, 1},
    [RUN] = {"run", {"id", "key", "model_id", "contributions"}, 1},
    [RUN_INPUT] = {"run_input", {"run_id", "input_id"}, 2},
    [SEQUENCE] = {"sequence", {"id", "model_id", "input_id"}, 1},
    [TOKEN] = {"token", {"sequence_id"}, 1},
    [WORD] = {"word", {"sequence_id"}, 1},
    [MAP] = {"map", {"run_id", "sequence_id", "id", "scores"}, 2},
    [CONTRIBUTION] = {"contribution", {"map_id"}, 1},
    [SEGMENT] = {"segment", {"run_id", "sequence_id"}, 2},
    [SEGMENT_TOKEN] = {"segment_token", {"run_id", "sequence_id"}, 2},
    [MERGE_STEP] = {"merge_step", {"run_id", "sequence_id"}, 2},
    [TCS] = {"tcs", {"run_id", "sequence_id"}, 2},
    [METRIC] = {"metric", {"run_id", "sequence_id"}, 2},
};

typedef struct merger {
    uvk_db *to, *from;
    uvk_copy copies[N_TABLES];
    int64_t *joined; /* runs of to that a run of from has gone into: each takes one */
    int n_joined;
    uvk_db_merged *done;
} merger;

/* One run, in both databases. */
typedef struct run_pair {
    int64_t from, to, model_from, model_to;
    bool covers; /* the old database has every input of the run that the new one has */
    int64_t added, contributions;
} run_pair;

static uvk_sql_value none(void)
{
    return (uvk_sql_value){.type = SQLITE_NULL};
}

/* One number of the old database. */
static uvk_status get_from(merger *m, const char *sql, const uvk_sql_value *values, int n, int64_t *out, uvk_error *err)
{
    return uvk_source_blame(m->from, uvk_sql_get(m->from, sql, values, n, out, err), err);
}

/* The rows that sql chooses of the old database, one after another; the statement is the connection's. */
static uvk_status select_from(merger *m, const char *sql, int64_t id, sqlite3_stmt **out, uvk_error *err)
{
    *out = NULL;
    uvk_status status = uvk_source_blame(m->from, uvk_sql_prepare(m->from, sql, out, err), err);
    if (status)
        return status;
    sqlite3_reset(*out);
    return sqlite3_bind_int64(*out, 1, id) == SQLITE_OK ? UVK_OK : uvk_source_fail(m->from, err);
}

static uvk_sql_value column(sqlite3_stmt *row, int i)
{
    int type = sqlite3_column_type(row, i);
    switch (type) {
    case SQLITE_INTEGER:
        return uvk_sql_int(sqlite3_column_int64(row, i));
    case SQLITE_FLOAT:
        return uvk_sql_real(sqlite3_column_double(row, i));
    case SQLITE_NULL:
        return none();
    default: {
        const void *bytes = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(row, i) : sqlite3_column_blob(row, i);
        return (uvk_sql_value){.type = type, .bytes = bytes, .size = (size_t)sqlite3_column_bytes(row, i)};
    }
    }
}

/* The row with that id, its keys as given; out: the id that it gets. */
static uvk_status copy_one(merger *m, enum table_id table, int64_t id, const uvk_sql_value *keys, int64_t *out, uvk_error *err)
{
    uvk_sql_value where = uvk_sql_int(id);
    uvk_status status = uvk_copy_all(&m->copies[table], &where, keys, NULL, err);
    *out = sqlite3_last_insert_rowid(m->to->sqlite);
    return status;
}

/* ---- Sequences ---------------------------------------------------------------------------------------------------------- */

static uvk_status copy_sequence(merger *m, const run_pair *run, int64_t from, int64_t input, int64_t *to, uvk_error *err)
{
    uvk_sql_value keys[] = {none(), uvk_sql_int(run->model_to), uvk_sql_int(input)}, where = uvk_sql_int(from);
    uvk_status status = copy_one(m, SEQUENCE, from, keys, to, err);
    uvk_sql_value key = uvk_sql_int(*to);
    if (!status)
        status = uvk_copy_all(&m->copies[TOKEN], &where, &key, NULL, err);
    return status ? status : uvk_copy_all(&m->copies[WORD], &where, &key, NULL, err);
}

static uvk_status put_sequence(merger *m, const run_pair *run, int64_t from, uvk_sql_value key, int64_t input, int64_t *to, uvk_error *err)
{
    *to = 0;
    uvk_status status = uvk_sql_get(m->to, "SELECT id FROM sequence WHERE model_id = ?1 AND input_id = ?2 AND key = ?3",
        UVK_VALUES(uvk_sql_int(run->model_to), uvk_sql_int(input), key), to, err);
    return status || *to ? status : copy_sequence(m, run, from, input, to, err);
}

/* ---- Maps --------------------------------------------------------------------------------------------------------------- */

/* Tokens of a sequence, which are numbered from 0 without gaps. */
static uvk_status count_tokens(merger *m, int64_t sequence, int64_t *out, uvk_error *err)
{
    *out = 0;
    uvk_status status = uvk_sql_get(m->to, "SELECT CASE WHEN min(idx) = 0 AND max(idx) = count(*) - 1 THEN count(*) END FROM token WHERE sequence_id = ?1",
        UVK_VALUES(uvk_sql_int(sequence)), out, err);
    return status || *out ? status : uvk_fail(err, UVK_BAD_INPUT, "%s: a sequence has no tokens, or a gap in their numbers", m->from->path);
}

static bool is_row(sqlite3_stmt *map, int column_of_scores, int64_t n_tokens)
{
    bool good = sqlite3_column_type(map, column_of_scores) == SQLITE_BLOB && sqlite3_column_bytes(map, column_of_scores) == n_tokens * 4;
    const unsigned char *bytes = good ? sqlite3_column_blob(map, column_of_scores) : NULL;
    for (int64_t i = 0; good && i < n_tokens; i++)
        good = (bytes[4 * i + 3] & 0x7f) != 0x7f || bytes[4 * i + 2] < 0x80; /* the exponent of what is not finite */
    return good;
}

static uvk_status copy_map(merger *m, run_pair *run, int64_t sequence, int64_t n_tokens, uvk_error *err)
{
    sqlite3_stmt *row = m->copies[MAP].select;
    uvk_sql_value from = column(row, 2);
    if (!is_row(row, 3, n_tokens))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: map %lld holds no row of %lld finite numbers", m->from->path, (long long)from.integer, (long long)n_tokens);
    uvk_sql_value keys[] = {uvk_sql_int(run->to), uvk_sql_int(sequence), none(), column(row, 3)};
    uvk_status status = uvk_copy_put(&m->copies[MAP], keys, err);
    uvk_sql_value to = uvk_sql_int(sqlite3_last_insert_rowid(m->to->sqlite));
    return status ? status : uvk_copy_all(&m->copies[CONTRIBUTION], &from, &to, &run->contributions, err);
}

static uvk_status copy_maps(merger *m, run_pair *run, const uvk_sql_value *where, int64_t sequence, uvk_error *err)
{
    bool more = true;
    int64_t n_tokens;
    uvk_status status = count_tokens(m, sequence, &n_tokens, err);
    if (!status)
        status = uvk_copy_start(&m->copies[MAP], where, err);
    while (!status && more) {
        status = uvk_copy_next(&m->copies[MAP], &more, err);
        if (!status && more)
            status = copy_map(m, run, sequence, n_tokens, err);
    }
    sqlite3_reset(m->copies[MAP].select);
    return status;
}

/* ---- One input ---------------------------------------------------------------------------------------------------------- */

static uvk_status copy_results(merger *m, run_pair *run, int64_t from, int64_t to, uvk_error *err)
{
    static const enum table_id results[] = {SEGMENT, SEGMENT_TOKEN, MERGE_STEP, TCS, METRIC};
    uvk_sql_value where[] = {uvk_sql_int(run->from), uvk_sql_int(from)}, keys[] = {uvk_sql_int(run->to), uvk_sql_int(to)};
    uvk_status status = copy_maps(m, run, where, to, err);
    for (size_t i = 0; !status && i < sizeof results / sizeof *results; i++)
        status = uvk_copy_all(&m->copies[results[i]], where, keys, NULL, err);
    return status;
}

#define OF(table) "EXISTS (SELECT 1 FROM " table " AS x WHERE x.sequence_id = q.id AND x.run_id = ?2)"

static uvk_status copy_sequences(merger *m, run_pair *run, int64_t input_from, int64_t input_to, uvk_error *err)
{
    static const char sql[] = "SELECT q.id, q.key FROM sequence AS q WHERE q.input_id = ?1 AND q.model_id = ?3 AND"
        " (" OF("map") " OR " OF("segment") " OR " OF("merge_step") " OR " OF("tcs") " OR " OF("metric") ")";
    sqlite3_stmt *row = NULL;
    int code = SQLITE_DONE;
    uvk_status status = select_from(m, sql, input_from, &row, err);
    if (!status && (sqlite3_bind_int64(row, 2, run->from) != SQLITE_OK || sqlite3_bind_int64(row, 3, run->model_from) != SQLITE_OK))
        status = uvk_source_fail(m->from, err);
    while (!status && (code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t from = sqlite3_column_int64(row, 0), to;
        status = put_sequence(m, run, from, column(row, 1), input_to, &to, err);
        if (!status)
            status = copy_results(m, run, from, to, err);
    }
    if (!status && code != SQLITE_DONE)
        status = uvk_source_fail(m->from, err);
    if (row)
        sqlite3_reset(row);
    return status;
}

/* One run_input of the old database with its input. */
enum { INPUT_ID, SHA256, NAME, PATH, DONE, KIND, WIDTH, HEIGHT, N_CHARS, TEXT };
static const char inputs_of_run[] =
    "SELECT i.id, i.sha256, i.name, i.path, x.status = 'done', i.kind, i.width, i.height, i.n_chars, i.text"
    " FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE x.run_id = ?1 ORDER BY i.id";

/* What is known of an input in either database. */
static uvk_status put_input(merger *m, sqlite3_stmt *row, int64_t *to, uvk_error *err)
{
    uvk_sql_value id = none();
    *to = 0;
    uvk_status status = uvk_sql_get(m->to,
        "UPDATE input SET kind = coalesce(kind, ?3), path = coalesce(path, ?4), width = coalesce(width, ?5), height = coalesce(height, ?6),"
        " n_chars = coalesce(n_chars, ?7), text = coalesce(text, ?8) WHERE sha256 = ?1 AND name = ?2 RETURNING id",
        UVK_VALUES(column(row, SHA256), column(row, NAME), column(row, KIND), column(row, PATH), column(row, WIDTH), column(row, HEIGHT),
                   column(row, N_CHARS), column(row, TEXT)),
        to, err);
    return status || *to ? status : copy_one(m, INPUT, sqlite3_column_int64(row, INPUT_ID), &id, to, err);
}

/* What is done in either database is done; of two failures that of the new one stays; a note that a file could not be read is
 * worth nothing when the other database has it. */
static uvk_status is_wanted(merger *m, const run_pair *run, sqlite3_stmt *row, bool *wanted, uvk_error *err)
{
    int64_t known = 0, done = sqlite3_column_int(row, DONE);
    uvk_status status = uvk_sql_get(m->to,
        "SELECT CASE WHEN x.status = 'done' THEN 2 ELSE 1 END FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE x.run_id = ?1"
        " AND ((i.sha256 = ?2 AND i.name = ?3) OR (?2 = '' AND i.name = ?3 AND i.path IS ?4 AND x.status = 'done')) ORDER BY 1 DESC LIMIT 1",
        UVK_VALUES(uvk_sql_int(run->to), column(row, SHA256), column(row, NAME), column(row, PATH)), &known, err);
    *wanted = known == 0 || (known == 1 && done);
    return status;
}

static uvk_status take_input(merger *m, run_pair *run, sqlite3_stmt *row, uvk_error *err)
{
    int64_t from = sqlite3_column_int64(row, INPUT_ID), to;
    uvk_sql_value where[] = {uvk_sql_int(run->from), uvk_sql_int(from)};
    uvk_status status = put_input(m, row, &to, err);
    if (!status)
        status = uvk_sql_run(m->to, "DELETE FROM run_input WHERE run_id = ?1 AND input_id = ?2", UVK_VALUES(uvk_sql_int(run->to), uvk_sql_int(to)), err);
    if (!status)
        status = uvk_copy_all(&m->copies[RUN_INPUT], where, (uvk_sql_value[]){uvk_sql_int(run->to), uvk_sql_int(to)}, NULL, err);
    if (!status)
        status = copy_sequences(m, run, from, to, err);
    if (!status && sqlite3_column_bytes(row, SHA256) > 0)
        status = uvk_discard_unread(m->to, run->to, to, err);
    run->added++;
    return status;
}

static uvk_status take_inputs(merger *m, run_pair *run, uvk_error *err)
{
    sqlite3_stmt *row = NULL;
    int code = SQLITE_DONE;
    uvk_status status = select_from(m, inputs_of_run, run->from, &row, err);
    while (!status && (code = sqlite3_step(row)) == SQLITE_ROW) {
        bool wanted;
        status = is_wanted(m, run, row, &wanted, err);
        if (!status && wanted)
            status = take_input(m, run, row, err);
        m->done->known += !wanted;
    }
    if (!status && code != SQLITE_DONE)
        status = uvk_source_fail(m->from, err);
    if (row)
        sqlite3_reset(row);
    m->done->inputs += run->added;
    return status;
}

/* ---- Numbers over a whole run ------------------------------------------------------------------------------------------- */

/* A run that has grown: means are formed anew, and the share of gaps above zero; what cannot be formed from the inputs' own numbers
 * was of a part of them. */
static uvk_status average_anew(merger *m, int64_t run, uvk_error *err)
{
    static const char *const sql[] = {
        "UPDATE metric AS w SET value = (SELECT avg(CASE WHEN e.name = w.name THEN e.value ELSE e.value > 0 END) FROM metric AS e WHERE e.run_id = ?1"
        " AND e.sequence_id IS NOT NULL AND e.name = CASE WHEN w.name = 'faithfulness_share' THEN 'faithfulness_gap' ELSE w.name END"
        " AND e.method = w.method AND e.k IS w.k) WHERE w.run_id = ?1 AND w.sequence_id IS NULL",
        "DELETE FROM metric WHERE run_id = ?1 AND sequence_id IS NULL AND value IS NULL",
    };
    int64_t before = 0, after = 0;
    static const char count[] = "SELECT count(*) FROM metric WHERE run_id = ?1 AND sequence_id IS NULL";
    uvk_status status = uvk_sql_get(m->to, count, UVK_VALUES(uvk_sql_int(run)), &before, err);
    for (size_t i = 0; !status && i < sizeof sql / sizeof *sql; i++)
        status = uvk_sql_run(m->to, sql[i], UVK_VALUES(uvk_sql_int(run)), err);
    if (!status)
        status = uvk_sql_get(m->to, count, UVK_VALUES(uvk_sql_int(run)), &after, err);
    m->done->dropped += before - after;
    return status;
}

static uvk_status join_metrics(merger *m, const run_pair *run, uvk_error *err)
{
    uvk_sql_value where[] = {uvk_sql_int(run->from), none()}, keys[] = {uvk_sql_int(run->to), none()};
    if (!run->covers)
        return run->added ? average_anew(m, run->to, err) : UVK_OK;
    uvk_status status = uvk_sql_run(m->to, "DELETE FROM metric WHERE run_id = ?1 AND sequence_id IS NULL", UVK_VALUES(uvk_sql_int(run->to)), err);
    return status ? status : uvk_copy_all(&m->copies[METRIC], where, keys, NULL, err);
}

/* ---- Runs --------------------------------------------------------------------------------------------------------------- */

/* How one run of the new database compares with one of the old. */
typedef struct likeness { int same, other; } likeness;

static uvk_status compare_runs(merger *m, int64_t from, int64_t to, likeness *out, uvk_error *err)
{
    static const char done_inputs[] = "SELECT i.sha256, i.name, x.device, x.seconds_forward, x.seconds_backward, x.gflop, x.peak_bytes"
        " FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE x.run_id = ?1 AND x.status = 'done'";
    sqlite3_stmt *row = NULL;
    int code = SQLITE_DONE;
    *out = (likeness){0, 0};
    uvk_status status = select_from(m, done_inputs, from, &row, err);
    while (!status && !out->other && (code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t same = -1;
        status = uvk_sql_get(m->to,
            "SELECT x.device IS ?4 AND x.seconds_forward IS ?5 AND x.seconds_backward IS ?6 AND x.gflop IS ?7 AND x.peak_bytes IS ?8"
            " FROM input AS i JOIN run_input AS x ON x.input_id = i.id WHERE i.sha256 = ?2 AND i.name = ?3 AND x.run_id = ?1 AND x.status = 'done'",
            UVK_VALUES(uvk_sql_int(to), column(row, 0), column(row, 1), column(row, 2), column(row, 3), column(row, 4), column(row, 5), column(row, 6)),
            &same, err);
        out->same += same == 1;
        out->other += same == 0;
    }
    if (!status && !out->other && code != SQLITE_DONE)
        status = uvk_source_fail(m->from, err);
    if (row)
        sqlite3_reset(row);
    return status;
}

static bool is_joined(const merger *m, int64_t run)
{
    for (int i = 0; i < m->n_joined; i++)
        if (m->joined[i] == run)
            return true;
    return false;
}

/* The run of the new database that this one is, or is a shard of; 0: none. */
static uvk_status find_run(merger *m, int64_t from, const char *base, int64_t *to, uvk_error *err)
{
    int64_t after = 0, next;
    bool sure = false;
    uvk_status status = UVK_OK;
    for (*to = 0; !status && !sure; after = next) {
        likeness like;
        next = 0;
        status = uvk_sql_get(m->to, "SELECT min(id) FROM run WHERE " UVK_RUN_HAS_BASE " AND id > ?2",
            UVK_VALUES(uvk_sql_text(base), uvk_sql_int(after)), &next, err);
        if (status || !next)
            break;
        if (is_joined(m, next))
            continue;
        status = compare_runs(m, from, next, &like, err);
        sure = like.same && !like.other;
        if (sure || (!like.other && !*to))
            *to = next;
    }
    return status;
}

/* Whether every input that the run has in the new database is one of it in the old. */
static uvk_status find_covers(merger *m, run_pair *run, uvk_error *err)
{
    sqlite3_stmt *row = NULL;
    uvk_status status = uvk_sql_prepare(m->to, "SELECT i.sha256, i.name FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE x.run_id = ?1", &row, err);
    int code = SQLITE_ROW;
    run->covers = true;
    if (!status && sqlite3_bind_int64(row, 1, run->to) != SQLITE_OK)
        status = uvk_sql_fail(m->to, err);
    while (!status && run->covers && (code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t found = 0;
        status = get_from(m, "SELECT 1 FROM input AS i JOIN run_input AS x ON x.input_id = i.id WHERE i.sha256 = ?2 AND i.name = ?3 AND x.run_id = ?1",
            UVK_VALUES(uvk_sql_int(run->from), column(row, 0), column(row, 1)), &found, err);
        run->covers = found;
    }
    if (!status && run->covers && code != SQLITE_DONE)
        status = uvk_sql_fail(m->to, err);
    if (row)
        sqlite3_reset(row);
    return status;
}

/* A joined run is as far as the part that got least far. */
static uvk_status join_run(merger *m, run_pair *run, uvk_error *err)
{
    static const char of_run[] = "SELECT CASE WHEN status IN ('running', 'interrupted', 'done') THEN status ELSE 'failed' END, label, started_at, finished_at"
        " FROM run WHERE id = ?1";
    sqlite3_stmt *row = NULL;
    uvk_status status = find_covers(m, run, err);
    if (!status)
        status = select_from(m, of_run, run->from, &row, err);
    if (!status && sqlite3_step(row) != SQLITE_ROW)
        status = uvk_source_fail(m->from, err);
    if (!status)
        status = uvk_sql_run(m->to,
            "UPDATE run SET label = coalesce(label, ?4), started_at = min(started_at, coalesce(?5, started_at)), finished_at = max(finished_at, ?6),"
            " status = CASE WHEN ?2 THEN ?3 WHEN 'running' IN (status, ?3) THEN 'running' WHEN 'interrupted' IN (status, ?3) THEN 'interrupted'"
            " WHEN 'failed' IN (status, ?3) THEN 'failed' ELSE 'done' END WHERE id = ?1",
            UVK_VALUES(uvk_sql_int(run->to), uvk_sql_int(run->covers), column(row, 0), column(row, 1), column(row, 2), column(row, 3)), err);
    if (row)
        sqlite3_reset(row);
    return status;
}

static uvk_status start_run(merger *m, run_pair *run, const char *base, uvk_error *err)
{
    char key[UVK_RUN_KEY_SIZE];
    uvk_status status = uvk_run_fresh_key(m->to, base, key, err);
    uvk_sql_value keys[] = {none(), uvk_sql_text(key), uvk_sql_int(run->model_to), uvk_sql_int(0)};
    run->covers = true;
    m->done->runs++;
    return status ? status : copy_one(m, RUN, run->from, keys, &run->to, err);
}

static uvk_status put_model(merger *m, run_pair *run, uvk_error *err)
{
    uvk_sql_value id = none();
    sqlite3_stmt *row = NULL;
    run->model_to = 0;
    uvk_status status = select_from(m, "SELECT sha256 FROM model WHERE id = ?1", run->model_from, &row, err);
    int code = status ? SQLITE_OK : sqlite3_step(row);
    if (code == SQLITE_DONE)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: run %lld has no model", m->from->path, (long long)run->from);
    else if (!status && code != SQLITE_ROW)
        status = uvk_source_fail(m->from, err);
    if (!status)
        status = uvk_sql_get(m->to, "SELECT id FROM model WHERE sha256 = ?1", UVK_VALUES(column(row, 0)), &run->model_to, err);
    if (row)
        sqlite3_reset(row);
    return status || run->model_to ? status : copy_one(m, MODEL, run->model_from, &id, &run->model_to, err);
}

static uvk_status put_run(merger *m, run_pair *run, const char *base, uvk_error *err)
{
    uvk_status status = put_model(m, run, err);
    if (!status)
        status = find_run(m, run->from, base, &run->to, err);
    if (!status)
        status = run->to ? join_run(m, run, err) : start_run(m, run, base, err);
    m->joined[m->n_joined++] = run->to;
    if (!status)
        status = take_inputs(m, run, err);
    if (!status)
        status = join_metrics(m, run, err);
    return status ? status : uvk_sql_run(m->to, "UPDATE run SET contributions = contributions + ?2 WHERE id = ?1",
        UVK_VALUES(uvk_sql_int(run->to), uvk_sql_int(run->contributions)), err);
}

/* Without the number of a repeated run. */
static uvk_status read_base(merger *m, sqlite3_stmt *row, char base[UVK_RUN_KEY + 1], uvk_error *err)
{
    const char *key = (const char *)sqlite3_column_text(row, 1);
    size_t digits = key ? strspn(key, "0123456789abcdef") : 0;
    if (digits != UVK_RUN_KEY || (key[digits] && key[digits] != '#'))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: run %lld has no key of %d hexadecimal digits", m->from->path, (long long)sqlite3_column_int64(row, 0), UVK_RUN_KEY);
    memcpy(base, key, digits);
    base[digits] = '\0';
    return UVK_OK;
}

static uvk_status merge_runs(merger *m, uvk_error *err)
{
    sqlite3_stmt *row = NULL;
    int code = SQLITE_DONE;
    int64_t n_runs = 0;
    uvk_status status = get_from(m, "SELECT count(*) FROM run", NULL, 0, &n_runs, err);
    if (!status)
        status = select_from(m, "SELECT id, key, model_id FROM run WHERE id >= ?1 ORDER BY id", INT64_MIN, &row, err);
    if (status)
        return status;
    m->joined = calloc((size_t)n_runs + 1, sizeof *m->joined);
    if (!m->joined)
        return uvk_fail_memory(err, (size_t)n_runs * sizeof *m->joined, "a list of runs");
    while (!status && (code = sqlite3_step(row)) == SQLITE_ROW) {
        run_pair run = {.from = sqlite3_column_int64(row, 0), .model_from = sqlite3_column_int64(row, 2)};
        char base[UVK_RUN_KEY + 1];
        status = read_base(m, row, base, err);
        if (!status)
            status = put_run(m, &run, base, err);
    }
    if (!status && code != SQLITE_DONE)
        status = uvk_source_fail(m->from, err);
    sqlite3_reset(row);
    return status;
}

/* ---- One database -------------------------------------------------------------------------------------------------------- */

static uvk_status merge_locked(merger *m, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < N_TABLES; i++)
        status = uvk_copy_open(&m->copies[i], &tables[i], m->from, m->to, err);
    if (!status)
        status = merge_runs(m, err);
    for (int i = 0; i < N_TABLES; i++)
        uvk_copy_close(&m->copies[i]);
    free(m->joined);
    return status;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

uvk_status uvk_db_merge(const char *path, const char *from, void (*warn)(void *user, const char *line), void *user, uvk_db_merged *done, uvk_error *err)
{
    *done = (uvk_db_merged){0};
    merger m = {.done = done};
    if (is_same_file(path, from))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: is the database that is merged into", from);
    uvk_status status = uvk_source_open(from, &m.from, err);
    if (status)
        return status;
    status = uvk_db_open(path, warn, user, &m.to, err);
    if (!status)
        status = uvk_sql_begin(m.to, err);
    if (!status)
        status = uvk_sql_end(m.to, uvk_query_end(m.from, merge_locked(&m, err), err), err);
    uvk_db_close(m.to);
    uvk_query_close(m.from);
    return status;
}
