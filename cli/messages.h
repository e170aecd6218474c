/* What goes to stderr. Every line begins with "ultravk: ", so that it can be told from what other programs say. */
#ifndef UVK_CLI_MESSAGES_H
#define UVK_CLI_MESSAGES_H

#include "error.h"

#include <cjson/cJSON.h>

/* --quiet: notes are dropped. Errors and warnings never are. */
void messages_quiet(bool quiet);

void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The one line of an error; returns its status, so that "return complain(&err)" is the whole of it. */
uvk_status complain(const uvk_error *err);

/* Of two exit statuses the one a batch ends with: a bad input (3) outweighs a failure (1), and both outweigh the rest. */
uvk_status worse_status(uvk_status a, uvk_status b);

/* Prints it in one line, or pretty, and frees it (NULL: out of memory). What steers a terminal is escaped. */
uvk_status print_json(cJSON *json, bool pretty, uvk_error *err);
/* Part of a line of a table: what steers a terminal is escaped. */
void print_escaped(const char *text);

/* Flushes stdout; a full disk or a closed pipe is UVK_FAILED. */
uvk_status flush_results(uvk_error *err);

#endif
