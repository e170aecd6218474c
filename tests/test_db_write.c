/* Writing: whole or not at all, again and again, beside others and on a full disk. */
#include "test_db.h"

#include "sql.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* ---- One input ------------------------------------------------------------------------------------------------------- */

static void an_input_is_stored_as_given(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    sample *s = make_sample(run, model, "cat.jpg", 13, 4, 3);
    s->maps[2].entropy = (double)NAN;
    write_ok(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM token"), 13);
    assert_string_equal(value_of(t->path, "SELECT kind || ' ' || ifnull(grid_row, '-') || ' ' || ifnull(x0, '-') FROM token WHERE idx = 0"),
                        "special - -");
    assert_string_equal(value_of(t->path, "SELECT grid_row || ' ' || grid_col || ' ' || x1 || ' ' || ifnull(word_idx, '-') FROM token"
                                          " WHERE idx = 6"), "1 1 32.0 -");
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map WHERE locality IS NULL"), 3);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map WHERE entropy IS NULL"), 1);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution"), 36);
    assert_int_equal(number_of(t->path, "SELECT contributions FROM run"), 36);
    assert_string_equal(value_of(t->path, "SELECT status || ' ' || device || ' ' || seconds_backward || ' ' || peak_bytes FROM run_input"),
                        "done cpu 0.75 1048576");
    assert_string_equal(value_of(t->path, "SELECT n_chars IS NULL AND text IS NULL AND width = 64 FROM input"), "1");
    /* 1.0f in little-endian order is 00 00 80 3f */
    s->rows[0][0] = 1.0f;
    write_ok(db, s);
    assert_string_equal(value_of(t->path, "SELECT hex(substr(scores, 1, 4)) || ' ' || length(scores) FROM map WHERE target_idx = 1"),
                        "0000803F 52");
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution AS c JOIN v_contribution AS v USING (map_id, source_idx)"
                                        " WHERE c.score = v.score AND v.source_idx = 4 * v.source_row + v.source_col + 1"), 36);
    free(s);
    uvk_db_close(db);
    assert_sound(t->path);
}

static void writing_again_replaces(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    write_and_free(db, make_sample(run, model, "cat.jpg", 13, 4, 5));
    write_and_free(db, make_sample(run, model, "cat.jpg", 13, 4, 2));
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), 2);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution"), 24);
    assert_int_equal(number_of(t->path, "SELECT contributions FROM run"), 24);
    /* seen otherwise: the old sequence is nobody's any more */
    sample *s = make_sample(run, model, "cat.jpg", 5, 2, 1);
    s->result.sequence.key = "32x32";
    write_and_free(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM sequence"), 1);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM token"), 5);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM run_input"), 1);
    uvk_db_close(db);
    assert_sound(t->path);
}

static void runs_share_a_sequence(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision");
    int64_t one = start_run(db, model, "{\"layer\":12}", false), two = start_run(db, model, "{\"layer\":13}", false);
    write_and_free(db, make_sample(one, model, "cat.jpg", 13, 4, 5));
    write_and_free(db, make_sample(two, model, "cat.jpg", 13, 4, 5));
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM sequence"), 1);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM token"), 13);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), 10);
    /* the same photo under another name is another input */
    write_and_free(db, make_sample(two, model, "cat2.jpg", 13, 4, 5));
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM input"), 2);
    uvk_db_close(db);
}

static void hostile_text_is_kept_as_it_is(void **state)
{
    static const char hostile[] = "a'; DROP TABLE map; --\n\"<script>\x1b[31m\xe2\x80\xae.jpg";
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    sample *s = make_sample(run, model, hostile, 5, 2, 1);
    s->tokens[1].text = hostile;
    s->result.input.text = hostile;
    write_and_free(db, s);
    assert_string_equal(value_of(t->path, "SELECT name FROM input"), hostile);
    assert_string_equal(value_of(t->path, "SELECT text FROM input"), hostile);
    assert_string_equal(value_of(t->path, "SELECT text FROM token WHERE idx = 1"), hostile);
    uvk_db_close(db);
}

/* ---- Whole or not at all ---------------------------------------------------------------------------------------------- */

/* Everything there is, as one number per table, so that a rollback can be seen to be complete. */
static const char everything[] =
    "SELECT (SELECT count(*) FROM input) || ' ' || (SELECT count(*) FROM run_input) || ' ' || (SELECT count(*) FROM sequence) || ' ' ||"
    " (SELECT count(*) FROM token) || ' ' || (SELECT count(*) FROM map) || ' ' || (SELECT total(score) FROM contribution) || ' ' ||"
    " (SELECT contributions FROM run)";

static void expect_refusal(uvk_db *db, const scratch *t, sample *s, const char *reason)
{
    uvk_error err;
    char before[256];
    strcpy(before, value_of(t->path, everything));
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, reason);
    assert_string_equal(value_of(t->path, everything), before);
    free(s);
}

static void a_result_that_fails_leaves_nothing(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    write_and_free(db, make_sample(run, model, "cat.jpg", 13, 4, 5));
    for (int again = 0; again < 2; again++) { /* a new input, then one that is there */
        const char *name = again ? "cat.jpg" : "dog.jpg";
        sample *s = make_sample(run, model, name, 13, 4, 12);
        s->rows[11][12] = NAN;
        expect_refusal(db, t, s, "the explanation of token 12 is not finite");
        s = make_sample(run, model, name, 13, 4, 12);
        s->rows[11][0] = -INFINITY; /* in the raw row only */
        expect_refusal(db, t, s, "not finite");
        s = make_sample(run, model, name, 13, 4, 12);
        s->maps[11].target = 3; /* twice */
        expect_refusal(db, t, s, "UNIQUE");
        s = make_sample(run, model, name, 13, 4, 12);
        s->maps[11].target = 99; /* no such token */
        expect_refusal(db, t, s, "FOREIGN KEY");
        s = make_sample(run + 1, model, name, 13, 4, 12); /* no such run */
        expect_refusal(db, t, s, "was removed");
        s = make_sample(run, model, name, 13, 4, 12);
        s->result.sequence.key = NULL;
        expect_refusal(db, t, s, "NOT NULL");
    }
    write_and_free(db, make_sample(run, model, "dog.jpg", 13, 4, 12)); /* the connection is still good */
    uvk_db_close(db);
    assert_sound(t->path);
}

static void write_until_killed(const char *path, int64_t model, int64_t run)
{
    uvk_db *db;
    if (uvk_db_open(path, NULL, NULL, &db, NULL) != UVK_OK)
        _exit(1);
    for (int i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof name, "photo%d.jpg", i % 40);
        sample *s = make_sample(run, model, name, 50, 7, 49);
        if (uvk_db_write(db, &s->result, NULL) != UVK_OK)
            _exit(1);
        free(s);
    }
}

/* New inputs in the first rounds, replaced ones in the later: each is there with all its maps, or not at all. Rounds grow longer, and on a
 * busy machine there are more of them until the first input is written. */
static void a_killed_writer_leaves_whole_inputs(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    uvk_db_close(db);
    for (int round = 0; round < 12 || (round < 100 && !number_of(t->path, "SELECT count(*) FROM run_input")); round++) {
        pid_t child = fork();
        if (child == 0)
            write_until_killed(t->path, model, run);
        struct timespec pause = {.tv_nsec = 15000000 + round * 7919000};
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        int code;
        assert_int_equal(waitpid(child, &code, 0), child);
        assert_true(WIFSIGNALED(code)); /* it did not fail by itself */
        assert_sound(t->path);
        assert_int_equal(number_of(t->path, "SELECT count(*) FROM map AS p WHERE (SELECT count(*) FROM contribution WHERE map_id = p.id) <> 49"), 0);
        assert_int_equal(number_of(t->path, "SELECT count(*) FROM sequence AS q WHERE (SELECT count(*) FROM token WHERE sequence_id = q.id) <> 50"
                                            " OR (SELECT count(*) FROM map WHERE sequence_id = q.id) <> 49"), 0);
        assert_int_equal(number_of(t->path, "SELECT (SELECT count(*) FROM run_input WHERE status = 'done') - (SELECT count(*) FROM sequence)"), 0);
        assert_int_equal(number_of(t->path, "SELECT contributions - (SELECT count(*) FROM contribution) FROM run"), 0);
    }
    assert_true(number_of(t->path, "SELECT count(*) FROM run_input") > 0);
}

/* A file that may grow to so many bytes, first as a limit of the process, then as one of the database. */
static void a_full_disk_keeps_what_was_finished(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    write_and_free(db, make_sample(run, model, "cat.jpg", 50, 7, 49));
    uvk_db_close(db);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 400000, .rlim_max = 400000};
        uvk_error err = {0};
        uvk_status status = UVK_OK;
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || uvk_db_open(t->path, NULL, NULL, &db, &err) != UVK_OK)
            _exit(99);
        for (int i = 0; status == UVK_OK && i < 200; i++) {
            char name[32];
            snprintf(name, sizeof name, "photo%d.jpg", i);
            sample *s = make_sample(run, model, name, 50, 7, 49);
            status = uvk_db_write(db, &s->result, &err);
            free(s);
        }
        uvk_db_close(db);
        _exit(strstr(err.message, "results.db: disk I/O error") ? status : 98);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(WEXITSTATUS(code), UVK_FAILED);
    assert_sound(t->path);
    assert_int_equal(number_of(t->path, "SELECT count(*) % 49 FROM map"), 0);

    uvk_error err;
    db = open_db(t->path);
    assert_int_equal(sqlite3_exec(db->sqlite, "PRAGMA max_page_count = 1", NULL, NULL, NULL), SQLITE_OK); /* as small as it is */
    sample *s = make_sample(run, model, "last.jpg", 200, 14, 199);
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "results.db: database or disk is full");
    assert_int_equal(sqlite3_exec(db->sqlite, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL), SQLITE_OK);
    write_and_free(db, s);
    uvk_db_close(db);
    assert_sound(t->path);
}

static void a_locked_file_is_told_clearly(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *holder = open_db(t->path), *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    assert_ok(uvk_sql_begin(holder, &err), &err);
    assert_int_equal(sqlite3_busy_timeout(db->sqlite, 20), SQLITE_OK);
    sample *s = make_sample(run, model, "cat.jpg", 5, 2, 1);
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "results.db: database is locked");
    assert_ok(uvk_sql_end(holder, UVK_OK, &err), &err);
    write_and_free(db, s);
    uvk_db_close(holder);
    uvk_db_close(db);
}

static int write_inputs(const char *path, int64_t model, int64_t run, int writer)
{
    uvk_db *db = open_db(path);
    for (int i = 0; i < 25; i++) {
        char name[32];
        snprintf(name, sizeof name, "photo%d-%d.jpg", writer, i);
        write_and_free(db, make_sample(run, model, name, 50, 7, 49));
    }
    uvk_db_close(db);
    return 0;
}

static int read_inputs(const char *path)
{
    FILE *out = fopen("/dev/null", "w");
    uvk_error err;
    uvk_status status = UVK_OK;
    for (int i = 0; status == UVK_OK && i < 40; i++)
        status = uvk_db_query(path, "SELECT count(*) FROM map; PRAGMA quick_check", UVK_DB_CSV, out, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    fclose(out);
    return status;
}

static void writers_and_readers_do_not_disturb_each_other(void **state)
{
    enum { WRITERS = 2, READERS = 3 };
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    uvk_db_close(db);
    pid_t children[WRITERS + READERS];
    for (int i = 0; i < WRITERS + READERS; i++)
        if ((children[i] = fork()) == 0)
            _exit(i < WRITERS ? write_inputs(t->path, model, run, i) : read_inputs(t->path));
    for (int i = 0; i < WRITERS + READERS; i++) {
        int code;
        assert_int_equal(waitpid(children[i], &code, 0), children[i]);
        assert_int_equal(code, 0);
    }
    assert_sound(t->path);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), WRITERS * 25 * 49);
    assert_int_equal(number_of(t->path, "SELECT contributions - (SELECT count(*) FROM contribution) FROM run"), 0);
}

/* ---- Which contributions are kept ------------------------------------------------------------------------------------- */

static void top_keeps_the_highest_and_of_equals_the_first(void **state)
{
    static const float scores[] = {9, 1, 5, 3, 5, 3, 0, 3, 2}; /* token 0 is special */
    static const struct { int top; const char *kept; } cases[] = {
        {1, "2"}, {2, "2,4"}, {3, "2,3,4"}, {4, "2,3,4,5"}, {5, "2,3,4,5,7"}, {6, "2,3,4,5,7,8"},
        {8, "1,2,3,4,5,6,7,8"}, {9, "1,2,3,4,5,6,7,8"}, {0, "1,2,3,4,5,6,7,8"}, {-1, "1,2,3,4,5,6,7,8"},
    };
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    sample *s = make_sample(run, model, "cat.jpg", 9, 4, 1);
    s->maps[0].scores = scores;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s->result.top = cases[i].top;
        write_ok(db, s);
        assert_string_equal(value_of(t->path, "SELECT group_concat(source_idx) FROM (SELECT source_idx FROM contribution ORDER BY 1)"),
                            cases[i].kept);
        assert_int_equal(number_of(t->path, "SELECT contributions - (SELECT count(*) FROM contribution) FROM run"), 0);
    }
    free(s);
    uvk_db_close(db);
}

static void beyond_five_million_rows_a_map_keeps_twenty(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    run_plain(t->path, "UPDATE run SET contributions = 5000000 - 2 * 49 * 3");
    write_and_free(db, make_sample(run, model, "a.jpg", 50, 7, 3));
    write_and_free(db, make_sample(run, model, "b.jpg", 50, 7, 3)); /* exactly full */
    assert_int_equal(number_of(t->path, "SELECT contributions FROM run"), 5000000);
    write_and_free(db, make_sample(run, model, "c.jpg", 50, 7, 3));
    assert_int_equal(number_of(t->path, "SELECT contributions FROM run"), 5000060);
    sample *s = make_sample(run, model, "d.jpg", 50, 7, 3);
    s->result.top = -1;
    write_and_free(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution"), 3 * 49 * 3 + 60);
    uvk_db_close(db);
}

/* ---- Speed ----------------------------------------------------------------------------------------------------------- */

/* Not a limit that a busy machine could miss; the figure is for people to read. */
static void writing_is_fast(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    struct timespec begin, end;
    double best = INFINITY;
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "photo%d.jpg", i);
        sample *s = make_sample(run, model, name, 197, 14, 196);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        write_ok(db, s);
        clock_gettime(CLOCK_MONOTONIC, &end);
        double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
        best = seconds < best ? seconds : best;
        free(s);
    }
    print_message("196 maps of 197 tokens: %.1f ms\n", best * 1e3);
    assert_true(best < 2);
    uvk_db_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_input_is_stored_as_given),
        TEST(writing_again_replaces),
        TEST(runs_share_a_sequence),
        TEST(hostile_text_is_kept_as_it_is),
        TEST(a_result_that_fails_leaves_nothing),
        TEST(a_killed_writer_leaves_whole_inputs),
        TEST(a_full_disk_keeps_what_was_finished),
        TEST(a_locked_file_is_told_clearly),
        TEST(writers_and_readers_do_not_disturb_each_other),
        TEST(top_keeps_the_highest_and_of_equals_the_first),
        TEST(beyond_five_million_rows_a_map_keeps_twenty),
        TEST(writing_is_fast),
    };
    return cmocka_run_group_tests_name("db: write", tests, NULL, NULL);
}
