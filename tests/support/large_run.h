/* One explanation of a large model within a memory budget: what is planned, and what the device is truly asked for. */
#ifndef LARGE_RUN_H
#define LARGE_RUN_H

#include "ultravk.h"

typedef struct large_job {
    uint64_t memory;
    int targets_cpu, targets_gpu; /* the last so many tokens of the input; 0: all */
} large_job;

/* Prints the plan, both peaks and the time. False when the true peak, counted at vkAllocateMemory and vkFreeMemory, exceeds the plan or
 * the budget, or when a row is not finite. */
bool large_run(uvk_model *model, const uvk_input *input, const large_job *job);

#endif
