/* What a report shows and quotes: each text here is run, and stands in the page, with its values filled in, for people to run. */
#include "report.h"

#define CHOSEN_RUN(run) run " = ifnull(?1, " run ")"

/* The sequences that there is something to see of. */
#define SHOWN \
    "shown AS (SELECT sequence_id FROM map WHERE " CHOSEN_RUN("run_id") " UNION SELECT sequence_id FROM segment WHERE " CHOSEN_RUN("run_id") ")\n"

static const char totals[] =
    "WITH " SHOWN
    "SELECT count(*) FILTER (WHERE m.modality = 'vision') AS images, count(*) FILTER (WHERE m.modality = 'text') AS texts,"
    " (SELECT count(*) FROM run WHERE " CHOSEN_RUN("id") ") AS runs, (SELECT count(*) FROM map WHERE " CHOSEN_RUN("run_id") ") AS maps,"
    " (SELECT count(*) FROM run_input WHERE status = 'failed' AND " CHOSEN_RUN("run_id") ") AS failed\n"
    "FROM shown JOIN sequence AS q ON q.id = shown.sequence_id JOIN model AS m ON m.id = q.model_id";

static const char runs[] =
    "SELECT v.run_id, v.label, v.probe, v.status, v.model, v.family, v.modality, v.layer, m.layers AS blocks, v.first_block, v.scalar,"
    " v.product_order, v.normalize, v.own_token, v.precision, v.seed, v.device, r.driver, r.version, v.started_at, v.finished_at,"
    " v.inputs_done, v.inputs_failed, v.inputs_skipped, v.maps, v.seconds, v.gflop, m.sha256 AS model_sha256, r.params, r.command\n"
    "FROM v_run AS v JOIN run AS r ON r.id = v.run_id JOIN model AS m ON m.id = r.model_id\n"
    "WHERE " CHOSEN_RUN("v.run_id") " ORDER BY v.run_id LIMIT ?3";

static const char sequences[] =
    "WITH " SHOWN
    "SELECT * FROM (\n"
    "  SELECT q.id AS sequence, i.name AS input, i.kind, i.path, i.sha256, i.width, i.height, i.text, q.text_out AS summary, m.name AS model,"
    " m.modality, row_number() OVER (PARTITION BY m.modality ORDER BY q.id) AS place\n"
    "  FROM shown JOIN sequence AS q ON q.id = shown.sequence_id JOIN input AS i ON i.id = q.input_id JOIN model AS m ON m.id = q.model_id)\n"
    "WHERE place <= ?3 ORDER BY sequence";

static const char sequence_runs[] =
    "SELECT r.id AS run_id, r.probe, r.layer, r.scalar, r.own_token,"
    " (SELECT count(*) FROM map AS p WHERE p.run_id = r.id AND p.sequence_id = ?2) AS maps,"
    " EXISTS (SELECT 1 FROM segment AS s WHERE s.run_id = r.id AND s.sequence_id = ?2) AS segmented\n"
    "FROM run AS r WHERE " CHOSEN_RUN("r.id") " AND (EXISTS (SELECT 1 FROM map AS p WHERE p.run_id = r.id AND p.sequence_id = ?2)"
    " OR EXISTS (SELECT 1 FROM segment AS s WHERE s.run_id = r.id AND s.sequence_id = ?2))\n"
    "ORDER BY r.layer, r.id";

static const char tokens[] =
    "SELECT idx, kind, role, word_idx, text, grid_row, grid_col, x0, y0, x1, y1, char_start, char_end\n"
    "FROM token WHERE sequence_id = ?2 ORDER BY idx";

static const char words[] = "SELECT idx, role, char_start, char_end, text FROM word WHERE sequence_id = ?2 ORDER BY idx";

static const char maps[] =
    "WITH chosen AS (SELECT id, row_number() OVER (ORDER BY target_idx) - 1 AS place, count(*) OVER () AS n\n"
    "  FROM map WHERE run_id = ?1 AND sequence_id = ?2)\n"
    "SELECT p.id, p.target_idx, p.output_idx, p.effective_tokens, p.locality, p.scores\n"
    "FROM chosen JOIN map AS p ON p.id = chosen.id WHERE place = 0 OR place * ?3 / n > (place - 1) * ?3 / n ORDER BY p.target_idx LIMIT ?3";

static const char segments[] =
    "SELECT s.cluster, s.n_tokens, s.area, s.class_id, s.class_name, s.iou, group_concat(t.token_idx) AS tokens\n"
    "FROM segment AS s LEFT JOIN segment_token AS t ON t.run_id = s.run_id AND t.sequence_id = s.sequence_id AND t.cluster = s.cluster\n"
    "WHERE s.run_id = ?1 AND s.sequence_id = ?2 GROUP BY s.cluster ORDER BY s.cluster";

static const char tcs[] = "SELECT source_idx, score, share FROM tcs WHERE run_id = ?1 AND sequence_id = ?2 ORDER BY source_idx";

static const char scores[] =
    "SELECT name, method, value FROM metric\n"
    "WHERE run_id = ?1 AND sequence_id = ?2 AND target_idx IS NULL AND k IS NULL ORDER BY method <> 'ultra', method, name";

static const char depth[] =
    "SELECT m.name AS model, m.modality, e.name AS metric, r.scalar, e.method, r.layer,"
    " coalesce(e.k, (r.layer - 1) * 1.0 / m.layers) AS depth,"
    " coalesce(avg(e.value) FILTER (WHERE e.sequence_id IS NOT NULL), avg(e.value)) AS value, count(DISTINCT e.sequence_id) AS inputs\n"
    "FROM metric AS e JOIN run AS r ON r.id = e.run_id JOIN model AS m ON m.id = r.model_id\n"
    "WHERE e.name IN ('u_miou', 'u_acc', 'pooled_miou', 'faithfulness_gap', 'aopc_comprehensiveness', 'aopc_sufficiency', 'layer_score', 'sanity')"
    " AND " CHOSEN_RUN("r.id") "\n"
    "GROUP BY m.id, e.name, r.scalar, e.method, r.layer, depth ORDER BY m.id, e.name, r.scalar, e.method <> 'ultra', e.method, depth";

static const char perturbation[] =
    "SELECT m.name AS model, m.modality, e.name AS metric, r.layer, r.scalar, e.method, e.k, avg(e.value) AS value,"
    " count(DISTINCT e.sequence_id) AS inputs\n"
    "FROM metric AS e JOIN run AS r ON r.id = e.run_id JOIN model AS m ON m.id = r.model_id\n"
    "WHERE e.name IN ('drift_positive', 'drift_negative', 'comprehensiveness', 'sufficiency') AND e.k IS NOT NULL AND " CHOSEN_RUN("r.id") "\n"
    "GROUP BY m.id, e.name, r.layer, r.scalar, e.method, e.k ORDER BY m.id, r.layer, r.scalar, e.name, e.method <> 'ultra', e.method, e.k";

static const char faithfulness[] =
    "SELECT run_id, model, layer, scalar, method, inputs, auc_positive, auc_negative, faithfulness_gap, aopc_comprehensiveness, aopc_sufficiency\n"
    "FROM v_faithfulness WHERE " CHOSEN_RUN("run_id") " ORDER BY run_id, method <> 'ultra', method";

static const char modality[] = "SELECT * FROM v_modality ORDER BY depth";

const char *uvk_report_sql(uvk_db_part part)
{
    static const char *const sql[] = {
        [UVK_DB_TOTALS] = totals, [UVK_DB_RUNS] = runs, [UVK_DB_SEQUENCES] = sequences, [UVK_DB_SEQUENCE_RUNS] = sequence_runs,
        [UVK_DB_TOKENS] = tokens, [UVK_DB_WORDS] = words, [UVK_DB_MAPS] = maps, [UVK_DB_SEGMENTS] = segments, [UVK_DB_TCS] = tcs,
        [UVK_DB_SCORES] = scores, [UVK_DB_DEPTH] = depth, [UVK_DB_PERTURBATION] = perturbation, [UVK_DB_FAITHFULNESS] = faithfulness,
        [UVK_DB_MODALITY] = modality,
    };
    return sql[part];
}
