#include "context.h"

#include <stdlib.h>

/* ---- Raw allocations ------------------------------------------------------------------------------------------------------ */

static int find_memory_type(const uvk_context *ctx, uint32_t allowed, VkMemoryPropertyFlags wanted)
{
    for (uint32_t i = 0; i < ctx->memory_types.memoryTypeCount; i++)
        if (allowed & 1u << i && (ctx->memory_types.memoryTypes[i].propertyFlags & wanted) == wanted)
            return (int)i;
    return -1;
}

/* Host memory is read back, so cached is preferred; some devices have no such type. */
static int choose_host_type(const uvk_context *ctx, uint32_t allowed)
{
    static const VkMemoryPropertyFlags wanted[] = {
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
    };
    int found = -1;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && found < 0; i++)
        found = find_memory_type(ctx, allowed, wanted[i]);
    return found;
}

static int choose_device_type(const uvk_context *ctx, uint32_t allowed)
{
    int found = find_memory_type(ctx, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    return found >= 0 ? found : find_memory_type(ctx, allowed, 0);
}

static const VkMemoryPropertyFlags writable = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

/* Memory of the device that the host can write into. Some cards show it a window of a few hundred MB only, which is not to be filled. */
static int choose_shared_type(const uvk_context *ctx, uint32_t allowed, VkDeviceSize size)
{
    int found = find_memory_type(ctx, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | writable);
    bool roomy = found >= 0 && size <= ctx->memory_types.memoryHeaps[ctx->memory_types.memoryTypes[found].heapIndex].size / 4;
    return roomy ? found : choose_device_type(ctx, allowed);
}

static int choose_memory_type(const uvk_context *ctx, const VkMemoryRequirements *needs, uvk_memory_use use)
{
    switch (use) {
    case UVK_FOR_STAGING: return choose_host_type(ctx, needs->memoryTypeBits);
    case UVK_WRITTEN_BY_HOST: return choose_shared_type(ctx, needs->memoryTypeBits, needs->size);
    default: return choose_device_type(ctx, needs->memoryTypeBits);
    }
}

static uvk_status check_budget(const uvk_context *ctx, VkDeviceSize size, const char *what, uvk_error *err)
{
    if (size <= ctx->budget && ctx->used <= ctx->budget - size)
        return UVK_OK;
    return uvk_fail(err, UVK_FAILED, "%s: %llu more bytes of device memory are needed, but of the budget of %llu bytes %llu are in use; raise --memory or take a larger device",
                    what, (unsigned long long)size, (unsigned long long)ctx->budget, (unsigned long long)ctx->used);
}

static uvk_status fail_allocation(uvk_error *err, VkResult result, const char *what, VkDeviceSize size)
{
    uvk_status status = uvk_fail_vulkan(err, result, what);
    if (status == UVK_NO_DEVICE || !err)
        return status;
    uvk_fail(err, status, "%s: the driver did not give %llu bytes of device memory (VkResult %d); a smaller --memory makes smaller chunks", what,
             (unsigned long long)size, (int)result);
    err->device = true;
    return status;
}

static uvk_status bind_memory(uvk_context *ctx, VkBuffer buffer, uvk_memory_use use, const char *what, VkDeviceSize *size, VkDeviceMemory *memory, VkMemoryPropertyFlags *flags,
                              uvk_error *err)
{
    VkMemoryRequirements needs;
    ctx->vk.vkGetBufferMemoryRequirements(ctx->device, buffer, &needs);
    int type = choose_memory_type(ctx, &needs, use);
    if (type < 0)
        return uvk_fail(err, UVK_FAILED, "%s: no suitable kind of memory", ctx->info.name);
    uvk_status status = check_budget(ctx, needs.size, what, err); /* the driver may have rounded up */
    if (status)
        return status;
    VkMemoryAllocateFlagsInfo with_address = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = use != UVK_FOR_STAGING && ctx->limits.addresses ? &with_address : NULL,
        .allocationSize = needs.size,
        .memoryTypeIndex = (uint32_t)type,
    };
    VkResult result = ctx->vk.vkAllocateMemory(ctx->device, &info, NULL, memory);
    if (result != VK_SUCCESS)
        return fail_allocation(err, result, what, needs.size);
    result = ctx->vk.vkBindBufferMemory(ctx->device, buffer, *memory, 0);
    if (result != VK_SUCCESS) {
        ctx->vk.vkFreeMemory(ctx->device, *memory, NULL);
        return uvk_fail_vulkan(err, result, "vkBindBufferMemory");
    }
    *size = needs.size;
    *flags = ctx->memory_types.memoryTypes[type].propertyFlags;
    return UVK_OK;
}

uvk_status uvk_memory_allocate(uvk_context *ctx, VkDeviceSize *size, VkBufferUsageFlags usage, uvk_memory_use use, const char *what,
                               VkBuffer *buffer, VkDeviceMemory *memory, VkMemoryPropertyFlags *flags, uvk_error *err)
{
    uvk_status status = check_budget(ctx, *size, what, err);
    if (status)
        return status;
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = *size,
        .usage = usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkBuffer created;
    VkResult result = ctx->vk.vkCreateBuffer(ctx->device, &info, NULL, &created);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkCreateBuffer");
    status = bind_memory(ctx, created, use, what, size, memory, flags, err);
    if (status) {
        ctx->vk.vkDestroyBuffer(ctx->device, created, NULL);
        return status;
    }
    *buffer = created;
    ctx->used += *size;
    if (ctx->used > ctx->peak)
        ctx->peak = ctx->used;
    return UVK_OK;
}

void uvk_memory_release(uvk_context *ctx, VkDeviceSize size, VkBuffer buffer, VkDeviceMemory memory)
{
    ctx->vk.vkDestroyBuffer(ctx->device, buffer, NULL);
    ctx->vk.vkFreeMemory(ctx->device, memory, NULL);
    ctx->used -= size;
}

/* ---- Pools ------------------------------------------------------------------------------------------------------------------ */

/* An allocation, filled from its start; also where the parts of declared tensors will stand. */
typedef struct block {
    VkDeviceSize size;
    VkBuffer buffer;
    VkDeviceMemory memory;
    bool allocated;
    char *mapped; /* NULL: the host cannot write there */
} block;

typedef struct placed_part {
    uvk_tensor *tensor;
    uint32_t part;
    size_t block;
    VkDeviceSize offset, size;
} placed_part;

struct uvk_pool {
    uvk_context *ctx;
    const char *what;
    uvk_memory_use use;
    block *blocks;
    size_t n_blocks;
    placed_part *parts;
    size_t n_parts, capacity;
    uvk_span *spans; /* one a part, after commit */
};

uvk_status uvk_pool_create(uvk_context *ctx, const char *what, uvk_pool **out, uvk_error *err)
{
    uvk_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return uvk_fail_memory(err, sizeof *pool, what);
    pool->ctx = ctx;
    pool->what = what;
    *out = pool;
    return UVK_OK;
}

void uvk_pool_written_by_host(uvk_pool *pool)
{
    pool->use = UVK_WRITTEN_BY_HOST;
}

static bool reserve_part(uvk_pool *pool)
{
    if (pool->n_parts < pool->capacity)
        return true;
    size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
    placed_part *parts = realloc(pool->parts, capacity * sizeof *parts);
    if (!parts)
        return false;
    pool->parts = parts;
    pool->capacity = capacity;
    return true;
}

static bool add_block(uvk_pool *pool)
{
    block *blocks = realloc(pool->blocks, (pool->n_blocks + 1) * sizeof *blocks);
    if (!blocks)
        return false;
    pool->blocks = blocks;
    pool->blocks[pool->n_blocks++] = (block){0};
    return true;
}

/* Puts one part behind the last, in a new block when the current one is full. */
static bool place_part(uvk_pool *pool, uvk_tensor *tensor, uint32_t part, VkDeviceSize size)
{
    VkDeviceSize aligned = (size + pool->ctx->limits.alignment - 1) / pool->ctx->limits.alignment * pool->ctx->limits.alignment;
    if (!reserve_part(pool))
        return false;
    bool full = pool->n_blocks == 0 || pool->blocks[pool->n_blocks - 1].size + aligned > pool->ctx->limits.allocation;
    if (full && !add_block(pool))
        return false;
    block *b = &pool->blocks[pool->n_blocks - 1];
    pool->parts[pool->n_parts++] = (placed_part){.tensor = tensor, .part = part, .block = pool->n_blocks - 1, .offset = b->size, .size = size};
    b->size += aligned;
    return true;
}

static uint64_t largest_part(const uvk_context *ctx)
{
    uint64_t limit = ctx->limits.range < ctx->limits.allocation ? ctx->limits.range : ctx->limits.allocation;
    uint64_t indexable = (uint64_t)UINT32_MAX; /* shaders count words in 32 bits, and bytes stay below as well */
    limit = limit < indexable ? limit : indexable;
    return limit / ctx->limits.alignment * ctx->limits.alignment;
}

static uvk_status add(uvk_pool *pool, uvk_tensor *tensor, uint64_t rows, uint64_t cols, uint64_t gap, bool whole, uvk_error *err)
{
    uint64_t limit = largest_part(pool->ctx), row_bytes, bytes;
    if (rows == 0 || cols == 0 || cols > UINT64_MAX - gap || !uvk_mul(cols + gap, 4, &row_bytes) || !uvk_mul(rows, row_bytes, &bytes))
        return uvk_fail(err, UVK_FAILED, "%s: a matrix of %llu x %llu cannot be held", pool->what, (unsigned long long)rows, (unsigned long long)cols);
    if (row_bytes > limit || (whole && bytes > limit))
        return uvk_fail(err, UVK_FAILED, "%s: %llu bytes are needed in one piece, %s allows %llu", pool->what, (unsigned long long)(whole ? bytes : row_bytes),
                        pool->ctx->info.name, (unsigned long long)limit);
    uint64_t part_rows = limit / row_bytes < rows ? limit / row_bytes : rows;
    *tensor = (uvk_tensor){.rows = rows, .cols = cols, .stride = cols + gap, .part_rows = part_rows, .n_parts = (uint32_t)((rows + part_rows - 1) / part_rows)};
    for (uint32_t p = 0; p < tensor->n_parts; p++) {
        uint64_t first = p * part_rows, n = rows - first < part_rows ? rows - first : part_rows;
        if (!place_part(pool, tensor, p, n * row_bytes))
            return uvk_fail_memory(err, sizeof(placed_part), pool->what);
    }
    return UVK_OK;
}

uvk_status uvk_pool_add(uvk_pool *pool, uvk_tensor *tensor, uint64_t rows, uint64_t cols, bool whole, uvk_error *err)
{
    return add(pool, tensor, rows, cols, 0, whole, err);
}

uvk_status uvk_pool_add_weights(uvk_pool *pool, uvk_tensor *tensor, uint64_t rows, uint64_t cols, uvk_error *err)
{
    enum { LINE = 16, APART = 512 }; /* words */
    bool alike = rows > 1 && cols % APART == 0;
    return add(pool, tensor, rows, cols, alike && pool->ctx->limits.wide ? LINE : 0, false, err);
}

uint64_t uvk_pool_bytes(const uvk_pool *pool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pool->n_blocks; i++)
        bytes += pool->blocks[i].size;
    return bytes;
}

static VkDeviceAddress block_address(const uvk_context *ctx, const block *b)
{
    VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = b->buffer};
    return ctx->limits.addresses ? ctx->vk.vkGetBufferDeviceAddress(ctx->device, &info) : 0;
}

static uvk_status allocate_block(uvk_pool *pool, VkBufferUsageFlags usage, block *b, uvk_error *err)
{
    uvk_context *ctx = pool->ctx;
    VkMemoryPropertyFlags flags;
    void *mapped;
    uvk_status status = uvk_memory_allocate(ctx, &b->size, usage, pool->use, pool->what, &b->buffer, &b->memory, &flags, err);
    if (status)
        return status;
    b->allocated = true;
    if (pool->use != UVK_WRITTEN_BY_HOST || (flags & writable) != writable)
        return UVK_OK;
    VkResult result = ctx->vk.vkMapMemory(ctx->device, b->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkMapMemory");
    b->mapped = mapped;
    return UVK_OK;
}

uvk_status uvk_pool_commit(uvk_pool *pool, uvk_error *err)
{
    uvk_status status = check_budget(pool->ctx, uvk_pool_bytes(pool), pool->what, err);
    if (status)
        return status;
    pool->spans = calloc(pool->n_parts ? pool->n_parts : 1, sizeof *pool->spans);
    if (!pool->spans)
        return uvk_fail_memory(err, pool->n_parts * sizeof *pool->spans, pool->what);
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    if (pool->ctx->limits.addresses)
        usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    for (size_t i = 0; i < pool->n_blocks; i++)
        if ((status = allocate_block(pool, usage, &pool->blocks[i], err)))
            return status;
    for (size_t i = 0; i < pool->n_parts; i++) {
        const placed_part *p = &pool->parts[i];
        const block *b = &pool->blocks[p->block];
        pool->spans[i] = (uvk_span){.buffer = b->buffer, .offset = p->offset, .size = p->size, .address = block_address(pool->ctx, b) + p->offset,
                                     .mapped = b->mapped ? b->mapped + p->offset : NULL};
        if (p->part == 0)
            p->tensor->parts = &pool->spans[i]; /* the parts of one tensor stand side by side */
    }
    return UVK_OK;
}

void uvk_pool_free(uvk_pool *pool)
{
    if (!pool)
        return;
    uvk_stream_discard(pool->ctx);
    pool->ctx->vk.vkDeviceWaitIdle(pool->ctx->device);
    for (size_t i = 0; i < pool->n_blocks; i++)
        if (pool->blocks[i].allocated)
            uvk_memory_release(pool->ctx, pool->blocks[i].size, pool->blocks[i].buffer, pool->blocks[i].memory);
    free(pool->blocks);
    free(pool->parts);
    free(pool->spans);
    free(pool);
}
