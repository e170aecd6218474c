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

/* Rows of a part: `row` bytes each on the host, where they lie without gaps, `pitch` bytes apart on the device. */
typedef struct strip {
    VkDeviceSize offset, row, pitch;
    uint64_t rows;
} strip;

static void copy_rows(char *to, size_t to_pitch, const char *from, size_t from_pitch, const strip *s)
{
    for (uint64_t r = 0; r < s->rows; r++)
        memcpy(to + r * to_pitch, from + r * from_pitch, s->row);
}

static VkDeviceSize span_of(const strip *s)
{
    return (s->rows - 1) * s->pitch + s->row;
}

static uvk_status upload_piece(uvk_context *ctx, uvk_span to, const strip *s, const char *from, uvk_error *err)
{
    uvk_status status;
    copy_rows(to.mapped ? to.mapped + s->offset : ctx->staging.mapped, s->pitch, from, s->row, s);
    if (to.mapped) /* the next submission makes it visible */
        return UVK_OK;
    if ((status = synchronize_host(ctx, true, err)) ||
        (status = record_copy(ctx, ctx->staging.buffer, to.buffer, (VkBufferCopy){.dstOffset = to.offset + s->offset, .size = span_of(s)}, err)))
        return status;
    return uvk_flush(ctx, err);
}

static uvk_status download_piece(uvk_context *ctx, uvk_span from, const strip *s, char *to, uvk_error *err)
{
    uvk_status status;
    if ((status = record_copy(ctx, from.buffer, ctx->staging.buffer, (VkBufferCopy){.srcOffset = from.offset + s->offset, .size = span_of(s)}, err)) ||
        (status = uvk_flush(ctx, err)) || (status = synchronize_host(ctx, false, err)))
        return status;
    copy_rows(to, s->row, ctx->staging.mapped, s->pitch, s);
    return UVK_OK;
}

/* A piece that fits the staging buffer; exactly one of from and to is given. */
static uvk_status transfer_piece(uvk_context *ctx, uvk_span at, const strip *s, const char *from, char *to, uvk_error *err)
{
    return from ? upload_piece(ctx, at, s, from, err) : download_piece(ctx, at, s, to, err);
}

/* Bytes without gaps. */
static uvk_status transfer_bytes(uvk_context *ctx, uvk_span at, VkDeviceSize offset, VkDeviceSize size, const char *from, char *to, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (VkDeviceSize done = 0, n; done < size && status == UVK_OK; done += n) {
        n = size - done < ctx->staging.size ? size - done : ctx->staging.size;
        strip piece = {offset + done, n, n, 1};
        status = transfer_piece(ctx, at, &piece, from ? from + done : NULL, to ? to + done : NULL, err);
    }
    return status;
}

/* As many rows at a time as fit, or, of rows that do not, one. */
static uvk_status transfer_strip(uvk_context *ctx, uvk_span at, const strip *s, const char *from, char *to, uvk_error *err)
{
    uint64_t step = ctx->staging.size / s->pitch;
    uvk_status status = UVK_OK;
    if (s->row == s->pitch)
        return transfer_bytes(ctx, at, s->offset, s->rows * s->row, from, to, err);
    for (uint64_t r = 0; r < s->rows && status == UVK_OK; r += step ? step : 1) {
        strip piece = {s->offset + r * s->pitch, s->row, s->pitch, s->rows - r < step ? s->rows - r : step};
        const char *source = from ? from + r * s->row : NULL;
        char *sink = to ? to + r * s->row : NULL;
        status = step ? transfer_piece(ctx, at, &piece, source, sink, err) : transfer_bytes(ctx, at, piece.offset, s->row, source, sink, err);
    }
    return status;
}

static uvk_status transfer(uvk_context *ctx, const uvk_tensor *tensor, uint64_t first_row, uint64_t rows, const char *from, char *to, uvk_error *err)
{
    uint64_t row = tensor->cols * 4, pitch = tensor->stride * 4;
    for (uint64_t done = 0; done < rows;) {
        uint64_t at = first_row + done, part = at / tensor->part_rows, in_part = at % tensor->part_rows;
        uint64_t n = tensor->part_rows - in_part < rows - done ? tensor->part_rows - in_part : rows - done;
        strip s = {in_part * pitch, row, pitch, n};
        uvk_status status = transfer_strip(ctx, tensor->parts[part], &s, from ? from + done * row : NULL, to ? to + done * row : NULL, err);
        if (status)
            return status;
        done += n;
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
