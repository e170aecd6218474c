/* What evaluate prints: one table of means over all inputs, or one line of JSON an input. */
#ifndef UVK_CLI_EVALUATE_SHOW_H
#define UVK_CLI_EVALUATE_SHOW_H

#include "evaluate.h"

#include <cjson/cJSON.h>

/* What of the flags decides an evaluation, for the run's parameters; owned by the caller. */
cJSON *evaluate_params(const job *j);
/* Adds r's metrics to the means. */
void evaluate_tally(evaluation *e, const explained *r);
void evaluate_show_table(const job *j, const evaluation *e);
uvk_status evaluate_show_json(const job *j, const explained *r, uvk_error *err);

#endif
