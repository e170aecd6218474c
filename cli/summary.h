/* What summarize and attribute share: a text and its summary become a sequence, and its rows become contribution scores. */
#ifndef UVK_CLI_SUMMARY_H
#define UVK_CLI_SUMMARY_H

#include "explained.h"
#include "source.h"

/* Flags and the model; what works on both verbs. Without error the job is open but for its inputs. */
uvk_status summary_open(job *j, int inputs, uvk_error *err);

/* The parameters of METHOD section 4 for what is in s. */
uvk_text_params summary_params(const job *j, const source *s);
/* Makes the sequence; says how much --truncate left out. */
uvk_status summary_load(job *j, explained *r, const uvk_text_params *params, uvk_error *err);
/* Rows of the summary tokens, contribution scores and metrics. */
uvk_status summary_run(job *j, explained *r, const source *s, uvk_error *err);

/* Database, --out, and the table where there is neither. */
uvk_status summary_deliver(job *j, explained *r, uvk_error *err);

/* summary_metrics.c: log probabilities, and what agrees with the rationales. */
uvk_status summary_measure(job *j, explained *r, const source *s, uvk_error *err);

/* summary_show.c: stdout. */
uvk_status summary_show_table(const job *j, const explained *r, uvk_error *err);
uvk_status summary_show_json(const job *j, const explained *r, uvk_error *err);

#endif
