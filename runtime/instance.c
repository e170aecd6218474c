#include "context.h"

#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* volk keeps instance-level functions in globals; they are the loader's and serve every instance. */
static pthread_mutex_t volk_lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

static const char no_device_hint[] = "install your GPU's Vulkan driver, or mesa-vulkan-drivers to run on the CPU";

static bool instance_has_extension(const char *name)
{
    uint32_t n = 0;
    if (vkEnumerateInstanceExtensionProperties(NULL, &n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkExtensionProperties *list = calloc(n, sizeof *list);
    bool found = false;
    if (list && vkEnumerateInstanceExtensionProperties(NULL, &n, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < n && !found; i++)
            found = !strcmp(list[i].extensionName, name);
    free(list);
    return found;
}

/* lavapipe takes vectors of 256 bits; where the CPU has 512, the *_wide kernels are faster in those, the others are not. The driver reads this
 * before it can be asked how old it is; a loader of Vulkan 1.3 stands beside drivers too old for these kernels. Nobody else reads it. */
static void widen_vectors(void)
{
#if defined __x86_64__ && defined __GNUC__
    if (volkGetInstanceVersion() >= VK_MAKE_API_VERSION(0, 1, 4, 0) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        setenv("LP_NATIVE_VECTOR_WIDTH", "512", 0);
#endif
}

static uvk_status create_locked(VkInstance *out, uvk_error *err)
{
    if (volkInitialize() != VK_SUCCESS)
        return uvk_fail(err, UVK_NO_DEVICE, "no Vulkan loader (libvulkan.so.1) on this machine; %s", no_device_hint);
    widen_vectors();
    VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "ultravk",
        .apiVersion = VK_API_VERSION_1_2,
    };
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
#ifdef VK_KHR_portability_enumeration
    static const char *const portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME; /* MoltenVK */
    if (instance_has_extension(portability)) {
        info.flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &portability;
    }
#endif
    VkResult result = vkCreateInstance(&info, NULL, out);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER || result == VK_ERROR_INITIALIZATION_FAILED)
        return uvk_fail(err, UVK_NO_DEVICE, "no Vulkan driver on this machine; %s", no_device_hint);
    if (result != VK_SUCCESS)
        return uvk_fail_vulkan(err, result, "vkCreateInstance");
    if (!loaded) /* other threads may be using them */
        volkLoadInstanceOnly(*out);
    loaded = true;
    return UVK_OK;
}

uvk_status uvk_instance_create(VkInstance *out, uvk_error *err)
{
    pthread_mutex_lock(&volk_lock);
    uvk_status status = create_locked(out, err);
    pthread_mutex_unlock(&volk_lock);
    return status;
}

bool uvk_device_has_extension(VkPhysicalDevice device, const char *name)
{
    uint32_t n = 0;
    if (vkEnumerateDeviceExtensionProperties(device, NULL, &n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkExtensionProperties *list = calloc(n, sizeof *list);
    bool found = false;
    if (list && vkEnumerateDeviceExtensionProperties(device, NULL, &n, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < n && !found; i++)
            found = !strcmp(list[i].extensionName, name);
    free(list);
    return found;
}

void uvk_device_memory(VkPhysicalDevice device, uint64_t *total, uint64_t *available)
{
    bool reports = uvk_device_has_extension(device, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = reports ? &budget : NULL};
    vkGetPhysicalDeviceMemoryProperties2(device, &memory);
    *total = *available = 0;
    for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; i++) {
        VkMemoryHeap heap = memory.memoryProperties.memoryHeaps[i];
        if (!(heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT))
            continue;
        *total += heap.size;
        if (reports && budget.heapBudget[i] > 0)
            *available += budget.heapBudget[i] > budget.heapUsage[i] ? budget.heapBudget[i] - budget.heapUsage[i] : 0;
        else
            *available += heap.size / 5 * 4; /* the rest of the system wants some too */
    }
}

int uvk_device_queue_family(VkPhysicalDevice device)
{
    VkQueueFamilyProperties families[64]; /* drivers have a handful */
    uint32_t n = sizeof families / sizeof *families;
    vkGetPhysicalDeviceQueueFamilyProperties(device, &n, families);
    for (uint32_t i = 0; i < n; i++)
        if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)
            return (int)i;
    return -1;
}

void uvk_device_key(VkPhysicalDevice device, uint8_t key[32])
{
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
    vkGetPhysicalDeviceProperties2(device, &p);
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, sizeof id.deviceUUID, id.deviceUUID);
    sha256_update(&hash, sizeof id.driverUUID, id.driverUUID);
    sha256_update(&hash, sizeof p.properties.pipelineCacheUUID, p.properties.pipelineCacheUUID);
    sha256_update(&hash, sizeof p.properties.driverVersion, (const uint8_t *)&p.properties.driverVersion);
    sha256_update(&hash, strlen(ULTRAVK_VERSION), (const uint8_t *)ULTRAVK_VERSION);
    sha256_digest(&hash, 32, key);
}

static uvk_device_kind kind_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return UVK_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return UVK_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return UVK_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return UVK_DEVICE_CPU;
    default: return UVK_DEVICE_OTHER;
    }
}

static void check_usable(VkPhysicalDevice device, const VkPhysicalDeviceProperties *p, uvk_device_info *out)
{
    enum { NEEDED_INVOCATIONS = 128, NEEDED_SHARED = 16384 };
    if (p->apiVersion < VK_API_VERSION_1_2)
        snprintf(out->reason, sizeof out->reason, "has Vulkan %s, 1.2 is needed", out->api);
    else if (uvk_device_queue_family(device) < 0)
        snprintf(out->reason, sizeof out->reason, "has no compute queue");
    else if (p->limits.maxPerStageDescriptorStorageBuffers < UVK_MAX_BINDINGS)
        snprintf(out->reason, sizeof out->reason, "binds %u buffers, %d are needed", p->limits.maxPerStageDescriptorStorageBuffers, UVK_MAX_BINDINGS);
    else if (p->limits.maxComputeWorkGroupInvocations < NEEDED_INVOCATIONS || p->limits.maxComputeSharedMemorySize < NEEDED_SHARED)
        snprintf(out->reason, sizeof out->reason, "runs workgroups of %u with %u bytes, %d with %d are needed", p->limits.maxComputeWorkGroupInvocations,
                 p->limits.maxComputeSharedMemorySize, NEEDED_INVOCATIONS, NEEDED_SHARED);
    else
        out->usable = true;
}

static void describe(VkPhysicalDevice device, int index, uvk_device_info *out)
{
    VkPhysicalDeviceProperties basic;
    vkGetPhysicalDeviceProperties(device, &basic);
    *out = (uvk_device_info){.index = index, .kind = kind_of(basic.deviceType)};
    snprintf(out->name, sizeof out->name, "%s", basic.deviceName);
    snprintf(out->api, sizeof out->api, "%u.%u.%u", VK_API_VERSION_MAJOR(basic.apiVersion), VK_API_VERSION_MINOR(basic.apiVersion), VK_API_VERSION_PATCH(basic.apiVersion));
    check_usable(device, &basic, out);
    uvk_device_memory(device, &out->memory, &out->available);
    memcpy(out->max_workgroups, basic.limits.maxComputeWorkGroupCount, sizeof out->max_workgroups);
    out->max_invocations = basic.limits.maxComputeWorkGroupInvocations;
    out->shared_memory = basic.limits.maxComputeSharedMemorySize;
    out->max_storage_range = basic.limits.maxStorageBufferRange;
    if (basic.apiVersion < VK_API_VERSION_1_2)
        return;
    VkPhysicalDeviceVulkan11Properties v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
    VkPhysicalDeviceVulkan12Properties v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES, .pNext = &v11};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &v12};
    vkGetPhysicalDeviceProperties2(device, &properties);
    snprintf(out->driver, sizeof out->driver, "%s%s%s", v12.driverName, v12.driverInfo[0] ? " " : "", v12.driverInfo);
    uvk_verdicts_describe(device, out->self_check, sizeof out->self_check);
    out->max_allocation = v11.maxMemoryAllocationSize;
    out->subgroup_size = v11.subgroupSize;
}

uvk_status uvk_instance_devices(VkInstance instance, VkPhysicalDevice **list, uvk_device_info **info, uint32_t *count, uvk_error *err)
{
    uint32_t n = 0;
    VkResult result = vkEnumeratePhysicalDevices(instance, &n, NULL);
    if (result != VK_SUCCESS && result != VK_ERROR_INITIALIZATION_FAILED)
        return uvk_fail_vulkan(err, result, "vkEnumeratePhysicalDevices");
    if (result != VK_SUCCESS || n == 0)
        return uvk_fail(err, UVK_NO_DEVICE, "no Vulkan device on this machine; %s", no_device_hint);
    VkPhysicalDevice *devices = calloc(n, sizeof *devices);
    uvk_device_info *infos = calloc(n, sizeof *infos);
    if (!devices || !infos) {
        free(devices);
        free(infos);
        return uvk_fail_memory(err, n * sizeof *infos, "the list of devices");
    }
    result = vkEnumeratePhysicalDevices(instance, &n, devices);
    if (result < VK_SUCCESS) {
        free(devices);
        free(infos);
        return uvk_fail_vulkan(err, result, "vkEnumeratePhysicalDevices");
    }
    for (uint32_t i = 0; i < n; i++)
        describe(devices[i], (int)i, &infos[i]);
    *list = devices;
    *info = infos;
    *count = n;
    return UVK_OK;
}

uvk_status uvk_devices(uvk_device_info *list, int capacity, int *count, uvk_error *err)
{
    VkInstance instance;
    uvk_status status = uvk_instance_create(&instance, err);
    if (status)
        return status;
    VkPhysicalDevice *devices;
    uvk_device_info *info;
    uint32_t n;
    status = uvk_instance_devices(instance, &devices, &info, &n, err);
    if (status == UVK_OK) {
        for (uint32_t i = 0; i < n && (int)i < capacity; i++)
            list[i] = info[i];
        *count = (int)n;
        free(devices);
        free(info);
    }
    vkDestroyInstance(instance, NULL);
    return status;
}
