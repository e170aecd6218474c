/* What summarize and attribute share: a text and its summary become a sequence, and its rows become contribution scores. */
#ifndef UVK_CLI_SUMMARY_H
#define UVK_CLI_SUMMARY_H

#include "agreement.h"
#include "explained.h"
#include "source.h"

/* Flags and the model; what works on both verbs. Without error the job is open but for its inputs. */
uvk_status summary_open(job *j, int inputs, uvk_error *err);

/* --prompt, and whether it and --at make sense; the job keeps the template. */
uvk_status summary_read_prompt(job *j, uvk_error *err);

/* The parameters of METHOD section 4 for what is in s. */
uvk_text_params summary_params(const job *j, const source *s);
/* Makes the sequence; says how much --truncate left out. */
uvk_status summary_load(job *j, explained *r, const uvk_text_params *params, uvk_error *err);
/* Generates the summary of a text that summary_load made without one, and makes the sequence with it (summarize.c). */
uvk_status summary_write(job *j, explained *r, source *s, uvk_error *err);
/* The latents that explain the summary. */
uvk_status summary_choose_targets(const job *j, explained *r, const source *s, uvk_error *err);
/* Rows of the summary tokens and contribution scores. */
uvk_status summary_explain(job *j, explained *r, const source *s, uvk_error *err);
/* Contribution scores from the maps[targets, n] of any method; scaled as uvk_tcs has it, or NULL. */
uvk_status summary_scores(const explained *r, const float *maps, float *scaled, float *tcs, float *share, uvk_error *err);
/* The same as summary_explain, and metrics. */
uvk_status summary_run(job *j, explained *r, const source *s, uvk_error *err);

/* Database, --out, and the table where there is neither. */
uvk_status summary_deliver(job *j, explained *r, uvk_error *err);

/* summary_metrics.c: log probabilities, and what agrees with the rationales. */
uvk_status summary_measure(job *j, explained *r, const source *s, uvk_error *err);

/* Contribution scores[n] against the rationales; marked: whether any of these is on a token of the sequence. */
uvk_status summary_agreement(const explained *r, const source *s, const float *scores, uvk_agreement *out, bool *marked, uvk_error *err);

/* summary_show.c: stdout. */
uvk_status summary_show_table(const job *j, const explained *r, uvk_error *err);
uvk_status summary_show_json(const job *j, const explained *r, uvk_error *err);

#endif
