#include "memory_counter.h"

#include "context.h"

#include <stdlib.h>

static struct {
    PFN_vkAllocateMemory allocate;
    PFN_vkFreeMemory release;
    struct {
        VkDeviceMemory memory;
        uint64_t size; /* 0: no allocation */
    } live[1024];
    uint64_t held, peak;
} counter;

static void count(VkDeviceMemory memory, uint64_t size)
{
    size_t i = 0;
    while (i < sizeof counter.live / sizeof *counter.live && counter.live[i].size)
        i++;
    if (i == sizeof counter.live / sizeof *counter.live)
        abort(); /* more allocations than are counted here */
    counter.live[i].memory = memory;
    counter.live[i].size = size;
    counter.held += size;
    counter.peak = counter.held > counter.peak ? counter.held : counter.peak;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory)
{
    VkResult result = counter.allocate(device, info, callbacks, memory);
    if (result == VK_SUCCESS)
        count(*memory, info->allocationSize);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL release(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *callbacks)
{
    for (size_t i = 0; memory && i < sizeof counter.live / sizeof *counter.live; i++)
        if (counter.live[i].size && counter.live[i].memory == memory) {
            counter.held -= counter.live[i].size;
            counter.live[i].size = 0;
        }
    counter.release(device, memory, callbacks);
}

void memory_counter_start(struct uvk_context *ctx)
{
    VkMemoryRequirements staging;
    for (size_t i = 0; i < sizeof counter.live / sizeof *counter.live; i++)
        counter.live[i].size = 0;
    counter.held = counter.peak = 0;
    ctx->vk.vkGetBufferMemoryRequirements(ctx->device, ctx->staging.buffer, &staging);
    count(ctx->staging.memory, staging.size);
    counter.allocate = ctx->vk.vkAllocateMemory;
    counter.release = ctx->vk.vkFreeMemory;
    ctx->vk.vkAllocateMemory = allocate;
    ctx->vk.vkFreeMemory = release;
}

uint64_t memory_counter_held(void)
{
    return counter.held;
}

uint64_t memory_counter_peak(void)
{
    return counter.peak;
}

void memory_counter_forget_peak(void)
{
    counter.peak = counter.held;
}

void memory_set_budget(struct uvk_context *ctx, uint64_t bytes)
{
    ctx->budget = bytes;
}
