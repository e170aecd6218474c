/* One input of a run: what it is, and what came out of it. */
#ifndef UVK_CLI_EXPLAINED_H
#define UVK_CLI_EXPLAINED_H

#include "char_span.h"
#include "inputs.h"
#include "job.h"
#include "text_view.h"

typedef struct explained {
    const char *path;           /* of its file */
    char *name;                 /* in the database: UTF-8, owned */
    int index;                  /* place among the inputs */
    bool from_pairs;            /* one of many in its file, which name tells better than path */
    uvk_input *input;
    const uvk_input_info *info; /* NULL when it could not be loaded */
    char sha256[65];            /* "": not known */
    const uvk_token *tokens;
    int n;
    text_view text;             /* empty for vision */
    target_list targets;
    int32_t *outputs;           /* the summary token that each target stands for; NULL: none */
    float *rows;                /* [targets.count, n], raw */
    float *scores;              /* [targets.count, n], S of METHOD, zeros in the special columns */
    uvk_map_stats *stats;       /* [targets.count] */
    float *scaled, *tcs, *share; /* of a summary: [targets scored, n], [n], [n]; NULL without one */
    int32_t *scored;            /* of a summary: places in targets of those that the TCS is made of */
    int n_scored;
    span_list summary_spans, context_spans; /* of a summary: the characters asked about; not owned */
    char_span flag_spans[2];    /* those of --span and --context-span */
    uvk_db_metric *metrics;
    int n_metrics;
    bool wants_logits, has_logits; /* of the text, beside its rows; whether the session holds the head for them */
    struct segmented *segments; /* of segment */
    int64_t rows_run;           /* where the rows were found: the run that stored them; 0: they were computed */
    double summary_logprob;     /* NAN: unknown */
    int32_t label;              /* of a whole image: the class explained, and its log p; or the similarity with a text */
    double said;
    uvk_cost cost;
    double seconds_load, seconds_total;
    const char *status;         /* as run_input has it: done, failed, skipped */
    const char *error;          /* NULL when there is none */
    const uvk_device_info *device; /* that it was computed on; NULL: it did not come to that */
    bool stopped;               /* what failed concerns the run and not this input */
} explained;

/* Takes over input, tokens and the words of a text. */
uvk_status explained_set_input(explained *r, uvk_input *input, uvk_error *err);
/* Opens r->path as the model takes it. */
uvk_status explained_load(const job *j, explained *r, uvk_error *err);
/* Forward, rows and maps of r->targets; where the job may use them again, rows that the database has. */
uvk_status explained_run(job *j, explained *r, uvk_error *err);
/* Scores and numbers of rows that are there. */
uvk_status explained_maps(const job *j, explained *r, uvk_error *err);
/* Its names are not owned. */
void explained_add_metric(explained *r, uvk_db_metric metric);
/* Releases what was loaded and computed; its name stays. */
void explained_clear(explained *r);
void explained_free(explained *r);

/* How an input gets from its name to its results. compute may set the status to "skipped"; deliver then is left out. show is
 * the line of --json, called whatever became of the input. */
typedef struct steps {
    uvk_status (*compute)(job *j, explained *r, void *source, uvk_error *err);
    uvk_status (*deliver)(job *j, explained *r, uvk_error *err);
    uvk_status (*show)(const job *j, const explained *r, uvk_error *err);
} steps;

/* One input through all its steps; releases r. *stop is set when going on makes no sense: the device is gone, a result cannot be
 * written, the user interrupts. What went wrong has been reported. */
uvk_status process_input(job *j, explained *r, const steps *s, void *source, bool *stop);

#endif
