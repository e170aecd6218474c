#include "use_database.h"

#include "db.h"
#include "file.h"
#include "report.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A database ---------------------------------------------------------------------------------------------------------- */

#define ROW4 "x'0000803f0000004000004040cdcccc3d'"

static const char contents[] =
    "INSERT INTO model VALUES (1, 'eye', 'vit', 'vision', 'aa', 2, 2, 8, 'eye'), (2, 'tongue', 'llama', 'text', 'bb', 2, 2, 8, 'tongue');"
    "INSERT INTO input (id, kind, name, path, sha256, width, height, n_chars, text) VALUES (1, 'image', 'a.png', 'a.png', 'cc', 30, 20, NULL, NULL),"
    " (2, 'text', 'b.txt', 'b.txt', 'dd', NULL, NULL, 7, 'The cat');"
    "INSERT INTO run (id, key, label, probe, model_id, layer, first_block, scalar, product_order, normalize, own_token, precision, params, started_at, status)"
    " VALUES (1, '" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" "', 'x', 'explain', 1, 3, 1, 'sum', 'rollout', 'norm', 'max', 'f32', '{}', '2030', 'done'),"
    " (2, '" "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" "', 'y', 'segment', 1, 2, 1, 'sum', 'rollout', 'norm', 'max', 'f32', '{}', '2030', 'done'),"
    " (3, '" "2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef#2" "', 'z', 'attribute', 2, 3, 1, 'logprob', 'rollout', 'none', 'zero', 'f32', '{}', '2030', 'failed');"
    "INSERT INTO run_input (run_id, input_id, status, seconds_forward, seconds_backward, gflop, peak_bytes) VALUES (1, 1, 'done', 1, 2, 3, 4), (2, 1, 'done', 1, 2, 3, 4),"
    " (3, 2, 'done', 1, 2, 3, 4);"
    "INSERT INTO sequence (id, model_id, input_id, key, text_out, params) VALUES (1, 1, 1, '2x2', NULL, '{}'), (2, 2, 2, 'plain', 'cat', '{}');"
    "INSERT INTO token (sequence_id, idx, side, kind, role, grid_row, grid_col, x0, y0, x1, y1) VALUES (1, 0, 'single', 'special', 'special', NULL, NULL, NULL, NULL, NULL, NULL),"
    " (1, 1, 'single', 'patch', 'image', 0, 0, 0, 0, 15, 10), (1, 2, 'single', 'patch', 'image', 0, 1, 15, 0, 30, 10), (1, 3, 'single', 'patch', 'image', 1, 0, 0, 10, 15, 20);"
    "INSERT INTO token (sequence_id, idx, side, kind, role, word_idx, text, char_start, char_end) VALUES (2, 0, 'single', 'special', 'special', NULL, '<s>', NULL, NULL),"
    " (2, 1, 'single', 'text', 'context', 0, 'The', 0, 3), (2, 2, 'single', 'text', 'context', 1, ' cat', 3, 7), (2, 3, 'single', 'text', 'summary', 2, 'cat', 0, 3);"
    "INSERT INTO word (sequence_id, idx, sentence, char_start, char_end, text, role) VALUES (2, 0, 0, 0, 3, 'The', 'context'), (2, 1, 0, 4, 7, 'cat', 'context'),"
    " (2, 2, 1, 0, 3, 'cat', 'summary');"
    "INSERT INTO map (id, run_id, sequence_id, target_idx, n_sources, n_visible, score_min, score_max, score_sum, self_score, special_share, entropy, gini, effective_tokens,"
    " top10_share, locality, scores) VALUES (1, 1, 1, 1, 3, 3, 0, 3, 5, 1, 0.1, 0.5, 0.25, 2, 0.3, 0.4, " ROW4 "), (2, 1, 1, 2, 3, 3, 0, 3, 5, 1, 0.1, 0.6, 0.25, 2, 0.3, 0.4, " ROW4 "),"
    " (3, 2, 1, 1, 3, 3, 0, 3, 5, 1, 0.1, 0.5, 0.35, 2, 0.3, 0.4, " ROW4 "), (4, 3, 2, 2, 3, 3, 0, 3, 5, 1, 0.1, 0.5, 0.25, 2, 0.3, NULL, " ROW4 ");"
    "INSERT INTO contribution VALUES (1, 1, 2), (1, 2, 3), (2, 1, 1), (3, 3, 0.5), (4, 1, 2), (4, 2, 3);"
    "INSERT INTO segment (run_id, sequence_id, cluster, n_tokens, area, x0, y0, x1, y1, class_id, class_name, iou) VALUES (2, 1, 0, 2, 10, 0, 0, 30, 10, 1, 'sky', 0.5),"
    " (2, 1, 1, 1, 5, 0, 10, 15, 20, NULL, NULL, NULL);"
    "INSERT INTO segment_token VALUES (2, 1, 0, 1), (2, 1, 0, 2), (2, 1, 1, 3);"
    "INSERT INTO merge_step VALUES (2, 1, 0, 0, 1, 0.25, 2), (2, 1, 1, 3, 2, 0.5, 3);"
    "INSERT INTO tcs VALUES (3, 2, 1, 2, 0.4), (3, 2, 2, 3, 0.6);"
    "INSERT INTO metric (run_id, sequence_id, target_idx, name, method, k, value) VALUES (1, 1, 1, 'drift_positive', 'ultra', 0.1, 1), (1, 1, 1, 'drift_negative', 'ultra', 0.1, 0.5),"
    " (1, 1, 1, 'faithfulness_gap', 'ultra', NULL, 0.25), (2, 1, NULL, 'u_miou', 'ultra', NULL, 0.5), (3, 2, NULL, 'comprehensiveness', 'random', 0.05, 0.1),"
    " (1, NULL, NULL, 'faithfulness_gap', 'ultra', NULL, 0.25);";

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *sqlite;
    char *message = NULL;
    if (sqlite3_open(path, &sqlite) != SQLITE_OK || sqlite3_exec(sqlite, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", path, message ? message : sqlite3_errmsg(sqlite));
        abort();
    }
    sqlite3_close(sqlite);
}

void make_database(const char *path)
{
    uvk_db *db;
    uvk_error err;
    if (uvk_db_open(path, NULL, NULL, &db, &err) != UVK_OK)
        abort();
    uvk_db_close(db);
    run_sql(path, contents);
    run_sql(path, "PRAGMA journal_mode = DELETE");
}

void copy_database(const char *from, const char *to)
{
    void *bytes;
    size_t size;
    if (uvk_file_read(from, 1 << 26, &bytes, &size, NULL) != UVK_OK)
        abort();
    fuzz_write(strrchr(to, '/') + 1, (fuzz_part){bytes, size});
    free(bytes);
}

void remove_database(const char *path)
{
    static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[4300];
        snprintf(name, sizeof name, "%s%s", path, parts[i]);
        unlink(name);
    }
}

/* ---- What is done with it ------------------------------------------------------------------------------------------------- */

/* Any failure is allowed, in one line. */
static void check_line(uvk_status status, const uvk_error *err)
{
    if (status != UVK_OK && (err->status != status || !*err->message || strpbrk(err->message, "\n\r")))
        abort();
}

static void ask(const char *path, unsigned which)
{
    static const char *const statements[] = {"SELECT * FROM v_map", "SELECT * FROM v_contribution", "SELECT s.* FROM map, scores(map.id) AS s", "SELECT * FROM input, v_run"};
    static FILE *nowhere;
    const char *const params[] = {"input=a.png"};
    uvk_error err;
    int n;
    const uvk_db_named *named = uvk_db_named_queries(&n);
    if (!nowhere && !(nowhere = fopen("/dev/null", "w")))
        abort();
    for (int i = (int)which % n; i < n; i += 8)
        check_line(uvk_db_query_named(path, named[i].name, params, strncmp(named[i].parameters, "input", 5) == 0, (uvk_db_format)(i % 4), nowhere, &err), &err);
    check_line(uvk_db_query(path, statements[which % 4], (uvk_db_format)(which / 4 % 4), nowhere, &err), &err);
}

static void report(const char *path)
{
    cJSON *data = NULL;
    uvk_error err;
    uvk_status status = report_data(path, 0, 4, &data, &err);
    check_line(status, &err);
    if (status == UVK_OK)
        cJSON_Delete(data);
}

static void merge(const char *path)
{
    const char *out = fuzz_path("merged.db");
    uvk_db_merged done;
    uvk_error err;
    remove_database(out);
    check_line(uvk_db_merge(out, path, NULL, NULL, &done, &err), &err);
    check_line(uvk_db_merge(out, path, NULL, NULL, &done, &err), &err);
}

static void reuse(const char *path)
{
    const uvk_db_rows_key key = {.model_sha256 = "aa", .input_sha256 = "cc", .sequence_key = "2x2", .layer = 3, .first_block = 1, .scalar = "sum",
                                 .product_order = "rollout", .normalize = "norm", .precision = "f32"};
    float rows[8];
    int64_t run;
    uvk_db *db = NULL;
    uvk_error err;
    uvk_status status = uvk_db_open(path, NULL, NULL, &db, &err);
    check_line(status, &err);
    if (status != UVK_OK)
        return;
    check_line(uvk_db_find_rows(db, &key, (const int32_t[]){1, 2}, 2, 4, rows, &run, &err), &err);
    check_line(uvk_db_average_metrics(db, 1, &err), &err);
    check_line(uvk_db_prune(db, 1, &err), &err);
    uvk_db_close(db);
}

void use_database(const char *path, unsigned which)
{
    switch (which % 4) {
    case 0: ask(path, which / 4); break;
    case 1: report(path); break;
    case 2: merge(path); break;
    default: reuse(path); break;
    }
}
