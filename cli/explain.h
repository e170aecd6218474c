/* What the parts of "ultravk explain" share. */
#ifndef UVK_CLI_EXPLAIN_H
#define UVK_CLI_EXPLAIN_H

#include "db.h"
#include "inputs.h"
#include "options.h"
#include "rows_file.h"
#include "targets.h"

/* The whole run. */
typedef struct explain_job {
    const options *o;
    input_list inputs;
    uvk_model *model;
    const uvk_model_info *info;
    uvk_context *context;
    const uvk_device_info *device;
    uvk_session *session;
    uvk_db *db;              /* NULL without --db */
    int64_t model_id, run_id;
    target_list targets;     /* empty with --at-pixel, where each input has its own */
    int layer, first_block;
    bool table;              /* nothing is written anywhere: a short table is printed */
    rows_file rows;
    long targets_done;       /* of the inputs that are through */
    int inputs_done;
} explain_job;

/* What came out of one input. */
typedef struct explained {
    const char *path;
    int index;               /* place among the inputs */
    uvk_input *input;
    const uvk_input_info *info; /* NULL when it could not be loaded */
    target_list targets;
    float *rows;             /* targets.count * tokens */
    float *scores;           /* S of METHOD: targets.count * patches */
    uvk_map_stats *stats;    /* targets.count */
    uvk_cost cost;
    double seconds_load, seconds_total;
    const char *status;      /* as run_input has it: done, failed, skipped */
    const char *error;       /* NULL when there is none */
} explained;

/* The parameters of METHOD for these targets. */
uvk_explain_params explain_params(const explain_job *job, const target_list *targets);
/* The patches of a model: columns of S. */
size_t patch_count(const uvk_model_info *model);

/* explain_input.c. One input from load to stored. *stop is set when going on makes no sense: the device is gone, a result
 * cannot be written, the user interrupts. What went wrong has been reported. */
uvk_status explain_input(explain_job *job, int index, bool *stop);

/* record.c: the database. */
uvk_status record_open(explain_job *job, uvk_error *err);
uvk_status record_is_done(explain_job *job, const char *path, bool *done, uvk_error *err);
uvk_status record_result(explain_job *job, const explained *r, uvk_error *err);
uvk_status record_failure(explain_job *job, const explained *r, uvk_error *err);
/* status: what the run ended with. */
uvk_status record_close(explain_job *job, uvk_status status, uvk_error *err);

/* pictures.c: --png. */
uvk_status pictures_write(const explain_job *job, const explained *r, uvk_error *err);
/* Makes the folder; says once what the pictures will not show. */
uvk_status pictures_prepare(const explain_job *job, uvk_error *err);

/* show.c: stdout. */
uvk_status show_table(const explain_job *job, const explained *r, uvk_error *err);
uvk_status show_json(const explain_job *job, const explained *r, uvk_error *err);

#endif
