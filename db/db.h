/* Results in SQLite. Takes plain structs; knows neither Vulkan nor models.
 *
 * Text is UTF-8; a NULL pointer is stored as NULL; a NaN double is stored as NULL; -1 where an index is "none" is NULL.
 * All functions: UVK_FAILED when the file cannot be read or written (disk full, read-only, locked for longer than the busy
 * timeout, not a database, a newer schema), with path and SQLite's reason in the message. */
#ifndef UVK_DB_DB_H
#define UVK_DB_DB_H

#include "error.h"

#include <stdio.h>

typedef struct uvk_db uvk_db;

/* Opens for writing; creates or migrates the schema; WAL, or a rollback journal with a warning where WAL cannot work. path is
 * always a file's name, never a URI or ":memory:". A SQLite file of another program is refused and left as it is (ours carry
 * an application_id). warn may be NULL. */
uvk_status uvk_db_open(const char *path, void (*warn)(void *user, const char *line), void *user, uvk_db **out, uvk_error *err);
void uvk_db_close(uvk_db *db);

typedef struct uvk_db_model {
    const char *name, *family, *modality, *sha256, *path;
    int layers, heads, width;
} uvk_db_model;

typedef struct uvk_db_run {
    const char *label, *probe;
    int64_t model_id;
    const char *model_sha256;
    int layer, first_block;
    const char *scalar, *product_order, *normalize, *own_token, *precision;
    const char *params;  /* canonical JSON of everything that changes a result */
    const char *command, *device, *driver, *version;
    int64_t seed;
} uvk_db_run;

uvk_status uvk_db_put_model(uvk_db *db, const uvk_db_model *model, int64_t *id, uvk_error *err);

/* The run's key: 64 hex digits over model hash, probe and params. */
void uvk_db_run_key(const uvk_db_run *run, char key[65]);
/* Starts a run (status "running"). With resume, the latest run of the same key is continued when there is one. Without, a run
 * of the same key gets a fresh key by appending "#2", "#3", ... */
uvk_status uvk_db_start_run(uvk_db *db, const uvk_db_run *run, bool resume, int64_t *id, uvk_error *err);
/* status: done | failed | interrupted; sets finished_at. This and every function below that writes to a run: UVK_FAILED when the run is gone,
 * since another process may prune it. */
uvk_status uvk_db_finish_run(uvk_db *db, int64_t run_id, const char *status, uvk_error *err);
/* Whether that run already has this input with status "done". */
uvk_status uvk_db_input_done(uvk_db *db, int64_t run_id, const char *sha256, const char *name, bool *done, uvk_error *err);

typedef struct uvk_db_input {
    const char *kind, *name, *path, *sha256, *text;
    int width, height, n_chars; /* 0: NULL */
} uvk_db_input;

typedef struct uvk_db_token {
    const char *side, *kind, *role, *text;
    int word_idx, grid_row, grid_col;       /* -1: NULL */
    double x0, y0, x1, y1;                  /* NaN: NULL */
    int char_start, char_end;               /* -1: NULL */
} uvk_db_token;

/* A word of the context or of the summary; a token's word_idx is its place in the list. */
typedef struct uvk_db_word {
    const char *role, *text;            /* role: context | summary */
    int sentence, char_start, char_end; /* code points of the text that it stands in; sentences are numbered through both texts */
} uvk_db_word;

typedef struct uvk_db_sequence {
    const char *key;      /* how this model saw the input; with the model and the input it is unique */
    const char *text_out; /* NULL for vision */
    const char *params;   /* canonical JSON, what key hashes */
    const uvk_db_token *tokens;
    int n_tokens;
    const uvk_db_word *words; /* NULL for vision */
    int n_words;
} uvk_db_sequence;

typedef struct uvk_db_map {
    int target;                    /* token index of the latent that is explained */
    int output;                    /* token index of the summary token that it stands for; -1: none */
    const float *row;              /* n_tokens, the BLOB */
    const float *scores;           /* S [n_tokens], for contribution; tokens of kind "special" are no sources */
    int n_sources, n_visible;
    double score_min, score_max, score_sum, self_score, special_share, entropy, gini, effective_tokens, top10_share, locality;
} uvk_db_map;

typedef struct uvk_db_input_stats {
    const char *device;
    double seconds_forward, seconds_backward, gflop;
    int64_t peak_bytes;
} uvk_db_input_stats;

/* One number of an evaluation. */
typedef struct uvk_db_metric {
    int target;                    /* token index; -1: of the whole sequence */
    const char *name, *method;     /* method: "ultra" or a baseline's name */
    double k;                      /* the x of a curve as a fraction; NaN: none */
    double value;
} uvk_db_metric;

/* A segment of an image; its number is its place in the list. */
typedef struct uvk_db_segment {
    int n_tokens;
    int64_t area;                  /* pixels of the label image */
    double x0, y0, x1, y1;         /* in pixels of the photo; NaN: NULL */
    int class_id;                  /* -1: NULL */
    const char *class_name;
    double iou;                    /* NaN: NULL */
} uvk_db_segment;

typedef struct uvk_db_merge_step { int a, b; double height; int size; } uvk_db_merge_step;

/* Everything that one input produced. */
typedef struct uvk_db_result {
    int64_t run_id, model_id;
    uvk_db_input input;
    uvk_db_sequence sequence;
    const uvk_db_map *maps;
    int n_maps;
    const float *tcs, *tcs_share;  /* [n_tokens], stored for the tokens of role "context"; NULL: none */
    const uvk_db_metric *metrics;
    int n_metrics;
    const uvk_db_segment *segments; /* NULL: none */
    int n_segments;
    const int *token_segments;     /* [n_tokens] the segment of each; -1: in none */
    const uvk_db_merge_step *merges;    /* the dendrogram; leaf k is the k-th token that is not special */
    int n_merges;
    int top;  /* sources a map keeps in contribution; 0: all up to 5 million rows a run, then 20; -1: all */
    uvk_db_input_stats stats;
} uvk_db_result;

/* Writes one input in one transaction, run_input status "done"; replaces what this run had of that input. Whole or not at all. */
uvk_status uvk_db_write(uvk_db *db, const uvk_db_result *result, uvk_error *err);
/* Records an input that failed or was skipped (status: "failed" | "skipped"), with one line of reason. What the run has of an
 * input that is done stays as it is. A file that could not be read has sha256 NULL; when a later uvk_db_write of that run
 * brings the same name and path, this record goes. device: where it was computed; NULL: it did not come to that. */
uvk_status uvk_db_write_failure(uvk_db *db, int64_t run_id, const uvk_db_input *input, const char *status, const char *reason, const char *device,
                                uvk_error *err);

/* Numbers over the whole run, instead of those that it has; their target is -1. */
uvk_status uvk_db_write_run_metrics(uvk_db *db, int64_t run_id, const uvk_db_metric *metrics, int n_metrics, uvk_error *err);

/* What raw rows depend on: those of a run that has them all can be used again. */
typedef struct uvk_db_rows_key {
    const char *model_sha256, *input_sha256, *sequence_key;
    int layer, first_block;
    const char *scalar, *product_order, *normalize, *precision;
    const char *weights;           /* "weights" of the run's params, NULL: none */
    const char *approximation;     /* likewise, as JSON without blanks; NULL: the rows are exact */
} uvk_db_rows_key;

/* The rows of targets[n_targets], in ascending order, into rows[n_targets * n_tokens], from the latest run that has them all; *run_id is 0 when there is none. */
uvk_status uvk_db_find_rows(uvk_db *db, const uvk_db_rows_key *key, const int32_t *targets, int n_targets, int n_tokens, float *rows, int64_t *run_id, uvk_error *err);
/* The means over a run of every number that its inputs have in table metric, as rows without a sequence; those from before are
 * replaced. Of faithfulness_gap also the share above 0, faithfulness_share. */
uvk_status uvk_db_average_metrics(uvk_db *db, int64_t run_id, uvk_error *err);

/* Deletes a run and all that only it used (sequences, tokens, inputs, the model when no run is left). UVK_BAD_INPUT when there
 * is no such run. */
uvk_status uvk_db_prune(uvk_db *db, int64_t run_id, uvk_error *err);

/* What a merge did: runs that are new, inputs taken over, inputs that were there, numbers over a whole run that hold no longer
 * since the run has grown. */
typedef struct uvk_db_merged { int64_t runs, inputs, known, dropped; } uvk_db_merged;

/* Takes over all results of the database "from" into path, which is created when it is missing, in one transaction. Shards of a
 * run become one run; a run that is there already is only completed, so that merging twice changes nothing; what is done in path
 * stays as it is. Older schemas are read as they are. UVK_BAD_INPUT: "from" is missing, no results database, from a newer
 * program, damaged or made up; path is as it was then. warn as for uvk_db_open. */
uvk_status uvk_db_merge(const char *path, const char *from, void (*warn)(void *user, const char *line), void *user, uvk_db_merged *done, uvk_error *err);

typedef enum uvk_db_format { UVK_DB_TABLE, UVK_DB_CSV, UVK_DB_JSON, UVK_DB_JSONL } uvk_db_format;

/* Runs SQL (one statement or several; the rows of each are printed) on a database opened read-only: it cannot write, attach or
 * load extensions. It works beside a writer and on a read-only medium. An older schema is read through temporary views. Missing file: UVK_BAD_INPUT; an SQL error: UVK_USAGE with the
 * position; a failing read or write to out: UVK_FAILED. */
uvk_status uvk_db_query(const char *path, const char *sql, uvk_db_format format, FILE *out, uvk_error *err);

/* Named queries. parameters is for people and names them all, those in [] may be left out: "image [token] [top=10]"; "" when
 * there are none. */
typedef struct uvk_db_named { const char *name, *description, *parameters, *sql; } uvk_db_named;
const uvk_db_named *uvk_db_named_queries(int *n);
/* params: "key=value" strings, bound to :key. An unknown name or a missing or unknown parameter: UVK_USAGE. */
uvk_status uvk_db_query_named(const char *path, const char *name, const char *const *params, int n_params, uvk_db_format format, FILE *out, uvk_error *err);

/* ---- What a report reads ------------------------------------------------------------------------------------------------ */

/* Opens for reading, as uvk_db_query does, and keeps to one moment of the file until it is closed with uvk_db_report_close. */
uvk_status uvk_db_report_open(const char *path, uvk_db **out, uvk_error *err);
/* Reading came to status, which is returned: UVK_FAILED instead where the file was written to meanwhile, by a user who may write beside it,
 * and this one may not. */
uvk_status uvk_db_report_end(const uvk_db *db, uvk_status status, uvk_error *err);
void uvk_db_report_close(uvk_db *db);

/* What each query needs of uvk_db_chosen stands at it; a run of 0 means every run. */
typedef enum uvk_db_part {
    UVK_DB_TOTALS,         /* run */
    UVK_DB_RUNS,           /* run, most */
    UVK_DB_SEQUENCES,      /* run, most of each modality */
    UVK_DB_SEQUENCE_RUNS,  /* run, sequence */
    UVK_DB_TOKENS,         /* sequence */
    UVK_DB_WORDS,          /* sequence */
    UVK_DB_MAPS,           /* run, sequence, most: spread evenly over the targets */
    UVK_DB_SEGMENTS,       /* run, sequence */
    UVK_DB_TCS,            /* run, sequence */
    UVK_DB_SCORES,         /* run, sequence: its metrics that are no curves */
    UVK_DB_DEPTH,          /* run */
    UVK_DB_PERTURBATION,   /* run */
    UVK_DB_FAITHFULNESS,   /* run */
    UVK_DB_MODALITY,       /* nothing */
} uvk_db_part;

typedef struct uvk_db_chosen { int64_t run, sequence, most; } uvk_db_chosen;

typedef struct uvk_db_cell {
    enum { UVK_DB_NULL, UVK_DB_INTEGER, UVK_DB_REAL, UVK_DB_TEXT, UVK_DB_BLOB } type;
    int64_t integer;
    double real;
    const char *bytes; /* text or BLOB, until the next row; a NUL follows */
    size_t size;
} uvk_db_cell;

typedef struct uvk_db_rows {
    /* Before the first row: the SQL as one would type it, and the names of its columns. */
    uvk_status (*begin)(void *user, const char *sql, const char *const *names, int columns, uvk_error *err);
    uvk_status (*row)(void *user, const uvk_db_cell *cells, int columns, uvk_error *err);
    void *user;
} uvk_db_rows;

/* An SQL error, as of a view that the file defines otherwise: UVK_USAGE. What begin or row fail with ends the query. */
uvk_status uvk_db_report(uvk_db *db, uvk_db_part part, const uvk_db_chosen *chosen, const uvk_db_rows *out, uvk_error *err);

#endif
