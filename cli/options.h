/* The command line. One table of verbs and one of flags: the parser, the checks and the help text all read them. */
#ifndef UVK_CLI_OPTIONS_H
#define UVK_CLI_OPTIONS_H

#include "error.h"

/* "X,Y", "START:END", "HxW" or "I/N". */
typedef struct number_pair { bool given; int first, second; } number_pair;

typedef struct options {
    const char *program;         /* as it was called */
    const struct verb *verb;     /* NULL: none was given */
    bool help, version, json, quiet, resume, list;
    int document;                /* of document_names; -1: none was asked for */
    const char *model, *db, *device, *tokens, *label, *out, *png, *dump_hidden, *named, *prompt, *context, *summary, *pairs, *baselines, *masks,
        *weights, *clusters, *ignore, *classes, *out_dir, *init, *dir, *class_name, *similar_to;
    uint64_t memory;
    int64_t seed, run;
    int layer, first_block, top, max_new, truncate, sample, inputs; /* 0: default; layer -1: auto; top and sample -1: all */
    int scalar, order, normalize, own_token, at, precision, format, mask, removal; /* positions in the lists of names below; own_token -1: by modality */
    int linkage, cluster_at, aggregate, cluster_scale, preset, perturb, solver; /* likewise */
    int res, steps;              /* 0: default */
    int gradient_blocks, landmarks; /* 0: exact */
    bool skip_mlp;
    bool all_baselines;          /* of segment */
    bool background, edges;
    double zeta, delta, lambda;  /* NAN: not given */
    int at_word;                 /* -1: not given */
    number_pair pixel, span, context_span, shard, image_size; /* image_size: height, width */
    const char **arguments;      /* what is not a flag, owned array */
    int n_arguments;
    char *command;               /* the whole line as a shell would take it, owned */
} options;

/* Names in the order of uvk_scalar, uvk_order, uvk_normalize, uvk_own_token, uvk_at, uvk_db_format, uvk_mask and uvk_removal; NULL ends each. */
extern const char *const scalar_names[], *const order_names[], *const normalize_names[], *const own_token_names[], *const at_names[], *const format_names[], *const mask_names[],
    *const removal_names[];
extern const char *const cluster_at_names[], *const aggregate_names[], *const cluster_scale_names[], *const perturb_names[], *const solver_names[];

typedef struct verb {
    const char *name, *arguments, *summary, *details, *examples;
    unsigned bit;                /* of flag.verbs */
    int least, most;             /* arguments it takes; most -1: any number */
    const char *missing;         /* what to say when there are fewer than least */
    uvk_status (*run)(const options *o);
} verb;

typedef enum flag_kind { FLAG_SWITCH, FLAG_TEXT, FLAG_INTEGER, FLAG_LAYER, FLAG_REAL, FLAG_COUNT, FLAG_BYTES, FLAG_CHOICE, FLAG_PIXEL, FLAG_SPAN, FLAG_SHARD, FLAG_SIZE } flag_kind;

typedef struct flag {
    const char *name;            /* without the dashes */
    flag_kind kind;
    unsigned verbs, required;    /* verbs that take it, verbs that cannot do without */
    size_t offset;               /* of its field in options */
    const char *argument;        /* as help shows it; for a choice help shows the names */
    const char *const *choices;
    const char *fallback;        /* the default, in words; NULL: none worth saying */
    const char *help;
    int64_t low, high;           /* of FLAG_INTEGER; the field is int64_t when high exceeds int */
} flag;

extern const verb verbs[];
extern const int n_verbs;
extern const flag flags[];
extern const int n_flags;

/* UVK_USAGE when the line makes no sense. With --help or --version nothing else is checked. Release with options_free. */
uvk_status options_parse(int argc, char **argv, options *out, uvk_error *err);
void options_free(options *o);

/* Whether the input at that place, counted from 0, is of the shard; without --shard every one is. */
bool in_shard(const number_pair *shard, int place);
/* --max-new, or its default. */
int max_new_tokens(const options *o);

/* Help on stdout: of one verb, or of the program when verb is NULL. */
void help_print(const verb *v);

/* The verbs. */
uvk_status verb_devices(const options *o);
uvk_status verb_info(const options *o);
uvk_status verb_explain(const options *o);
uvk_status verb_segment(const options *o);
uvk_status verb_refine(const options *o);
uvk_status verb_summarize(const options *o);
uvk_status verb_attribute(const options *o);
uvk_status verb_evaluate(const options *o);
uvk_status verb_generate(const options *o);
uvk_status verb_tokenize(const options *o);
uvk_status verb_query(const options *o);
uvk_status verb_merge(const options *o);
uvk_status verb_prune(const options *o);
uvk_status verb_demo(const options *o);
uvk_status verb_report(const options *o);

#endif
