/* Texts in the database: words, summaries, contribution scores, metrics, and the views and queries over them. */
#include "test_db.h"

#include <time.h>

/* "Cats sleep. Dogs" summarized as "Pets rest"; targets are the positions before the summary's tokens. */
enum { N = 12, MAPS = 3, FIRST_SUMMARY = 8 };

static const uvk_db_word words[] = {
    {.role = "context", .text = "Cats", .sentence = 0, .char_start = 0, .char_end = 4},
    {.role = "context", .text = "sleep", .sentence = 0, .char_start = 5, .char_end = 10},
    {.role = "context", .text = "Dogs", .sentence = 1, .char_start = 12, .char_end = 16},
    {.role = "summary", .text = "Pets", .sentence = 2, .char_start = 0, .char_end = 4},
    {.role = "summary", .text = "rest", .sentence = 2, .char_start = 5, .char_end = 9},
};

static const struct { const char *role, *text; int word, start, end; } parts[N] = {
    {"special", "<s>", -1, -1, -1}, {"context", "Ca", 0, 0, 2}, {"context", "ts", 0, 2, 4}, {"context", " sleep", 1, 4, 10},
    {"context", ".", -1, 10, 11}, {"context", " Dogs", 2, 11, 16}, {"prompt", "TL;", -1, -1, -1}, {"prompt", "DR:", -1, -1, -1},
    {"summary", "Pe", 3, 0, 2}, {"summary", "ts", 3, 2, 4}, {"summary", " rest", 4, 4, 9}, {"special", "</s>", -1, -1, -1},
};

typedef struct text_sample {
    uvk_db_token tokens[N];
    uvk_db_map maps[MAPS];
    float rows[MAPS][N], tcs[N], share[N];
    uvk_db_metric metrics[3];
    uvk_db_result result;
} text_sample;

static bool is_context(int i)
{
    return strcmp(parts[i].role, "context") == 0;
}

static float scaled(const float *row, int j)
{
    float low = INFINITY, high = -INFINITY;
    for (int i = 0; i < N; i++)
        if (is_context(i)) {
            low = fminf(low, row[i]);
            high = fmaxf(high, row[i]);
        }
    return high > low ? (row[j] - low) / (high - low) : 0;
}

static void fill_scores(text_sample *s)
{
    float total = 0;
    for (int k = 0; k < MAPS; k++)
        for (int j = 0; j < N; j++)
            s->rows[k][j] = j <= FIRST_SUMMARY - 1 + k ? (float)((j * 5 + k * 3) % 7) / 4.0f : 0;
    for (int j = 0; j < N; j++)
        for (int k = 0; k < MAPS && is_context(j); k++)
            s->tcs[j] += scaled(s->rows[k], j) / MAPS;
    for (int j = 0; j < N; j++)
        total += s->tcs[j];
    for (int j = 0; j < N; j++)
        s->share[j] = s->tcs[j] / total;
}

static text_sample *make_text(int64_t run_id, int64_t model_id, const char *name)
{
    text_sample *s = calloc(1, sizeof *s);
    fill_scores(s);
    for (int i = 0; i < N; i++)
        s->tokens[i] = (uvk_db_token){.side = "single", .kind = strcmp(parts[i].role, "special") == 0 ? "special" : "text",
            .role = parts[i].role, .text = parts[i].text, .word_idx = parts[i].word, .grid_row = -1, .grid_col = -1, .x0 = (double)NAN,
            .y0 = (double)NAN, .x1 = (double)NAN, .y1 = (double)NAN, .char_start = parts[i].start, .char_end = parts[i].end};
    for (int k = 0; k < MAPS; k++)
        s->maps[k] = (uvk_db_map){.target = FIRST_SUMMARY + k - 1, .output = FIRST_SUMMARY + k, .row = s->rows[k], .scores = s->rows[k],
            .n_sources = N - 2, .n_visible = FIRST_SUMMARY + k - 1, .score_sum = 5};
    s->metrics[0] = (uvk_db_metric){.target = -1, .name = "log_probability", .method = "ultra", .k = (double)NAN, .value = -1.5};
    s->metrics[1] = (uvk_db_metric){.target = FIRST_SUMMARY, .name = "log_probability", .method = "ultra", .k = (double)NAN, .value = -0.5};
    s->metrics[2] = (uvk_db_metric){.target = -1, .name = "comprehensiveness", .method = "random", .k = 0.05, .value = 0.25};
    s->result = (uvk_db_result){.run_id = run_id, .model_id = model_id,
        .input = {.kind = "text", .name = name, .path = name, .sha256 = name, .text = "Cats sleep. Dogs", .n_chars = 16},
        .sequence = {.key = "a", .text_out = "Pets rest", .params = "{}", .tokens = s->tokens, .n_tokens = N, .words = words, .n_words = 5},
        .maps = s->maps, .n_maps = MAPS, .tcs = s->tcs, .tcs_share = s->share, .metrics = s->metrics, .n_metrics = 3,
        .stats = {.device = "cpu"}};
    return s;
}

static void write_text(uvk_db *db, text_sample *s)
{
    uvk_error err;
    assert_ok(uvk_db_write(db, &s->result, &err), &err);
}

static int make_results(void **state)
{
    make_scratch(state);
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "text");
    text_sample *s = make_text(start_run(db, model, "{}", false), model, "pets.txt");
    write_text(db, s);
    free(s);
    uvk_db_close(db);
    return 0;
}

static char *ask(const char *path, const char *sql)
{
    char *text = NULL;
    size_t size;
    uvk_error err;
    FILE *out = open_memstream(&text, &size);
    assert_ok(uvk_db_query(path, sql, UVK_DB_CSV, out, &err), &err);
    fclose(out);
    return text;
}

static char *ask_named(const char *path, const char *name, const char *const *params, int n)
{
    char *text = NULL;
    size_t size;
    uvk_error err;
    FILE *out = open_memstream(&text, &size);
    assert_ok(uvk_db_query_named(path, name, params, n, UVK_DB_CSV, out, &err), &err);
    fclose(out);
    return text;
}

static double value_at(const char *path, const char *sql)
{
    return atof(value_of(path, sql));
}

/* ---- What is stored ---------------------------------------------------------------------------------------------------- */

static void a_text_is_stored_as_given(void **state)
{
    const scratch *t = *state;
    assert_string_equal(value_of(t->path, "SELECT group_concat(role || ' ' || sentence || ' ' || char_start || ' ' || char_end || ' ' || text, ',')"
                                          " FROM (SELECT * FROM word ORDER BY idx)"),
                        "context 0 0 4 Cats,context 0 5 10 sleep,context 1 12 16 Dogs,summary 2 0 4 Pets,summary 2 5 9 rest");
    assert_string_equal(value_of(t->path, "SELECT group_concat(ifnull(word_idx, '-')) FROM (SELECT * FROM token ORDER BY idx)"),
                        "-,0,0,1,-,2,-,-,3,3,4,-");
    assert_string_equal(value_of(t->path, "SELECT group_concat(target_idx || ':' || output_idx) FROM map"), "7:8,8:9,9:10");
    /* special tokens are no sources, all others are */
    assert_string_equal(value_of(t->path, "SELECT group_concat(source_idx) FROM contribution WHERE map_id = 2"), "1,2,3,4,5,6,7,8,9,10");
    assert_int_equal(number_of(t->path, "SELECT contributions FROM run"), 30);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM tcs"), 5);
    assert_string_equal(value_of(t->path, "SELECT group_concat(source_idx) FROM tcs"), "1,2,3,4,5");
    assert_true(fabs(value_at(t->path, "SELECT sum(share) FROM tcs") - 1) < 1e-6);
    assert_string_equal(value_of(t->path, "SELECT group_concat(ifnull(target_idx, '-') || ' ' || name || ' ' || method || ' ' || ifnull(k, '-') || ' ' || value)"
                                          " FROM metric"),
                        "- log_probability ultra - -1.5,8 log_probability ultra - -0.5,- comprehensiveness random 0.05 0.25");
    assert_sound(t->path);
}

static void what_is_not_finite_is_not_stored(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    text_sample *s = make_text(1, 1, "pets.txt");
    s->tcs[3] = NAN;
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "contribution score is not finite");
    s->tcs[3] = 0;
    s->maps[1].output = N;
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "stands for token 12 of 12");
    s->maps[1].output = 9;
    s->metrics[0].name = NULL;
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "NOT NULL");
    s->metrics[0] = s->metrics[1]; /* twice */
    assert_fails(uvk_db_write(db, &s->result, &err), &err, UVK_FAILED, "UNIQUE");
    free(s);
    uvk_db_close(db);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM tcs"), 5);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM metric"), 3);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM map"), 3);
}

static void writing_again_replaces_and_pruning_removes(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    text_sample *s = make_text(1, 1, "pets.txt");
    s->result.n_metrics = 1;
    write_text(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM metric"), 1);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM tcs"), 5);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM word"), 5);
    s->result.run_id = start_run(db, 1, "{\"layer\":3}", false); /* another run, the same words */
    write_text(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM word"), 5);
    assert_ok(uvk_db_prune(db, 1, &err), &err);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM tcs"), 5);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM word"), 5);
    assert_ok(uvk_db_prune(db, s->result.run_id, &err), &err);
    assert_int_equal(number_of(t->path, "SELECT (SELECT count(*) FROM tcs) + (SELECT count(*) FROM word) + (SELECT count(*) FROM metric)"
                                        " + (SELECT count(*) FROM map) + (SELECT count(*) FROM token) + (SELECT count(*) FROM contribution)"), 0);
    free(s);
    uvk_db_close(db);
    assert_sound(t->path);
}

/* ---- Views --------------------------------------------------------------------------------------------------------------- */

static void a_map_shows_the_token_it_stands_for(void **state)
{
    const scratch *t = *state;
    assert_string_equal(value_of(t->path, "SELECT group_concat(target_idx || ' ' || target_output || ' ' || target_text || ' ' || target_word, '|')"
                                          " FROM v_map"),
                        "7 8 Pe Pets|8 9 ts Pets|9 10  rest rest");
    assert_string_equal(value_of(t->path, "SELECT group_concat(target_text || '<' || source_text || ' ' || ifnull(source_word, '-') || ' ' ||"
                                          " ifnull(source_word_idx, '-'), '|') FROM v_contribution WHERE map_id = 1 AND source_idx < 6"),
                        "Pe<Ca Cats 0|Pe<ts Cats 0|Pe< sleep sleep 1|Pe<. - -|Pe< Dogs Dogs 2");
}

static void context_contributions_are_scaled_maps(void **state)
{
    const scratch *t = *state;
    text_sample *s = make_text(1, 1, "pets.txt");
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM v_context_contribution"), MAPS * 5);
    for (int k = 0; k < MAPS; k++)
        for (int j = 1; j <= 5; j++) {
            char sql[160];
            snprintf(sql, sizeof sql, "SELECT score FROM v_context_contribution WHERE target_output = %d AND source_idx = %d", FIRST_SUMMARY + k, j);
            assert_true(fabs(value_at(t->path, sql) - (double)scaled(s->rows[k], j)) < 1e-6);
        }
    /* their mean is the score of the whole summary */
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM tcs AS c WHERE abs(score - (SELECT avg(score) FROM v_context_contribution AS v"
                                        " WHERE v.source_idx = c.source_idx)) > 1e-6"), 0);
    double cats = (double)scaled(s->rows[1], 1) + (double)scaled(s->rows[1], 2);
    assert_true(fabs(value_at(t->path, "SELECT score_sum FROM v_word_contribution WHERE target_output = 9 AND source_word = 'Cats'") - cats) < 1e-6);
    assert_string_equal(value_of(t->path, "SELECT tokens || target_word || source_sentence FROM v_word_contribution WHERE target_output = 9 AND"
                                          " source_word = 'Cats'"), "2Pets0");
    free(s);
}

static void a_map_is_scaled_whatever_is_kept_of_it(void **state)
{
    const scratch *t = *state;
    uvk_db *db = open_db(t->path);
    text_sample *s = make_text(1, 1, "pets.txt");
    s->result.top = 4;
    write_text(db, s);
    assert_int_equal(number_of(t->path, "SELECT count(*) FROM contribution"), MAPS * 4);
    char *seen = ask(t->path, "SELECT target_output - 8, source_idx, score FROM v_context_contribution");
    int rows = 0;
    for (char *line = strtok(strchr(seen, '\n') + 1, "\r\n"); line; line = strtok(NULL, "\r\n"), rows++) {
        int k, j;
        double score;
        assert_int_equal(sscanf(line, "%d,%d,%lf", &k, &j, &score), 3);
        assert_true(fabs(score - (double)scaled(s->rows[k], j)) < 1e-6);
    }
    assert_true(rows > 0);
    free(seen);
    free(s);
    uvk_db_close(db);
}

static void sentences_take_the_punctuation_with_them(void **state)
{
    const scratch *t = *state;
    assert_string_equal(value_of(t->path, "SELECT group_concat(sentence || ' ' || tokens || ' ' || text, '|') FROM v_tcs_sentence"),
                        "0 4 Cats sleep.|1 1 Dogs");
    assert_true(fabs(value_at(t->path, "SELECT sum(share) FROM v_tcs_sentence") - 1) < 1e-6);
    assert_string_equal(value_of(t->path, "SELECT group_concat(word_idx || ' ' || role || ' ' || tokens) FROM v_tcs_word"),
                        "0 context 2,1 context 1,2 context 1");
}

/* ---- Named queries --------------------------------------------------------------------------------------------------------- */

static void top_words_of_a_summary_word(void **state)
{
    const scratch *t = *state;
    text_sample *s = make_text(1, 1, "pets.txt");
    const char *by_text[] = {"input=pets.txt", "word=pets", "top=2"}, *by_number[] = {"input=pets.txt", "word=3", "top=2", "run=1"};
    char *a = ask_named(t->path, "top-words", by_text, 3), *b = ask_named(t->path, "top-words", by_number, 4);
    assert_string_equal(a, b);
    double sums[3] = {0};
    for (int k = 0; k < 2; k++)
        for (int j = 1; j <= 5; j++)
            if (parts[j].word >= 0)
                sums[parts[j].word] += (double)scaled(s->rows[k], j) / 2;
    int best = sums[0] >= sums[1] && sums[0] >= sums[2] ? 0 : sums[1] >= sums[2] ? 1 : 2;
    char word[64], expected[128];
    double sum;
    snprintf(expected, sizeof expected, "1,1,3,Pets,%d,%s,%d,%d,%d", best, words[best].text, words[best].sentence, words[best].char_start,
             words[best].char_end);
    char *line = strchr(a, '\n') + 1;
    assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
    assert_int_equal(sscanf(line, "1,1,3,Pets,%*d,%63[^,],%*d,%*d,%*d,%lf", word, &sum), 2);
    assert_true(fabs(sum - sums[best]) < 1e-6);
    free(a);
    free(b);
    const char *unknown[] = {"input=pets.txt", "word=cats"}; /* not of the summary */
    a = ask_named(t->path, "top-words", unknown, 2);
    assert_null(strchr(strchr(a, '\n') + 1, '\n'));
    free(a);
    free(s);
}

static void words_and_sentences_by_score(void **state)
{
    const scratch *t = *state;
    const char *params[] = {"input=pets.txt"};
    char *seen = ask_named(t->path, "tcs-words", params, 1), *same;
    double before = INFINITY, sum;
    int rows = 0;
    for (char *line = strtok(strchr(seen, '\n') + 1, "\r\n"); line; line = strtok(NULL, "\r\n"), rows++) {
        assert_int_equal(sscanf(line, "%*d,%*d,%*d,%*[^,],%*d,%*d,%*d,%lf", &sum), 1);
        assert_true(sum <= before);
        before = sum;
    }
    assert_int_equal(rows, 3);
    free(seen);
    seen = ask_named(t->path, "sentences", params, 1);
    same = ask(t->path, "SELECT row_number() OVER (ORDER BY score_sum DESC) AS rank, run_id, sentence, tokens, score_sum, score_max, share, text"
                        " FROM v_tcs_sentence ORDER BY rank");
    assert_string_equal(seen, same);
    free(seen);
    free(same);
}

/* ---- Speed ------------------------------------------------------------------------------------------------------------------- */

enum { LONG = 562, SOURCES = 500, OUTPUTS = 60 };

typedef struct long_sample {
    uvk_db_token tokens[LONG];
    uvk_db_word words[LONG];
    uvk_db_map maps[OUTPUTS];
    float rows[OUTPUTS][LONG], tcs[LONG];
    uvk_db_result result;
} long_sample;

/* A special token, 500 of context, two a word and ten a sentence, 60 of summary, a special one. */
static long_sample *make_long(int64_t run, int64_t model)
{
    long_sample *s = calloc(1, sizeof *s);
    for (int i = 0; i < LONG; i++) {
        bool special = i == 0 || i == LONG - 1, context = i <= SOURCES;
        int at = context ? i - 1 : i - 1 - SOURCES;
        s->tokens[i] = (uvk_db_token){.side = "single", .kind = special ? "special" : "text", .role = special ? "special" : context ? "context" : "summary",
            .text = "ab", .word_idx = special ? -1 : (i - 1) / 2, .grid_row = -1, .grid_col = -1, .x0 = (double)NAN, .y0 = (double)NAN,
            .x1 = (double)NAN, .y1 = (double)NAN, .char_start = special ? -1 : at * 2, .char_end = special ? -1 : at * 2 + 2};
        s->tcs[i] = (float)(i * 7919 % 101) / 101;
    }
    for (int w = 0; w < (SOURCES + OUTPUTS) / 2; w++)
        s->words[w] = (uvk_db_word){.role = w < SOURCES / 2 ? "context" : "summary", .text = w == SOURCES / 2 + 3 ? "chosen" : "word", .sentence = w / 5,
            .char_start = (w < SOURCES / 2 ? w : w - SOURCES / 2) * 4, .char_end = (w < SOURCES / 2 ? w : w - SOURCES / 2) * 4 + 4};
    for (int k = 0; k < OUTPUTS; k++) {
        for (int j = 0; j < LONG; j++)
            s->rows[k][j] = (float)((j * 37 + k * 11) % 997) / 997;
        s->maps[k] = (uvk_db_map){.target = SOURCES + k, .output = SOURCES + k + 1, .row = s->rows[k], .scores = s->rows[k], .n_sources = LONG - 2};
    }
    s->result = (uvk_db_result){.run_id = run, .model_id = model, .input = {.kind = "text", .path = "long.txt"},
        .sequence = {.key = "a", .params = "{}", .tokens = s->tokens, .n_tokens = LONG, .words = s->words, .n_words = (SOURCES + OUTPUTS) / 2},
        .maps = s->maps, .n_maps = OUTPUTS, .tcs = s->tcs, .tcs_share = s->tcs, .stats = {.device = "cpu"}};
    return s;
}

static double seconds_of(const char *path, const char *name, const char *const *params, int n)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    char *text = ask_named(path, name, params, n);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_non_null(strchr(strchr(text, '\n') + 1, '\n')); /* it found something */
    free(text);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
}

/* Not a limit that a busy machine could miss; the figures are for people to read. */
static void queries_are_fast(void **state)
{
    const scratch *t = *state;
    uvk_error err;
    uvk_db *db = open_db(t->path);
    int64_t model = put_model(db, "m", "text");
    long_sample *s = make_long(start_run(db, model, "{}", false), model);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "long%d.txt", i);
        s->result.input.name = s->result.input.sha256 = name;
        assert_ok(uvk_db_write(db, &s->result, &err), &err);
    }
    free(s);
    uvk_db_close(db);
    const char *params[] = {"input=long7.txt", "word=chosen"};
    static const struct { const char *name; int n; } queries[] = {{"top-words", 2}, {"tcs-words", 1}, {"sentences", 1}};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        double seconds = seconds_of(t->path, queries[i].name, params, queries[i].n);
        print_message("%s of 10 texts, 60 maps, 500 sources: %.1f ms\n", queries[i].name, seconds * 1e3);
        assert_true(seconds < 2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_results, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_is_stored_as_given),
        TEST(what_is_not_finite_is_not_stored),
        TEST(writing_again_replaces_and_pruning_removes),
        TEST(a_map_shows_the_token_it_stands_for),
        TEST(context_contributions_are_scaled_maps),
        TEST(a_map_is_scaled_whatever_is_kept_of_it),
        TEST(sentences_take_the_punctuation_with_them),
        TEST(top_words_of_a_summary_word),
        TEST(words_and_sentences_by_score),
        cmocka_unit_test_setup_teardown(queries_are_fast, make_scratch, drop_scratch),
    };
    return cmocka_run_group_tests_name("db: text", tests, NULL, NULL);
}
