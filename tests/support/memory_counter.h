/* Counts what a context truly asks of its device, at vkAllocateMemory and vkFreeMemory. One context at a time. */
#ifndef MEMORY_COUNTER_H
#define MEMORY_COUNTER_H

#include <stdint.h>

struct uvk_context;

/* From now on; of what was allocated before, the staging buffer counts at what the driver says that it needs. */
void memory_counter_start(struct uvk_context *ctx);
uint64_t memory_counter_held(void);
uint64_t memory_counter_peak(void);

#endif
