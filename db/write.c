/* Storing what one input produced: one transaction, whole or not at all. */
#include "discard.h"
#include "run.h"
#include "segments.h"
#include "sql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_ROWS_LIMIT = 5000000, ROWS_BEYOND = 20 };

static uvk_status put_input(uvk_db *db, const uvk_db_input *input, int64_t *id, uvk_error *err)
{
    /* A file that could not be read has neither hash nor size; the columns that make its identity are never NULL. */
    return uvk_sql_get(db,
        "INSERT INTO input (kind, name, path, sha256, text, width, height, n_chars)"
        " VALUES (?1, coalesce(?2, ''), ?3, coalesce(?4, ''), ?5, ?6, ?7, ?8)"
        " ON CONFLICT (sha256, name) DO UPDATE SET kind = coalesce(excluded.kind, kind), path = excluded.path,"
        " text = coalesce(excluded.text, text), width = coalesce(excluded.width, width),"
        " height = coalesce(excluded.height, height), n_chars = coalesce(excluded.n_chars, n_chars) RETURNING id",
        UVK_VALUES(uvk_sql_text(input->kind), uvk_sql_text(input->name), uvk_sql_text(input->path),
                   uvk_sql_text(input->sha256), uvk_sql_text(input->text), uvk_sql_count(input->width),
                   uvk_sql_count(input->height), uvk_sql_count(input->n_chars)),
        id, err);
}

/* ---- Sequence, tokens, words -------------------------------------------------------------------------------------------- */

static uvk_status insert_token(uvk_db *db, int64_t sequence_id, int idx, const uvk_db_token *token, uvk_error *err)
{
    return uvk_sql_run(db,
        "INSERT INTO token (sequence_id, idx, side, kind, role, word_idx, text, grid_row, grid_col, x0, y0, x1, y1, char_start,"
        " char_end) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        UVK_VALUES(uvk_sql_int(sequence_id), uvk_sql_int(idx), uvk_sql_text(token->side), uvk_sql_text(token->kind),
                   uvk_sql_text(token->role), uvk_sql_index(token->word_idx), uvk_sql_text(token->text),
                   uvk_sql_index(token->grid_row), uvk_sql_index(token->grid_col), uvk_sql_real(token->x0),
                   uvk_sql_real(token->y0), uvk_sql_real(token->x1), uvk_sql_real(token->y1),
                   uvk_sql_index(token->char_start), uvk_sql_index(token->char_end)),
        err);
}

static uvk_status insert_word(uvk_db *db, int64_t sequence_id, int idx, const uvk_db_word *word, uvk_error *err)
{
    return uvk_sql_run(db,
        "INSERT INTO word (sequence_id, idx, role, sentence, char_start, char_end, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        UVK_VALUES(uvk_sql_int(sequence_id), uvk_sql_int(idx), uvk_sql_text(word->role), uvk_sql_int(word->sentence),
                   uvk_sql_index(word->char_start), uvk_sql_index(word->char_end), uvk_sql_text(word->text)),
        err);
}

static uvk_status insert_sequence(uvk_db *db, const uvk_db_result *result, int64_t input_id, int64_t *id, uvk_error *err)
{
    const uvk_db_sequence *sequence = &result->sequence;
    uvk_status status = uvk_sql_get(db,
        "INSERT INTO sequence (model_id, input_id, key, text_out, params) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        UVK_VALUES(uvk_sql_int(result->model_id), uvk_sql_int(input_id), uvk_sql_text(sequence->key),
                   uvk_sql_text(sequence->text_out), uvk_sql_text(sequence->params)),
        id, err);
    for (int i = 0; !status && i < sequence->n_tokens; i++)
        status = insert_token(db, *id, i, &sequence->tokens[i], err);
    for (int i = 0; !status && i < sequence->n_words; i++)
        status = insert_word(db, *id, i, &sequence->words[i], err);
    return status;
}

/* The key stands for the tokens: a sequence that is there has them already. */
static uvk_status put_sequence(uvk_db *db, const uvk_db_result *result, int64_t input_id, int64_t *id, uvk_error *err)
{
    *id = 0;
    uvk_status status = uvk_sql_get(db, "SELECT id FROM sequence WHERE model_id = ?1 AND input_id = ?2 AND key = ?3",
        UVK_VALUES(uvk_sql_int(result->model_id), uvk_sql_int(input_id), uvk_sql_text(result->sequence.key)), id, err);
    return status || *id ? status : insert_sequence(db, result, input_id, id, err);
}

/* ---- Contributions -------------------------------------------------------------------------------------------------- */

/* The sources of a map that are kept: those above the threshold, and at the threshold the first n_equal. */
typedef struct selection {
    float threshold;
    int n_equal;
} selection;

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* scores: of the n sources, sorted on return. */
static selection select_top(float *scores, int n, int top)
{
    if (top >= n)
        return (selection){.threshold = -INFINITY};
    qsort(scores, (size_t)n, sizeof *scores, descending);
    selection s = {.threshold = scores[top - 1]};
    for (int i = top - 1; i >= 0 && scores[i] == s.threshold; i--)
        s.n_equal++;
    return s;
}

static bool keeps(selection *s, float score)
{
    return score > s->threshold || (score == s->threshold && s->n_equal-- > 0);
}

typedef struct writer {
    const uvk_db_result *result;
    int64_t run_id, sequence_id;
    int *sources;         /* the tokens that are no special ones */
    int n_sources, top;   /* top: how many of them a map keeps */
    unsigned char *bytes; /* one row as it is stored */
    float *scratch;       /* one map's scores, to be sorted */
} writer;

/* The bulk of what is written: the statement is bound by hand, map_id once. Ascending idx, so that rows are appended. */
static uvk_status insert_contributions(uvk_db *db, int64_t map_id, const writer *w, const float *scores, uvk_error *err)
{
    sqlite3_stmt *insert;
    uvk_status status = uvk_sql_prepare(db, "INSERT INTO contribution (map_id, source_idx, score) VALUES (?1, ?2, ?3)", &insert, err);
    if (status)
        return status;
    for (int i = 0; i < w->n_sources; i++)
        w->scratch[i] = scores[w->sources[i]];
    selection kept = select_top(w->scratch, w->n_sources, w->top);
    int code = sqlite3_bind_int64(insert, 1, map_id);
    for (int i = 0; i < w->n_sources && code == SQLITE_OK; i++) {
        float score = scores[w->sources[i]];
        if (!keeps(&kept, score))
            continue;
        code = sqlite3_bind_int(insert, 2, w->sources[i]);
        if (code == SQLITE_OK)
            code = sqlite3_bind_double(insert, 3, (double)score);
        if (code == SQLITE_OK)
            code = sqlite3_step(insert) == SQLITE_DONE ? sqlite3_reset(insert) : SQLITE_ERROR;
    }
    if (code != SQLITE_OK)
        status = uvk_sql_fail(db, err);
    sqlite3_reset(insert);
    return status;
}

/* ---- Maps ----------------------------------------------------------------------------------------------------------- */

static bool all_finite(const float *values, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static void to_little_endian(const float *values, int n, unsigned char *bytes)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int k = 0; k < 4; k++)
            *bytes++ = (unsigned char)(bits >> 8 * k);
    }
}

static bool has_role(const uvk_db_token *token, const char *role)
{
    return token->role && strcmp(token->role, role) == 0;
}

/* NaN where the sequence has no context. */
static void context_range(const uvk_db_sequence *sequence, const float *scores, double *low, double *high)
{
    *low = *high = (double)NAN;
    for (int i = 0; i < sequence->n_tokens; i++)
        if (has_role(&sequence->tokens[i], "context")) {
            *low = scores[i] > *low ? *low : (double)scores[i];
            *high = scores[i] < *high ? *high : (double)scores[i];
        }
}

static uvk_status check_map(const writer *w, const uvk_db_map *map, uvk_error *err)
{
    const char *name = w->result->input.name ? w->result->input.name : "input";
    int n = w->result->sequence.n_tokens;
    if (!all_finite(map->row, n) || !all_finite(map->scores, n))
        return uvk_fail(err, UVK_FAILED, "%s: the explanation of token %d is not finite", name, map->target);
    if (map->output >= n) /* a column that was added later cannot have the foreign key */
        return uvk_fail(err, UVK_FAILED, "%s: the explanation of token %d stands for token %d of %d", name, map->target, map->output, n);
    return UVK_OK;
}

static uvk_status write_map(uvk_db *db, const writer *w, const uvk_db_map *map, uvk_error *err)
{
    int n = w->result->sequence.n_tokens;
    int64_t id = 0;
    double low, high;
    uvk_status status = check_map(w, map, err);
    if (status)
        return status;
    to_little_endian(map->row, n, w->bytes);
    context_range(&w->result->sequence, map->scores, &low, &high);
    status = uvk_sql_get(db,
        "INSERT INTO map (run_id, sequence_id, target_idx, n_sources, n_visible, score_min, score_max, score_sum, self_score,"
        " special_share, entropy, gini, effective_tokens, top10_share, locality, scores, output_idx, context_min, context_max)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) RETURNING id",
        UVK_VALUES(uvk_sql_int(w->run_id), uvk_sql_int(w->sequence_id), uvk_sql_int(map->target), uvk_sql_int(map->n_sources),
                   uvk_sql_int(map->n_visible), uvk_sql_real(map->score_min), uvk_sql_real(map->score_max),
                   uvk_sql_real(map->score_sum), uvk_sql_real(map->self_score), uvk_sql_real(map->special_share),
                   uvk_sql_real(map->entropy), uvk_sql_real(map->gini), uvk_sql_real(map->effective_tokens),
                   uvk_sql_real(map->top10_share), uvk_sql_real(map->locality), uvk_sql_blob(w->bytes, (size_t)n * 4),
                   uvk_sql_index(map->output), uvk_sql_real(low), uvk_sql_real(high)),
        &id, err);
    return status ? status : insert_contributions(db, id, w, map->scores, err);
}

static int64_t rows_kept(const writer *w)
{
    return (int64_t)w->result->n_maps * (w->n_sources < w->top ? w->n_sources : w->top);
}

/* Decided for an input as a whole, from what the run holds by then: an interrupted and resumed run decides the same. */
static uvk_status decide_top(uvk_db *db, writer *w, uvk_error *err)
{
    int64_t held = 0;
    int asked = w->result->top;
    w->top = asked > 0 ? asked : INT32_MAX;
    if (asked != 0)
        return UVK_OK;
    uvk_status status = uvk_sql_get(db, "SELECT contributions FROM run WHERE id = ?1", UVK_VALUES(uvk_sql_int(w->run_id)), &held, err);
    if (held + rows_kept(w) > ALL_ROWS_LIMIT)
        w->top = ROWS_BEYOND;
    return status;
}

static uvk_status start_writer(writer *w, uvk_error *err)
{
    const uvk_db_sequence *sequence = &w->result->sequence;
    size_t n = (size_t)sequence->n_tokens + 1;
    w->sources = malloc(n * sizeof *w->sources);
    w->bytes = malloc(n * 4);
    w->scratch = malloc(n * sizeof *w->scratch);
    if (!w->sources || !w->bytes || !w->scratch)
        return uvk_fail_memory(err, n * 12, "a map");
    for (int i = 0; i < sequence->n_tokens; i++)
        if (!sequence->tokens[i].kind || strcmp(sequence->tokens[i].kind, "special") != 0)
            w->sources[w->n_sources++] = i;
    return UVK_OK;
}

static uvk_status write_maps(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err)
{
    writer w = {.result = result, .run_id = result->run_id, .sequence_id = sequence_id};
    uvk_status status = start_writer(&w, err);
    if (!status)
        status = decide_top(db, &w, err);
    for (int i = 0; !status && i < result->n_maps; i++)
        status = write_map(db, &w, &result->maps[i], err);
    if (!status)
        status = uvk_sql_run(db, "UPDATE run SET contributions = contributions + ?2 WHERE id = ?1",
            UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(rows_kept(&w))), err);
    free(w.sources);
    free(w.bytes);
    free(w.scratch);
    return status;
}

/* ---- What a summary as a whole came from, and how good that is ------------------------------------------------------- */

static uvk_status write_tcs(uvk_db *db, const uvk_db_result *result, int64_t sequence_id, uvk_error *err)
{
    const uvk_db_sequence *sequence = &result->sequence;
    uvk_status status = UVK_OK;
    if (result->tcs && !(all_finite(result->tcs, sequence->n_tokens) && all_finite(result->tcs_share, sequence->n_tokens)))
        return uvk_fail(err, UVK_FAILED, "%s: a contribution score is not finite", result->input.name ? result->input.name : "input");
    for (int i = 0; !status && result->tcs && i < sequence->n_tokens; i++)
        if (has_role(&sequence->tokens[i], "context"))
            status = uvk_sql_run(db, "INSERT INTO tcs (run_id, sequence_id, source_idx, score, share) VALUES (?1, ?2, ?3, ?4, ?5)",
                UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(sequence_id), uvk_sql_int(i), uvk_sql_real((double)result->tcs[i]),
                           uvk_sql_real((double)result->tcs_share[i])),
                err);
    return status;
}

/* sequence_id 0: of the whole run. */
static uvk_status write_metrics(uvk_db *db, int64_t run_id, int64_t sequence_id, const uvk_db_metric *metrics, int n, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < n; i++) {
        const uvk_db_metric *m = &metrics[i];
        status = uvk_sql_run(db,
            "INSERT INTO metric (run_id, sequence_id, target_idx, name, method, k, value) VALUES (?1, nullif(?2, 0), ?3, ?4, ?5, ?6, ?7)",
            UVK_VALUES(uvk_sql_int(run_id), uvk_sql_int(sequence_id), uvk_sql_index(m->target), uvk_sql_text(m->name),
                       uvk_sql_text(m->method), uvk_sql_real(m->k), uvk_sql_real(m->value)),
            err);
    }
    return status;
}

static uvk_status replace_run_metrics(uvk_db *db, int64_t run_id, const uvk_db_metric *metrics, int n, uvk_error *err)
{
    uvk_status status = uvk_sql_run(db, "DELETE FROM metric WHERE run_id = ?1 AND sequence_id IS NULL", UVK_VALUES(uvk_sql_int(run_id)), err);
    return status ? status : write_metrics(db, run_id, 0, metrics, n, err);
}

uvk_status uvk_db_write_run_metrics(uvk_db *db, int64_t run_id, const uvk_db_metric *metrics, int n, uvk_error *err)
{
    uvk_status status = uvk_run_begin(db, run_id, err);
    return status ? status : uvk_sql_end(db, replace_run_metrics(db, run_id, metrics, n, err), err);
}

/* ---- One input ------------------------------------------------------------------------------------------------------ */

static uvk_status mark_done(uvk_db *db, const uvk_db_result *result, int64_t input_id, uvk_error *err)
{
    const uvk_db_input_stats *stats = &result->stats;
    return uvk_sql_run(db,
        "INSERT OR REPLACE INTO run_input (run_id, input_id, status, device, seconds_forward, seconds_backward, gflop, peak_bytes)"
        " VALUES (?1, ?2, 'done', ?3, ?4, ?5, ?6, ?7)",
        UVK_VALUES(uvk_sql_int(result->run_id), uvk_sql_int(input_id), uvk_sql_text(stats->device),
                   uvk_sql_real(stats->seconds_forward), uvk_sql_real(stats->seconds_backward), uvk_sql_real(stats->gflop),
                   uvk_sql_int(stats->peak_bytes)),
        err);
}

static uvk_status write_all(uvk_db *db, const uvk_db_result *result, uvk_error *err)
{
    int64_t input_id, sequence_id;
    uvk_status status = put_input(db, &result->input, &input_id, err);
    if (!status)
        status = uvk_discard_results(db, result->run_id, input_id, err);
    if (!status)
        status = put_sequence(db, result, input_id, &sequence_id, err);
    if (!status)
        status = write_maps(db, result, sequence_id, err);
    if (!status)
        status = write_tcs(db, result, sequence_id, err);
    if (!status)
        status = write_metrics(db, result->run_id, sequence_id, result->metrics, result->n_metrics, err);
    if (!status)
        status = uvk_write_segments(db, result, sequence_id, err);
    if (!status)
        status = uvk_discard_sequences(db, input_id, err);
    if (!status)
        status = uvk_discard_unread(db, result->run_id, input_id, err);
    return status ? status : mark_done(db, result, input_id, err);
}

uvk_status uvk_db_write(uvk_db *db, const uvk_db_result *result, uvk_error *err)
{
    uvk_status status = uvk_run_begin(db, result->run_id, err);
    return status ? status : uvk_sql_end(db, write_all(db, result, err), err);
}

static uvk_status note_failure(uvk_db *db, int64_t run_id, const uvk_db_input *input, const char *status, const char *reason, const char *device,
                               uvk_error *err)
{
    int64_t input_id;
    uvk_status result = put_input(db, input, &input_id, err);
    if (result)
        return result;
    return uvk_sql_run(db,
        "INSERT INTO run_input (run_id, input_id, status, error, device) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (run_id, input_id) DO UPDATE SET status = excluded.status, error = excluded.error, device = excluded.device WHERE status <> 'done'",
        UVK_VALUES(uvk_sql_int(run_id), uvk_sql_int(input_id), uvk_sql_text(status), uvk_sql_text(reason), uvk_sql_text(device)), err);
}

uvk_status uvk_db_write_failure(uvk_db *db, int64_t run_id, const uvk_db_input *input, const char *status, const char *reason, const char *device,
                                uvk_error *err)
{
    uvk_status result = uvk_run_begin(db, run_id, err);
    return result ? result : uvk_sql_end(db, note_failure(db, run_id, input, status, reason, device, err), err);
}
