/* The devices of a run share out its inputs: one queue, a thread and a device each; what an input came to is delivered by one at a time. */
#ifndef UVK_CLI_CREW_H
#define UVK_CLI_CREW_H

#include "explained.h"

/* Where the inputs come from. */
typedef struct supply {
    /* The next input, as j is going to see it, and its source, what the steps are handed; false: there is none. One caller at a time. */
    bool (*next)(job *j, explained *r, void **source, void *user);
    void (*release)(void *source); /* NULL: it is not each input's own */
    void *user;
} supply;

/* All of them through their steps. A device that is lost for good leaves the rest to the others. Returns the worst status;
 * *stop: what ended it would end every other input as well. */
uvk_status crew_run(job *j, const supply *inputs, const steps *s, bool *stop);

/* Each of a list; the source is the same for all. */
uvk_status process_inputs(job *j, const input_list *inputs, const steps *s, void *source);

/* Around whatever several devices' jobs share: the database, files, standard output, sums over the run. */
void crew_lock(void);
void crew_unlock(void);

#endif
