/* The queries that have a name. */
#include "named.h"
#include "schema.h"

#include <stddef.h>

/* The latest run that has contribution scores of an input. */
#define CHOSEN_SUMMARY \
    "WITH chosen AS (" \
    "SELECT c.run_id, c.sequence_id FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN tcs AS c ON c.sequence_id = q.id " \
    "WHERE (i.name = :input OR i.path = :input) AND (:run IS NULL OR c.run_id = :run) ORDER BY c.run_id DESC LIMIT 1) "

/* The latest run that has maps of a word of a summary, and that word: by its text, where several are alike the first; or by its
 * number. Told that few inputs are meant, SQLite makes no index of its own, for which it would read every map. */
#define CHOSEN_WORD \
    "WITH chosen AS (" \
    "SELECT p.run_id, q.id AS sequence_id, w.idx AS word_idx, w.text FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id" \
    " CROSS JOIN map AS p ON p.sequence_id = q.id" \
    " CROSS JOIN token AS t ON t.sequence_id = q.id AND t.idx = p.output_idx" \
    " CROSS JOIN word AS w ON w.sequence_id = q.id AND w.idx = t.word_idx AND w.role = 'summary' AND (lower(w.text) = lower(:word) OR w.idx = :word) " \
    "WHERE likelihood(i.name = :input OR i.path = :input, 0.001) AND (:run IS NULL OR p.run_id = :run) " \
    "ORDER BY p.run_id DESC, lower(w.text) = lower(:word) DESC, w.idx LIMIT 1)," \
    " chosen_map AS (" \
    "SELECT p.id, p.run_id, p.sequence_id, h.word_idx, h.text, count(*) OVER () AS n FROM chosen AS h" \
    " CROSS JOIN map AS p ON p.sequence_id = h.sequence_id AND p.run_id = h.run_id" \
    " CROSS JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = p.output_idx AND t.word_idx = h.word_idx) "

/* Rows of metric, or of v_faithfulness, in one number: how much more it changes a result to take away what a method calls
 * important than to keep only that. */
#define GAP "coalesce(faithfulness_gap, aopc_comprehensiveness - aopc_sufficiency)"
#define MEAN(name) "avg(e.value) FILTER (WHERE e.name = '" name "') AS " name

/* A model is named by its name, its id or its hash. */
#define IS_MODEL(key) "(m.name = :" key " OR m.sha256 = :" key " OR CAST(m.id AS TEXT) = :" key ")"
#define BOTH(function, value, name) \
    function "(" value ") FILTER (WHERE is_a) AS a_" name ", " function "(" value ") FILTER (WHERE is_b) AS b_" name

/* A map x of run r whose concentration says something. */
#define RANKED "x.run_id = r.id AND x.entropy IS NOT NULL AND x.n_visible > 2"

#define SIDES(function, value, name) \
    function "(" value ") FILTER (WHERE modality = 'vision') AS vision_" name ", " function "(" value ") FILTER (WHERE modality = 'text') AS text_" name

const uvk_db_named uvk_named_queries[] = {
    {"top-sources", "the source patches or tokens that most explain one target of an input (its own token left out)",
     "input [token] [row] [col] [run] [top=10]",
     "WITH target AS ("
     "SELECT p.id FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN map AS p ON p.sequence_id = q.id"
     " CROSS JOIN token AS t ON t.sequence_id = q.id AND t.idx = p.target_idx "
     "WHERE (i.name = :input OR i.path = :input) AND (:run IS NULL OR p.run_id = :run)"
     " AND (:token IS NULL OR p.target_idx = :token) AND (:row IS NULL OR t.grid_row = :row)"
     " AND (:col IS NULL OR t.grid_col = :col) "
     "ORDER BY p.run_id DESC, p.target_idx LIMIT 1) "
     "SELECT row_number() OVER (ORDER BY c.score DESC, c.source_idx) AS rank, c.run_id, c.layer, c.target_idx, c.target_row, c.target_col,"
     " c.source_idx, c.source_row, c.source_col, c.source_x0 AS x0, c.source_y0 AS y0, c.source_x1 AS x1, c.source_y1 AS y1,"
     " c.source_text, c.score, c.share "
     "FROM target CROSS JOIN v_contribution AS c ON c.map_id = target.id WHERE c.source_idx <> c.target_idx "
     "ORDER BY rank LIMIT :top"},

    {"top-words", "the words of the context that contributed most to one word of the summary (mean over the pieces of that word)",
     "input word [run] [top=10]",
     CHOSEN_WORD
     "SELECT row_number() OVER (ORDER BY sum(c.score) DESC, w.idx) AS rank, m.run_id, m.word_idx AS summary_word_idx, m.text AS summary_word,"
     " w.idx AS word_idx, w.text AS word, w.sentence, w.char_start, w.char_end,"
     " sum(c.score) / m.n AS score_sum, max(c.score) AS score_max "
     "FROM chosen_map AS m CROSS JOIN v_context_contribution AS c ON c.map_id = m.id"
     " CROSS JOIN word AS w ON w.sequence_id = m.sequence_id AND w.idx = c.source_word_idx "
     "GROUP BY w.idx ORDER BY rank LIMIT :top"},

    {"tcs-words", "the words of a text by what they contributed to its whole summary (token contribution scores)",
     "input [run] [top=20]",
     CHOSEN_SUMMARY
     "SELECT row_number() OVER (ORDER BY sum(c.score) DESC, w.idx) AS rank, h.run_id, w.idx AS word_idx, w.text AS word, w.sentence,"
     " w.char_start, w.char_end, sum(c.score) AS score_sum, max(c.score) AS score_max, sum(c.share) AS share "
     "FROM chosen AS h CROSS JOIN tcs AS c ON c.run_id = h.run_id AND c.sequence_id = h.sequence_id"
     " CROSS JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx"
     " CROSS JOIN word AS w ON w.sequence_id = t.sequence_id AND w.idx = t.word_idx "
     "GROUP BY w.idx ORDER BY rank LIMIT :top"},

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
     "FROM run_input AS x JOIN input AS i ON i.id = x.input_id WHERE (:run IS NULL OR x.run_id = :run) ORDER BY x.run_id, i.name, i.id"},

    /* Each run's extremes come from its index, up to the entropy of the last that counts, so that equal ones are all there; what is
     * ranked are those. Maps of two sources and fewer are all alike. */
    {"concentrated", "the most and the least concentrated maps of each layer, by entropy (0: one source, 1: all alike)",
     "[run] [top=5]",
     "WITH extreme AS ("
     "SELECT r.id, r.model_id, r.layer,"
     " coalesce((SELECT x.entropy FROM map AS x WHERE " RANKED " ORDER BY x.entropy LIMIT 1 OFFSET max(:top, 1) - 1), 9e999) AS low,"
     " coalesce((SELECT x.entropy FROM map AS x WHERE " RANKED " ORDER BY x.entropy DESC LIMIT 1 OFFSET max(:top, 1) - 1), -9e999) AS high "
     "FROM run AS r WHERE :run IS NULL OR r.id = :run),"
     " ranked AS ("
     "SELECT p.id, row_number() OVER (each ORDER BY p.entropy, i.name, p.target_idx, p.id) AS rank,"
     " row_number() OVER (each ORDER BY p.entropy DESC, i.name DESC, p.target_idx DESC, p.id DESC) AS last "
     "FROM extreme AS r CROSS JOIN map AS p ON p.id IN"
     " (SELECT x.id FROM map AS x WHERE " RANKED " AND x.entropy <= low UNION SELECT x.id FROM map AS x WHERE " RANKED " AND x.entropy >= high)"
     " CROSS JOIN sequence AS q ON q.id = p.sequence_id CROSS JOIN input AS i ON i.id = q.input_id WINDOW each AS (PARTITION BY r.model_id, r.layer)) "
     "SELECT v.model, v.layer, CASE WHEN rank <= :top THEN 'most' ELSE 'least' END AS concentrated, v.run_id,"
     " v.map_id, v.input, v.target_idx, v.target_row, v.target_col, v.target_text, v.entropy, v.effective_tokens, v.gini,"
     " v.top10_share, v.locality "
     "FROM ranked CROSS JOIN v_map AS v ON v.map_id = ranked.id "
     "WHERE rank <= :top OR last <= :top ORDER BY v.model, v.layer, ranked.rank"},

    /* Depths differ between models of different heights: layers are gathered into steps. */
    {"modality", "vision and text side by side: how concentrated and how local maps are, by depth in steps (1: the output of the last block)",
     "[steps=4]",
     "WITH step_of AS ("
     "SELECT r.id, m.modality, ((r.layer - 1) * max(:steps, 1) + m.layers - 1) / m.layers AS step FROM model AS m JOIN run AS r ON r.model_id = m.id) "
     "SELECT step * 1.0 / max(:steps, 1) AS depth, " SIDES("count", "1", "maps") ", " SIDES("avg", "p.entropy", "entropy") ", "
     SIDES("avg", "p.effective_tokens", "effective_tokens") ", " SIDES("avg", "p.gini", "gini") ", " SIDES("avg", "p.top10_share", "top10_share") ", "
     SIDES("avg", "p.locality", "locality") " "
     "FROM step_of AS s CROSS JOIN map AS p ON p.run_id = s.id GROUP BY step ORDER BY step"},

    {"agreement", "how far two runs agree on an input: for each target the rank correlation (Spearman) of the two maps, over the visible sources"
     " without special tokens and the target itself; the latest two runs, or those named",
     "input [run] [other]",
     "WITH has AS ("
     "SELECT DISTINCT p.run_id, p.sequence_id FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id"
     " CROSS JOIN map AS p ON p.sequence_id = q.id WHERE i.name = :input OR i.path = :input),"
     " one AS (SELECT * FROM has WHERE :run IS NULL OR run_id = :run ORDER BY run_id DESC LIMIT 1),"
     " two AS (SELECT has.* FROM one CROSS JOIN has ON has.run_id <> one.run_id WHERE :other IS NULL OR has.run_id = :other"
     " ORDER BY has.run_id DESC LIMIT 1) "
     "SELECT a.run_id AS run, b.run_id AS other, r.layer, s.layer AS other_layer, a.target_idx, t.grid_row AS target_row, t.grid_col AS target_col,"
     " t.text AS target_text, count(*) AS sources, spearman(x.score, y.score) AS spearman "
     "FROM one CROSS JOIN two CROSS JOIN run AS r ON r.id = one.run_id CROSS JOIN run AS s ON s.id = two.run_id"
     " CROSS JOIN map AS a ON a.sequence_id = one.sequence_id AND a.run_id = one.run_id"
     " CROSS JOIN map AS b ON b.sequence_id = two.sequence_id AND b.run_id = two.run_id AND b.target_idx = a.target_idx"
     " AND length(b.scores) = length(a.scores)"
     " CROSS JOIN token AS t ON t.sequence_id = a.sequence_id AND t.idx = coalesce(a.output_idx, a.target_idx)"
     " CROSS JOIN token AS u ON u.sequence_id = b.sequence_id AND u.idx = coalesce(b.output_idx, b.target_idx)"
     " AND u.grid_row IS t.grid_row AND u.grid_col IS t.grid_col AND u.char_start IS t.char_start AND u.char_end IS t.char_end"
     " CROSS JOIN token AS k ON k.sequence_id = a.sequence_id AND k.kind <> 'special' AND k.idx <> a.target_idx"
     " AND (a.n_visible = a.n_sources OR k.idx < a.target_idx)"
     " CROSS JOIN scores AS x ON x.map_id = a.id AND x.source_idx = k.idx"
     " CROSS JOIN scores AS y ON y.map_id = b.id AND y.source_idx = k.idx "
     "GROUP BY a.id ORDER BY a.target_idx"},

    {"unfaithful", "runs whose faithfulness gap is negative: hiding what the maps call important does less than hiding the rest (texts:"
     " comprehensiveness less sufficiency)",
     "",
     "SELECT run_id, label, model, modality, layer, scalar, inputs, " GAP " AS gap, auc_positive, auc_negative, aopc_comprehensiveness,"
     " aopc_sufficiency FROM v_faithfulness WHERE method = 'ultra' AND gap < 0 ORDER BY gap, run_id"},

    {"methods", "explanation methods ranked by faithfulness within each modality, with what each is ahead of random order by (score: the"
     " faithfulness gap; texts: comprehensiveness less sufficiency)",
     "[run]",
     "WITH mean AS ("
     "SELECT m.modality, e.method, count(DISTINCT e.sequence_id) AS inputs, " MEAN("faithfulness_gap") ", " MEAN("auc_positive") ", "
     MEAN("auc_negative") ", " MEAN("aopc_comprehensiveness") ", " MEAN("aopc_sufficiency") ", " MEAN("token_f1") ", " MEAN("iou_f1") ", "
     MEAN("auprc") ", " MEAN("stability") " "
     "FROM metric AS e CROSS JOIN run AS r ON r.id = e.run_id CROSS JOIN model AS m ON m.id = r.model_id "
     "WHERE e.name IN ('faithfulness_gap', 'auc_positive', 'auc_negative', 'aopc_comprehensiveness', 'aopc_sufficiency', 'token_f1', 'iou_f1',"
     " 'auprc', 'stability') AND e.sequence_id IS NOT NULL AND (:run IS NULL OR e.run_id = :run) GROUP BY m.modality, e.method),"
     " scored AS (SELECT *, " GAP " AS score FROM mean) "
     "SELECT modality, rank() OVER (PARTITION BY modality ORDER BY score DESC NULLS LAST) AS rank, method, inputs, score,"
     " score - max(score) FILTER (WHERE method = 'random') OVER (PARTITION BY modality) AS over_random, faithfulness_gap, auc_positive,"
     " auc_negative, aopc_comprehensiveness, aopc_sufficiency, token_f1, iou_f1, auprc, stability "
     "FROM scored ORDER BY modality DESC, rank, method"},

    {"models", "two models side by side: how concentrated and how local their maps are, by depth; of all inputs, or of one",
     "a b [input]",
     "WITH chosen AS ("
     "SELECT r.id, m.id AS model_id, " IS_MODEL("a") " AS is_a, " IS_MODEL("b") " AS is_b, (r.layer - 1) * 1.0 / m.layers AS depth, r.scalar "
     "FROM model AS m JOIN run AS r ON r.model_id = m.id WHERE is_a OR is_b),"
     " map_of AS (" /* all of them out of map_numbers, without the BLOBs; those of one input by their places */
     "SELECT h.*, p.entropy, p.effective_tokens, p.gini, p.top10_share, p.locality, p.special_share, p.self_score"
     " FROM chosen AS h CROSS JOIN map AS p ON p.run_id = h.id WHERE :input IS NULL "
     "UNION ALL "
     "SELECT h.*, p.entropy, p.effective_tokens, p.gini, p.top10_share, p.locality, p.special_share, p.self_score"
     " FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN chosen AS h ON h.model_id = q.model_id"
     " CROSS JOIN map AS p ON p.sequence_id = q.id AND p.run_id = h.id WHERE :input IS NOT NULL AND (i.name = :input OR i.path = :input)) "
     "SELECT depth, scalar, " BOTH("count", "1", "maps") ", " BOTH("avg", "entropy", "entropy") ", "
     BOTH("avg", "effective_tokens", "effective_tokens") ", " BOTH("avg", "gini", "gini") ", " BOTH("avg", "top10_share", "top10_share") ", "
     BOTH("avg", "locality", "locality") ", " BOTH("avg", "special_share", "special_share") ", " BOTH("avg", "self_score", "self_score") " "
     "FROM map_of GROUP BY depth, scalar ORDER BY depth, scalar"},

    {"models-words", "one text, two models side by side (a base and a tuned one): what share of its contribution scores each gives a word,"
     " the largest difference first",
     "input a b [top=20]",
     "WITH latest AS ("
     "SELECT max(c.run_id) FILTER (WHERE " IS_MODEL("a") ") AS a, max(c.run_id) FILTER (WHERE " IS_MODEL("b") ") AS b FROM input AS i"
     " CROSS JOIN sequence AS q ON q.input_id = i.id CROSS JOIN model AS m ON m.id = q.model_id CROSS JOIN tcs AS c ON c.sequence_id = q.id "
     "WHERE i.name = :input OR i.path = :input),"
     " word_of AS ("
     "SELECT c.run_id, w.text, w.char_start, w.char_end, sum(c.share) AS share FROM input AS i CROSS JOIN sequence AS q ON q.input_id = i.id"
     " CROSS JOIN latest CROSS JOIN token AS t ON t.sequence_id = q.id CROSS JOIN word AS w ON w.sequence_id = q.id AND w.idx = t.word_idx"
     " CROSS JOIN tcs AS c ON c.sequence_id = q.id AND c.source_idx = t.idx AND c.run_id IN (latest.a, latest.b) "
     "WHERE i.name = :input OR i.path = :input GROUP BY c.run_id, q.id, w.idx) "
     "SELECT row_number() OVER (ORDER BY abs(b_share - a_share) DESC, char_start) AS rank, text AS word, char_start, char_end, a_share, b_share,"
     " b_share - a_share AS difference FROM ("
     "SELECT word_of.text, char_start, char_end, coalesce(max(share) FILTER (WHERE run_id = latest.a), 0.0) AS a_share,"
     " coalesce(max(share) FILTER (WHERE run_id = latest.b), 0.0) AS b_share FROM word_of CROSS JOIN latest GROUP BY char_start, char_end) "
     "ORDER BY rank LIMIT :top"},

    {"cost", "what each input cost at each layer: time, work and memory",
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

const int uvk_n_named_queries = sizeof uvk_named_queries / sizeof *uvk_named_queries;
