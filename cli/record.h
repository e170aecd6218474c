/* One run in the database: model, parameters, then every input in one transaction. */
#ifndef UVK_CLI_RECORD_H
#define UVK_CLI_RECORD_H

#include "explained.h"

/* Opens --db, where rows of earlier runs can be found before the run is started. */
uvk_status record_open_database(job *j, uvk_error *err);
/* Opens --db and starts the run. */
uvk_status record_open(job *j, uvk_error *err);
/* Whether --resume finds this input done. The hash is r->sha256, where that is not known yet the one of the file r->path. */
uvk_status record_is_done(job *j, explained *r, bool *done, uvk_error *err);
/* Rows of r->targets that an earlier run of the same parameters stored: into r->rows, and r->rows_run says which run. */
uvk_status record_find_rows(job *j, explained *r, uvk_error *err);
uvk_status record_result(job *j, const explained *r, uvk_error *err);
uvk_status record_failure(job *j, const explained *r, uvk_error *err);
/* Numbers over the whole run, and the means of all that its inputs have; nothing where the database has just failed. */
uvk_status record_metrics(job *j, const uvk_db_metric *metrics, int n, uvk_error *err);
uvk_status record_means(job *j, uvk_error *err);
/* status: what the run ended with. */
uvk_status record_close(job *j, uvk_status status, uvk_error *err);

/* record_tokens.c: the tokens and words of a sequence; what they hold is freed with them. */
typedef struct recorded { uvk_db_token *tokens; uvk_db_word *words; int n_tokens, n_words; } recorded;
void record_tokens(const job *j, const explained *r, recorded *out);
void record_tokens_free(recorded *out);

#endif
