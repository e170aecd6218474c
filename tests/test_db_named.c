/* Named queries that compare: runs, methods, models; and the aggregate that correlates. */
#include "test_db.h"

typedef struct answer { uvk_status status; uvk_error err; char *text; } answer;

static answer ask(const char *path, const char *name, const char *const *params, int n)
{
    answer a = {0};
    size_t size;
    FILE *out = open_memstream(&a.text, &size);
    a.status = uvk_db_query_named(path, name, params, n, UVK_DB_CSV, out, &a.err);
    fclose(out);
    return a;
}

/* params end with NULL. The caller frees. */
static char *rows(const char *path, const char *name, const char *const *params)
{
    int n = 0;
    while (params[n])
        n++;
    answer a = ask(path, name, params, n);
    assert_ok(a.status, &a.err);
    return a.text;
}

static void expect(const char *path, const char *name, const char *const *params, const char *text)
{
    char *found = rows(path, name, params);
    assert_string_equal(found, text);
    free(found);
}

static void expect_sql(const char *path, const char *sql, const char *text)
{
    uvk_error err;
    size_t size;
    char *found;
    FILE *out = open_memstream(&found, &size);
    assert_ok(uvk_db_query(path, sql, UVK_DB_CSV, out, &err), &err);
    fclose(out);
    assert_string_equal(found, text);
    free(found);
}

/* ---- spearman(x, y) ----------------------------------------------------------------------------------------------------- */

/* By its definition: a rank is how many are below and half of those alike. */
static double rank_of(const double *values, int n, int at)
{
    double rank = 0;
    for (int i = 0; i < n; i++)
        rank += values[i] < values[at] ? 1 : values[i] == values[at] ? 0.5 : 0;
    return rank;
}

static double brute_force(const double *x, const double *y, int n)
{
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    for (int i = 0; i < n; i++) {
        double a = rank_of(x, n, i), b = rank_of(y, n, i);
        sx += a, sy += b, sxx += a * a, syy += b * b, sxy += a * b;
    }
    return (n * sxy - sx * sy) / sqrt((n * sxx - sx * sx) * (n * syy - sy * sy));
}

static void spearman_is_what_brute_force_says(void **state)
{
    const scratch *t = *state;
    uvk_db_close(open_db(t->path));
    srand(7);
    for (int trial = 0; trial < 40; trial++) {
        double x[400], y[400];
        int n = 3 + rand() % 398, kinds = trial % 2 ? 4 : 1000000; /* many ties, or hardly any */
        sqlite3_str *sql = sqlite3_str_new(NULL);
        sqlite3_str_appendall(sql, "WITH p (x, y) AS (VALUES (NULL, 1), (2, NULL)"); /* no pairs */
        for (int i = 0; i < n; i++) {
            x[i] = (rand() % kinds) / 8.0;
            y[i] = trial % 3 ? (rand() % kinds) / 4.0 - 1 : -x[i];
            sqlite3_str_appendf(sql, ",(%!.17g,%!.17g)", x[i], y[i]);
        }
        sqlite3_str_appendf(sql, ") SELECT abs(spearman(x, y) - %!.17g) < 1e-12 AS same FROM p", brute_force(x, y, n));
        char *text = sqlite3_str_finish(sql);
        expect_sql(t->path, text, "same\r\n1\r\n");
        sqlite3_free(text);
    }
}

static void spearman_of_too_little_is_null(void **state)
{
    const scratch *t = *state;
    uvk_db_close(open_db(t->path));
    expect_sql(t->path, "SELECT spearman(1, 2) AS one, spearman(NULL, 1) AS none", "one,none\r\n,\r\n");
    expect_sql(t->path, "WITH p (x, y) AS (VALUES (1, 5), (2, 5), (3, 5)) SELECT spearman(x, y) AS constant FROM p", "constant\r\n\r\n");
    expect_sql(t->path, "SELECT spearman(map_id, id) AS empty FROM (SELECT id, id AS map_id FROM map)", "empty\r\n\r\n");
    expect_sql(t->path, "WITH p (g, x, y) AS (VALUES (1, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1), (3, 0, 0)) SELECT g, spearman(x, y) AS s FROM p GROUP BY g",
               "g,s\r\n1,1.0\r\n2,-1.0\r\n3,\r\n");
}

/* ---- Runs --------------------------------------------------------------------------------------------------------------- */

enum { TOKENS = 13, MAPS = 5 };

static void write_run(uvk_db *db, int64_t model, const char *params, const char *name, int shift, double entropy)
{
    int64_t run = start_run(db, model, params, false);
    sample *s = make_sample(run, model, name, TOKENS, 4, MAPS);
    for (int k = 0; k < MAPS; k++) {
        for (int j = 0; j < TOKENS; j++)
            s->rows[k][j] = (float)((j * 37 + k * 11 + shift * j * j) % 101) / 7.0f;
        s->maps[k].entropy = entropy + k * 0.01;
        s->maps[k].locality = entropy;
    }
    write_and_free(db, s);
}

static void agreement_correlates_two_runs_map_by_map(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision");
    write_run(db, model, "{\"a\":1}", "cat.jpg", 0, 0.5);
    write_run(db, model, "{\"a\":2}", "cat.jpg", 3, 0.5);
    write_run(db, model, "{\"a\":3}", "dog.jpg", 1, 0.5);
    uvk_db_close(db);
    char expected[1024] = "target_idx,sources,same\r\n", *at = expected + strlen(expected);
    for (int k = 0; k < MAPS; k++) {
        double x[TOKENS], y[TOKENS];
        int n = 0;
        for (int j = 1; j < TOKENS; j++)
            if (j != k + 1) { /* the special token and the target are no sources */
                x[n] = (j * 37 + k * 11) % 101;
                y[n++] = (j * 37 + k * 11 + 3 * j * j) % 101;
            }
        at += sprintf(at, "%d,%d,%.9f\r\n", k + 1, n, brute_force(x, y, n));
    }
    char *found = rows(t->path, "agreement", (const char *const[]){"input=cat.jpg", NULL}), seen[1024] = "target_idx,sources,same\r\n";
    for (char *line = strtok(strchr(found, '\n') + 1, "\r\n"), *end = seen + strlen(seen); line; line = strtok(NULL, "\r\n")) {
        int run, other, layer, other_layer, target, sources;
        double spearman;
        assert_int_equal(sscanf(line, "%d,%d,%d,%d,%d,%*d,%*d,,%d,%lf", &run, &other, &layer, &other_layer, &target, &sources, &spearman), 7);
        assert_int_equal(run, 2);
        assert_int_equal(other, 1);
        end += sprintf(end, "%d,%d,%.9f\r\n", target, sources, spearman);
    }
    free(found);
    assert_string_equal(seen, expected);
    char *reverse = rows(t->path, "agreement", (const char *const[]){"input=cat.jpg", "run=1", "other=2", NULL});
    assert_non_null(strstr(reverse, "\r\n1,2,13,13,1,"));
    free(reverse);
    char *alone = rows(t->path, "agreement", (const char *const[]){"input=dog.jpg", NULL}); /* nothing to agree with */
    assert_null(strstr(strstr(alone, "\r\n") + 1, "\r\n"));
    free(alone);
}

/* Of a causal model only what a target sees counts, or the zeros behind it would agree. */
static void agreement_leaves_out_what_a_target_cannot_see(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "text");
    for (int r = 0; r < 2; r++) {
        int64_t run = start_run(db, model, r ? "{\"r\":1}" : "{}", false);
        sample *s = make_sample(run, model, "a.txt", TOKENS, 4, MAPS);
        for (int k = 0; k < MAPS; k++) {
            s->maps[k].n_visible = k + 1;
            for (int j = 0; j < TOKENS; j++)
                s->rows[k][j] = j <= k + 1 ? (float)(r ? 20 - j : j + 1) : 0;
        }
        write_and_free(db, s);
    }
    uvk_db_close(db);
    char *found = rows(t->path, "agreement", (const char *const[]){"input=a.txt", NULL});
    assert_non_null(strstr(found, "\r\n2,1,13,13,5,1,0,,4,-1.0\r\n")); /* the fifth target sees four others, in opposite order */
    free(found);
}

/* ---- Methods ------------------------------------------------------------------------------------------------------------- */

static void methods_are_ranked_and_negative_gaps_found(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t vision = put_model(db, "v", "vision"), text = put_model(db, "t", "text");
    write_run(db, vision, "{\"a\":1}", "cat.jpg", 0, 0.5);
    write_run(db, vision, "{\"a\":2}", "cat.jpg", 0, 0.5);
    write_run(db, text, "{\"a\":3}", "a.txt", 0, 0.5);
    uvk_db_close(db);
    run_plain(t->path,
        "INSERT INTO metric SELECT 1, 1, 1, 'faithfulness_gap', m, NULL, v FROM (SELECT 'ultra' AS m, 0.5 AS v UNION SELECT 'random', 0.125 UNION SELECT 'rollout', 0.25);"
        "INSERT INTO metric SELECT 1, 1, 2, 'faithfulness_gap', m, NULL, v FROM (SELECT 'ultra' AS m, 0.25 AS v UNION SELECT 'random', -0.125 UNION SELECT 'rollout', 0.25);"
        "INSERT INTO metric VALUES (1, NULL, NULL, 'faithfulness_gap', 'ultra', NULL, 99);" /* over the whole run: not twice */
        "INSERT INTO metric VALUES (2, 1, 1, 'faithfulness_gap', 'ultra', NULL, -0.5);"
        "INSERT INTO metric SELECT 3, 2, NULL, 'aopc_comprehensiveness', m, NULL, v FROM (SELECT 'ultra' AS m, 0.5 AS v UNION SELECT 'random', 0.25);"
        "INSERT INTO metric SELECT 3, 2, NULL, 'aopc_sufficiency', m, NULL, v FROM (SELECT 'ultra' AS m, 0.75 AS v UNION SELECT 'random', 0.125);"
        "INSERT INTO metric VALUES (3, 2, NULL, 'auprc', 'ultra', NULL, 0.625)");
    expect(t->path, "methods", (const char *const[]){"run=1", NULL},
           "modality,rank,method,inputs,score,over_random,faithfulness_gap,auc_positive,auc_negative,aopc_comprehensiveness,aopc_sufficiency,"
           "token_f1,iou_f1,auprc,stability\r\n"
           "vision,1,ultra,1,0.375,0.375,0.375,,,,,,,,\r\n"
           "vision,2,rollout,1,0.25,0.25,0.25,,,,,,,,\r\n"
           "vision,3,random,1,0.0,0.0,0.0,,,,,,,,\r\n");
    char *all = rows(t->path, "methods", (const char *const[]){NULL});
    assert_non_null(strstr(all, "\r\ntext,1,random,1,0.125,0.0,,,,0.25,0.125,,,,\r\ntext,2,ultra,1,-0.25,-0.375,,,,0.5,0.75,,,0.625,\r\n"));
    free(all);
    expect(t->path, "unfaithful", (const char *const[]){NULL},
           "run_id,label,model,modality,layer,scalar,inputs,gap,auc_positive,auc_negative,aopc_comprehensiveness,aopc_sufficiency\r\n"
           "2,test,tiny,vision,13,sum,1,-0.5,,,,\r\n"
           "3,test,tiny,text,13,sum,1,-0.25,,,0.5,0.75\r\n");
}

/* ---- Models -------------------------------------------------------------------------------------------------------------- */

static void two_models_stand_side_by_side(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t base = put_model(db, "base", "vision"), tuned = put_model(db, "tuned", "vision");
    write_run(db, base, "{}", "cat.jpg", 0, 0.25);
    write_run(db, base, "{\"b\":1}", "dog.jpg", 0, 0.5);
    write_run(db, tuned, "{\"b\":2}", "cat.jpg", 0, 0.75);
    uvk_db_close(db);
    char *all = rows(t->path, "models", (const char *const[]){"a=base", "b=tuned", NULL});
    char *one = rows(t->path, "models", (const char *const[]){"a=base", "b=2", "input=cat.jpg", NULL});
    assert_non_null(strstr(all, "depth,scalar,a_maps,b_maps,a_entropy,b_entropy,"));
    double entropy[2][2];
    assert_int_equal(sscanf(strchr(all, '\n') + 1, "1.0,sum,10,5,%lf,%lf,", &entropy[0][0], &entropy[0][1]), 2);
    assert_int_equal(sscanf(strchr(one, '\n') + 1, "1.0,sum,5,5,%lf,%lf,", &entropy[1][0], &entropy[1][1]), 2);
    assert_float_equal(entropy[0][0], 0.395, 1e-9);
    assert_float_equal(entropy[0][1], 0.77, 1e-9);
    assert_float_equal(entropy[1][0], 0.27, 1e-9);
    assert_float_equal(entropy[1][1], 0.77, 1e-9);
    free(all);
    free(one);
}

/* The tokens differ between models; the words of the text do not. */
static void the_words_of_a_text_stand_side_by_side(void **state)
{
    const scratch *t = *state;
    uvk_db_word words[] = {{.role = "context", .text = "red", .char_start = 0, .char_end = 3}, {.role = "context", .text = "cat", .char_start = 4, .char_end = 7}};
    uvk_db *db = open_db(t->path);
    for (int m = 0; m < 2; m++) {
        int n = m ? 3 : 4; /* one model cuts "cat" in two */
        float tcs[4] = {0, 0.5, 0.25, 0.25}, share[4] = {0, 0.5, 0.25, 0.25}, other[3] = {0, 0.875, 0.125};
        int64_t model = put_model(db, m ? "tuned" : "base", "text"), run = start_run(db, model, m ? "{\"m\":1}" : "{}", false);
        sample *s = make_sample(run, model, "a.txt", n, 4, 0);
        for (int i = 1; i < n; i++) {
            s->tokens[i].role = "context";
            s->tokens[i].word_idx = i > 1;
        }
        s->result.sequence.words = words;
        s->result.sequence.n_words = 2;
        s->result.tcs = m ? other : tcs;
        s->result.tcs_share = m ? other : share;
        write_and_free(db, s);
    }
    uvk_db_close(db);
    expect(t->path, "models-words", (const char *const[]){"input=a.txt", "a=base", "b=tuned", NULL},
           "rank,word,char_start,char_end,a_share,b_share,difference\r\n1,red,0,3,0.5,0.875,0.375\r\n2,cat,4,7,0.5,0.125,-0.375\r\n");
    expect(t->path, "models-words", (const char *const[]){"input=a.txt", "a=base", "b=tuned", "top=1", NULL},
           "rank,word,char_start,char_end,a_share,b_share,difference\r\n1,red,0,3,0.5,0.875,0.375\r\n");
}

/* ---- Concentration ------------------------------------------------------------------------------------------------------- */

static void extremes_of_each_layer(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "vision");
    write_run(db, model, "{\"a\":1}", "cat.jpg", 0, 0.5);  /* 0.50 .. 0.54 */
    write_run(db, model, "{\"a\":2}", "dog.jpg", 0, 0.52); /* 0.52 .. 0.56 */
    uvk_db_close(db);
    run_plain(t->path, "UPDATE map SET n_visible = 1 WHERE id = 1"); /* a map of one source is of no interest */
    char *found = rows(t->path, "concentrated", (const char *const[]){"top=2", NULL});
    static const char *const lines[] = {",13,most,1,2,cat.jpg,2,", ",13,most,1,3,cat.jpg,3,", ",13,least,2,9,dog.jpg,4,", ",13,least,2,10,dog.jpg,5,"};
    char *line = strtok(strchr(found, '\n') + 1, "\r\n");
    for (int i = 0; i < 4; i++, line = strtok(NULL, "\r\n")) {
        assert_non_null(line);
        assert_non_null(strstr(line, lines[i]));
    }
    assert_null(line);
    free(found);
}

static void the_modalities_meet_at_steps_of_depth(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t vision = put_model(db, "v", "vision"), text = put_model(db, "t", "text");
    write_run(db, vision, "{\"a\":1}", "cat.jpg", 0, 0.25);
    write_run(db, vision, "{\"a\":2}", "cat.jpg", 0, 0.5);
    write_run(db, text, "{\"a\":3}", "a.txt", 0, 0.75);
    write_run(db, text, "{\"a\":4}", "a.txt", 0, 0.125);
    uvk_db_close(db);
    /* of 12 blocks: 1/12, 6/12; of 5: 1/5, 5/5 */
    run_plain(t->path, "UPDATE model SET layers = 5 WHERE id = 2; UPDATE run SET layer = CASE id WHEN 1 THEN 2 WHEN 2 THEN 7 WHEN 3 THEN 2 ELSE 6 END");
    char *found = rows(t->path, "modality", (const char *const[]){NULL});
    double value[8];
    assert_int_equal(sscanf(strchr(found, '\n') + 1, "0.25,5,5,%lf,%lf,", &value[0], &value[1]), 2);
    assert_float_equal(value[0], 0.27, 1e-9);
    assert_float_equal(value[1], 0.77, 1e-9);
    assert_non_null(strstr(found, "\r\n0.5,5,0,0.52,,"));
    assert_non_null(strstr(found, "\r\n1.0,0,5,,0.14"));
    free(found);
    found = rows(t->path, "modality", (const char *const[]){"steps=0", NULL}); /* one step is the least */
    assert_non_null(strstr(found, "\r\n1.0,10,10,"));
    free(found);
}

/* ---- Parameters ---------------------------------------------------------------------------------------------------------- */

static void numbers_must_be_numbers(void **state)
{
    static const struct { const char *name, *param, *reason; } cases[] = {
        {"concentrated", "top=", "top=: expected a whole number"}, {"concentrated", "top=1.5", "top=1.5: expected a whole number"},
        {"concentrated", "top= 1", "expected a whole number"}, {"concentrated", "top=-1", "expected a number from 0 up"},
        {"cost", "run=99999999999999999999", "expected a whole number"}, {"models", "a=x", "needs b=... (it takes: a b [input])"},
    };
    const scratch *t = *state;
    uvk_db_close(open_db(t->path));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = ask(t->path, cases[i].name, &cases[i].param, 1);
        assert_fails(a.status, &a.err, UVK_USAGE, cases[i].reason);
        free(a.text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spearman_is_what_brute_force_says),
        TEST(spearman_of_too_little_is_null),
        TEST(agreement_correlates_two_runs_map_by_map),
        TEST(agreement_leaves_out_what_a_target_cannot_see),
        TEST(methods_are_ranked_and_negative_gaps_found),
        TEST(two_models_stand_side_by_side),
        TEST(the_words_of_a_text_stand_side_by_side),
        TEST(extremes_of_each_layer),
        TEST(the_modalities_meet_at_steps_of_depth),
        TEST(numbers_must_be_numbers),
    };
    return cmocka_run_group_tests_name("db: named queries", tests, NULL, NULL);
}
