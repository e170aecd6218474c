/* One run of explain, summarize or attribute: a model on a device, the database, what goes where. */
#ifndef UVK_CLI_JOB_H
#define UVK_CLI_JOB_H

#include "db.h"
#include "options.h"
#include "projection.h"
#include "rows_file.h"
#include "targets.h"
#include "tokenizer.h"

typedef struct job {
    const options *o;
    const char *probe;          /* the verb; column probe of table run */
    const struct evaluation *evaluation; /* NULL: the run explains. Else it keeps metrics, and no maps */
    uvk_model *model;
    const uvk_model_info *info;
    char files[65];             /* a hash of the files that make an input of a photo or a text, and end a text: the weights' does not know of them */
    const uvk_tokenizer *tokenizer; /* the model's; NULL: a vision model, or a folder without one */
    struct job *helpers;        /* of the other devices: each has a device of its own and everything else of this job; owned */
    int n_helpers;
    struct job *owner;          /* of a helper: the job whose database, files and counts its results go to. NULL: this one's own */
    char *device_list;          /* --device, cut up; owned */
    const char *device_name;    /* its part of that */
    bool gone;                  /* the device is lost for good */
    uvk_context *context;       /* NULL, as the session: the device failed and is opened anew for the next input */
    uvk_session *session;
    uvk_device_info device;     /* the last that was opened */
    uint64_t memory;            /* its budget */
    const char *products;       /* as uvk_context_products has it, of the device when it was opened first; NULL: not yet */
    int losses;                 /* inputs in a row that lost the device on both tries */
    uvk_db *db;                 /* NULL without --db */
    bool db_failed;             /* the last time it was asked, and the user knows */
    int64_t model_id, run_id;
    int layer, first_block;
    uvk_own_token own;
    char *prompt;               /* the template of --prompt, owned; NULL: the model's own */
    uvk_normalize normalize;
    bool reuse_rows;            /* rows that an earlier run stored are used again */
    uvk_projection projection;  /* of --weights */
    int32_t label;              /* the class of --class; -1: the likeliest of each image */
    float *text;                /* the embedding of --similar-to, owned */
    bool table;                 /* nothing is written anywhere: a short table is printed */
    rows_file rows;
    int planned;                /* tokens of the largest sequence whose plan was printed */
    int inputs, inputs_done;    /* seen so far, or known from the start; of them, those that are through */
    long targets_done;          /* of the inputs that are through */
    double from, to;            /* of the whole run, what the present input is: for the progress bar */
} job;

/* The parameters of METHOD for these targets. */
uvk_explain_params job_params(const job *j, const target_list *targets);

/* Flags that exclude each other and files that cannot be written. */
uvk_status job_check_flags(const options *o, uvk_error *err);
/* Loads the model and holds layer, blocks and scalar against it. */
uvk_status job_load(job *j, uvk_error *err);
uvk_status job_open_device(job *j, uvk_error *err);
/* The same for each part of a --device that has commas: the first for j, the others for helpers. */
uvk_status job_open_devices(job *j, uvk_error *err);
/* Helper i learns what j knows by now. */
void job_brief_helper(job *j, int i);
/* Column precision of table run: what the devices do, not what was asked for. */
const char *job_precision(const job *j);
/* Itself, or of a helper the job that it helps. */
static inline job *job_owner(job *j) { return j->owner ? j->owner : j; }
/* After a call that left err->device: what is on the device goes, since nothing there can be relied on. */
void job_drop_device(job *j);
/* A device that was dropped is opened anew, with half the budget it had or, where the model does not fit that, all of it. */
uvk_status job_need_device(job *j, uvk_error *err);
/* What a sequence of so many tokens takes: a note when it is the longest so far. */
uvk_status job_plan(job *j, int tokens, int encoder_tokens, const target_list *targets, uvk_error *err);
/* Says how the run ended and releases all of it; what is finished is kept. Returns the exit status. */
uvk_status job_close(job *j, uvk_status status);

/* Says what of generation_config.json greedy decoding leaves out, when it leaves out anything. */
void note_ignored(const uvk_model_info *model);

/* A device for verbs that need no job: --device, a budget, notes and Ctrl-C. */
uvk_status open_device(const char *device, uint64_t memory, uint32_t sharers, uvk_precision precision, uvk_context **out, uvk_error *err);

#endif
