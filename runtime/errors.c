#include "context.h"

#include <stdarg.h>
#include <stdio.h>

static const char *result_name(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialization failed";
    case VK_ERROR_DEVICE_LOST: return "the device was lost";
    case VK_ERROR_MEMORY_MAP_FAILED: return "memory could not be mapped";
    case VK_ERROR_LAYER_NOT_PRESENT: return "a layer is missing";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "an extension is missing";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "a feature is missing";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "no compatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_ERROR_FRAGMENTED_POOL: return "a pool is fragmented";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_TIMEOUT: return "timed out";
    default: return "failed";
    }
}

uvk_status uvk_fail_vulkan(uvk_error *err, VkResult result, const char *call)
{
    uvk_status status = result == VK_ERROR_DEVICE_LOST || result == VK_ERROR_INCOMPATIBLE_DRIVER ? UVK_NO_DEVICE : UVK_FAILED;
    uvk_fail(err, status, "%s: %s (VkResult %d)", call, result_name(result), (int)result);
    if (err)
        err->device = true;
    return status;
}

void uvk_log(const uvk_context *ctx, uvk_log_level level, const char *format, ...)
{
    if (!ctx->log)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->user, level, line);
}
