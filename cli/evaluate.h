/* What the files of "ultravk evaluate" share. */
#ifndef UVK_CLI_EVALUATE_H
#define UVK_CLI_EVALUATE_H

#include "explained.h"
#include "hide.h"
#include "source.h"

typedef enum method { METHOD_ULTRA, METHOD_RANDOM, METHOD_ROLLOUT, METHOD_GRADIENT_X_INPUT, METHOD_LEAVE_ONE_OUT, METHODS } method;
extern const char *const method_names[METHODS];

enum { RANDOM_ORDERS = 5, SAMPLE = 8 };

/* The mean of one number over what was evaluated so far. */
typedef struct tally { const char *name; method method; double k, sum; long count; } tally;

typedef struct evaluation {
    const struct subject *subject;
    bool methods[METHODS];
    tally *tallies;
    int n_tallies;
} evaluation;

/* What is evaluated. Each takes an input that is loaded, with its targets chosen, and adds metrics to it; NULL: it takes none such. */
typedef struct subject {
    const char *name;
    uvk_status (*image)(job *j, const evaluation *e, explained *r, uvk_error *err);
    uvk_status (*text)(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err);
    const char *needs; /* what a line of pairs must have beside its texts; NULL: nothing */
} subject;

extern const subject subject_faithfulness, subject_layers, subject_agreement, subject_stability, subject_sanity;

/* Targets of an image, at most; -1: all that --tokens names. */
int evaluate_sample(const options *o);
void evaluate_add(explained *r, int target, const char *name, method m, double k, double value);
/* The progress of the present input: done of so many passes. */
void evaluate_progress(const job *j, const explained *r, int done, int of);

/* ---- evaluate_methods.c: what explains, and what it is compared with --------------------------------------------------------- */

/* The scores of one method; several rankings of one method are averaged when they are judged. */
typedef struct ranking { method method; float *scores; } ranking;
/* Those that method_maps knows. */
bool method_has_maps(method m);
typedef struct rankings { ranking list[METHODS - 1 + RANDOM_ORDERS]; int count; } rankings;

/* S of METHOD [targets, n] at a layer, by a method that hides and draws nothing (ultra, rollout, gradient x input), of what the last
 * forward ran over. */
uvk_status method_maps(const job *j, const explained *r, method m, int layer, float *maps, uvk_error *err);
/* Those of all methods that are wanted and hide nothing, [targets, n]. rankings_free follows, also after a failure. */
uvk_status rankings_of_maps(const job *j, const evaluation *e, const explained *r, rankings *out, uvk_error *err);
/* Of a summary, token contribution scores [n] of all methods that are wanted, leaving one token out at a time among them. */
uvk_status rankings_of_text(const job *j, const evaluation *e, const explained *r, rankings *out, uvk_error *err);
/* Adds leaving one patch out at a time where it is wanted; z[n, d]: the latents of the whole image. */
uvk_status rankings_leave_patches_out(const job *j, const evaluation *e, const explained *r, uvk_hider *h, const float *z, rankings *io, uvk_error *err);
void rankings_free(rankings *all);
int rankings_count(const rankings *all, method m);

/* Spearman of two maps of a target over its visible sources without its own token, of a text those of the context; NaN where one is
 * constant. */
uvk_status method_correlation(const job *j, const explained *r, int target, const float *a, const float *b, double *out, uvk_error *err);

/* A stream of random numbers that belongs to the input and to --seed. */
uint64_t evaluate_purpose(const explained *r, uint64_t purpose);

#endif
