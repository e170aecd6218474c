/* Merging: what was taken over is what was there, shards answer as one run does, twice is once, and hostile files change nothing. */
#include "test_db.h"

#include "schema.h"
#include "sql.h"

typedef struct files {
    scratch base; /* base.path: the database that is merged into */
    char a[96], b[96], whole[96];
} files;

static int make_files(void **state)
{
    scratch *s;
    make_scratch((void **)&s);
    files *f = calloc(1, sizeof *f);
    f->base = *s;
    free(s);
    snprintf(f->a, sizeof f->a, "%s/a.db", f->base.folder);
    snprintf(f->b, sizeof f->b, "%s/b.db", f->base.folder);
    snprintf(f->whole, sizeof f->whole, "%s/whole.db", f->base.folder);
    *state = f;
    return 0;
}

/* ---- Filling ------------------------------------------------------------------------------------------------------------ */

static void finish(uvk_db *db, int64_t run, const char *status)
{
    uvk_error err;
    assert_ok(uvk_db_finish_run(db, run, status, &err), &err);
    uvk_db_close(db);
}

/* An input of which everything depends on its name. */
static void write_input(uvk_db *db, int64_t run, int64_t model, const char *name)
{
    int kind = name[0] - 'a';
    char sha256[16];
    snprintf(sha256, sizeof sha256, "hash-%s", name);
    sample *s = make_sample(run, model, name, 13, 4, 5);
    uvk_db_word words[] = {{.role = "context", .text = name, .char_start = 0, .char_end = 3}};
    uvk_db_metric metrics[] = {
        {.target = -1, .name = "auprc", .method = "ultra", .k = (double)NAN, .value = kind / 8.0},
        {.target = 3, .name = "drift_positive", .method = "random", .k = 0.5, .value = kind / 4.0},
    };
    for (int k = 0; k < 5; k++) {
        for (int j = 0; j < 13; j++)
            s->rows[k][j] = (float)((j * 37 + k * 11 + kind * 17) % 101) / 7.0f;
        s->maps[k].entropy = 0.1 + k * 0.01 + kind * 0.07;
    }
    for (int j = 1; j < 13; j++) {
        s->tokens[j].role = "context";
        s->tokens[j].word_idx = j < 4 ? 0 : -1;
        s->tokens[j].char_start = j - 1;
        s->tokens[j].char_end = j;
    }
    s->result.input.path = name;
    s->result.input.sha256 = sha256;
    s->result.input.text = "a text";
    s->result.sequence.words = words;
    s->result.sequence.n_words = 1;
    s->result.sequence.text_out = "a summary";
    s->result.tcs = s->rows[0];
    s->result.tcs_share = s->rows[1];
    s->result.metrics = metrics;
    s->result.n_metrics = 2;
    s->result.stats.seconds_forward = 0.25 + kind;
    write_and_free(db, s);
}

/* A finished run of one model over inputs whose names are letters. */
static void make_run(const char *path, const char *names)
{
    uvk_db *db = open_db(path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    for (const char *c = names; *c; c++)
        write_input(db, run, model, (const char[]){*c, '.', 'j', '\0'});
    finish(db, run, "done");
    run_plain(path, "UPDATE run SET started_at = '2026', finished_at = '2027'");
}

/* Segments have no writer in db.h that this test could use. */
static void add_segments(const char *path)
{
    run_plain(path, "INSERT INTO segment SELECT p.run_id, p.sequence_id, 2, 3, 9, 0, 1, 2, 3, NULL, 'cat', 0.5 FROM map AS p GROUP BY 1, 2;"
                    "INSERT INTO segment_token SELECT run_id, sequence_id, 2, 4 FROM segment;"
                    "INSERT INTO merge_step SELECT run_id, sequence_id, 0, 4, 5, 0.25, 2 FROM segment");
}

static uvk_db_merged merge(const char *to, const char *from)
{
    uvk_error err;
    uvk_db_merged done;
    assert_ok(uvk_db_merge(to, from, NULL, NULL, &done, &err), &err);
    assert_sound(to);
    return done;
}

static void expect_merged(const char *to, const char *from, int runs, int inputs, int known)
{
    uvk_db_merged done = merge(to, from);
    assert_int_equal(done.runs, runs);
    assert_int_equal(done.inputs, inputs);
    assert_int_equal(done.known, known);
}

/* ---- Comparing ---------------------------------------------------------------------------------------------------------- */

static char *answer(const char *path, const char *sql)
{
    char *text;
    size_t size;
    uvk_error err;
    FILE *out = open_memstream(&text, &size);
    assert_ok(uvk_db_query(path, sql, UVK_DB_JSONL, out, &err), &err);
    fclose(out);
    return text;
}

static void expect_equal(const char *path, const char *expected, const char *sql)
{
    char *a = answer(path, sql), *b = answer(expected, sql);
    if (strcmp(a, b) != 0)
        fail_msg("%s:\n%.2000s\n---- expected\n%.2000s", sql, a, b);
    free(a);
    free(b);
}

#define OF_SEQUENCE " JOIN sequence AS q ON q.id = x.sequence_id JOIN input AS i ON i.id = q.input_id "
#define OF_RUN " JOIN run AS r ON r.id = x.run_id "

/* Everything but ids. */
static const char *const contents[] = {
    "SELECT name, family, modality, sha256, layers, heads, width, path FROM model ORDER BY sha256",
    "SELECT kind, name, path, sha256, width, height, n_chars, text FROM input ORDER BY name, sha256",
    "SELECT key, label, probe, m.sha256, layer, first_block, scalar, product_order, normalize, own_token, precision, params, command, device, driver,"
    " version, seed, started_at, finished_at, status, contributions FROM run AS r JOIN model AS m ON m.id = r.model_id ORDER BY key",
    "SELECT r.key, i.name, x.status, x.error, x.device, seconds_forward, seconds_backward, gflop, peak_bytes FROM run_input AS x" OF_RUN
    " JOIN input AS i ON i.id = x.input_id ORDER BY 1, 2",
    "SELECT i.name, q.key, q.text_out, q.params, m.sha256 FROM sequence AS q JOIN input AS i ON i.id = q.input_id JOIN model AS m ON m.id = q.model_id ORDER BY 1, 2",
    "SELECT i.name, x.idx, side, x.kind, role, word_idx, x.text, grid_row, grid_col, x0, y0, x1, y1, char_start, char_end FROM token AS x" OF_SEQUENCE "ORDER BY 1, 2",
    "SELECT i.name, x.idx, role, sentence, char_start, char_end, x.text FROM word AS x" OF_SEQUENCE "ORDER BY 1, 2",
    "SELECT r.key, i.name, x.target_idx, n_sources, n_visible, score_min, score_max, score_sum, self_score, special_share, entropy, gini, effective_tokens,"
    " top10_share, locality, scores, output_idx, context_min, context_max FROM map AS x" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3",
    "SELECT r.key, i.name, x.target_idx, source_idx, score FROM contribution AS c JOIN map AS x ON x.id = c.map_id" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3, 4",
    "SELECT r.key, i.name, cluster, n_tokens, area, x0, y0, x1, y1, class_id, class_name, iou FROM segment AS x" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3",
    "SELECT r.key, i.name, cluster, token_idx FROM segment_token AS x" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3, 4",
    "SELECT r.key, i.name, step, a, b, x.height, size FROM merge_step AS x" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3",
    "SELECT r.key, i.name, source_idx, score, share FROM tcs AS x" OF_RUN OF_SEQUENCE "ORDER BY 1, 2, 3",
    "SELECT r.key, i.name, target_idx, x.name AS metric, method, k, value FROM metric AS x" OF_RUN
    " LEFT JOIN sequence AS q ON q.id = x.sequence_id LEFT JOIN input AS i ON i.id = q.input_id ORDER BY 1, 2, 3, 4, 5, 6",
};

static void expect_contents(const char *path, const char *expected)
{
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++)
        expect_equal(path, expected, contents[i]);
}

/* Every row of every table, ids and all. */
static char *every_byte(const char *path)
{
    return answer(path, "SELECT * FROM model ORDER BY 1; SELECT * FROM input ORDER BY 1; SELECT * FROM run ORDER BY 1; SELECT * FROM run_input ORDER BY 1, 2;"
                        "SELECT * FROM sequence ORDER BY 1; SELECT * FROM token ORDER BY 1, 2; SELECT * FROM word ORDER BY 1, 2; SELECT * FROM map ORDER BY 1;"
                        "SELECT * FROM contribution ORDER BY 1, 2; SELECT * FROM segment ORDER BY 1, 2, 3; SELECT * FROM segment_token ORDER BY 1, 2, 3, 4;"
                        "SELECT * FROM merge_step ORDER BY 1, 2, 3; SELECT * FROM tcs ORDER BY 1, 2, 3; SELECT rowid, * FROM metric ORDER BY 1");
}

static void expect_unchanged(const char *path, char *before)
{
    char *after = every_byte(path);
    assert_string_equal(after, before);
    free(after);
    free(before);
}

/* ---- Copies and shards -------------------------------------------------------------------------------------------------- */

static void a_merge_into_nothing_is_a_copy(void **state)
{
    const files *f = *state;
    make_run(f->a, "abc");
    add_segments(f->a);
    run_plain(f->a, "INSERT INTO metric VALUES (1, NULL, NULL, 'u_miou', 'ultra', NULL, 0.75)");
    expect_merged(f->base.path, f->a, 1, 3, 0);
    expect_contents(f->base.path, f->a);
    expect_unchanged(f->base.path, every_byte(f->a)); /* even the ids are the same */
    assert_int_equal(number_of(f->a, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"), 14); /* a table more: see merge.c */
}

static void merging_twice_changes_nothing(void **state)
{
    const files *f = *state;
    make_run(f->a, "ab");
    make_run(f->b, "cd");
    add_segments(f->b);
    merge(f->base.path, f->a);
    merge(f->base.path, f->b);
    char *before = every_byte(f->base.path);
    expect_merged(f->base.path, f->a, 0, 0, 2);
    expect_merged(f->base.path, f->b, 0, 0, 2);
    expect_unchanged(f->base.path, before);
}

/* What names a row by its place in the file differs; nothing else does. */
static char *without_ids(char *text)
{
    for (char *at = text; (at = strstr(at, "\"map_id\":"));)
        memmove(at, at + 9 + strspn(at + 9, "0123456789"), strlen(at + 9 + strspn(at + 9, "0123456789")) + 1);
    return text;
}

static void shards_answer_every_query_as_one_run_does(void **state)
{
    const files *f = *state;
    make_run(f->whole, "abcdef");
    make_run(f->a, "ace");
    make_run(f->b, "bdf");
    merge(f->base.path, f->b);
    merge(f->base.path, f->a);
    expect_contents(f->base.path, f->whole);
    int n;
    const uvk_db_named *queries = uvk_db_named_queries(&n);
    for (int i = 0; i < n; i++) {
        char *text[2];
        for (int side = 0; side < 2; side++) {
            size_t size;
            uvk_error err;
            FILE *out = open_memstream(&text[side], &size);
            required_params needed = fill_required(queries[i].parameters, strchr(queries[i].parameters, 'a') == queries[i].parameters ? "tiny" : "d.j");
            assert_ok(uvk_db_query_named(side ? f->whole : f->base.path, queries[i].name, needed.list, needed.count, UVK_DB_JSONL, out, &err), &err);
            fclose(out);
            without_ids(text[side]);
        }
        if (strcmp(text[0], text[1]) != 0)
            fail_msg("%s:\n%.2000s\n---- one run\n%.2000s", queries[i].name, text[0], text[1]);
        free(text[0]);
        free(text[1]);
    }
    static const char *const views[] = {"v_run", "v_modality", "v_faithfulness"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT * FROM %s", views[i]);
        expect_equal(f->base.path, f->whole, sql);
    }
}

/* The same parameters, the same input, other times: another device, say. Neither is lost, and both are known again. */
static void a_run_done_elsewhere_stays_a_run_of_its_own(void **state)
{
    const files *f = *state;
    make_run(f->a, "ab");
    make_run(f->b, "bc");
    run_plain(f->b, "UPDATE run_input SET seconds_forward = seconds_forward * 2");
    merge(f->base.path, f->a);
    expect_merged(f->base.path, f->b, 1, 2, 0);
    assert_int_equal(number_of(f->base.path, "SELECT count(*) FROM run WHERE key LIKE '%#2'"), 1);
    assert_int_equal(number_of(f->base.path, "SELECT count(*) FROM map"), 20);
    assert_int_equal(number_of(f->base.path, "SELECT count(*) FROM sequence"), 3); /* shared */
    char *before = every_byte(f->base.path);
    expect_merged(f->base.path, f->b, 0, 0, 2);
    expect_merged(f->base.path, f->a, 0, 0, 2);
    expect_unchanged(f->base.path, before);
}

/* Two runs of a file are two runs, though their parameters are equal and their inputs differ. */
static void runs_of_one_file_are_not_mixed(void **state)
{
    const files *f = *state;
    make_run(f->a, "ab");
    make_run(f->a, "cd");
    expect_merged(f->base.path, f->a, 2, 4, 0);
    expect_contents(f->base.path, f->a);
    char *before = every_byte(f->base.path);
    expect_merged(f->base.path, f->a, 0, 0, 4);
    expect_unchanged(f->base.path, before);
}

/* ---- Unfinished runs ---------------------------------------------------------------------------------------------------- */

static void an_interrupted_shard_is_completed(void **state)
{
    const files *f = *state;
    uvk_db *db = open_db(f->a);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    write_input(db, run, model, "a.j");
    finish(db, run, "interrupted");
    merge(f->base.path, f->a);
    assert_string_equal(value_of(f->base.path, "SELECT status FROM run"), "interrupted");
    db = open_db(f->a);
    assert_int_equal(start_run(db, model, "{}", true), run);
    write_input(db, run, model, "b.j");
    finish(db, run, "done");
    expect_merged(f->base.path, f->a, 0, 1, 1);
    assert_string_equal(value_of(f->base.path, "SELECT status || ' ' || (SELECT count(*) FROM run_input) FROM run"), "done 2");
    make_run(f->b, "c");
    run_plain(f->b, "UPDATE run SET status = 'failed'");
    merge(f->base.path, f->b);
    merge(f->base.path, f->a); /* does not make it a success */
    assert_string_equal(value_of(f->base.path, "SELECT status || ' ' || (SELECT count(*) FROM run_input) FROM run"), "failed 3");
}

static void what_failed_once_and_is_done_now_is_done(void **state)
{
    const files *f = *state;
    uvk_error err;
    uvk_db *db = open_db(f->a);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    uvk_db_input damaged = {.kind = "image", .name = "a.j", .path = "a.j", .sha256 = "hash-a.j"}, missing = {.kind = "image", .name = "b.j", .path = "b.j"},
                 gone = {.kind = "image", .name = "z.j", .path = "z.j"};
    assert_ok(uvk_db_write_failure(db, run, &damaged, "failed", "out of memory", NULL, &err), &err);
    assert_ok(uvk_db_write_failure(db, run, &missing, "failed", "no such file", NULL, &err), &err);
    assert_ok(uvk_db_write_failure(db, run, &gone, "failed", "no such file", NULL, &err), &err);
    finish(db, run, "failed");
    make_run(f->b, "ab");
    static const char summary[] = "SELECT group_concat(s, ' ') FROM (SELECT i.name || ':' || x.status AS s FROM run_input AS x JOIN input AS i ON i.id = x.input_id ORDER BY i.name)";
    merge(f->base.path, f->a);
    assert_string_equal(value_of(f->base.path, summary), "a.j:failed b.j:failed z.j:failed");
    expect_merged(f->base.path, f->b, 0, 2, 0);
    assert_string_equal(value_of(f->base.path, summary), "a.j:done b.j:done z.j:failed");
    char *before = every_byte(f->base.path);
    expect_merged(f->base.path, f->a, 0, 0, 3); /* nothing fails again */
    expect_unchanged(f->base.path, before);
    merge(f->whole, f->b); /* the other way round */
    merge(f->whole, f->a);
    assert_string_equal(value_of(f->whole, summary), "a.j:done b.j:done z.j:failed");
}

static void figures_of_a_whole_run_are_formed_anew_or_dropped(void **state)
{
    const files *f = *state;
    make_run(f->a, "bc"); /* auprc 1/8 and 2/8 */
    make_run(f->b, "f");  /* 5/8 */
    run_plain(f->a, "INSERT INTO metric VALUES (1, NULL, NULL, 'auprc', 'ultra', NULL, 0.1875), (1, NULL, NULL, 'pooled_acc', 'ultra', NULL, 0.5)");
    run_plain(f->b, "INSERT INTO metric VALUES (1, NULL, NULL, 'auprc', 'ultra', NULL, 0.625), (1, NULL, NULL, 'pooled_acc', 'ultra', NULL, 0.25)");
    run_plain(f->a, "INSERT INTO metric VALUES (1, 1, 1, 'faithfulness_gap', 'ultra', NULL, 0.5), (1, NULL, NULL, 'faithfulness_share', 'ultra', NULL, 1)");
    run_plain(f->b, "INSERT INTO metric VALUES (1, 1, 1, 'faithfulness_gap', 'ultra', NULL, -0.5), (1, NULL, NULL, 'faithfulness_share', 'ultra', NULL, 0)");
    merge(f->base.path, f->a);
    assert_string_equal(value_of(f->base.path, "SELECT count(*) || ' ' || sum(value) FROM metric WHERE sequence_id IS NULL"), "3 1.6875");
    uvk_db_merged done = merge(f->base.path, f->b);
    assert_int_equal(done.dropped, 1);
    assert_string_equal(value_of(f->base.path, "SELECT group_concat(name || round(value, 9)) FROM metric WHERE sequence_id IS NULL"),
                        "auprc0.333333333,faithfulness_share0.5");
    char *before = every_byte(f->base.path);
    assert_int_equal(merge(f->base.path, f->a).dropped, 0);
    expect_unchanged(f->base.path, before);
}

/* ---- Older files -------------------------------------------------------------------------------------------------------- */

static void a_file_of_version_1_is_merged_and_left_alone(void **state)
{
    static const uvk_schema_step steps[] = {{uvk_schema_1, NULL}};
    const files *f = *state;
    uvk_error err;
    uvk_db *db;
    assert_ok(uvk_sql_open(f->a, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, &err), &err);
    assert_ok(uvk_schema_migrate(db, steps, 1, &err), &err);
    uvk_db_close(db);
    run_plain(f->a,
        "INSERT INTO model VALUES (1, 'tiny', 'vit', 'vision', 'm', 12, 3, 192, 'models/tiny');"
        "INSERT INTO input VALUES (1, 'image', 'cat.jpg', 'cat.jpg', 'abc', 64, 48, NULL, NULL);"
        "INSERT INTO run (id, key, model_id, layer, started_at, status, contributions) VALUES"
        " (1, '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 1, 13, 'now', 'done', 1);"
        "INSERT INTO run_input (run_id, input_id, status) VALUES (1, 1, 'done'); INSERT INTO sequence VALUES (1, 1, 1, 'key', NULL, '{}');"
        "INSERT INTO token (sequence_id, idx, kind, role) VALUES (1, 0, 'special', 'special'), (1, 1, 'patch', 'image');"
        "INSERT INTO map (id, run_id, sequence_id, target_idx, entropy, scores) VALUES (1, 1, 1, 1, 0.5, x'0000803f0000803f');"
        "INSERT INTO contribution VALUES (1, 1, 1.0)");
    expect_merged(f->base.path, f->a, 1, 1, 0);
    assert_string_equal(value_of(f->base.path, "SELECT entropy || hex(scores) || (output_idx IS NULL) FROM map"), "0.50000803F0000803F1");
    assert_string_equal(value_of(f->a, "PRAGMA user_version"), "1");
}

/* ---- Hostile files ------------------------------------------------------------------------------------------------------ */

static void refuse(const char *to, const char *from, const char *reason)
{
    uvk_error err;
    uvk_db_merged done;
    bool there = access(to, F_OK) == 0;
    char *before = there ? every_byte(to) : NULL;
    assert_fails(uvk_db_merge(to, from, NULL, NULL, &done, &err), &err, UVK_BAD_INPUT, reason);
    assert_int_equal(err.status, UVK_BAD_INPUT);
    if (there)
        expect_unchanged(to, before);
    else
        assert_int_not_equal(access(to, F_OK), 0);
}

static void what_is_no_results_database_is_refused(void **state)
{
    const files *f = *state;
    char text[128];
    snprintf(text, sizeof text, "%s/text.db", f->base.folder);
    FILE *out = fopen(text, "w");
    fputs("this is a text and no database, although its name says so", out);
    fclose(out);
    refuse(f->base.path, f->whole, "No such file");
    refuse(f->base.path, f->base.folder, f->base.folder);
    refuse(f->base.path, text, "not a database");
    run_plain(f->b, "CREATE TABLE run (id)");
    refuse(f->base.path, f->b, "another program's");
    make_run(f->a, "ab");
    refuse(f->a, f->a, "is the database that is merged into");
    run_plain(f->a, "PRAGMA user_version = 99");
    refuse(f->base.path, f->a, "newer ultravk");
}

/* Each spoils one thing of an otherwise good file, past every constraint. */
static void what_is_made_up_is_refused(void **state)
{
    static const struct { const char *sql, *reason; } cases[] = {
        {"UPDATE map SET scores = x'00' WHERE id = 7", "map 7 holds no row of 13 finite numbers"},
        {"UPDATE map SET scores = 'text of just fifty-two bytes, which is as long as a row' WHERE id = 7", "map 7"},
        {"UPDATE map SET scores = zeroblob(48) || x'0000807f' WHERE id = 7", "map 7"},
        {"UPDATE map SET scores = CAST(zeroblob(48) || x'0000c0ff' AS BLOB) WHERE id = 7", "map 7"},
        {"UPDATE run SET key = 'k'", "no key of 64"},
        {"UPDATE run SET key = key || '$'", "no key of 64"},
        {"UPDATE map SET target_idx = 99 WHERE id = 7", "FOREIGN KEY"},
        {"DELETE FROM token WHERE idx = 5", "gap in their numbers"},
        {"DELETE FROM token", "no tokens"},
        {"UPDATE run SET model_id = 99", "run 1 has no model"},
        {"UPDATE tcs SET source_idx = source_idx + 50", "FOREIGN KEY"},
        {"UPDATE run_input SET status = 'fine'", "CHECK"},
        {"DROP VIEW v_map; DROP VIEW v_contribution; DROP VIEW v_context_contribution; DROP VIEW v_word_contribution; DROP VIEW v_run; DROP VIEW v_modality;"
         "ALTER TABLE map RENAME TO real_map; CREATE VIEW map AS SELECT * FROM real_map", "not as ultravk makes it"},
        {"ALTER TABLE model ADD COLUMN more AS (hex(zeroblob(1000000000)))", "table model is not as ultravk makes it"},
        {"PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE input (id, name)' WHERE name = 'input'", "f->a"},
    };
    const files *f = *state;
    make_run(f->base.path, "xy");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[1024];
        unlink(f->a);
        make_run(f->a, "abc");
        snprintf(sql, sizeof sql, "PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0; %s", cases[i].sql);
        run_plain(f->a, sql);
        refuse(f->base.path, f->a, strcmp(cases[i].reason, "f->a") == 0 ? f->a : cases[i].reason);
    }
}

/* Damage at the end is met when much has been taken over already. */
static void a_damaged_file_leaves_nothing(void **state)
{
    const files *f = *state;
    make_run(f->base.path, "xy");
    make_run(f->a, "abcdefgh");
    struct stat info;
    assert_int_equal(stat(f->a, &info), 0);
    assert_int_equal(truncate(f->a, info.st_size - 8192), 0);
    refuse(f->base.path, f->a, f->a);
    FILE *file = fopen(f->b, "w"); /* and of zeros */
    assert_int_equal(ftruncate(fileno(file), 8192), 0);
    fclose(file);
    refuse(f->base.path, f->b, f->b);
}

static void hostile_text_stays_as_it_is(void **state)
{
    const files *f = *state;
    make_run(f->a, "ab");
    run_plain(f->a, "UPDATE run SET label = 'x''; DROP TABLE map; --' || char(27) || '[2J', command = CAST(x'ff00fe' AS TEXT);"
                    "UPDATE input SET text = '=cmd|''/c calc''!A1' || char(10, 8238) || '<script>', name = char(9) || name || '\"'");
    merge(f->base.path, f->a);
    expect_contents(f->base.path, f->a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_files, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_merge_into_nothing_is_a_copy),
        TEST(merging_twice_changes_nothing),
        TEST(shards_answer_every_query_as_one_run_does),
        TEST(a_run_done_elsewhere_stays_a_run_of_its_own),
        TEST(runs_of_one_file_are_not_mixed),
        TEST(an_interrupted_shard_is_completed),
        TEST(what_failed_once_and_is_done_now_is_done),
        TEST(figures_of_a_whole_run_are_formed_anew_or_dropped),
        TEST(a_file_of_version_1_is_merged_and_left_alone),
        TEST(what_is_no_results_database_is_refused),
        TEST(what_is_made_up_is_refused),
        TEST(a_damaged_file_leaves_nothing),
        TEST(hostile_text_stays_as_it_is),
    };
    return cmocka_run_group_tests_name("db: merge", tests, NULL, NULL);
}
