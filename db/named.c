/* Queries with a name. A parameter in [] may be left out and is NULL then. */
#include "query.h"
#include "schema.h"

#include <stdio.h>
#include <string.h>

/* The latest run that has contribution scores of an input. */
#define CHOSEN_SUMMARY \
    "WITH chosen AS (" \
    "SELECT c.run_id, c.sequence_id FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN tcs AS c ON c.sequence_id = q.id " \
    "WHERE (i.name = :input OR i.path = :input) AND (:run IS NULL OR c.run_id = :run) ORDER BY c.run_id DESC LIMIT 1) "

/* The latest run that has maps of a word of a summary, and that word: by its text, where several are alike the first; or by its
 * number. */
#define CHOSEN_WORD \
    "WITH chosen AS (" \
    "SELECT p.run_id, q.id AS sequence_id, w.idx AS word_idx, w.text FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id" \
    " CROSS JOIN word AS w ON w.sequence_id = q.id AND w.role = 'summary' AND (lower(w.text) = lower(:word) OR w.idx = :word)" \
    " CROSS JOIN token AS t ON t.sequence_id = q.id AND t.word_idx = w.idx" \
    " CROSS JOIN map AS p ON p.sequence_id = q.id AND p.output_idx = t.idx " \
    "WHERE (i.name = :input OR i.path = :input) AND (:run IS NULL OR p.run_id = :run) " \
    "ORDER BY p.run_id DESC, lower(w.text) = lower(:word) DESC, w.idx LIMIT 1)," \
    " chosen_map AS (" \
    "SELECT p.id, p.run_id, p.sequence_id, h.word_idx, h.text, count(*) OVER () AS n FROM chosen AS h" \
    " CROSS JOIN map AS p ON p.sequence_id = h.sequence_id AND p.run_id = h.run_id" \
    " CROSS JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = p.output_idx AND t.word_idx = h.word_idx) "

static const uvk_db_named queries[] = {
    {"top-sources", "the source patches or tokens that most explain one target of an input (its own token left out)",
     "image [token] [row] [col] [run] [top=10]",
     "WITH target AS ("
     "SELECT p.id FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN map AS p ON p.sequence_id = q.id"
     " CROSS JOIN token AS t ON t.sequence_id = q.id AND t.idx = p.target_idx "
     "WHERE (i.name = :image OR i.path = :image) AND (:run IS NULL OR p.run_id = :run)"
     " AND (:token IS NULL OR p.target_idx = :token) AND (:row IS NULL OR t.grid_row = :row)"
     " AND (:col IS NULL OR t.grid_col = :col) "
     "ORDER BY p.run_id DESC, p.target_idx LIMIT 1) "
     "SELECT row_number() OVER (ORDER BY c.score DESC, c.source_idx) AS rank, c.run_id, c.layer, c.target_idx, c.target_row, c.target_col,"
     " c.source_idx, c.source_row, c.source_col, c.source_x0 AS x0, c.source_y0 AS y0, c.source_x1 AS x1, c.source_y1 AS y1,"
     " c.source_text, c.score, c.share "
     "FROM target CROSS JOIN v_contribution AS c ON c.map_id = target.id WHERE c.source_idx <> c.target_idx "
     "ORDER BY rank LIMIT coalesce(:top, 10)"},

    {"top-words", "the words of the context that contributed most to one word of the summary (mean over the pieces of that word)",
     "input word [run] [top=10]",
     CHOSEN_WORD
     "SELECT row_number() OVER (ORDER BY sum(c.score) DESC, w.idx) AS rank, m.run_id, m.word_idx AS summary_word_idx, m.text AS summary_word,"
     " w.idx AS word_idx, w.text AS word, w.sentence, w.char_start, w.char_end,"
     " sum(c.score) / m.n AS score_sum, max(c.score) AS score_max "
     "FROM chosen_map AS m CROSS JOIN v_context_contribution AS c ON c.map_id = m.id"
     " CROSS JOIN word AS w ON w.sequence_id = m.sequence_id AND w.idx = c.source_word_idx "
     "GROUP BY w.idx ORDER BY rank LIMIT coalesce(:top, 10)"},

    {"tcs-words", "the words of a text by what they contributed to its whole summary (token contribution scores)",
     "input [run] [top=20]",
     CHOSEN_SUMMARY
     "SELECT row_number() OVER (ORDER BY sum(c.score) DESC, w.idx) AS rank, h.run_id, w.idx AS word_idx, w.text AS word, w.sentence,"
     " w.char_start, w.char_end, sum(c.score) AS score_sum, max(c.score) AS score_max, sum(c.share) AS share "
     "FROM chosen AS h CROSS JOIN tcs AS c ON c.run_id = h.run_id AND c.sequence_id = h.sequence_id"
     " CROSS JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx"
     " CROSS JOIN word AS w ON w.sequence_id = t.sequence_id AND w.idx = t.word_idx "
     "GROUP BY w.idx ORDER BY rank LIMIT coalesce(:top, 20)"},

    {"sentences", "the sentences of a text by what they contributed to its whole summary, with the text of each",
     "input [run]",
     CHOSEN_SUMMARY
     "SELECT row_number() OVER (ORDER BY sum(c.score) DESC) AS rank, h.run_id, " UVK_SENTENCE_OF_T " AS sentence, count(*) AS tokens,"
     " sum(c.score) AS score_sum, max(c.score) AS score_max, sum(c.share) AS share,"
     " trim(substr(i.text, 1 + min(t.char_start), max(t.char_end) - min(t.char_start)), char(9, 10, 13, 32)) AS text "
     "FROM chosen AS h CROSS JOIN sequence AS q ON q.id = h.sequence_id CROSS JOIN input AS i ON i.id = q.input_id"
     " CROSS JOIN tcs AS c ON c.run_id = h.run_id AND c.sequence_id = h.sequence_id"
     " CROSS JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx "
     "GROUP BY sentence ORDER BY rank"},

    {"runs", "every run: what it did, with which model, how far it got",
     "",
     "SELECT run_id, label, probe, model, layer, scalar, status, inputs_done, inputs_failed, maps, contributions, seconds,"
     " started_at, finished_at FROM v_run ORDER BY run_id"},

    {"inputs", "every input of every run, with what became of it",
     "[run]",
     "SELECT x.run_id, i.name, i.kind, i.width, i.height, i.n_chars, x.status,"
     " (SELECT count(*) FROM sequence AS q CROSS JOIN map AS p ON p.run_id = x.run_id AND p.sequence_id = q.id"
     " WHERE q.input_id = i.id) AS maps, x.error "
     "FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE (:run IS NULL OR x.run_id = :run) ORDER BY x.run_id, i.id"},

    {"concentrated", "the most and the least concentrated maps of each layer, by entropy (0: one source, 1: all alike)",
     "[run] [top=5]",
     "WITH ranked AS ("
     "SELECT p.id, count(*) OVER each AS n, row_number() OVER (each ORDER BY p.entropy, p.id) AS rank "
     "FROM run AS r CROSS JOIN map AS p ON p.run_id = r.id "
     "WHERE p.entropy IS NOT NULL AND (:run IS NULL OR r.id = :run) WINDOW each AS (PARTITION BY r.model_id, r.layer)) "
     "SELECT v.model, v.layer, CASE WHEN rank <= coalesce(:top, 5) THEN 'most' ELSE 'least' END AS concentrated, v.run_id,"
     " v.map_id, v.input, v.target_idx, v.target_row, v.target_col, v.target_text, v.entropy, v.effective_tokens, v.gini,"
     " v.top10_share, v.locality "
     "FROM ranked CROSS JOIN v_map AS v ON v.map_id = ranked.id "
     "WHERE rank <= coalesce(:top, 5) OR rank > n - coalesce(:top, 5) ORDER BY v.model, v.layer, ranked.rank"},

    {"modality", "vision and text side by side: how concentrated and how local maps are, by depth of the layer",
     "",
     "SELECT * FROM v_modality ORDER BY depth"},

    {"cost", "what each input cost: time, work and memory",
     "[run]",
     "SELECT y.*, 1000 * seconds / nullif(maps, 0) AS ms_per_map, gflop / nullif(seconds, 0) AS gflop_per_second FROM ("
     "SELECT x.run_id, m.name AS model, r.layer, i.name AS input, x.device,"
     " (SELECT count(*) FROM sequence AS q CROSS JOIN map AS p ON p.run_id = x.run_id AND p.sequence_id = q.id"
     " WHERE q.input_id = i.id) AS maps, x.seconds_forward, x.seconds_backward,"
     " x.seconds_forward + x.seconds_backward AS seconds, x.gflop, x.peak_bytes "
     "FROM run_input AS x JOIN run AS r ON r.id = x.run_id JOIN model AS m ON m.id = r.model_id"
     " JOIN input AS i ON i.id = x.input_id WHERE x.status = 'done' AND (:run IS NULL OR r.id = :run)) AS y "
     "ORDER BY run_id, input"},
};

enum { N_QUERIES = sizeof queries / sizeof *queries };

const uvk_db_named *uvk_db_named_queries(int *n)
{
    *n = N_QUERIES;
    return queries;
}

static uvk_status find_query(const char *name, const uvk_db_named **out, uvk_error *err)
{
    char known[512] = "";
    for (int i = 0; i < N_QUERIES; i++) {
        if (strcmp(queries[i].name, name) == 0) {
            *out = &queries[i];
            return UVK_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", queries[i].name);
    }
    return uvk_fail(err, UVK_USAGE, "no query is named '%s' (there are %s)", name, known);
}

/* "[key]" or "[key=default]" in the list of parameters. */
static bool is_optional(const uvk_db_named *query, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = strchr(query->parameters, '['); at; at = strchr(at + 1, '['))
        if (strncmp(at + 1, key, length) == 0 && (at[1 + length] == ']' || at[1 + length] == '='))
            return true;
    return false;
}

/* Text throughout: a comparison with a number makes a number of it. */
static uvk_status bind_one(uvk_db *db, sqlite3_stmt *statement, const uvk_db_named *query, const char *param, uvk_error *err)
{
    char key[64];
    const char *equals = strchr(param, '=');
    int length = equals ? (int)(equals - param) : 0;
    if (length == 0 || length > 60)
        return uvk_fail(err, UVK_USAGE, "'%s' is not a parameter (expected key=value)", param);
    snprintf(key, sizeof key, ":%.*s", length, param);
    int at = sqlite3_bind_parameter_index(statement, key);
    if (at == 0)
        return uvk_fail(err, UVK_USAGE, "query '%s' has no parameter '%s' (it takes: %s)", query->name, key + 1,
                        *query->parameters ? query->parameters : "none");
    return sqlite3_bind_text(statement, at, equals + 1, -1, SQLITE_STATIC) == SQLITE_OK ? UVK_OK : uvk_query_fail(db, err);
}

static bool is_given(const char *key, const char *const *params, int n_params)
{
    size_t length = strlen(key);
    for (int i = 0; i < n_params; i++)
        if (strncmp(params[i], key, length) == 0 && params[i][length] == '=')
            return true;
    return false;
}

static uvk_status bind_all(uvk_db *db, sqlite3_stmt *statement, const uvk_db_named *query, const char *const *params, int n_params,
                           uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < n_params; i++)
        status = bind_one(db, statement, query, params[i], err);
    for (int i = 1; !status && i <= sqlite3_bind_parameter_count(statement); i++) {
        const char *key = sqlite3_bind_parameter_name(statement, i) + 1;
        if (!is_optional(query, key) && !is_given(key, params, n_params))
            status = uvk_fail(err, UVK_USAGE, "query '%s' needs %s=... (it takes: %s)", query->name, key, query->parameters);
    }
    return status;
}

uvk_status uvk_db_query_named(const char *path, const char *name, const char *const *params, int n_params, uvk_db_format format,
                              FILE *out, uvk_error *err)
{
    const uvk_db_named *query;
    uvk_db *db;
    sqlite3_stmt *statement = NULL;
    uvk_status status = find_query(name, &query, err);
    if (!status)
        status = uvk_query_open(path, &db, err);
    if (status)
        return status;
    if (sqlite3_prepare_v2(db->sqlite, query->sql, -1, &statement, NULL) != SQLITE_OK)
        status = uvk_query_fail(db, err);
    if (!status)
        status = bind_all(db, statement, query, params, n_params, err);
    if (!status)
        status = uvk_print_rows(db, statement, format, out, err);
    sqlite3_finalize(statement);
    uvk_query_close(db);
    return status;
}
