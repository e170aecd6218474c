#include "context.h"

#include <string.h>

uvk_status uvk_staging_create(uvk_context *ctx, uvk_error *err)
{
    enum { LARGEST = 8 << 20, SMALLEST = 64 << 10 };
    uvk_staging *s = &ctx->staging;
    VkDeviceSize size = ctx->budget / 16; /* a small budget is not spent on staging */
    size = size > LARGEST ? LARGEST : size < SMALLEST ? SMALLEST : size & ~(VkDeviceSize)255;
    VkMemoryPropertyFlags flags;
    uvk_status status = uvk_memory_allocate(ctx, &size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT, UVK_FOR_STAGING, "staging", &s->buffer, &s->memory, &flags, err);
    if (status)
        return status;
    s->size = size;
    s->coherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkResult result = ctx->vk.vkMapMemory(ctx->device, s->memory, 0, VK_WHOLE_SIZE, 0, &s->mapped);
    return result == VK_SUCCESS ? UVK_OK : uvk_fail_vulkan(err, result, "vkMapMemory");
}

void uvk_staging_destroy(uvk_context *ctx)
{
    if (ctx->staging.size)
        uvk_memory_release(ctx, ctx->staging.size, ctx->staging.buffer, ctx->staging.memory);
}

/* Makes the host's writes visible to the device, or the device's to the host, where memory is not coherent. */
static uvk_status synchronize_host(uvk_context *ctx, bool to_device, uvk_error *err)
{
    if (ctx->staging.coherent)
        return UVK_OK;
    VkMappedMemoryRange range = {.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, .memory = ctx->staging.memory, .size = VK_WHOLE_SIZE};
    VkResult result = to_device ? ctx->vk.vkFlushMappedMemoryRanges(ctx->device, 1, &range) : ctx->vk.vkInvalidateMappedMemoryRanges(ctx->device, 1, &range);
    return result == VK_SUCCESS ? UVK_OK : uvk_fail_vulkan(err, result, "synchronizing staging memory");
}

static uvk_status record_copy(uvk_context *ctx, VkBuffer from, VkBuffer to, VkBufferCopy region, uvk_error *err)
{
    VkCommandBuffer commands;
    uvk_status status = uvk_stream_commands(ctx, &commands, err);
    if (status)
        return status;
    ctx->vk.vkCmdCopyBuffer(commands, from, to, 1, &region);
    uvk_stream_barrier(ctx, commands);
    return UVK_OK;
}

static uvk_status upload_piece(uvk_context *ctx, uvk_span to, VkDeviceSize offset, VkDeviceSize size, const char *from, uvk_error *err)
{
    uvk_status status;
    if (to.mapped) {
        memcpy(to.mapped + offset, from, size); /* the next submission makes it visible */
        return UVK_OK;
    }
    memcpy(ctx->staging.mapped, from, size);
    if ((status = synchronize_host(ctx, true, err)) ||
        (status = record_copy(ctx, ctx->staging.buffer, to.buffer, (VkBufferCopy){.dstOffset = to.offset + offset, .size = size}, err)))
        return status;
    return uvk_flush(ctx, err);
}

static uvk_status download_piece(uvk_context *ctx, uvk_span from, VkDeviceSize offset, VkDeviceSize size, char *to, uvk_error *err)
{
    uvk_status status;
    if ((status = record_copy(ctx, from.buffer, ctx->staging.buffer, (VkBufferCopy){.srcOffset = from.offset + offset, .size = size}, err)) ||
        (status = uvk_flush(ctx, err)) || (status = synchronize_host(ctx, false, err)))
        return status;
    memcpy(to, ctx->staging.mapped, size);
    return UVK_OK;
}

/* Walks rows of a tensor in pieces that lie in one part and fit the staging buffer; exactly one of from and to is given. */
static uvk_status transfer(uvk_context *ctx, const uvk_tensor *tensor, uint64_t first_row, uint64_t rows, const char *from, char *to, uvk_error *err)
{
    uint64_t row_bytes = tensor->cols * 4, done = 0, total = rows * row_bytes, start = first_row * row_bytes, part_bytes = tensor->part_rows * row_bytes;
    while (done < total) {
        uint64_t at = start + done, part = at / part_bytes, offset = at % part_bytes;
        uint64_t size = part_bytes - offset < total - done ? part_bytes - offset : total - done;
        size = size < ctx->staging.size ? size : ctx->staging.size;
        uvk_status status = from ? upload_piece(ctx, tensor->parts[part], offset, size, from + done, err) : download_piece(ctx, tensor->parts[part], offset, size, to + done, err);
        if (status)
            return status;
        done += size;
    }
    return UVK_OK;
}

uvk_status uvk_upload(uvk_context *ctx, const uvk_tensor *to, uint64_t first_row, uint64_t rows, const void *from, uvk_error *err)
{
    uvk_status status = to->parts->mapped ? UVK_OK : uvk_flush(ctx, err); /* the staging buffer and *to may still be in use */
    return status ? status : transfer(ctx, to, first_row, rows, from, NULL, err);
}

uvk_status uvk_download(uvk_context *ctx, const uvk_tensor *from, uint64_t first_row, uint64_t rows, void *to, uvk_error *err)
{
    return transfer(ctx, from, first_row, rows, NULL, to, err);
}

uvk_status uvk_copy_record(uvk_context *ctx, const uvk_tensor *from, uint64_t from_row, const uvk_tensor *to, uint64_t to_row, uint64_t rows, uvk_error *err)
{
    VkDeviceSize row = from->cols * 4;
    VkBufferCopy region = {.srcOffset = from->parts->offset + from_row * row, .dstOffset = to->parts->offset + to_row * row, .size = rows * row};
    return record_copy(ctx, from->parts->buffer, to->parts->buffer, region, err);
}
