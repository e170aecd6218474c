/* The lines of --pairs, one input each. */
#ifndef UVK_CLI_EACH_PAIR_H
#define UVK_CLI_EACH_PAIR_H

#include "explained.h"
#include "pairs.h"

/* A line as it goes through the steps, their source: what is wrong with it is reported as of any other input. */
typedef struct pair { source text; char *where; uvk_status status; uvk_error err; void *user; } pair;

/* All lines through their steps; the status that the batch ends with. *stop: what ended it would end another file as well. */
uvk_status each_pair(job *j, pairs *file, const steps *s, void *user, bool *stop);

#endif
