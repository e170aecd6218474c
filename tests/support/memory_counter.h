/* Looks into a context: counts what it truly asks of its device, at vkAllocateMemory and vkFreeMemory, one context at a time; and
 * changes its budget, since a new context would compile its kernels anew. */
#ifndef MEMORY_COUNTER_H
#define MEMORY_COUNTER_H

#include <stdint.h>

struct uvk_context;

/* From now on; of what was allocated before, the staging buffer counts at what the driver says that it needs. */
void memory_counter_start(struct uvk_context *ctx);
uint64_t memory_counter_held(void);
uint64_t memory_counter_peak(void);
/* The peak counts anew, from what is held. */
void memory_counter_forget_peak(void);

/* The staging buffer stays as the first budget made it. */
void memory_set_budget(struct uvk_context *ctx, uint64_t bytes);

#endif
