#include "context.h"

#include <stdlib.h>
#include <string.h>

static VkResult create_layouts(uvk_context *ctx)
{
    VkDescriptorSetLayoutBinding bindings[UVK_MAX_BINDINGS];
    for (uint32_t i = 0; i < UVK_MAX_BINDINGS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    VkResult result = VK_SUCCESS;
    for (uint32_t n = 1; n <= UVK_MAX_BINDINGS && result == VK_SUCCESS; n++) {
        VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = n, .pBindings = bindings};
        result = ctx->vk.vkCreateDescriptorSetLayout(ctx->device, &set, NULL, &ctx->kernels.set_layouts[n]);
        if (result != VK_SUCCESS)
            break;
        VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = 8 + UVK_MAX_PUSH};
        VkPipelineLayoutCreateInfo layout = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
            .setLayoutCount = 1,
            .pSetLayouts = &ctx->kernels.set_layouts[n],
            .pushConstantRangeCount = 1,
            .pPushConstantRanges = &push,
        };
        result = ctx->vk.vkCreatePipelineLayout(ctx->device, &layout, NULL, &ctx->kernels.layouts[n]);
    }
    return result;
}

uvk_status uvk_kernels_create(uvk_context *ctx, const char *cache_dir, uvk_error *err)
{
    uvk_pipeline_cache_open(ctx, cache_dir);
    VkResult result = create_layouts(ctx);
    return result == VK_SUCCESS ? UVK_OK : uvk_fail_vulkan(err, result, "creating pipeline layouts");
}

void uvk_kernels_destroy(uvk_context *ctx)
{
    uvk_kernels *k = &ctx->kernels;
    uvk_pipeline_cache_close(ctx);
    for (size_t i = 0; i < k->n_pipelines; i++)
        ctx->vk.vkDestroyPipeline(ctx->device, k->pipelines[i].handle, NULL);
    free(k->pipelines);
    for (size_t i = 0; i < UVK_KERNEL_COUNT; i++)
        ctx->vk.vkDestroyShaderModule(ctx->device, k->modules[i], NULL);
    for (size_t i = 1; i <= UVK_MAX_BINDINGS; i++) {
        ctx->vk.vkDestroyPipelineLayout(ctx->device, k->layouts[i], NULL);
        ctx->vk.vkDestroyDescriptorSetLayout(ctx->device, k->set_layouts[i], NULL);
    }
}

static VkResult load_module(uvk_context *ctx, uvk_kernel kernel)
{
    if (ctx->kernels.modules[kernel])
        return VK_SUCCESS;
    VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = uvk_kernel_list[kernel].size,
        .pCode = uvk_kernel_list[kernel].code,
    };
    return ctx->vk.vkCreateShaderModule(ctx->device, &info, NULL, &ctx->kernels.modules[kernel]);
}

static VkResult create_pipeline(uvk_context *ctx, uvk_pipeline *p)
{
    VkSpecializationMapEntry entries[UVK_MAX_CONSTANTS];
    uint32_t n = uvk_kernel_list[p->kernel].constants;
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
    VkSpecializationInfo constants = {.mapEntryCount = n, .pMapEntries = entries, .dataSize = 4 * n, .pData = p->constants};
    bool whole = uvk_kernel_list[p->kernel].whole_subgroups;
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo lanes = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO, .requiredSubgroupSize = ctx->limits.lanes};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = whole ? &lanes : NULL,
            .flags = whole ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = ctx->kernels.modules[p->kernel],
            .pName = "main",
            .pSpecializationInfo = &constants,
        },
        .layout = ctx->kernels.layouts[uvk_kernel_list[p->kernel].bindings],
    };
    return ctx->vk.vkCreateComputePipelines(ctx->device, ctx->kernels.cache, 1, &info, NULL, &p->handle);
}

static uvk_pipeline *find_pipeline(uvk_kernels *k, uvk_kernel kernel, const uint32_t *constants)
{
    for (size_t i = 0; i < k->n_pipelines; i++)
        if (k->pipelines[i].kernel == kernel && !memcmp(k->pipelines[i].constants, constants, sizeof k->pipelines[i].constants))
            return &k->pipelines[i];
    return NULL;
}

uvk_status uvk_kernels_pipeline(uvk_context *ctx, uvk_kernel kernel, const uint32_t *constants, VkPipeline *out, uvk_error *err)
{
    uvk_kernels *k = &ctx->kernels;
    uvk_pipeline *found = find_pipeline(k, kernel, constants);
    if (!found) {
        uvk_pipeline *grown = realloc(k->pipelines, (k->n_pipelines + 1) * sizeof *grown);
        if (!grown)
            return uvk_fail_memory(err, (k->n_pipelines + 1) * sizeof *grown, "pipelines");
        k->pipelines = grown;
        found = &grown[k->n_pipelines];
        *found = (uvk_pipeline){.kernel = kernel};
        memcpy(found->constants, constants, sizeof found->constants);
        VkResult result = load_module(ctx, kernel);
        if (result == VK_SUCCESS)
            result = create_pipeline(ctx, found);
        if (result != VK_SUCCESS)
            return uvk_fail_vulkan(err, result, uvk_kernel_list[kernel].name);
        k->n_pipelines++;
        k->cache_dirty = true;
    }
    *out = found->handle;
    return UVK_OK;
}
