/* What the two files of "ultravk explain" share. */
#ifndef UVK_CLI_EXPLAIN_H
#define UVK_CLI_EXPLAIN_H

#include "explained.h"

/* What of the flags says which tokens are explained. */
typedef struct explain_targets {
    target_list fixed; /* the same for every input; empty where each input has its own: a text, --at-pixel */
    bool shorten;      /* for the printed table: nobody wants to wait for hundreds of maps that it does not show */
} explain_targets;

/* Its steps; the source is the explain_targets. */
extern const steps explain_steps;

/* Of a vision model: nine patches spread over the image; of a text: a few tokens. Says so. */
void explain_shorten(const job *j, target_list *targets);

#endif
