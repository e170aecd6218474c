/* Version 1 of the database. Table and column names are published: later versions add to them and change none. */
#include "schema.h"

/* What was explained, by what, and when. */
static const char model[] =
    "CREATE TABLE model ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT, family TEXT,"
    " modality TEXT,"             /* vision | text */
    " sha256 TEXT NOT NULL UNIQUE," /* over config and weights */
    " layers INTEGER, heads INTEGER, width INTEGER, path TEXT)";

static const char input[] =
    "CREATE TABLE input ("
    " id INTEGER PRIMARY KEY,"
    " kind TEXT, name TEXT NOT NULL, path TEXT,"
    " sha256 TEXT NOT NULL,"      /* '' where the file could not be read */
    " width INTEGER, height INTEGER, n_chars INTEGER, text TEXT,"
    " UNIQUE (sha256, name));"
    "CREATE INDEX input_name ON input (name)";

static const char run[] =
    "CREATE TABLE run ("
    " id INTEGER PRIMARY KEY,"
    " key TEXT NOT NULL UNIQUE,"  /* hash of model, probe and params; a repeated run has '#2', '#3' behind it */
    " label TEXT, probe TEXT,"
    " model_id INTEGER NOT NULL REFERENCES model (id),"
    " layer INTEGER, first_block INTEGER, scalar TEXT, product_order TEXT, normalize TEXT, own_token TEXT, precision TEXT,"
    " params TEXT, command TEXT, device TEXT, driver TEXT, version TEXT, seed INTEGER,"
    " started_at TEXT NOT NULL, finished_at TEXT,"
    " status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),"
    " contributions INTEGER NOT NULL DEFAULT 0);" /* rows that this run has in contribution */
    "CREATE INDEX run_model ON run (model_id)";

static const char run_input[] =
    "CREATE TABLE run_input ("
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " input_id INTEGER NOT NULL REFERENCES input (id) ON DELETE CASCADE,"
    " status TEXT NOT NULL CHECK (status IN ('done', 'failed', 'skipped')),"
    " error TEXT, device TEXT, seconds_forward REAL, seconds_backward REAL, gflop REAL, peak_bytes INTEGER,"
    " PRIMARY KEY (run_id, input_id)) WITHOUT ROWID;"
    "CREATE INDEX run_input_input ON run_input (input_id)";

/* One input as one model saw it; shared by the runs that saw it so. */
static const char sequence[] =
    "CREATE TABLE sequence ("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model (id),"
    " input_id INTEGER NOT NULL REFERENCES input (id),"
    " key TEXT NOT NULL, text_out TEXT, params TEXT,"
    " UNIQUE (model_id, input_id, key));"
    "CREATE INDEX sequence_input ON sequence (input_id)";

static const char token[] =
    "CREATE TABLE token ("
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id) ON DELETE CASCADE,"
    " idx INTEGER NOT NULL,"
    " side TEXT,"                 /* single | encoder | decoder */
    " kind TEXT,"                 /* special | patch | text */
    " role TEXT,"                 /* image | context | prompt | summary | special */
    " word_idx INTEGER, text TEXT,"
    " grid_row INTEGER, grid_col INTEGER,"
    " x0 REAL, y0 REAL, x1 REAL, y1 REAL," /* pixels of the original photo */
    " char_start INTEGER, char_end INTEGER," /* code points */
    " PRIMARY KEY (sequence_id, idx)) WITHOUT ROWID";

static const char word[] =
    "CREATE TABLE word ("
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id) ON DELETE CASCADE,"
    " idx INTEGER NOT NULL,"
    " sentence INTEGER, char_start INTEGER, char_end INTEGER, text TEXT,"
    " PRIMARY KEY (sequence_id, idx)) WITHOUT ROWID";

/* One explained token. The index over the numbers spares the queries that compare maps from reading past every BLOB. */
static const char map[] =
    "CREATE TABLE map ("
    " id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id),"
    " target_idx INTEGER NOT NULL,"
    " n_sources INTEGER, n_visible INTEGER, score_min REAL, score_max REAL, score_sum REAL, self_score REAL, special_share REAL,"
    " entropy REAL, gini REAL, effective_tokens REAL, top10_share REAL, locality REAL,"
    " scores BLOB NOT NULL,"      /* float32 little-endian: the raw row over all tokens by idx */
    " UNIQUE (run_id, sequence_id, target_idx),"
    " FOREIGN KEY (sequence_id, target_idx) REFERENCES token (sequence_id, idx));"
    "CREATE INDEX map_target ON map (sequence_id, target_idx, run_id);"
    "CREATE INDEX map_numbers ON map (run_id, entropy, effective_tokens, gini, top10_share, locality, special_share, self_score)";

static const char contribution[] =
    "CREATE TABLE contribution ("
    " map_id INTEGER NOT NULL REFERENCES map (id) ON DELETE CASCADE,"
    " source_idx INTEGER NOT NULL,"
    " score REAL NOT NULL,"       /* S of the method: own-token rule applied */
    " PRIMARY KEY (map_id, source_idx)) WITHOUT ROWID";

/* Segmentation. */
static const char segment[] =
    "CREATE TABLE segment ("
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id),"
    " cluster INTEGER NOT NULL,"
    " n_tokens INTEGER, area INTEGER, x0 REAL, y0 REAL, x1 REAL, y1 REAL, class_id INTEGER, class_name TEXT, iou REAL,"
    " PRIMARY KEY (run_id, sequence_id, cluster)) WITHOUT ROWID;"
    "CREATE INDEX segment_sequence ON segment (sequence_id);"
    "CREATE TABLE segment_token ("
    " run_id INTEGER NOT NULL, sequence_id INTEGER NOT NULL, cluster INTEGER NOT NULL, token_idx INTEGER NOT NULL,"
    " PRIMARY KEY (run_id, sequence_id, cluster, token_idx),"
    " FOREIGN KEY (run_id, sequence_id, cluster) REFERENCES segment (run_id, sequence_id, cluster) ON DELETE CASCADE,"
    " FOREIGN KEY (sequence_id, token_idx) REFERENCES token (sequence_id, idx)) WITHOUT ROWID;"
    "CREATE INDEX segment_token_token ON segment_token (sequence_id, token_idx)";

static const char merge_step[] =
    "CREATE TABLE merge_step ("
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id),"
    " step INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL, height REAL NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (run_id, sequence_id, step)) WITHOUT ROWID;"
    "CREATE INDEX merge_step_sequence ON merge_step (sequence_id)";

/* Text: token contribution scores of a whole summary. */
static const char tcs[] =
    "CREATE TABLE tcs ("
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " sequence_id INTEGER NOT NULL REFERENCES sequence (id),"
    " source_idx INTEGER NOT NULL, score REAL NOT NULL, share REAL,"
    " PRIMARY KEY (run_id, sequence_id, source_idx),"
    " FOREIGN KEY (sequence_id, source_idx) REFERENCES token (sequence_id, idx)) WITHOUT ROWID;"
    "CREATE INDEX tcs_sequence ON tcs (sequence_id, source_idx)";

/* Evaluation. NULLs count as equal in the identity, so that a repeated value cannot be stored twice. */
static const char metric[] =
    "CREATE TABLE metric ("
    " run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,"
    " sequence_id INTEGER REFERENCES sequence (id)," /* NULL: over the whole run */
    " target_idx INTEGER,"
    " name TEXT NOT NULL,"
    " method TEXT NOT NULL,"      /* ultra or a baseline's name */
    " k REAL,"                    /* the x of a curve as a fraction, or NULL */
    " value REAL);"
    "CREATE INDEX metric_name ON metric (name, method);"
    "CREATE INDEX metric_sequence ON metric (sequence_id, run_id);"
    "CREATE UNIQUE INDEX metric_identity"
    " ON metric (run_id, ifnull(sequence_id, -1), ifnull(target_idx, -1), name, method, ifnull(k, -1))";

/* depth places a layer of any model between 0 (the input) and 1 (the output of the last block). */
static const char v_run[] =
    "CREATE VIEW v_run AS "
    "SELECT r.id AS run_id, r.label, r.probe, r.status, m.name AS model, m.family, m.modality,"
    " r.layer, (r.layer - 1) * 1.0 / m.layers AS depth, r.first_block, r.scalar, r.product_order, r.normalize, r.own_token,"
    " r.precision, r.device, r.seed, r.started_at, r.finished_at,"
    " (SELECT count(*) FROM run_input AS x WHERE x.run_id = r.id AND x.status = 'done') AS inputs_done,"
    " (SELECT count(*) FROM run_input AS x WHERE x.run_id = r.id AND x.status = 'failed') AS inputs_failed,"
    " (SELECT count(*) FROM run_input AS x WHERE x.run_id = r.id AND x.status = 'skipped') AS inputs_skipped,"
    " (SELECT count(*) FROM map WHERE map.run_id = r.id) AS maps, r.contributions,"
    " (SELECT total(x.seconds_forward) + total(x.seconds_backward) FROM run_input AS x WHERE x.run_id = r.id) AS seconds,"
    " (SELECT total(x.gflop) FROM run_input AS x WHERE x.run_id = r.id) AS gflop "
    "FROM run AS r JOIN model AS m ON m.id = r.model_id";

static const char v_map[] =
    "CREATE VIEW v_map AS "
    "SELECT p.id AS map_id, p.run_id, p.sequence_id, i.id AS input_id, i.name AS input, m.name AS model, m.modality,"
    " r.layer, (r.layer - 1) * 1.0 / m.layers AS depth, r.scalar,"
    " p.target_idx, t.kind AS target_kind, t.role AS target_role, t.text AS target_text,"
    " t.grid_row AS target_row, t.grid_col AS target_col,"
    " t.x0 AS target_x0, t.y0 AS target_y0, t.x1 AS target_x1, t.y1 AS target_y1,"
    " p.n_sources, p.n_visible, p.score_min, p.score_max, p.score_sum, p.self_score, p.special_share,"
    " p.entropy, p.gini, p.effective_tokens, p.top10_share, p.locality "
    "FROM map AS p JOIN run AS r ON r.id = p.run_id JOIN model AS m ON m.id = r.model_id"
    " JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
    " JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = p.target_idx";

static const char v_contribution[] =
    "CREATE VIEW v_contribution AS "
    "SELECT c.map_id, p.run_id, p.sequence_id, i.id AS input_id, i.name AS input, r.layer,"
    " p.target_idx, t.kind AS target_kind, t.text AS target_text, t.grid_row AS target_row, t.grid_col AS target_col,"
    " t.x0 AS target_x0, t.y0 AS target_y0, t.x1 AS target_x1, t.y1 AS target_y1,"
    " c.source_idx, s.kind AS source_kind, s.role AS source_role, s.text AS source_text,"
    " s.grid_row AS source_row, s.grid_col AS source_col,"
    " s.x0 AS source_x0, s.y0 AS source_y0, s.x1 AS source_x1, s.y1 AS source_y1,"
    " s.char_start AS source_char_start, s.char_end AS source_char_end,"
    " c.score, c.score / nullif(p.score_sum, 0) AS share "
    "FROM map AS p JOIN contribution AS c ON c.map_id = p.id JOIN run AS r ON r.id = p.run_id"
    " JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
    " JOIN token AS t ON t.sequence_id = p.sequence_id AND t.idx = p.target_idx"
    " JOIN token AS s ON s.sequence_id = p.sequence_id AND s.idx = c.source_idx";

static const char v_tcs_word[] =
    "CREATE VIEW v_tcs_word AS "
    "SELECT c.run_id, c.sequence_id, i.name AS input, w.idx AS word_idx, w.sentence, w.text, w.char_start, w.char_end,"
    " count(*) AS tokens, max(c.score) AS score_max, sum(c.score) AS score_sum, sum(c.share) AS share "
    "FROM tcs AS c JOIN token AS t ON t.sequence_id = c.sequence_id AND t.idx = c.source_idx"
    " JOIN word AS w ON w.sequence_id = t.sequence_id AND w.idx = t.word_idx"
    " JOIN sequence AS q ON q.id = c.sequence_id JOIN input AS i ON i.id = q.input_id "
    "GROUP BY c.run_id, c.sequence_id, w.idx";

/* Means over the inputs of a run, a row per method, so that the method stands beside its baselines. */
static const char v_faithfulness[] =
    "CREATE VIEW v_faithfulness AS "
    "SELECT e.run_id, r.label, m.name AS model, m.modality, r.layer, r.scalar, e.method,"
    " count(DISTINCT e.sequence_id) AS inputs,"
    " avg(e.value) FILTER (WHERE e.name = 'auc_positive') AS auc_positive,"
    " avg(e.value) FILTER (WHERE e.name = 'auc_negative') AS auc_negative,"
    " avg(e.value) FILTER (WHERE e.name = 'faithfulness_gap') AS faithfulness_gap,"
    " avg(e.value) FILTER (WHERE e.name = 'aopc_comprehensiveness') AS aopc_comprehensiveness,"
    " avg(e.value) FILTER (WHERE e.name = 'aopc_sufficiency') AS aopc_sufficiency "
    "FROM metric AS e JOIN run AS r ON r.id = e.run_id JOIN model AS m ON m.id = r.model_id "
    "WHERE e.sequence_id IS NOT NULL AND e.name IN"
    " ('auc_positive', 'auc_negative', 'faithfulness_gap', 'aopc_comprehensiveness', 'aopc_sufficiency') "
    "GROUP BY e.run_id, e.method";

/* The maps are read from map_numbers alone, run by run, without the BLOBs. */
static const char v_modality[] =
    "CREATE VIEW v_modality AS "
    "WITH side AS ("
    "SELECT m.modality, (r.layer - 1) * 1.0 / m.layers AS depth, count(*) AS maps, avg(p.entropy) AS entropy,"
    " avg(p.effective_tokens) AS effective_tokens, avg(p.gini) AS gini, avg(p.top10_share) AS top10_share,"
    " avg(p.locality) AS locality, avg(p.special_share) AS special_share, avg(p.self_score) AS self_score "
    "FROM model AS m CROSS JOIN run AS r ON r.model_id = m.id CROSS JOIN map AS p ON p.run_id = r.id "
    "GROUP BY m.modality, depth) "
    "SELECT d.depth, v.maps AS vision_maps, t.maps AS text_maps,"
    " v.entropy AS vision_entropy, t.entropy AS text_entropy,"
    " v.effective_tokens AS vision_effective_tokens, t.effective_tokens AS text_effective_tokens,"
    " v.gini AS vision_gini, t.gini AS text_gini,"
    " v.top10_share AS vision_top10_share, t.top10_share AS text_top10_share,"
    " v.locality AS vision_locality, t.locality AS text_locality,"
    " v.special_share AS vision_special_share, t.special_share AS text_special_share,"
    " v.self_score AS vision_self_score, t.self_score AS text_self_score "
    "FROM (SELECT DISTINCT depth FROM side) AS d"
    " LEFT JOIN side AS v ON v.depth IS d.depth AND v.modality = 'vision'"
    " LEFT JOIN side AS t ON t.depth IS d.depth AND t.modality = 'text'";

const char *const uvk_schema_1[] = {
    model, input, run, run_input, sequence, token, word, map, contribution, segment, merge_step, tcs, metric,
    v_run, v_map, v_contribution, v_tcs_word, v_faithfulness, v_modality, NULL,
};
