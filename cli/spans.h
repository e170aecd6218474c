/* Chosen characters of a text and of its summary: which tokens they are, and what those of the one contributed to those of the
 * other. */
#ifndef UVK_CLI_SPANS_H
#define UVK_CLI_SPANS_H

#include "explained.h"
#include "source.h"

#include <cjson/cJSON.h>

/* The source's own spans, or those of --span and --context-span. */
void spans_choose(const options *o, const source *s, explained *r);
/* Whether the summary's token is asked about. */
bool spans_ask(const explained *r, int token);
/* UVK_USAGE where a span holds no token of its text. */
uvk_status spans_check(const explained *r, const char *name, uvk_error *err);
/* "spans": for each span of the summary (null: all of it) and each of the context how much of the contribution scores falls there,
 * and "contribution": the share of all of them together. Nothing when none of the context was chosen. */
void spans_add(cJSON *json, const explained *r);

#endif
