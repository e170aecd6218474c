/* What a device has of half-precision arithmetic: in shaders, and as products of small matrices that a subgroup makes together. */
#include "context.h"

#include <stdlib.h>

/* The tiles of matmul_cooperative.comp, in models/products.c: what its matrices divide; the largest that its shared memory is reckoned for; subgroups. */
enum { STEP = 32, LARGEST = 16, SUBGROUPS = 4 };

typedef struct found {
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures lanes;
    VkPhysicalDeviceSubgroupSizeControlProperties sizes;
    bool matrices;
} found;

static bool compiled(uvk_kernel kernel)
{
    return uvk_kernel_list[kernel].code[0] != 0;
}

/* A structure of an extension that the device lacks stays zero. */
static found read_features(VkPhysicalDevice device)
{
    bool sizes = uvk_device_has_extension(device, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    found f = {
        .v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES},
        .lanes = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES},
        .sizes = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES},
    };
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f.v12};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = sizes ? &f.sizes : NULL};
    if (sizes)
        f.v12.pNext = &f.lanes;
#ifdef VK_KHR_cooperative_matrix
    bool matrices = uvk_device_has_extension(device, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR cooperative = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, .pNext = f.v12.pNext};
    if (matrices)
        f.v12.pNext = &cooperative;
#endif
    vkGetPhysicalDeviceFeatures2(device, &features);
    vkGetPhysicalDeviceProperties2(device, &properties);
#ifdef VK_KHR_cooperative_matrix
    f.matrices = cooperative.cooperativeMatrix;
#endif
    f.v12.pNext = NULL; /* what it names goes with this call */
    return f;
}

#ifdef VK_KHR_cooperative_matrix
static bool suits(const VkCooperativeMatrixPropertiesKHR *p)
{
    return p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->scope == VK_SCOPE_SUBGROUP_KHR && !p->saturatingAccumulation && p->MSize && p->NSize && p->KSize &&
           p->MSize <= LARGEST && p->NSize <= LARGEST && STEP % p->MSize == 0 && STEP % p->NSize == 0 && STEP % p->KSize == 0;
}

/* The largest matrices that suit. */
static void choose_matrix(VkPhysicalDevice device, uint32_t matrix[3])
{
    uint32_t n = 0, most = 0;
    if (vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &n, NULL) != VK_SUCCESS || n == 0)
        return;
    VkCooperativeMatrixPropertiesKHR *list = calloc(n, sizeof *list);
    for (uint32_t i = 0; list && i < n; i++)
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (!list || vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &n, list) < VK_SUCCESS)
        n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (suits(&list[i]) && list[i].MSize * list[i].NSize * list[i].KSize > most) {
            most = list[i].MSize * list[i].NSize * list[i].KSize;
            matrix[0] = list[i].MSize;
            matrix[1] = list[i].NSize;
            matrix[2] = list[i].KSize;
        }
    free(list);
}
#else
static void choose_matrix(VkPhysicalDevice device, uint32_t matrix[3])
{
    (void)device;
    (void)matrix;
}
#endif

static bool fits(VkPhysicalDevice device, uint32_t lanes)
{
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(device, &p);
    return p.limits.maxComputeWorkGroupInvocations >= SUBGROUPS * lanes && p.limits.maxComputeWorkGroupSize[0] >= SUBGROUPS * lanes;
}

/* lavapipe (Mesa 26.2) crashes over such matrices where its vectors have 512 bits. */
static bool crashes(const uvk_limits *limits)
{
    return limits->direct && limits->lanes > 8;
}

void uvk_half_read(VkPhysicalDevice device, uvk_limits *limits)
{
    found f = read_features(device);
    bool whole_subgroups = f.lanes.subgroupSizeControl && f.lanes.computeFullSubgroups && f.sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
    limits->half = f.v12.shaderFloat16 && compiled(UVK_MATMUL_HALF);
    if (limits->half && f.v12.vulkanMemoryModel && f.matrices && whole_subgroups && compiled(UVK_MATMUL_COOPERATIVE) && fits(device, limits->lanes) && !crashes(limits))
        choose_matrix(device, limits->matrix);
}
