/* Version 2: text. Which summary token a map stands for, which text a word is of, and what each word contributed. */
#include "schema.h"

/* The views of a file and those that show a file of version 1 are the same, but for their place. */
#define VIEW(text) "CREATE VIEW " text
#define SHOWN(text) "CREATE TEMP VIEW " text

/* ---- Tables ------------------------------------------------------------------------------------------------------------ */

/* output_idx: the summary token that the map stands for; its latent, target_idx, is where that token is predicted from, or its
 * own. NULL where the map stands for its target. context_min and context_max: of S over the tokens of role context, so that a
 * map can be scaled whatever contribution keeps of it; NULL where the sequence has none. */
static const char map_columns[] =
    "ALTER TABLE map ADD COLUMN output_idx INTEGER;"
    "ALTER TABLE map ADD COLUMN context_min REAL;"
    "ALTER TABLE map ADD COLUMN context_max REAL";
static const char map_shown[] = SHOWN("map AS SELECT *, NULL AS output_idx, NULL AS context_min, NULL AS context_max FROM main.map");

/* role: context | summary. Words of both are numbered through, and so are their sentences. */
static const char word_columns[] =
    "ALTER TABLE word ADD COLUMN role TEXT;"
    "CREATE INDEX word_place ON word (sequence_id, role, char_start)";
static const char word_shown[] = SHOWN("word AS SELECT *, NULL AS role FROM main.word");

/* ---- Views ------------------------------------------------------------------------------------------------------------- */

static const char drop_views[] = "DROP VIEW v_map; DROP VIEW v_contribution; DROP VIEW v_tcs_word";

/* The token that a map stands for is t, with its word tw. */
#define TARGET \
    " JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = coalesce(p.output_idx, p.target_idx)" \
    " LEFT JOIN word AS tw ON tw.sequence_id = t.sequence_id AND tw.idx = t.word_idx"

#define V_MAP \
    "v_map AS " \
    "SELECT p.id AS map_id, p.run_id, p.sequence_id, i.id AS input_id, i.name AS input, m.name AS model, m.modality," \
    " r.layer, (r.layer - 1) * 1.0 / m.layers AS depth, r.scalar," \
    " p.target_idx, t.kind AS target_kind, t.role AS target_role, t.text AS target_text," \
    " t.grid_row AS target_row, t.grid_col AS target_col," \
    " t.x0 AS target_x0, t.y0 AS target_y0, t.x1 AS target_x1, t.y1 AS target_y1," \
    " p.n_sources, p.n_visible, p.score_min, p.score_max, p.score_sum, p.self_score, p.special_share," \
    " p.entropy, p.gini, p.effective_tokens, p.top10_share, p.locality," \
    " p.output_idx AS target_output, t.word_idx AS target_word_idx, tw.text AS target_word " \
    "FROM map AS p JOIN run AS r ON r.id = p.run_id JOIN model AS m ON m.id = r.model_id" \
    " JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id" TARGET

#define V_CONTRIBUTION \
    "v_contribution AS " \
    "SELECT c.map_id, p.run_id, p.sequence_id, i.id AS input_id, i.name AS input, r.layer," \
    " p.target_idx, t.kind AS target_kind, t.text AS target_text, t.grid_row AS target_row, t.grid_col AS target_col," \
    " t.x0 AS target_x0, t.y0 AS target_y0, t.x1 AS target_x1, t.y1 AS target_y1," \
    " c.source_idx, s.kind AS source_kind, s.role AS source_role, s.text AS source_text," \
    " s.grid_row AS source_row, s.grid_col AS source_col," \
    " s.x0 AS source_x0, s.y0 AS source_y0, s.x1 AS source_x1, s.y1 AS source_y1," \
    " s.char_start AS source_char_start, s.char_end AS source_char_end," \
    " c.score, c.score / nullif(p.score_sum, 0) AS share," \
    " p.output_idx AS target_output, t.word_idx AS target_word_idx, tw.text AS target_word," \
    " s.word_idx AS source_word_idx, sw.text AS source_word " \
    "FROM map AS p JOIN contribution AS c ON c.map_id = p.id JOIN run AS r ON r.id = p.run_id" \
    " JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id" TARGET \
    " JOIN token AS s ON s.sequence_id = p.sequence_id AND s.idx = c.source_idx" \
    " LEFT JOIN word AS sw ON sw.sequence_id = s.sequence_id AND sw.idx = s.word_idx"

/* S_t of METHOD section 4: one map, its context tokens, scaled to 0..1; a constant map is 0. */
#define V_CONTEXT_CONTRIBUTION \
    "v_context_contribution AS " \
    "SELECT c.map_id, p.run_id, p.sequence_id, p.target_idx, p.output_idx AS target_output, t.text AS target_text," \
    " t.word_idx AS target_word_idx, c.source_idx, s.text AS source_text, s.word_idx AS source_word_idx," \
    " s.char_start AS source_char_start, s.char_end AS source_char_end," \
    " CASE WHEN p.context_max > p.context_min THEN (c.score - p.context_min) / (p.context_max - p.context_min) ELSE 0.0 END AS score " \
    "FROM map AS p JOIN contribution AS c ON c.map_id = p.id" \
    " JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = coalesce(p.output_idx, p.target_idx)" \
    " JOIN token AS s ON s.sequence_id = p.sequence_id AND s.idx = c.source_idx AND s.role = 'context'"

/* The same by words of the context: the pieces of a word, the highest and all together. */
#define V_WORD_CONTRIBUTION \
    "v_word_contribution AS " \
    "SELECT c.run_id, c.sequence_id, c.map_id, c.target_idx, c.target_output, c.target_text, c.target_word_idx, tw.text AS target_word," \
    " c.source_word_idx, sw.text AS source_word, sw.sentence AS source_sentence," \
    " count(*) AS tokens, max(c.score) AS score_max, sum(c.score) AS score_sum " \
    "FROM v_context_contribution AS c JOIN word AS sw ON sw.sequence_id = c.sequence_id AND sw.idx = c.source_word_idx" \
    " LEFT JOIN word AS tw ON tw.sequence_id = c.sequence_id AND tw.idx = c.target_word_idx " \
    "GROUP BY c.run_id, c.sequence_id, c.map_id, c.source_word_idx"

#define V_TCS_WORD \
    "v_tcs_word AS " \
    "SELECT c.run_id, c.sequence_id, i.name AS input, w.idx AS word_idx, w.sentence, w.text, w.char_start, w.char_end," \
    " count(*) AS tokens, max(c.score) AS score_max, sum(c.score) AS score_sum, sum(c.share) AS share, w.role " \
    "FROM tcs AS c JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx" \
    " JOIN word AS w ON w.sequence_id = t.sequence_id AND w.idx = t.word_idx" \
    " JOIN sequence AS q ON q.id = c.sequence_id JOIN input AS i ON i.id = q.input_id " \
    "GROUP BY c.run_id, c.sequence_id, w.idx"

#define V_TCS_SENTENCE \
    "v_tcs_sentence AS " \
    "SELECT c.run_id, c.sequence_id, i.name AS input, " UVK_SENTENCE_OF_T " AS sentence," \
    " min(t.char_start) AS char_start, max(t.char_end) AS char_end," \
    " trim(substr(i.text, 1 + min(t.char_start), max(t.char_end) - min(t.char_start)), char(9, 10, 13, 32)) AS text," \
    " count(*) AS tokens, max(c.score) AS score_max, sum(c.score) AS score_sum, sum(c.share) AS share " \
    "FROM tcs AS c JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx" \
    " JOIN sequence AS q ON q.id = c.sequence_id JOIN input AS i ON i.id = q.input_id " \
    "GROUP BY c.run_id, c.sequence_id, sentence"

static const char v_map[] = VIEW(V_MAP), v_contribution[] = VIEW(V_CONTRIBUTION), v_context_contribution[] = VIEW(V_CONTEXT_CONTRIBUTION),
                  v_word_contribution[] = VIEW(V_WORD_CONTRIBUTION), v_tcs_word[] = VIEW(V_TCS_WORD), v_tcs_sentence[] = VIEW(V_TCS_SENTENCE);

const char *const uvk_schema_2[] = {
    drop_views, map_columns, word_columns,
    v_map, v_contribution, v_context_contribution, v_word_contribution, v_tcs_word, v_tcs_sentence, NULL,
};

const char *const uvk_schema_2_shown[] = {
    map_shown, word_shown,
    SHOWN(V_MAP), SHOWN(V_CONTRIBUTION), SHOWN(V_CONTEXT_CONTRIBUTION), SHOWN(V_WORD_CONTRIBUTION), SHOWN(V_TCS_WORD), SHOWN(V_TCS_SENTENCE), NULL,
};
