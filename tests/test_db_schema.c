/* The schema is what INTERFACE says, files of other programs and of newer versions are refused, older ones are migrated. */
#include "test_db.h"

#include "schema.h"

#include <fcntl.h>
#include <sys/wait.h>

static const struct { const char *table, *columns; } promised[] = {
    {"model", "id name family modality sha256 layers heads width path"},
    {"input", "id kind name path sha256 width height n_chars text"},
    {"run", "id key label probe model_id layer first_block scalar product_order normalize own_token precision params command device "
            "driver version seed started_at finished_at status"},
    {"run_input", "run_id input_id status error device seconds_forward seconds_backward gflop peak_bytes"},
    {"sequence", "id model_id input_id key text_out params"},
    {"token", "sequence_id idx side kind role word_idx text grid_row grid_col x0 y0 x1 y1 char_start char_end"},
    {"word", "sequence_id idx role sentence char_start char_end text"},
    {"map", "id run_id sequence_id target_idx output_idx n_sources n_visible score_min score_max score_sum self_score special_share entropy gini "
            "effective_tokens top10_share locality scores"},
    {"contribution", "map_id source_idx score"},
    {"segment", "run_id sequence_id cluster n_tokens area x0 y0 x1 y1 class_id class_name iou"},
    {"segment_token", "run_id sequence_id cluster token_idx"},
    {"merge_step", "run_id sequence_id step a b height size"},
    {"tcs", "run_id sequence_id source_idx score share"},
    {"metric", "run_id sequence_id target_idx name method k value"},
};

static void every_promised_column_is_there(void **state)
{
    const scratch *s = *state;
    uvk_db_close(open_db(s->path));
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
        char columns[512], sql[256];
        strcpy(columns, promised[i].columns);
        for (char *column = strtok(columns, " "); column; column = strtok(NULL, " ")) {
            snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'", promised[i].table, column);
            if (number_of(s->path, sql) != 1)
                fail_msg("%s.%s is missing", promised[i].table, column);
        }
    }
}

static void views_can_be_read(void **state)
{
    static const char *const views[] = {"v_contribution", "v_map", "v_tcs_word", "v_run", "v_faithfulness", "v_modality",
        "v_context_contribution", "v_word_contribution", "v_tcs_sentence"};
    const scratch *s = *state;
    uvk_db_close(open_db(s->path));
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT * FROM %s)", views[i]);
        assert_int_equal(number_of(s->path, sql), 0);
    }
}

/* The parent of every foreign key is looked for by an index, and so are its children: deletes stay fast. */
static void foreign_keys_are_declared_and_indexed(void **state)
{
    const scratch *s = *state;
    uvk_db_close(open_db(s->path));
    assert_int_equal(number_of(s->path, "SELECT count(DISTINCT t.name) FROM sqlite_master t, pragma_foreign_key_list(t.name)"
                                        " WHERE t.type = 'table'"), 12);
    const char *unindexed = "SELECT count(*) FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table'"
        " AND f.seq = 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) AS x, pragma_index_info(x.name) AS c"
        " WHERE c.seqno = 0 AND c.name = f.\"from\")";
    assert_int_equal(number_of(s->path, unindexed), 0);
}

static void a_file_is_created_in_wal_mode_with_version_2(void **state)
{
    const scratch *s = *state;
    uvk_db_close(open_db(s->path));
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "2");
    assert_string_equal(value_of(s->path, "PRAGMA journal_mode"), "wal");
    uvk_db_close(open_db(s->path)); /* again: nothing to do */
    assert_sound(s->path);
}

static void a_newer_file_is_refused(void **state)
{
    const scratch *s = *state;
    uvk_error err;
    uvk_db *db = NULL;
    uvk_db_close(open_db(s->path));
    run_plain(s->path, "PRAGMA user_version = 3");
    assert_fails(uvk_db_open(s->path, NULL, NULL, &db, &err), &err, UVK_FAILED, "newer");
    assert_null(db);
    assert_fails(uvk_db_query(s->path, "SELECT 1", UVK_DB_TABLE, stdout, &err), &err, UVK_BAD_INPUT, "newer");
}

static void a_file_of_another_program_is_left_alone(void **state)
{
    const scratch *s = *state;
    uvk_error err;
    uvk_db *db = NULL;
    run_plain(s->path, "CREATE TABLE bookmarks (url TEXT)");
    assert_fails(uvk_db_open(s->path, NULL, NULL, &db, &err), &err, UVK_FAILED, "not an ultravk database");
    assert_fails(uvk_db_query(s->path, "SELECT 1", UVK_DB_TABLE, stdout, &err), &err, UVK_BAD_INPUT, "not an ultravk database");
    run_plain(s->path, "PRAGMA user_version = 1"); /* many programs number their schema so */
    assert_fails(uvk_db_open(s->path, NULL, NULL, &db, &err), &err, UVK_FAILED, "not an ultravk database");
    assert_int_equal(number_of(s->path, "SELECT count(*) FROM sqlite_master"), 1);
    assert_string_equal(value_of(s->path, "PRAGMA journal_mode"), "delete");
}

static void what_is_no_database_is_refused(void **state)
{
    const scratch *s = *state;
    char missing[128];
    uvk_error err;
    uvk_db *db = NULL;
    FILE *file = fopen(s->path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("not a database\n", file);
    fclose(file);
    assert_fails(uvk_db_open(s->path, NULL, NULL, &db, &err), &err, UVK_FAILED, "results.db: file is not a database");
    assert_fails(uvk_db_query(s->path, "SELECT 1", UVK_DB_TABLE, stdout, &err), &err, UVK_BAD_INPUT, "results.db: file is not a database");
    assert_fails(uvk_db_open(s->folder, NULL, NULL, &db, &err), &err, UVK_FAILED, s->folder);
    snprintf(missing, sizeof missing, "%s/no/results.db", s->folder);
    assert_fails(uvk_db_open(missing, NULL, NULL, &db, &err), &err, UVK_FAILED, "unable to open");
}

/* Names that SQLite would read as something else are file names here. */
static void a_name_is_a_name(void **state)
{
    const scratch *s = *state;
    char before[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(s->folder), 0);
    static const char *const names[] = {":memory:", "file:x?mode=memory", "a b%20c#d.db"};
    for (size_t i = 0; i < 3; i++) {
        uvk_db_close(open_db(names[i]));
        assert_int_equal(access(names[i], F_OK), 0);
    }
    assert_int_equal(chdir(before), 0);
}

/* ---- Migration: the mechanism, on steps made up for it --------------------------------------------------------------- */

static const char *const first[] = {"CREATE TABLE a (x)", "INSERT INTO a VALUES (1), (2)", NULL};
static const char *const second[] = {"ALTER TABLE a ADD COLUMN y DEFAULT 5", NULL};
static const char *const second_views[] = {"CREATE TEMP VIEW a AS SELECT x, 5 AS y FROM main.a", NULL};
static const char *const broken[] = {"ALTER TABLE a ADD COLUMN z", "INSERT INTO nowhere VALUES (1)", NULL};

static uvk_db *open_plain(const char *path, int flags)
{
    uvk_error err;
    uvk_db *db;
    assert_ok(uvk_sql_open(path, flags, &db, &err), &err);
    return db;
}

static void older_files_are_migrated_step_by_step(void **state)
{
    const scratch *s = *state;
    static const uvk_schema_step steps[] = {{first, NULL}, {second, second_views}, {broken, NULL}};
    uvk_error err;
    uvk_db *db = open_plain(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    assert_ok(uvk_schema_migrate(db, steps, 1, &err), &err);
    assert_ok(uvk_schema_migrate(db, steps, 1, &err), &err);
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "1");
    assert_ok(uvk_schema_migrate(db, steps, 2, &err), &err);
    assert_string_equal(value_of(s->path, "SELECT sum(x) * 10 + sum(y) FROM a"), "40");
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "2");
    assert_fails(uvk_schema_migrate(db, steps, 3, &err), &err, UVK_FAILED, "nowhere"); /* nothing of a step that fails stays */
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "2");
    assert_int_equal(number_of(s->path, "SELECT count(*) FROM pragma_table_info('a')"), 2);
    assert_fails(uvk_schema_migrate(db, steps, 1, &err), &err, UVK_FAILED, "newer");
    uvk_db_close(db);
}

static void older_files_are_read_through_views(void **state)
{
    const scratch *s = *state;
    static const uvk_schema_step steps[] = {{first, NULL}, {second, second_views}};
    uvk_error err;
    int64_t sum = 0;
    uvk_db *db = open_plain(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    assert_ok(uvk_schema_migrate(db, steps, 1, &err), &err);
    uvk_db_close(db);
    db = open_plain(s->path, SQLITE_OPEN_READONLY);
    assert_ok(uvk_schema_show(db, steps, 2, &err), &err);
    assert_ok(uvk_sql_get(db, "SELECT sum(x) * 10 + sum(y) FROM a", NULL, 0, &sum, &err), &err);
    assert_int_equal(sum, 40);
    uvk_db_close(db);
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "1");
}

/* ---- A file of version 1 ---------------------------------------------------------------------------------------------- */

/* As version 1 left it: a photo with one map of three tokens. */
static void make_version_1(const char *path)
{
    static const uvk_schema_step steps[] = {{uvk_schema_1, NULL}};
    uvk_error err;
    uvk_db *db = open_plain(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    assert_ok(uvk_schema_migrate(db, steps, 1, &err), &err);
    uvk_db_close(db);
    run_plain(path,
        "INSERT INTO model VALUES (1, 'tiny', 'vit', 'vision', 'm', 12, 3, 192, 'models/tiny');"
        "INSERT INTO input VALUES (1, 'image', 'cat.jpg', 'cat.jpg', 'abc', 64, 48, NULL, NULL);"
        "INSERT INTO run (id, key, model_id, layer, started_at, status, contributions) VALUES (1, 'k', 1, 13, 'now', 'done', 2);"
        "INSERT INTO run_input (run_id, input_id, status) VALUES (1, 1, 'done');"
        "INSERT INTO sequence VALUES (1, 1, 1, 'key', NULL, '{}');"
        "INSERT INTO token (sequence_id, idx, kind, role, text, grid_row, grid_col) VALUES (1, 0, 'special', 'special', 'cls', NULL, NULL),"
        " (1, 1, 'patch', 'image', NULL, 0, 0), (1, 2, 'patch', 'image', NULL, 0, 1);"
        "INSERT INTO map (id, run_id, sequence_id, target_idx, score_sum, entropy, scores)"
        " VALUES (1, 1, 1, 2, 4, 0.5, x'0000803f0000803f00004040');"
        "INSERT INTO contribution VALUES (1, 1, 1.0), (1, 2, 3.0);");
}

static const char seen[] =
    "SELECT (SELECT group_concat(source_col || ':' || score || ':' || share) FROM v_contribution WHERE target_output IS NULL) || ' '"
    " || (SELECT entropy || ':' || target_col || ':' || target_idx FROM v_map WHERE target_word IS NULL) || ' '"
    " || (SELECT count(*) FROM map WHERE output_idx IS NULL) || (SELECT count(*) FROM word WHERE role IS NULL)"
    " || (SELECT count(*) FROM v_word_contribution) || (SELECT count(*) FROM v_tcs_sentence) AS seen";
static const char as_seen[] = "0:1.0:0.25,1:3.0:0.75 0.5:1:2 1000";

static void expect_seen(const char *path)
{
    uvk_error err;
    char text[256] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_ok(uvk_db_query(path, seen, UVK_DB_JSONL, out, &err), &err);
    fclose(out);
    if (!strstr(text, as_seen))
        fail_msg("%s", text);
}

static void a_file_of_version_1_is_read_as_it_is(void **state)
{
    const scratch *s = *state;
    make_version_1(s->path);
    assert_int_equal(chmod(s->path, 0444), 0);
    expect_seen(s->path);
    uvk_error err;
    FILE *out = fopen("/dev/null", "w");
    int n;
    const uvk_db_named *queries = uvk_db_named_queries(&n);
    for (int i = 0; i < n; i++) {
        required_params needed = fill_required(queries[i].parameters, "cat.jpg");
        assert_ok(uvk_db_query_named(s->path, queries[i].name, needed.list, needed.count, UVK_DB_CSV, out, &err), &err);
    }
    fclose(out);
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "1");
}

static void a_file_of_version_1_is_migrated_by_a_writer(void **state)
{
    const scratch *s = *state;
    make_version_1(s->path);
    uvk_db *db = open_db(s->path);
    assert_string_equal(value_of(s->path, "PRAGMA user_version"), "2");
    expect_seen(s->path);
    int64_t model = put_model(db, "t", "text");
    write_and_free(db, make_sample(start_run(db, model, "{}", false), model, "report.txt", 5, 2, 2));
    uvk_db_close(db);
    assert_int_equal(number_of(s->path, "SELECT count(*) FROM map"), 3);
    assert_sound(s->path);
}

static void processes_that_create_at_once_all_succeed(void **state)
{
    const scratch *s = *state;
    enum { CHILDREN = 6 };
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        if ((children[i] = fork()) == 0) {
            uvk_db *db;
            uvk_error err;
            uvk_status status = uvk_db_open(s->path, NULL, NULL, &db, &err);
            if (status == UVK_OK)
                uvk_db_close(db);
            else
                fprintf(stderr, "%s\n", err.message);
            _exit(status);
        }
    for (int i = 0; i < CHILDREN; i++) {
        int code;
        assert_int_equal(waitpid(children[i], &code, 0), children[i]);
        assert_int_equal(code, 0);
    }
    assert_sound(s->path);
}

/* ---- Where WAL cannot work, or nothing can be written ---------------------------------------------------------------- */

static void count_warning(void *user, const char *line)
{
    assert_non_null(strstr(line, "write-ahead log"));
    ++*(int *)user;
}

static void without_shared_memory_a_rollback_journal_serves(void **state)
{
    const scratch *s = *state;
    int warnings = 0;
    uvk_error err;
    uvk_db *db;
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    assert_int_equal(sqlite3_vfs_register(sqlite3_vfs_find("unix-dotfile"), 1), SQLITE_OK); /* knows no shared memory */
    uvk_status status = uvk_db_open(s->path, count_warning, &warnings, &db, &err);
    if (status == UVK_OK) {
        put_model(db, "m", "vision");
        uvk_db_close(db);
    }
    assert_int_equal(sqlite3_vfs_register(usual, 1), SQLITE_OK);
    assert_ok(status, &err);
    assert_int_equal(warnings, 1);
    assert_string_equal(value_of(s->path, "PRAGMA journal_mode"), "delete");
    assert_int_equal(number_of(s->path, "SELECT count(*) FROM model"), 1);
}

/* ---- A file system on which processes share no memory ------------------------------------------------------------------ */

static sqlite3_vfs alone;
static const sqlite3_vfs *beneath;
static sqlite3_io_methods alone_methods;

static int fail_to_share(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    (void)file, (void)page, (void)size, (void)extend;
    *out = NULL;
    return SQLITE_IOERR_SHMMAP;
}

static int open_alone(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int code = beneath->xOpen((sqlite3_vfs *)beneath, name, file, flags, out);
    if (code == SQLITE_OK && file->pMethods->iVersion > 1 && (flags & SQLITE_OPEN_MAIN_DB)) {
        alone_methods = *file->pMethods;
        alone_methods.xShmMap = fail_to_share;
        file->pMethods = &alone_methods;
    }
    return code;
}

static void make_wal(const char *vfs, const char *path)
{
    sqlite3 *sqlite;
    assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, "PRAGMA journal_mode = WAL; SELECT 1 FROM sqlite_master", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void where_shared_memory_fails_a_rollback_journal_serves(void **state)
{
    static const char *const names[] = {"m", "n", "o"};
    const scratch *s = *state;
    int warnings = 0;
    uvk_error err;
    uvk_db *db = NULL;
    uvk_status statuses[3];
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    beneath = usual;
    alone = *usual;
    alone.zName = "alone";
    alone.xOpen = open_alone;
    assert_int_equal(sqlite3_vfs_register(&alone, 1), SQLITE_OK);
    for (int i = 0; i < 3; i++) { /* a new file, one that is there, one that was in WAL mode elsewhere */
        if (i == 2)
            make_wal(usual->zName, s->path);
        statuses[i] = uvk_db_open(s->path, count_warning, &warnings, &db, &err);
        if (statuses[i] == UVK_OK) {
            put_model(db, names[i], "vision");
            uvk_db_close(db);
        }
    }
    assert_int_equal(sqlite3_vfs_unregister(&alone), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(usual, 1), SQLITE_OK);
    assert_ok(statuses[0], &err);
    assert_ok(statuses[1], &err);
    assert_ok(statuses[2], &err);
    assert_int_equal(warnings, 3);
    assert_string_equal(value_of(s->path, "PRAGMA journal_mode"), "delete");
    assert_int_equal(number_of(s->path, "SELECT count(*) FROM model"), 3);
}

/* Permission bits do not stop root, so the child is somebody else then. */
static int open_as_nobody(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        uvk_db *db;
        uvk_error err = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        uvk_status status = uvk_db_open(path, NULL, NULL, &db, &err);
        if (status == UVK_OK)
            uvk_db_close(db);
        _exit(status == UVK_FAILED && strncmp(err.message, path, strlen(path)) == 0 ? 1 : 98);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    return WEXITSTATUS(code);
}

static void read_only_files_and_folders_are_refused(void **state)
{
    const scratch *s = *state;
    uvk_db_close(open_db(s->path));
    assert_int_equal(chmod(s->path, 0444), 0);
    assert_int_equal(open_as_nobody(s->path), 1);
    assert_int_equal(chmod(s->path, 0666), 0);
    assert_int_equal(chmod(s->folder, 0555), 0);
    assert_int_equal(open_as_nobody(s->path), 1);
    char fresh[128];
    snprintf(fresh, sizeof fresh, "%s/fresh.db", s->folder);
    assert_int_equal(open_as_nobody(fresh), 1);
    assert_int_equal(chmod(s->folder, 0777), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_promised_column_is_there),
        TEST(views_can_be_read),
        TEST(foreign_keys_are_declared_and_indexed),
        TEST(a_file_is_created_in_wal_mode_with_version_2),
        TEST(a_newer_file_is_refused),
        TEST(a_file_of_another_program_is_left_alone),
        TEST(what_is_no_database_is_refused),
        TEST(a_name_is_a_name),
        TEST(older_files_are_migrated_step_by_step),
        TEST(older_files_are_read_through_views),
        TEST(a_file_of_version_1_is_read_as_it_is),
        TEST(a_file_of_version_1_is_migrated_by_a_writer),
        TEST(processes_that_create_at_once_all_succeed),
        TEST(without_shared_memory_a_rollback_journal_serves),
        TEST(where_shared_memory_fails_a_rollback_journal_serves),
        TEST(read_only_files_and_folders_are_refused),
    };
    return cmocka_run_group_tests_name("db: schema", tests, NULL, NULL);
}
