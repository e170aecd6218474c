#include "context.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *uvk_version(void)
{
    return ULTRAVK_VERSION;
}

/* ---- Choosing a device ------------------------------------------------------------------------------------------------ */

static bool contains_ignoring_case(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static int choose_named(const uvk_device_info *info, uint32_t n, const char *wanted)
{
    char *end;
    long index = strtol(wanted, &end, 10);
    if (*wanted && !*end)
        return index >= 0 && index < (long)n ? (int)index : -1;
    int found = -1; /* one card may be there twice, under an old driver and a usable one */
    for (uint32_t i = 0; i < n; i++)
        if (*wanted && contains_ignoring_case(info[i].name, wanted) && (found < 0 || (info[i].usable && !info[found].usable)))
            found = (int)i;
    return found;
}

/* The kinds of uvk_device_kind are listed from best to worst, except that "other" may be anything but a CPU. */
static int rank(const uvk_device_info *info)
{
    static const int ranks[] = {[UVK_DEVICE_DISCRETE] = 4, [UVK_DEVICE_INTEGRATED] = 3, [UVK_DEVICE_VIRTUAL] = 2, [UVK_DEVICE_OTHER] = 1, [UVK_DEVICE_CPU] = 0};
    return ranks[info->kind];
}

static int choose_best(const uvk_device_info *info, uint32_t n)
{
    int best = -1;
    for (uint32_t i = 0; i < n; i++)
        if (info[i].usable && (best < 0 || rank(&info[i]) > rank(&info[best]) || (rank(&info[i]) == rank(&info[best]) && info[i].memory > info[best].memory)))
            best = (int)i;
    return best;
}

static uvk_status choose(const uvk_device_info *info, uint32_t n, const char *wanted, int *out, uvk_error *err)
{
    const char *from_environment = getenv("ULTRAVK_DEVICE"), *source = wanted ? "--device " : "ULTRAVK_DEVICE=";
    if (!wanted && from_environment && *from_environment)
        wanted = from_environment;
    if (!wanted) {
        *out = choose_best(info, n);
        if (*out < 0)
            return uvk_fail(err, UVK_NO_DEVICE, "no usable Vulkan device: %s %s", info[0].name, info[0].reason);
        return UVK_OK;
    }
    *out = choose_named(info, n, wanted);
    if (*out < 0)
        return uvk_fail(err, UVK_USAGE, "%s%s: no such device (%u found; 'ultravk devices' lists them)", source, wanted, n);
    if (!info[*out].usable)
        return uvk_fail(err, UVK_NO_DEVICE, "%s%s: %s %s", source, wanted, info[*out].name, info[*out].reason);
    return UVK_OK;
}

static uvk_status pick_physical_device(uvk_context *ctx, const char *wanted, uvk_error *err)
{
    VkPhysicalDevice *devices;
    uvk_device_info *info;
    uint32_t n;
    int chosen;
    uvk_status status = uvk_instance_devices(ctx->instance, &devices, &info, &n, err);
    if (status)
        return status;
    status = choose(info, n, wanted, &chosen, err);
    if (status == UVK_OK) {
        ctx->physical = devices[chosen];
        ctx->info = info[chosen];
    }
    free(devices);
    free(info);
    return status;
}

/* ---- Opening it --------------------------------------------------------------------------------------------------------- */

static float timestamp_period(VkPhysicalDevice device)
{
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(device, &p);
    return p.limits.timestampComputeAndGraphics ? p.limits.timestampPeriod : 0;
}

static uvk_status open_context(uvk_context *ctx, const uvk_context_params *params, uvk_error *err)
{
    uvk_status status;
    if ((status = uvk_instance_create(&ctx->instance, err)) || (status = pick_physical_device(ctx, params->device, err)) ||
        (status = uvk_limits_read(ctx->physical, params->precision, &ctx->limits, err)) || (status = uvk_device_open(ctx, err)))
        return status;
    uvk_device_key(ctx->physical, ctx->cache_key);
    ctx->verdicts_path = uvk_verdicts_path(ctx->physical, params->cache_dir);
    ctx->timestamp_period = timestamp_period(ctx->physical);
    ctx->budget = (params->memory ? params->memory : ctx->info.available / 10 * 9) / (params->sharers ? params->sharers : 1);
    if (ctx->info.kind == UVK_DEVICE_CPU)
        uvk_log(ctx, UVK_LOG_INFO, "device: %s runs on the CPU and is slow; no GPU was found or asked for", ctx->info.name);
    if ((status = uvk_stream_create(ctx, err)) || (status = uvk_staging_create(ctx, err)))
        return status;
    return uvk_kernels_create(ctx, params->cache_dir, err);
}

uvk_status uvk_context_create(const uvk_context_params *params, uvk_context **out, uvk_error *err)
{
    static const uvk_context_params defaults;
    if (!params)
        params = &defaults;
    uvk_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return uvk_fail_memory(err, sizeof *ctx, "a context");
    ctx->log = params->log;
    ctx->interrupted = params->interrupted;
    ctx->user = params->user;
    uvk_status status = open_context(ctx, params, err);
    if (status) {
        uvk_context_free(ctx);
        return status;
    }
    *out = ctx;
    return UVK_OK;
}

void uvk_context_free(uvk_context *ctx)
{
    if (!ctx)
        return;
    if (ctx->device) {
        ctx->vk.vkDeviceWaitIdle(ctx->device);
        uvk_kernels_destroy(ctx);
        uvk_staging_destroy(ctx);
        uvk_stream_destroy(ctx);
        ctx->vk.vkDestroyDevice(ctx->device, NULL);
    }
    if (ctx->instance)
        vkDestroyInstance(ctx->instance, NULL);
    free(ctx->verdicts_path);
    free(ctx);
}

const uvk_device_info *uvk_context_device(const uvk_context *ctx)
{
    return &ctx->info;
}

uint64_t uvk_context_budget(const uvk_context *ctx)
{
    return ctx->budget;
}

uint64_t uvk_context_used(const uvk_context *ctx)
{
    return ctx->used;
}

uint64_t uvk_context_peak(const uvk_context *ctx)
{
    return ctx->peak;
}

const uvk_limits *uvk_context_limits(const uvk_context *ctx)
{
    return &ctx->limits;
}

const char *uvk_context_products(const uvk_context *ctx)
{
    static const char *const names[] = {[UVK_FLOAT_PRODUCTS] = "f32", [UVK_HALF_PRODUCTS] = "half", [UVK_COOPERATIVE_PRODUCTS] = "cooperative"};
    return names[ctx->limits.products];
}

bool uvk_context_is_cpu(const uvk_context *ctx)
{
    return ctx->info.kind == UVK_DEVICE_CPU;
}
