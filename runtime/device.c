/* Opening a device: what is asked of it is what the limits say that kernels will use. */
#include "context.h"

typedef struct request {
    VkPhysicalDeviceFeatures basic;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures lanes;
#ifdef VK_KHR_cooperative_matrix
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices;
#endif
    const char *extensions[4];
    uint32_t n_extensions;
} request;

static void ask_for(request *r, const uvk_context *ctx)
{
    static const char *const wanted[] = {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, "VK_KHR_portability_subset"};
    const uvk_limits *l = &ctx->limits;
    bool matrices = l->matrix[0] > 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (uvk_device_has_extension(ctx->physical, wanted[i]))
            r->extensions[r->n_extensions++] = wanted[i];
    r->basic.shaderInt64 = l->addresses;
    r->v12 = (VkPhysicalDeviceVulkan12Features){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                                .bufferDeviceAddress = l->addresses, .shaderFloat16 = l->half || matrices, .vulkanMemoryModel = matrices};
    if (matrices) {
        r->lanes = (VkPhysicalDeviceSubgroupSizeControlFeatures){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, .pNext = r->v12.pNext,
                                                                 .subgroupSizeControl = VK_TRUE, .computeFullSubgroups = VK_TRUE};
        r->v12.pNext = &r->lanes;
        r->extensions[r->n_extensions++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
#ifdef VK_KHR_cooperative_matrix
        r->matrices = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, .pNext = r->v12.pNext,
                                                                     .cooperativeMatrix = VK_TRUE};
        r->v12.pNext = &r->matrices;
        r->extensions[r->n_extensions++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
#endif
    }
}

uvk_status uvk_device_open(uvk_context *ctx, uvk_error *err)
{
    request r = {0};
    float priority = 1;
    ask_for(&r, ctx);
    ctx->queue_family = (uint32_t)uvk_device_queue_family(ctx->physical);
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = ctx->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &r.v12,
        .pEnabledFeatures = &r.basic,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = r.n_extensions,
        .ppEnabledExtensionNames = r.extensions,
    };
    VkResult result = vkCreateDevice(ctx->physical, &info, NULL, &ctx->device);
    if (result != VK_SUCCESS)
        return uvk_fail(err, UVK_NO_DEVICE, "%s: the device cannot be opened (VkResult %d)", ctx->info.name, (int)result);
    volkLoadDeviceTable(&ctx->vk, ctx->device);
    ctx->vk.vkGetDeviceQueue(ctx->device, ctx->queue_family, 0, &ctx->queue);
    vkGetPhysicalDeviceMemoryProperties(ctx->physical, &ctx->memory_types);
    return UVK_OK;
}
