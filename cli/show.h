/* What explain prints of one input: a short table, or one line of JSON. */
#ifndef UVK_CLI_SHOW_H
#define UVK_CLI_SHOW_H

#include "explained.h"

#include <cjson/cJSON.h>

uvk_status show_table(const job *j, const explained *r, uvk_error *err);
uvk_status show_json(const job *j, const explained *r, uvk_error *err);

/* What every line of --json has; the caller adds its own and hands it to show_line, which frees it. */
cJSON *show_describe(const job *j, const explained *r);
uvk_status show_line(cJSON *json, uvk_error *err);
/* A string member that is UTF-8 whatever text holds; null when text is NULL. */
void show_add_text(cJSON *json, const char *key, const char *text);

/* The places of the most strongest of scores[n] into best[most], of equal ones the first; returns how many there are. */
int show_strongest(const float *scores, int n, int *best, int most);
/* A piece in quotes as one line: control characters escaped. */
void show_quoted(const char *piece);
/* How many sources a line of a table names. */
int show_count(const job *j, int of);

#endif
