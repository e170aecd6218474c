#include "context.h"

#include <string.h>
#include <time.h>

/* Drivers kill submissions that run for seconds, and integrated GPUs stutter long before that. */
static const double target_seconds = 0.06;
static const double first_flop_limit = 2e7, smallest_flop_limit = 1e6;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- Creation ---------------------------------------------------------------------------------------------------------- */

static VkResult create_frame(uvk_context *ctx, uvk_frame *frame)
{
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = ctx->stream.pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = UVK_SETS_PER_FRAME * UVK_MAX_BINDINGS};
    VkDescriptorPoolCreateInfo descriptors = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = UVK_SETS_PER_FRAME,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkResult result = ctx->vk.vkAllocateCommandBuffers(ctx->device, &commands, &frame->commands);
    if (result == VK_SUCCESS)
        result = ctx->vk.vkCreateDescriptorPool(ctx->device, &descriptors, NULL, &frame->descriptors);
    if (result == VK_SUCCESS)
        result = ctx->vk.vkCreateFence(ctx->device, &fence, NULL, &frame->fence);
    return result;
}

uvk_status uvk_stream_create(uvk_context *ctx, uvk_error *err)
{
    uvk_stream *s = &ctx->stream;
    s->flop_limit = first_flop_limit;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = ctx->queue_family,
    };
    VkQueryPoolCreateInfo queries = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * UVK_FRAMES,
    };
    VkResult result = ctx->vk.vkCreateCommandPool(ctx->device, &pool, NULL, &s->pool);
    for (int i = 0; i < UVK_FRAMES && result == VK_SUCCESS; i++)
        result = create_frame(ctx, &s->frames[i]);
    if (result == VK_SUCCESS && ctx->timestamp_period > 0)
        result = ctx->vk.vkCreateQueryPool(ctx->device, &queries, NULL, &s->timestamps);
    return result == VK_SUCCESS ? UVK_OK : uvk_fail_vulkan(err, result, "creating command buffers");
}

void uvk_stream_destroy(uvk_context *ctx)
{
    uvk_stream *s = &ctx->stream;
    for (int i = 0; i < UVK_FRAMES; i++) {
        ctx->vk.vkDestroyDescriptorPool(ctx->device, s->frames[i].descriptors, NULL);
        ctx->vk.vkDestroyFence(ctx->device, s->frames[i].fence, NULL);
    }
    ctx->vk.vkDestroyQueryPool(ctx->device, s->timestamps, NULL);
    ctx->vk.vkDestroyCommandPool(ctx->device, s->pool, NULL);
}

/* ---- Submission ---------------------------------------------------------------------------------------------------------- */

/* Time stamps where there are any; they leave out the time a submission waited behind the one before it. */
static double frame_seconds(uvk_context *ctx, int index)
{
    uint64_t ticks[2];
    double by_host = now() - ctx->stream.frames[index].started;
    if (!ctx->stream.timestamps)
        return by_host;
    VkResult result = ctx->vk.vkGetQueryPoolResults(ctx->device, ctx->stream.timestamps, 2 * (uint32_t)index, 2, sizeof ticks, ticks, sizeof *ticks, VK_QUERY_RESULT_64_BIT);
    if (result != VK_SUCCESS || ticks[1] < ticks[0])
        return by_host;
    double seconds = (double)(ticks[1] - ticks[0]) * (double)ctx->timestamp_period * 1e-9;
    return seconds < by_host ? seconds : by_host;
}

static void adapt_limit(uvk_stream *s, double flop, double seconds)
{
    if (seconds <= 0 || (flop < 0.25 * s->flop_limit && seconds < target_seconds))
        return; /* too little work to say anything */
    double factor = target_seconds / seconds;
    factor = factor > 2 ? 2 : factor < 0.25 ? 0.25 : factor;
    s->flop_limit *= factor;
    if (s->flop_limit < smallest_flop_limit)
        s->flop_limit = smallest_flop_limit;
}

static uvk_status wait_frame(uvk_context *ctx, int index, uvk_error *err)
{
    uvk_frame *f = &ctx->stream.frames[index];
    if (!f->pending)
        return UVK_OK;
    VkResult result = ctx->vk.vkWaitForFences(ctx->device, 1, &f->fence, VK_TRUE, UINT64_MAX);
    f->pending = false;
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkWaitForFences");
    double seconds = frame_seconds(ctx, index);
    ctx->stream.seconds += seconds;
    adapt_limit(&ctx->stream, f->flop, seconds);
    return UVK_OK;
}

static uvk_status begin_frame(uvk_context *ctx, uvk_error *err)
{
    int index = ctx->stream.current;
    uvk_frame *f = &ctx->stream.frames[index];
    uvk_status status = wait_frame(ctx, index, err);
    if (status)
        return status;
    if (ctx->interrupted && ctx->interrupted(ctx->user))
        return uvk_fail(err, UVK_INTERRUPTED, "interrupted");
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    VkResult result = ctx->vk.vkResetFences(ctx->device, 1, &f->fence);
    if (result == VK_SUCCESS)
        result = ctx->vk.vkResetDescriptorPool(ctx->device, f->descriptors, 0);
    if (result == VK_SUCCESS)
        result = ctx->vk.vkBeginCommandBuffer(f->commands, &begin);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkBeginCommandBuffer");
    f->recording = true;
    f->sets = 0;
    f->flop = 0;
    if (ctx->stream.timestamps) {
        ctx->vk.vkCmdResetQueryPool(f->commands, ctx->stream.timestamps, 2 * (uint32_t)index, 2);
        ctx->vk.vkCmdWriteTimestamp(f->commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, ctx->stream.timestamps, 2 * (uint32_t)index);
    }
    uvk_stream_barrier(ctx, f->commands); /* what the other frame wrote */
    return UVK_OK;
}

static uvk_status submit_frame(uvk_context *ctx, uvk_error *err)
{
    int index = ctx->stream.current;
    uvk_frame *f = &ctx->stream.frames[index];
    if (!f->recording)
        return UVK_OK;
    f->recording = false;
    VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    ctx->vk.vkCmdPipelineBarrier(f->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    if (ctx->stream.timestamps)
        ctx->vk.vkCmdWriteTimestamp(f->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, ctx->stream.timestamps, 2 * (uint32_t)index + 1);
    VkResult result = ctx->vk.vkEndCommandBuffer(f->commands);
    VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &f->commands};
    if (result == VK_SUCCESS)
        result = ctx->vk.vkQueueSubmit(ctx->queue, 1, &submit, f->fence);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkQueueSubmit");
    f->started = now();
    f->ticket = ++ctx->stream.submitted;
    f->pending = true;
    ctx->stream.current = (index + 1) % UVK_FRAMES;
    return UVK_OK;
}

uvk_status uvk_submit(uvk_context *ctx, uint64_t *ticket, uvk_error *err)
{
    uvk_status status = submit_frame(ctx, err);
    *ticket = ctx->stream.submitted;
    return status;
}

uvk_status uvk_wait(uvk_context *ctx, uint64_t ticket, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; i < UVK_FRAMES && status == UVK_OK; i++) {
        int oldest_first = (ctx->stream.current + i) % UVK_FRAMES;
        if (ctx->stream.frames[oldest_first].ticket <= ticket)
            status = wait_frame(ctx, oldest_first, err);
    }
    return status;
}

uvk_status uvk_flush(uvk_context *ctx, uvk_error *err)
{
    uint64_t ticket;
    uvk_status status = uvk_submit(ctx, &ticket, err);
    return status ? status : uvk_wait(ctx, ticket, err);
}

uvk_status uvk_stream_commands(uvk_context *ctx, VkCommandBuffer *out, uvk_error *err)
{
    uvk_frame *f = &ctx->stream.frames[ctx->stream.current];
    uvk_status status = f->recording ? UVK_OK : begin_frame(ctx, err);
    if (status == UVK_OK)
        *out = f->commands;
    return status;
}

void uvk_stream_discard(uvk_context *ctx)
{
    uvk_frame *f = &ctx->stream.frames[ctx->stream.current];
    if (f->recording)
        ctx->vk.vkResetCommandBuffer(f->commands, 0);
    f->recording = false;
}

void uvk_stream_barrier(uvk_context *ctx, VkCommandBuffer commands)
{
    VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    ctx->vk.vkCmdPipelineBarrier(commands, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* ---- Dispatches ------------------------------------------------------------------------------------------------------------ */

/* The one place that folds a linear number of workgroups into the device's grid: as few rows as needed, as wide as allowed.
 * Returns how many groups one vkCmdDispatch covers, at most `groups`. */
static uint64_t fold(const uint32_t limits[3], uint64_t groups, uint32_t grid[3])
{
    uint64_t rest = groups;
    for (int i = 0; i < 3; i++) {
        uint64_t size = rest < limits[i] ? rest : limits[i];
        grid[i] = (uint32_t)size;
        rest = (rest + size - 1) / size;
    }
    uint64_t covered = (uint64_t)grid[0] * grid[1] * grid[2];
    return covered < groups ? covered : groups;
}

static uvk_status bind_buffers(uvk_context *ctx, uvk_frame *f, const uvk_dispatch *d, uint32_t n, uvk_error *err)
{
    VkDescriptorSet set;
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = f->descriptors,
        .descriptorSetCount = 1,
        .pSetLayouts = &ctx->kernels.set_layouts[n],
    };
    VkResult result = ctx->vk.vkAllocateDescriptorSets(ctx->device, &info, &set);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkAllocateDescriptorSets");
    f->sets++;
    VkDescriptorBufferInfo buffers[UVK_MAX_BINDINGS];
    VkWriteDescriptorSet writes[UVK_MAX_BINDINGS];
    for (uint32_t i = 0; i < n; i++) {
        buffers[i] = (VkDescriptorBufferInfo){.buffer = d->bindings[i].buffer, .offset = d->bindings[i].offset, .range = d->bindings[i].size};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &buffers[i],
        };
    }
    ctx->vk.vkUpdateDescriptorSets(ctx->device, n, writes, 0, NULL);
    ctx->vk.vkCmdBindDescriptorSets(f->commands, VK_PIPELINE_BIND_POINT_COMPUTE, ctx->kernels.layouts[n], 0, 1, &set, 0, NULL);
    return UVK_OK;
}

/* Groups first..first+count-1 of a dispatch into the current frame. */
static uvk_status record_groups(uvk_context *ctx, const uvk_dispatch *d, VkPipeline pipeline, uint64_t first, uint64_t count, uvk_error *err)
{
    VkCommandBuffer commands;
    uint32_t n = uvk_kernel_list[d->kernel].bindings, push[2 + UVK_MAX_PUSH / 4], addresses = uvk_kernel_list[d->kernel].addresses;
    uvk_status status = uvk_stream_commands(ctx, &commands, err);
    if (status)
        return status;
    uvk_frame *f = &ctx->stream.frames[ctx->stream.current];
    if ((status = bind_buffers(ctx, f, d, n, err)))
        return status;
    ctx->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    for (uint32_t i = 0; i < addresses; i++)
        memcpy(push + 2 + 2 * i, &d->bindings[i].address, sizeof(VkDeviceAddress));
    memcpy(push + 2 + 2 * addresses, d->push, d->push_size);
    for (uint64_t end = first + count; first < end;) {
        uint32_t grid[3];
        uint64_t covered = fold(ctx->limits.groups, end - first, grid);
        push[0] = (uint32_t)first;
        push[1] = (uint32_t)(first + covered);
        ctx->vk.vkCmdPushConstants(commands, ctx->kernels.layouts[n], VK_SHADER_STAGE_COMPUTE_BIT, 0, 8 + 8 * addresses + d->push_size, push);
        ctx->vk.vkCmdDispatch(commands, grid[0], grid[1], grid[2]);
        first += covered;
    }
    return UVK_OK;
}

uvk_status uvk_dispatch_record(uvk_context *ctx, const uvk_dispatch *d, uvk_error *err)
{
    VkPipeline pipeline;
    if (d->groups > UINT32_MAX)
        return uvk_fail(err, UVK_FAILED, "%s: %llu workgroups are too many", uvk_kernel_list[d->kernel].name, (unsigned long long)d->groups);
    uvk_status status = uvk_kernels_pipeline(ctx, d->kernel, d->constants, &pipeline, err);
    double per_group = d->flop * uvk_kernel_list[d->kernel].weight / (double)(d->groups ? d->groups : 1);
    for (uint64_t first = 0; first < d->groups && status == UVK_OK;) {
        uvk_frame *f = &ctx->stream.frames[ctx->stream.current];
        double room = ctx->stream.flop_limit - (f->recording ? f->flop : 0);
        uint64_t left = d->groups - first;
        uint64_t count = per_group * (double)left <= room ? left : room < per_group ? 1 : (uint64_t)(room / per_group);
        if ((status = record_groups(ctx, d, pipeline, first, count, err)))
            break;
        f = &ctx->stream.frames[ctx->stream.current];
        f->flop += per_group * (double)count;
        first += count;
        if (f->flop >= 0.99 * ctx->stream.flop_limit || f->sets == UVK_SETS_PER_FRAME)
            status = submit_frame(ctx, err);
        else if (first == d->groups)
            uvk_stream_barrier(ctx, f->commands);
    }
    ctx->stream.flop += d->flop;
    return status;
}

double uvk_device_seconds(const uvk_context *ctx)
{
    return ctx->stream.timestamps ? ctx->stream.seconds : 0;
}

double uvk_recorded_flop(const uvk_context *ctx)
{
    return ctx->stream.flop;
}
