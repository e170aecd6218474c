/* What the tests of db/ share: a scratch folder, a small model's result, and reading back with plain SQLite. */
#ifndef UVK_TESTS_TEST_DB_H
#define UVK_TESTS_TEST_DB_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "db.h"

typedef struct scratch {
    char folder[64], path[96];
} scratch;

static inline int make_scratch(void **state)
{
    scratch *s = calloc(1, sizeof *s);
    strcpy(s->folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/uvk-db-XXXXXX" : "/tmp/uvk-db-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(chmod(s->folder, 0777), 0);
    snprintf(s->path, sizeof s->path, "%s/results.db", s->folder);
    *state = s;
    return 0;
}

static inline int drop_scratch(void **state)
{
    scratch *s = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    int code = system(command);
    free(s);
    return code;
}

static inline uvk_db *open_db(const char *path)
{
    uvk_error err = {0};
    uvk_db *db = NULL;
    if (uvk_db_open(path, NULL, NULL, &db, &err) != UVK_OK)
        fail_msg("%s", err.message);
    return db;
}

static inline void assert_ok(uvk_status status, const uvk_error *err)
{
    if (status != UVK_OK)
        fail_msg("%s", err->message);
}

static inline void assert_fails(uvk_status status, const uvk_error *err, uvk_status expected, const char *part)
{
    if (status != expected || !strstr(err->message, part) || strchr(err->message, '\n'))
        fail_msg("status %d, expected %d; \"%s\", expected \"%s\"", status, expected, err->message, part);
}

/* The first value of the first row, through a connection of its own; NULL as "". Valid until the next call. */
static inline const char *value_of(const char *path, const char *sql)
{
    static char text[4096];
    sqlite3 *sqlite;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(sqlite, 10000);
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        fail_msg("%s: no row (%s)", sql, sqlite3_errmsg(sqlite));
    const unsigned char *value = sqlite3_column_text(statement, 0);
    snprintf(text, sizeof text, "%s", value ? (const char *)value : "");
    sqlite3_finalize(statement);
    sqlite3_close(sqlite);
    return text;
}

static inline long long number_of(const char *path, const char *sql)
{
    return atoll(value_of(path, sql));
}

/* Runs any SQL through plain SQLite. */
static inline void run_plain(const char *path, const char *sql)
{
    sqlite3 *sqlite;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    if (sqlite3_exec(sqlite, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(sqlite);
}

static inline void assert_sound(const char *path)
{
    assert_string_equal(value_of(path, "PRAGMA integrity_check"), "ok");
    assert_int_equal(number_of(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* ---- A result: one special token, then a grid ----------------------------------------------------------------------- */

enum { MOST_TOKENS = 256 };

typedef struct sample {
    uvk_db_token tokens[MOST_TOKENS];
    uvk_db_map maps[MOST_TOKENS];
    float rows[MOST_TOKENS][MOST_TOKENS];
    uvk_db_result result;
} sample;

/* n tokens, of which the first is special, and n_maps maps of the tokens 1, 2, ... */
static inline sample *make_sample(int64_t run_id, int64_t model_id, const char *name, int n, int cols, int n_maps)
{
    sample *s = calloc(1, sizeof *s);
    for (int i = 0; i < n; i++) {
        int at = i - 1;
        s->tokens[i] = (uvk_db_token){.side = "single", .kind = i ? "patch" : "special", .role = i ? "image" : "special",
            .word_idx = -1, .grid_row = i ? at / cols : -1, .grid_col = i ? at % cols : -1,
            .x0 = i ? at % cols * 16 : (double)NAN, .y0 = i ? at / cols * 16 : (double)NAN,
            .x1 = i ? at % cols * 16 + 16 : (double)NAN, .y1 = i ? at / cols * 16 + 16 : (double)NAN,
            .char_start = -1, .char_end = -1};
    }
    for (int k = 0; k < n_maps; k++) {
        for (int j = 0; j < n; j++)
            s->rows[k][j] = (float)((j * 37 + k * 11) % 101) / 7.0f;
        s->maps[k] = (uvk_db_map){.target = k + 1, .output = -1, .row = s->rows[k], .scores = s->rows[k],
            .n_sources = n - 1, .n_visible = n - 1, .score_max = 100.0 / 7, .score_sum = 700, .self_score = 1, .special_share = 0.125,
            .entropy = 0.5 + k * 0.001, .gini = 0.25, .effective_tokens = 8, .top10_share = 0.3, .locality = (double)NAN};
    }
    s->result = (uvk_db_result){.run_id = run_id, .model_id = model_id,
        .input = {.kind = "image", .name = name, .path = "photos/cat.jpg", .sha256 = "abc", .width = 64, .height = 48},
        .sequence = {.key = "224x224", .params = "{}", .tokens = s->tokens, .n_tokens = n},
        .maps = s->maps, .n_maps = n_maps,
        .stats = {.device = "cpu", .seconds_forward = 0.25, .seconds_backward = 0.75, .gflop = 12.5, .peak_bytes = 1 << 20}};
    return s;
}

static inline int64_t put_model(uvk_db *db, const char *sha256, const char *modality)
{
    uvk_db_model model = {.name = "tiny", .family = "vit", .modality = modality, .sha256 = sha256, .path = "models/tiny",
        .layers = 12, .heads = 3, .width = 192};
    uvk_error err;
    int64_t id = 0;
    assert_ok(uvk_db_put_model(db, &model, &id, &err), &err);
    return id;
}

static inline uvk_db_run describe_run(int64_t model_id, const char *params)
{
    return (uvk_db_run){.label = "test", .probe = "explain", .model_id = model_id, .model_sha256 = "m", .layer = 13, .first_block = 1,
        .scalar = "sum", .product_order = "rollout", .normalize = "norm", .own_token = "max", .precision = "f32", .params = params,
        .command = "ultravk explain", .device = "cpu", .driver = "1", .version = "0", .seed = 7};
}

static inline int64_t start_run(uvk_db *db, int64_t model_id, const char *params, bool resume)
{
    uvk_db_run run = describe_run(model_id, params);
    uvk_error err;
    int64_t id = 0;
    assert_ok(uvk_db_start_run(db, &run, resume, &id, &err), &err);
    return id;
}

static inline void write_ok(uvk_db *db, const sample *s)
{
    uvk_error err;
    assert_ok(uvk_db_write(db, &s->result, &err), &err);
}

static inline void write_and_free(uvk_db *db, sample *s)
{
    write_ok(db, s);
    free(s);
}

/* ---- Named queries --------------------------------------------------------------------------------------------------- */

typedef struct required_params {
    char text[4][64];
    const char *list[4];
    int count;
} required_params;

/* Each parameter that a query cannot do without, with this value. The list points into the static result: one at a time. */
static inline required_params fill_required(const char *parameters, const char *value)
{
    static required_params p;
    char names[128];
    p.count = 0;
    snprintf(names, sizeof names, "%s", parameters);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "))
        if (*name != '[') {
            snprintf(p.text[p.count], sizeof p.text[0], "%s=%s", name, value);
            p.list[p.count] = p.text[p.count];
            p.count++;
        }
    return p;
}

#endif
