/* Runs: keys that stay, runs that are resumed, pruning that leaves nothing. */
#include "test_db.h"

/* ---- Runs ------------------------------------------------------------------------------------------------------------- */

static void the_key_depends_on_model_probe_and_params_alone(void **state)
{
    (void)state;
    char key[65], other[65];
    uvk_db_run run = {.model_sha256 = "abc", .probe = "explain", .params = "{\"layer\":13}"};
    uvk_db_run_key(&run, key);
    /* printf 'abc\0explain\0{"layer":13}\0' | sha256sum */
    assert_string_equal(key, "918936c8ba26a86408d27cd449a6b4cd3646f8d924869c9a0c483ef547cd5d81");
    run.label = "again", run.device = "other", run.seed = 9;
    uvk_db_run_key(&run, other);
    assert_string_equal(key, other);
    run.model_sha256 = "abcexplain", run.probe = "";
    uvk_db_run_key(&run, other);
    assert_string_not_equal(key, other);
}

static void a_run_is_resumed_or_begun_again(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision");
    assert_int_equal(put_model(db, "m", "vision"), model);
    int64_t first = start_run(db, model, "{}", true); /* nothing to resume: a new one */
    assert_ok(uvk_db_finish_run(db, first, "interrupted", &err), &err);
    assert_string_equal(value_of(t->path, "SELECT status || (finished_at IS NOT NULL) FROM run"), "interrupted1");
    assert_int_equal(start_run(db, model, "{}", true), first);
    assert_string_equal(value_of(t->path, "SELECT status || (finished_at IS NOT NULL) FROM run"), "running0");
    int64_t second = start_run(db, model, "{}", false), third = start_run(db, model, "{}", false);
    assert_int_equal(number_of(t->path, "SELECT count(DISTINCT substr(key, 1, 64)) FROM run"), 1);
    assert_string_equal(value_of(t->path, "SELECT group_concat(substr(key, 65)) FROM run"), ",#2,#3");
    assert_int_not_equal(start_run(db, model, "{\"x\":1}", true), third);
    assert_int_equal(start_run(db, model, "{}", true), third); /* the latest */
    assert_ok(uvk_db_prune(db, second, &err), &err);
    start_run(db, model, "{}", false);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM run WHERE key LIKE '%#4'"), 1); /* a key is never used twice */
    assert_fails(uvk_db_finish_run(db, 999, "done", &err), &err, UVK_FAILED, "run 999 was removed");
    assert_fails(uvk_db_finish_run(db, third, "elsewhere", &err), &err, UVK_FAILED, "CHECK");
    uvk_db_close(db);
}

/* SQLite gives the largest number that was freed to the next row. */
static void a_number_that_went_to_another_run_is_not_ours(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path), *other = open_db(t->path);
    int64_t run = start_run(db, put_model(db, "m", "vision"), "{}", false);
    assert_ok(uvk_db_prune(other, run, &err), &err);
    int64_t model = put_model(other, "m", "vision");
    sqlite3_sleep(3);
    assert_int_equal(start_run(other, model, "{}", false), run);
    write_and_free(other, make_sample(run, model, "cat.jpg", 13, 4, 5));
    sample *s = make_sample(run, model, "dog.jpg", 13, 4, 5);
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "run 1 was removed");
    free(s);
    assert_fails(uvk_db_average_metrics(db, run, &err), &err, UVK_FAILED, "run 1 was removed");
    assert_fails(uvk_db_finish_run(db, run, "done", &err), &err, UVK_FAILED, "run 1 was removed");
    assert_string_equal(value_of(t->path, "SELECT status FROM run"), "running");
    assert_string_equal(value_of(t->path, "SELECT group_concat(name) FROM input"), "cat.jpg");
    run_plain(t->path, "UPDATE run SET started_at = '2000-01-01T00:00:00.000Z'"); /* as merge may */
    assert_ok(uvk_db_finish_run(other, run, "done", &err), &err);
    assert_ok(uvk_db_prune(other, run, &err), &err);
    run = start_run(other, put_model(other, "m", "vision"), "{}", false); /* and to one that began earlier */
    run_plain(t->path, "UPDATE run SET key = replace(hex(zeroblob(32)), '0', 'f')");
    assert_fails(uvk_db_finish_run(other, run, "done", &err), &err, UVK_FAILED, "run 1 was removed");
    uvk_db_close(db);
    uvk_db_close(other);
}

static bool is_done(uvk_db *db, int64_t run, const char *sha256, const char *name)
{
    uvk_error err;
    bool done = false;
    assert_ok(uvk_db_input_done(db, run, sha256, name, &done, &err), &err);
    return done;
}

static void what_is_done_is_known(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false), other = start_run(db, model, "{}", false);
    sample *s = make_sample(run, model, "cat.jpg", 5, 2, 1);
    assert_false(is_done(db, run, "abc", "cat.jpg"));
    assert_ok(uvk_db_write_failure(db, run, &s->result.input, "failed", "cat.jpg: truncated", NULL, &err), &err);
    assert_false(is_done(db, run, "abc", "cat.jpg"));
    assert_string_equal(value_of(t->path, "SELECT status || ' ' || error FROM run_input"), "failed cat.jpg: truncated");
    write_ok(db, s);
    assert_true(is_done(db, run, "abc", "cat.jpg"));
    assert_false(is_done(db, other, "abc", "cat.jpg"));
    assert_false(is_done(db, run, "abd", "cat.jpg"));
    assert_ok(uvk_db_write_failure(db, run, &s->result.input, "skipped", "again", NULL, &err), &err);
    assert_true(is_done(db, run, "abc", "cat.jpg"));
    assert_string_equal(value_of(t->path, "SELECT status || ifnull(error, '') FROM run_input"), "done");
    free(s);
    uvk_db_close(db);
}

static void a_missing_file_that_comes_back_is_no_failure_any_more(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    uvk_db_input missing = {.name = "cat.jpg", .path = "photos/cat.jpg"};
    assert_ok(uvk_db_write_failure(db, run, &missing, "failed", "no such file", NULL, &err), &err);
    assert_ok(uvk_db_write_failure(db, run, &missing, "failed", "no such file", NULL, &err), &err);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM run_input WHERE status = 'failed'"), 1);
    write_and_free(db, make_sample(run, model, "cat.jpg", 5, 2, 1));
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM run_input WHERE status = 'failed'"), 0);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM input"), 1);
    uvk_db_close(db);
}

/* ---- Pruning ---------------------------------------------------------------------------------------------------------- */

/* Rows in the tables that later probes fill, of one run and the sequence of one input. */
static void fill_the_rest(const char *path, int64_t run)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
        "PRAGMA foreign_keys = ON;"
        "INSERT INTO segment (run_id, sequence_id, cluster, n_tokens) VALUES (%lld, 1, 0, 2);"
        "INSERT INTO segment_token VALUES (%lld, 1, 0, 1), (%lld, 1, 0, 2);"
        "INSERT INTO merge_step VALUES (%lld, 1, 0, 1, 2, 0.5, 2);"
        "INSERT INTO tcs VALUES (%lld, 1, 1, 0.5, 1);"
        "INSERT INTO metric VALUES (%lld, 1, NULL, 'faithfulness_gap', 'ultra', NULL, 0.5), (%lld, NULL, NULL, 'u_acc', 'ultra', NULL, 0.5)",
        (long long)run, (long long)run, (long long)run, (long long)run, (long long)run, (long long)run, (long long)run);
    run_plain(path, sql);
}

static void assert_empty(const char *path)
{
    static const char *const tables[] = {"model", "input", "run", "run_input", "sequence", "token", "word", "map", "contribution",
        "segment", "segment_token", "merge_step", "tcs", "metric"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", tables[i]);
        if (number_of(path, sql) != 0)
            fail_msg("%s is not empty", tables[i]);
    }
}

static void pruning_leaves_nothing_of_a_run_and_all_of_others(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision");
    int64_t one = start_run(db, model, "{}", false), two = start_run(db, model, "{}", false);
    write_and_free(db, make_sample(one, model, "cat.jpg", 13, 4, 5));
    write_and_free(db, make_sample(two, model, "cat.jpg", 13, 4, 5));
    write_and_free(db, make_sample(one, model, "dog.jpg", 13, 4, 5));
    uvk_db_input missing = {.name = "none.jpg"};
    assert_ok(uvk_db_write_failure(db, one, &missing, "failed", "no such file", NULL, &err), &err);
    fill_the_rest(t->path, one);
    fill_the_rest(t->path, two);
    run_plain(t->path, "INSERT INTO word VALUES (1, 0, 0, 0, 3, 'cat', 'context')");

    assert_fails(uvk_db_prune(db, 99, &err), &err, UVK_BAD_INPUT, "no run 99");
    assert_ok(uvk_db_prune(db, one, &err), &err);
    assert_sound(t->path);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), 5);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution"), 60);
    assert_string_equal(value_of(t->path, "SELECT group_concat(name) FROM input"), "cat.jpg");
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM token"), 13);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM segment_token"), 2);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM metric"), 2);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM word"), 1);
    assert_ok(uvk_db_prune(db, two, &err), &err);
    assert_sound(t->path);
    assert_empty(t->path);
    assert_fails(uvk_db_write_failure(db, two, &missing, "failed", "no such file", NULL, &err), &err, UVK_FAILED, "run 2 was removed");
    assert_fails(uvk_db_write_run_metrics(db, two, NULL, 0, &err), &err, UVK_FAILED, "run 2 was removed");
    assert_empty(t->path);
    uvk_db_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_key_depends_on_model_probe_and_params_alone),
        TEST(a_run_is_resumed_or_begun_again),
        TEST(a_number_that_went_to_another_run_is_not_ours),
        TEST(what_is_done_is_known),
        TEST(a_missing_file_that_comes_back_is_no_failure_any_more),
        TEST(pruning_leaves_nothing_of_a_run_and_all_of_others),
    };
    return cmocka_run_group_tests_name("db: runs", tests, NULL, NULL);
}
