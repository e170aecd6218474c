/* Queries: they only read, whatever the SQL; what comes out is harmless and complete in every format. */
#include "test_db.h"

#include "sql.h"

#include <sys/wait.h>

/* Two inputs of one run: "cat.jpg", 13 tokens and 5 maps, and a name that tries everything. */
static const char hostile[] = "a\"b,c'\r\n<script>\x1b[31m\t\xe2\x80\xae\\\xc3\xa4\xff.jpg";

static int make_results(void **state)
{
    make_scratch(state);
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision"), run = start_run(db, model, "{}", false);
    sample *s = make_sample(run, model, "cat.jpg", 13, 4, 5);
    assert_ok(uvk_db_write(db, &s->result, &err), &err);
    s->result.input.name = hostile;
    assert_ok(uvk_db_write(db, &s->result, &err), &err);
    free(s);
    uvk_db_close(db);
    return 0;
}

typedef struct answer {
    uvk_status status;
    uvk_error err;
    char *text;
    size_t size;
} answer;

static answer ask(const char *path, const char *sql, uvk_db_format format)
{
    answer a = {0};
    FILE *out = open_memstream(&a.text, &a.size);
    a.status = uvk_db_query(path, sql, format, out, &a.err);
    fclose(out);
    return a;
}

static answer ask_named(const char *path, const char *name, const char *const *params, int n, uvk_db_format format)
{
    answer a = {0};
    FILE *out = open_memstream(&a.text, &a.size);
    a.status = uvk_db_query_named(path, name, params, n, format, out, &a.err);
    fclose(out);
    return a;
}

static void expect(const char *path, const char *sql, uvk_db_format format, const char *text)
{
    answer a = ask(path, sql, format);
    assert_ok(a.status, &a.err);
    assert_string_equal(a.text, text);
    free(a.text);
}

static void refuse(const char *path, const char *sql, uvk_status status, const char *part)
{
    answer a = ask(path, sql, UVK_DB_TABLE);
    assert_fails(a.status, &a.err, status, part);
    free(a.text);
}

/* ---- Formats ---------------------------------------------------------------------------------------------------------- */

static const char of_every_type[] = "SELECT 1 AS i, 0.1 AS r, 2.0 AS whole, NULL AS n, 'x' AS t, '' AS e, x'00ff' AS b";

static void every_type_in_every_format(void **state)
{
    const scratch *t = *state;
    expect(t->path, of_every_type, UVK_DB_TABLE,
           "i  r    whole  n  t  e  b\n"
           "-  ---  -----  -  -  -  --------------\n"
           "1  0.1      2     x     <blob 2 bytes>\n");
    expect(t->path, of_every_type, UVK_DB_CSV, "i,r,whole,n,t,e,b\r\n1,0.1,2.0,,x,\"\",00ff\r\n");
    expect(t->path, of_every_type, UVK_DB_JSON,
           "[{\"i\":1,\"r\":0.1,\"whole\":2.0,\"n\":null,\"t\":\"x\",\"e\":\"\",\"b\":\"00ff\"}]\n");
    expect(t->path, of_every_type, UVK_DB_JSONL,
           "{\"i\":1,\"r\":0.1,\"whole\":2.0,\"n\":null,\"t\":\"x\",\"e\":\"\",\"b\":\"00ff\"}\n");
}

static void numbers_come_back_as_they_were(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT 9223372036854775807 AS a, 1.0/3 AS b, 1e300 AS c, 0.1 + 0.2 AS d, -1e999 AS e", UVK_DB_JSONL,
           "{\"a\":9223372036854775807,\"b\":0.3333333333333333,\"c\":1e+300,\"d\":0.30000000000000004,\"e\":-9e999}\n");
}

static void no_rows_are_still_valid(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT 1 AS a, 2 AS b WHERE 0", UVK_DB_TABLE, "a  b\n-  -\n");
    expect(t->path, "SELECT 1 AS a, 2 AS b WHERE 0", UVK_DB_CSV, "a,b\r\n");
    expect(t->path, "SELECT 1 AS a, 2 AS b WHERE 0", UVK_DB_JSON, "[]\n");
    expect(t->path, "SELECT 1 AS a, 2 AS b WHERE 0", UVK_DB_JSONL, "");
}

static void several_rows_and_several_statements(void **state)
{
    const scratch *t = *state;
    expect(t->path, "WITH c (x) AS (VALUES (1), (22)) SELECT x, 'l' || x AS name FROM c; -- end\n ; SELECT 3 AS y", UVK_DB_TABLE,
           "x   name\n--  ----\n 1  l1\n22  l22\ny\n-\n3\n");
    expect(t->path, "WITH c (x) AS (VALUES (1), (22)) SELECT x FROM c", UVK_DB_JSON, "[{\"x\":1},\n{\"x\":22}]\n");
}

/* Rows are aligned a thousand at a time: around that number nothing may be lost or repeated. */
static void a_long_table_has_one_header(void **state)
{
    static const int lengths[] = {999, 1000, 1001, 2000, 2500};
    const scratch *t = *state;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        char sql[128];
        snprintf(sql, sizeof sql, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT %d) SELECT x FROM c", lengths[k]);
        answer a = ask(t->path, sql, UVK_DB_TABLE);
        assert_ok(a.status, &a.err);
        int lines = 0;
        for (char *line = strtok(a.text, "\n"); line; line = strtok(NULL, "\n"), lines++)
            assert_int_equal(atoi(line), lines < 2 ? 0 : lines - 1);
        assert_int_equal(lines, lengths[k] + 2);
        free(a.text);
    }
}

static void hostile_text_is_shown_escaped_in_a_table(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT name FROM input WHERE id = 2", UVK_DB_TABLE,
           "name\n--------------------------------------------\n"
           "a\"b,c'\\r\\n<script>\\x1b[31m\\t\\u202e\\\xc3\xa4\\xff.jpg\n");
}

static void hostile_text_is_unharmed_in_csv_and_json(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT name FROM input WHERE id = 2", UVK_DB_CSV,
           "name\r\n\"a\"\"b,c'\r\n<script>\x1b[31m\t\xe2\x80\xae\\\xc3\xa4\xff.jpg\"\r\n");
    expect(t->path, "SELECT name FROM input WHERE id = 2", UVK_DB_JSONL,
           "{\"name\":\"a\\\"b,c'\\u000d\\u000a<script>\\u001b[31m\\u0009\\u202e\\\\\xc3\xa4\\ufffd.jpg\"}\n");
    expect(t->path, "SELECT 1 AS \"a\"\"\n\", 2 AS \"=x,y\"", UVK_DB_CSV, "\"a\"\"\n\",\"=x,y\"\r\n1,2\r\n");
    expect(t->path, "SELECT 1 AS \"a\"\"\n\"", UVK_DB_JSONL, "{\"a\\\"\\u000a\":1}\n");
    expect(t->path, "SELECT 1 AS \"a\x1b\"", UVK_DB_TABLE, "a\\x1b\n-----\n    1\n");
}

/* Each is cut short, too long for what it says, out of range, or a half of a pair. */
static void bytes_that_are_no_utf8(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT CAST(x'61c3' AS TEXT) AS a, CAST(x'e282' AS TEXT) AS b, CAST(x'c080' AS TEXT) AS c,"
                    " CAST(x'f4908080' AS TEXT) AS d, CAST(x'eda080' AS TEXT) AS e, CAST(x'f09f9880' AS TEXT) AS f", UVK_DB_JSONL,
           "{\"a\":\"a\\ufffd\",\"b\":\"\\ufffd\\ufffd\",\"c\":\"\\ufffd\\ufffd\",\"d\":\"\\ufffd\\ufffd\\ufffd\\ufffd\","
           "\"e\":\"\\ufffd\\ufffd\\ufffd\",\"f\":\"\xf0\x9f\x98\x80\"}\n");
}

static void an_output_that_fails_is_told(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    assert_fails(uvk_db_query(t->path, "SELECT 1", UVK_DB_CSV, full, &err), &err, UVK_FAILED, "output: No space left");
    fclose(full);
}

/* ---- What SQL may do -------------------------------------------------------------------------------------------------- */

static void nothing_can_be_written_attached_or_loaded(void **state)
{
    static const char *const refused[] = {
        "INSERT INTO model (sha256) VALUES ('x')", "UPDATE map SET entropy = 0", "DELETE FROM map", "DROP TABLE map",
        "CREATE TABLE x (y)", "CREATE TEMP TABLE x (y)", "CREATE TEMP VIEW x AS SELECT 1", "ALTER TABLE map RENAME TO x",
        "CREATE INDEX x ON map (entropy)", "ATTACH 'other.db' AS other", "DETACH main", "VACUUM", "VACUUM INTO 'copy.db'", "REINDEX",
        "ANALYZE", "BEGIN", "SAVEPOINT x", "SELECT load_extension('x')", "SELECT fts3_tokenizer('simple')",
        "CREATE VIRTUAL TABLE x USING fts5 (y)", "CREATE TEMP TRIGGER x AFTER INSERT ON map BEGIN SELECT 1; END",
        "UPDATE sqlite_master SET sql = ''", "UPDATE temp.sqlite_master SET sql = ''", "PRAGMA journal_mode = DELETE", "PRAGMA user_version = 5", "PRAGMA writable_schema = 1", "PRAGMA query_only = 0",
        "PRAGMA temp_store_directory = '/tmp'", "PRAGMA wal_checkpoint", "PRAGMA optimize", "PRAGMA trusted_schema = 1",
        "SELECT 1; DELETE FROM map",
    };
    const scratch *t = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        refuse(t->path, refused[i], UVK_USAGE, "SQL error");
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), 10);
    assert_sound(t->path);
}

static void what_reads_is_allowed(void **state)
{
    const scratch *t = *state;
    expect(t->path, "PRAGMA user_version", UVK_DB_CSV, "user_version\r\n2\r\n");
    expect(t->path, "SELECT count(*) AS n FROM pragma_table_info('model')", UVK_DB_CSV, "n\r\n9\r\n");
    expect(t->path, "PRAGMA integrity_check", UVK_DB_CSV, "integrity_check\r\nok\r\n");
    expect(t->path, "SELECT json_extract('{\"a\":5}', '$.a') AS a", UVK_DB_CSV, "a\r\n5\r\n");
    answer a = ask(t->path, "EXPLAIN QUERY PLAN SELECT * FROM v_map", UVK_DB_TABLE);
    assert_ok(a.status, &a.err);
    free(a.text);
}

static void an_sql_error_says_where(void **state)
{
    const scratch *t = *state;
    refuse(t->path, "SELECT absent FROM map", UVK_USAGE, "line 1, column 8: no such column: absent");
    refuse(t->path, "SELECT '\xc3\xa4', 1;\n SELECT '\xc3\xa4' x y", UVK_USAGE, "line 2, column 15: near \"y\"");
    refuse(t->path, "SELECT (", UVK_USAGE, "incomplete input");
    refuse(t->path, "", UVK_USAGE, "no SQL");
    refuse(t->path, " -- nothing\n;", UVK_USAGE, "no SQL");
    refuse(t->path, "SELECT abs(-9223372036854775807 - 1)", UVK_USAGE, "integer overflow");
}

static void a_missing_file_is_bad_input_and_is_not_made(void **state)
{
    const scratch *t = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/none.db", t->folder);
    refuse(path, "SELECT 1", UVK_BAD_INPUT, "none.db: No such file");
    assert_int_not_equal(access(path, F_OK), 0);
    refuse(t->folder, "SELECT 1", UVK_BAD_INPUT, t->folder);
}

static void a_damaged_file_is_told(void **state)
{
    const scratch *t = *state;
    assert_int_equal(truncate(t->path, 30000), 0);
    refuse(t->path, "SELECT count(*) FROM contribution", UVK_BAD_INPUT, "results.db: ");
}

/* ---- Beside a writer, and where nothing can be written ---------------------------------------------------------------- */

static void a_reader_sees_what_is_committed_beside_a_writer(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    assert_ok(uvk_sql_begin(db, &err), &err);
    assert_ok(uvk_sql_exec(db, "DELETE FROM map", &err), &err);
    expect(t->path, "SELECT count(*) AS n FROM map", UVK_DB_CSV, "n\r\n10\r\n");
    assert_ok(uvk_sql_end(db, UVK_OK, &err), &err); /* into the log */
    expect(t->path, "SELECT count(*) AS n FROM map", UVK_DB_CSV, "n\r\n0\r\n");
    uvk_db_close(db);
}

static void a_query_leaves_no_files_behind(void **state)
{
    const scratch *t = *state;
    char log[128];
    snprintf(log, sizeof log, "%s-wal", t->path);
    expect(t->path, "SELECT count(*) AS n FROM map", UVK_DB_CSV, "n\r\n10\r\n");
    assert_int_not_equal(access(log, F_OK), 0);
    refuse(t->path, "SELECT", UVK_USAGE, "incomplete");
    assert_int_not_equal(access(log, F_OK), 0);
    uvk_db *db = open_db(t->path); /* what a writer has open stays */
    put_model(db, "other", "text");
    expect(t->path, "SELECT count(*) AS n FROM model", UVK_DB_CSV, "n\r\n2\r\n");
    assert_int_equal(access(log, F_OK), 0);
    uvk_db_close(db);
}

/* In a child that may only read; root is nobody there. */
static void expect_as_nobody(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        answer a = ask(path, "SELECT count(*) AS n FROM map", UVK_DB_CSV);
        if (a.status)
            fprintf(stderr, "%s\n", a.err.message);
        _exit(a.status == UVK_OK && strcmp(a.text, "n\r\n10\r\n") == 0 ? 0 : 98);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(WEXITSTATUS(code), 0);
}

static void a_read_only_folder_can_be_queried(void **state)
{
    const scratch *t = *state;
    assert_int_equal(chmod(t->path, 0444), 0);
    assert_int_equal(chmod(t->folder, 0555), 0);
    expect_as_nobody(t->path);
    assert_int_equal(chmod(t->folder, 0777), 0);
    char odd[128];
    snprintf(odd, sizeof odd, "%s/100%%?#a b.db", t->folder); /* what a URI would read otherwise */
    assert_int_equal(rename(t->path, odd), 0);
    assert_int_equal(chmod(t->folder, 0555), 0);
    expect_as_nobody(odd);
    assert_int_equal(chmod(t->folder, 0777), 0);
}

/* ---- scores(map_id) ---------------------------------------------------------------------------------------------------- */

static void scores_reads_the_row(void **state)
{
    const scratch *t = *state;
    expect(t->path, "SELECT count(*) AS n FROM scores(1)", UVK_DB_CSV, "n\r\n13\r\n");
    expect(t->path, "SELECT source_idx, round(score * 7) AS s FROM scores(2) WHERE source_idx IN (0, 12)", UVK_DB_CSV,
           "source_idx,s\r\n0,11.0\r\n12,51.0\r\n");
    /* beside contribution, which leaves the special token out */
    expect(t->path, "SELECT count(*) AS n FROM map AS p, scores(p.id) AS s JOIN contribution AS c"
                    " ON c.map_id = p.id AND c.source_idx = s.source_idx AND c.score = s.score", UVK_DB_CSV, "n\r\n120\r\n");
    expect(t->path, "SELECT count(*) AS n, count(DISTINCT s.map_id) AS maps FROM map AS p JOIN scores AS s ON s.map_id = p.id", UVK_DB_CSV,
           "n,maps\r\n130,10\r\n");
    expect(t->path, "SELECT count(*) AS n FROM scores(999)", UVK_DB_CSV, "n\r\n0\r\n");
    expect(t->path, "SELECT count(*) AS n FROM scores(NULL)", UVK_DB_CSV, "n\r\n0\r\n");
    refuse(t->path, "SELECT * FROM scores", UVK_USAGE, "no query solution");
}

static void scores_of_hostile_files(void **state)
{
    const scratch *t = *state;
    run_plain(t->path, "UPDATE map SET scores = x'0000c07f0000807f00' WHERE id = 1; UPDATE map SET scores = 'text' WHERE id = 2");
    expect(t->path, "SELECT source_idx, score FROM scores(1)", UVK_DB_CSV, "source_idx,score\r\n0,\r\n1,9e999\r\n"); /* NaN, infinity */
    expect(t->path, "SELECT count(*) AS n FROM scores(2)", UVK_DB_CSV, "n\r\n0\r\n");
    run_plain(t->path, "DROP VIEW v_map; DROP VIEW v_contribution; DROP VIEW v_word_contribution; DROP VIEW v_context_contribution; DROP VIEW v_run; DROP VIEW v_modality; DROP TABLE contribution;"
                       "DROP TABLE map");
    refuse(t->path, "SELECT * FROM scores(1)", UVK_USAGE, "no such table");
    /* a view that would call itself through the table function */
    uvk_db *db = NULL;
    uvk_error err;
    assert_ok(uvk_sql_open(t->path, SQLITE_OPEN_READWRITE, &db, &err), &err);
    assert_ok(uvk_sql_exec(db, "CREATE VIEW map AS SELECT 1 AS id, score AS scores FROM scores(1)", &err), &err);
    uvk_db_close(db);
    refuse(t->path, "SELECT * FROM scores(1)", UVK_BAD_INPUT, "malformed");
}

/* ---- Named queries ------------------------------------------------------------------------------------------------------ */

/* Parameters that any of them takes; those it does not take are left out. */
static void every_named_query_runs(void **state)
{
    const scratch *t = *state;
    int n;
    const uvk_db_named *queries = uvk_db_named_queries(&n);
    assert_true(n >= 6);
    for (int i = 0; i < n; i++) {
        const char *params[] = {"input=cat.jpg"};
        bool of_texts = strstr(queries[i].name, "words") || strcmp(queries[i].name, "sentences") == 0;
        if (of_texts || strstr(queries[i].parameters, "a b") || strcmp(queries[i].name, "unfaithful") == 0 ||
            strcmp(queries[i].name, "agreement") == 0 || strcmp(queries[i].name, "methods") == 0)
            continue; /* those have tests of their own */
        answer a = ask_named(t->path, queries[i].name, params, strncmp(queries[i].parameters, "input", 5) == 0, UVK_DB_CSV);
        assert_ok(a.status, &a.err);
        char *end = strstr(a.text, "\r\n");
        assert_non_null(end);
        assert_true(strlen(end) > 4); /* more than the header */
        assert_true(strlen(queries[i].description) > 20);
        free(a.text);
    }
}

static const char *field(answer *a, int line, int column)
{
    static char text[64];
    const char *at = a->text;
    for (; line > 0; line--)
        at = strchr(at, '\n') + 1;
    for (; column > 0; column--)
        at = strchr(at, ',') + 1;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, ",\r"), at);
    return text;
}

/* Scores of token j for the first map are (37 j mod 101) / 7: the order is known by hand. */
static void top_sources_are_in_order_with_their_places(void **state)
{
    const scratch *t = *state;
    const char *by_token[] = {"input=cat.jpg", "token=1", "top=3"}, *by_place[] = {"input=cat.jpg", "row=0", "col=0", "top=3", "run=1"};
    answer a = ask_named(t->path, "top-sources", by_token, 3, UVK_DB_CSV), b = ask_named(t->path, "top-sources", by_place, 5, UVK_DB_CSV);
    assert_ok(a.status, &a.err);
    assert_ok(b.status, &b.err);
    assert_string_equal(a.text, b.text);
    /* 37 j mod 101 for j = 2..12: 74 10 47 84 20 57 94 30 67 3 40 */
    static const int idx[] = {8, 5, 2};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atoi(field(&a, i + 1, 0)), i + 1);
        assert_int_equal(atoi(field(&a, i + 1, 6)), idx[i]);
        assert_int_equal(atoi(field(&a, i + 1, 7)), (idx[i] - 1) / 4);
        assert_int_equal(atoi(field(&a, i + 1, 8)), (idx[i] - 1) % 4);
        assert_int_equal(atoi(field(&a, i + 1, 9)), (idx[i] - 1) % 4 * 16);
    }
    free(a.text);
    free(b.text);
    const char *nowhere[] = {"input=cat.jpg", "row=9", "col=9"};
    a = ask_named(t->path, "top-sources", nowhere, 3, UVK_DB_JSON);
    assert_ok(a.status, &a.err);
    assert_string_equal(a.text, "[]\n");
    free(a.text);
    const char *injected[] = {"input=x' OR 1=1 --"};
    a = ask_named(t->path, "top-sources", injected, 1, UVK_DB_JSON);
    assert_ok(a.status, &a.err);
    assert_string_equal(a.text, "[]\n");
    free(a.text);
}

static void the_modalities_stand_side_by_side(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "t", "text"), run = start_run(db, model, "{\"text\":1}", false);
    sample *s = make_sample(run, model, "report.txt", 13, 4, 2);
    s->maps[0].gini = s->maps[1].gini = 0.75;
    assert_ok(uvk_db_write(db, &s->result, &err), &err);
    free(s);
    uvk_db_close(db);
    expect(t->path, "SELECT depth, vision_maps, text_maps, vision_gini, text_gini, vision_locality FROM v_modality", UVK_DB_CSV,
           "depth,vision_maps,text_maps,vision_gini,text_gini,vision_locality\r\n1.0,10,2,0.25,0.75,\r\n");
}

static void findings_are_summed_up_by_views(void **state)
{
    const scratch *t = *state;
    run_plain(t->path,
        "INSERT INTO metric VALUES (1, 1, NULL, 'faithfulness_gap', 'ultra', NULL, 0.5), (1, 2, NULL, 'faithfulness_gap', 'ultra', NULL, 0.25),"
        " (1, 1, NULL, 'faithfulness_gap', 'random', NULL, 0), (1, NULL, NULL, 'faithfulness_gap', 'ultra', NULL, 9);"
        "INSERT INTO word VALUES (1, 0, 0, 0, 3, 'cat', 'context'); UPDATE token SET word_idx = 0 WHERE sequence_id = 1 AND idx IN (1, 2);"
        "INSERT INTO tcs VALUES (1, 1, 1, 0.5, 0.25), (1, 1, 2, 1, 0.5), (1, 1, 3, 0.5, 0.25)");
    expect(t->path, "SELECT method, inputs, faithfulness_gap FROM v_faithfulness ORDER BY method", UVK_DB_CSV,
           "method,inputs,faithfulness_gap\r\nrandom,1,0.0\r\nultra,2,0.375\r\n");
    expect(t->path, "SELECT text, role, tokens, score_max, score_sum, share FROM v_tcs_word", UVK_DB_CSV,
           "text,role,tokens,score_max,score_sum,share\r\ncat,context,2,1.0,1.5,0.75\r\n");
    expect(t->path, "SELECT inputs_done, inputs_failed, maps, contributions, seconds FROM v_run", UVK_DB_CSV,
           "inputs_done,inputs_failed,maps,contributions,seconds\r\n2,0,10,120,2.0\r\n");
}

static void wrong_use_of_named_queries_is_told(void **state)
{
    const scratch *t = *state;
    static const struct { const char *name, *param, *reason; } cases[] = {
        {"nothing", NULL, "there are top-sources, top-words"},
        {"top-sources", NULL, "needs input=..."},
        {"top-sources", "inp=x", "no parameter 'inp' (it takes: input [token]"},
        {"runs", "run=1", "(it takes: none)"},
        {"runs", "run", "expected key=value"},
        {"inputs", "=1", "expected key=value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = ask_named(t->path, cases[i].name, &cases[i].param, cases[i].param != NULL, UVK_DB_TABLE);
        assert_fails(a.status, &a.err, UVK_USAGE, cases[i].reason);
        free(a.text);
    }
    const char *text_for_number[] = {"input=cat.jpg", "top=many"};
    answer a = ask_named(t->path, "top-sources", text_for_number, 2, UVK_DB_TABLE);
    assert_fails(a.status, &a.err, UVK_USAGE, "top=many: expected a whole number");
    free(a.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_results, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_in_every_format),
        TEST(numbers_come_back_as_they_were),
        TEST(no_rows_are_still_valid),
        TEST(several_rows_and_several_statements),
        TEST(a_long_table_has_one_header),
        TEST(hostile_text_is_shown_escaped_in_a_table),
        TEST(hostile_text_is_unharmed_in_csv_and_json),
        TEST(bytes_that_are_no_utf8),
        TEST(an_output_that_fails_is_told),
        TEST(nothing_can_be_written_attached_or_loaded),
        TEST(what_reads_is_allowed),
        TEST(an_sql_error_says_where),
        TEST(a_missing_file_is_bad_input_and_is_not_made),
        TEST(a_damaged_file_is_told),
        TEST(a_reader_sees_what_is_committed_beside_a_writer),
        TEST(a_query_leaves_no_files_behind),
        TEST(a_read_only_folder_can_be_queried),
        TEST(scores_reads_the_row),
        TEST(scores_of_hostile_files),
        TEST(every_named_query_runs),
        TEST(top_sources_are_in_order_with_their_places),
        TEST(the_modalities_stand_side_by_side),
        TEST(findings_are_summed_up_by_views),
        TEST(wrong_use_of_named_queries_is_told),
    };
    return cmocka_run_group_tests_name("db: query", tests, NULL, NULL);
}
