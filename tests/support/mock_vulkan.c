/* A Vulkan loader for tests. As libvulkan.so.1 in a folder of LD_LIBRARY_PATH it is found before the real one, hands every call on to
 * that, and does what $MOCK_VULKAN says, items with commas between:
 *   fail=CALL:K:RESULT    the K-th CALL fails with that VkResult; K+: every one from the K-th on; behind it :OTHER:N, the K-th CALL after
 *                         the N-th OTHER: how many submissions a run makes depends on how long they take
 *   limits=tiny           the device has a tenth of the limits of a real one; limits=wide: the same, of large subgroups
 *   wrong=K               the K-th shader module computes something else
 *   hide=EXTENSION        the device does not have it
 *   delay=MS              of the first device opened, each submission takes so much longer
 *   report=FILE           at the end: calls, those of the slow device, objects that were created and never destroyed, memory held at most, as JSON
 * After VK_ERROR_DEVICE_LOST the device stays lost until one is created anew. */
#include <vulkan/vulkan.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- The calls ----------------------------------------------------------------------------------------------------------------- */

/* Calls that can fail and make nothing that has to be destroyed on its own: name, parameters, arguments. */
#define PLAIN_CALLS(X) \
    X(vkEnumerateInstanceExtensionProperties, (const char *a, uint32_t *b, VkExtensionProperties *c), (a, b, c)) \
    X(vkEnumerateDeviceExtensionProperties, (VkPhysicalDevice d, const char *a, uint32_t *b, VkExtensionProperties *c), (d, a, b, c)) \
    X(vkEnumeratePhysicalDevices, (VkInstance i, uint32_t *a, VkPhysicalDevice *b), (i, a, b)) \
    X(vkBindBufferMemory, (VkDevice d, VkBuffer a, VkDeviceMemory b, VkDeviceSize c), (d, a, b, c)) \
    X(vkMapMemory, (VkDevice d, VkDeviceMemory a, VkDeviceSize b, VkDeviceSize c, VkMemoryMapFlags e, void **f), (d, a, b, c, e, f)) \
    X(vkFlushMappedMemoryRanges, (VkDevice d, uint32_t a, const VkMappedMemoryRange *b), (d, a, b)) \
    X(vkInvalidateMappedMemoryRanges, (VkDevice d, uint32_t a, const VkMappedMemoryRange *b), (d, a, b)) \
    X(vkAllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *a, VkCommandBuffer *b), (d, a, b)) \
    X(vkAllocateDescriptorSets, (VkDevice d, const VkDescriptorSetAllocateInfo *a, VkDescriptorSet *b), (d, a, b)) \
    X(vkGetPipelineCacheData, (VkDevice d, VkPipelineCache a, size_t *b, void *c), (d, a, b, c)) \
    X(vkResetFences, (VkDevice d, uint32_t a, const VkFence *b), (d, a, b)) \
    X(vkResetDescriptorPool, (VkDevice d, VkDescriptorPool a, VkDescriptorPoolResetFlags b), (d, a, b)) \
    X(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *a), (c, a)) \
    X(vkEndCommandBuffer, (VkCommandBuffer c), (c)) \
    X(vkResetCommandBuffer, (VkCommandBuffer c, VkCommandBufferResetFlags a), (c, a)) \
    X(vkQueueSubmit, (VkQueue q, uint32_t a, const VkSubmitInfo *b, VkFence c), (q, a, b, c)) \
    X(vkWaitForFences, (VkDevice d, uint32_t a, const VkFence *b, VkBool32 c, uint64_t e), (d, a, b, c, e)) \
    X(vkGetQueryPoolResults, (VkDevice d, VkQueryPool a, uint32_t b, uint32_t c, size_t e, void *f, VkDeviceSize g, VkQueryResultFlags h), (d, a, b, c, e, f, g, h)) \
    X(vkDeviceWaitIdle, (VkDevice d), (d))

/* Kinds of objects: how one is made and unmade. */
#define OBJECTS(X) \
    X(Buffer, vkCreateBuffer, vkDestroyBuffer, VkBufferCreateInfo) \
    X(CommandPool, vkCreateCommandPool, vkDestroyCommandPool, VkCommandPoolCreateInfo) \
    X(DescriptorPool, vkCreateDescriptorPool, vkDestroyDescriptorPool, VkDescriptorPoolCreateInfo) \
    X(DescriptorSetLayout, vkCreateDescriptorSetLayout, vkDestroyDescriptorSetLayout, VkDescriptorSetLayoutCreateInfo) \
    X(DeviceMemory, vkAllocateMemory, vkFreeMemory, VkMemoryAllocateInfo) \
    X(Fence, vkCreateFence, vkDestroyFence, VkFenceCreateInfo) \
    X(PipelineCache, vkCreatePipelineCache, vkDestroyPipelineCache, VkPipelineCacheCreateInfo) \
    X(PipelineLayout, vkCreatePipelineLayout, vkDestroyPipelineLayout, VkPipelineLayoutCreateInfo) \
    X(QueryPool, vkCreateQueryPool, vkDestroyQueryPool, VkQueryPoolCreateInfo) \
    X(ShaderModule, vkCreateShaderModule, vkDestroyShaderModule, VkShaderModuleCreateInfo)

/* Those whose parameters are others; they are written out below. */
#define OTHER_CALLS(X) X(vkCreateInstance) X(vkDestroyInstance) X(vkCreateDevice) X(vkDestroyDevice) X(vkCreateComputePipelines) X(vkDestroyPipeline)

#define PLAIN_NAME(name, parameters, arguments) name##_call,
#define OBJECT_NAMES(object, create, destroy, info) create##_call, destroy##_call,
#define OTHER_NAME(name) name##_call,
enum call { PLAIN_CALLS(PLAIN_NAME) OBJECTS(OBJECT_NAMES) OTHER_CALLS(OTHER_NAME) CALLS,
    /* handed on, or changed, and not counted */
    vkGetDeviceProcAddr_call = CALLS, vkGetDeviceQueue_call, vkGetPhysicalDeviceProperties_call, vkGetPhysicalDeviceProperties2_call,
    vkGetPhysicalDeviceMemoryProperties_call, vkCmdDispatch_call, vkUpdateDescriptorSets_call, ALL_CALLS };

#define OBJECT_KIND(object, create, destroy, info) object##_kind,
enum kind { OBJECTS(OBJECT_KIND) Instance_kind, Device_kind, Pipeline_kind, KINDS };

#define PLAIN_TEXT(name, parameters, arguments) #name,
#define OBJECT_TEXTS(object, create, destroy, info) #create, #destroy,
#define OTHER_TEXT(name) #name,
static const char *const call_names[CALLS] = {PLAIN_CALLS(PLAIN_TEXT) OBJECTS(OBJECT_TEXTS) OTHER_CALLS(OTHER_TEXT)};

#define KIND_TEXT(object, create, destroy, info) #object,
static const char *const kind_names[KINDS] = {OBJECTS(KIND_TEXT) "Instance", "Device", "Pipeline"};

/* ---- What is asked for, and what was seen ------------------------------------------------------------------------------------- */

enum { FAULTS = 8, ALLOCATIONS = 4096 };
static const VkDeviceSize tiny_range = 16 << 20, tiny_allocation = 64 << 20;
static const uint32_t tiny_groups = 65535, tiny_shared = 16384;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PFN_vkVoidFunction real[ALL_CALLS];
static PFN_vkGetInstanceProcAddr real_address;
static struct { char call[64], after[64]; long first, start, before; bool on; int result; } faults[FAULTS]; /* before: calls before it counts; -1: not yet */
static int n_faults;
static uint32_t subgroup; /* 0: the device's own limits */
static long wrong, delay, slow_submissions;
static char report_path[4096], hidden[VK_MAX_EXTENSION_NAME_SIZE];
static long called[CALLS], live[KINDS];
static struct { VkDeviceMemory memory; VkDeviceSize size; } held[ALLOCATIONS];
static VkDeviceSize held_now, held_most;
static bool lost;
static VkQueue slow_queue;
static VkInstance newest;

static void write_report(void)
{
    FILE *f = *report_path ? fopen(report_path, "w") : NULL;
    if (!f)
        return;
    fputs("{\"calls\":{", f);
    for (int i = 0; i < CALLS; i++)
        fprintf(f, "%s\"%s\":%ld", i ? "," : "", call_names[i], called[i]);
    fputs("},\"live\":{", f);
    for (int i = 0; i < KINDS; i++)
        fprintf(f, "%s\"%s\":%ld", i ? "," : "", kind_names[i], live[i]);
    fprintf(f, "},\"peak\":%llu,\"slow\":%ld}\n", (unsigned long long)held_most, slow_submissions);
    fclose(f);
}

static bool read_fault(const char *item)
{
    char call[64], after[64] = "", place[32];
    long start = 0;
    int result, n = sscanf(item, "fail=%63[a-zA-Z0-9]:%31[0-9+]:%d:%63[a-zA-Z0-9]:%ld", call, place, &result, after, &start);
    if ((n != 3 && n != 5) || n_faults == FAULTS)
        return false;
    memcpy(faults[n_faults].call, call, sizeof call);
    memcpy(faults[n_faults].after, after, sizeof after);
    faults[n_faults].first = strtol(place, NULL, 10);
    faults[n_faults].on = strchr(place, '+') != NULL;
    faults[n_faults].start = start;
    faults[n_faults].before = n == 5 ? -1 : 0;
    faults[n_faults++].result = result;
    return true;
}

static void read_item(const char *item)
{
    if (read_fault(item))
        return;
    if (strncmp(item, "limits=", 7) == 0) {
        subgroup = strcmp(item + 7, "wide") == 0 ? 64 : 4;
    } else if (sscanf(item, "wrong=%ld", &wrong) != 1 && sscanf(item, "delay=%ld", &delay) != 1 && sscanf(item, "report=%4095s", report_path) != 1 &&
               sscanf(item, "hide=%255s", hidden) != 1) {
        fprintf(stderr, "mock_vulkan: \"%s\" is not understood\n", item);
        abort();
    }
}

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("MOCK_VULKAN");
    void *loader = dlopen(REAL_VULKAN, RTLD_NOW | RTLD_LOCAL);
    void *address = loader ? dlsym(loader, "vkGetInstanceProcAddr") : NULL;
    memcpy(&real_address, &address, sizeof address); /* ISO C converts no object pointer to that of a function */
    char *list = wanted ? strdup(wanted) : NULL;
    for (char *rest = NULL, *item = list ? strtok_r(list, ",", &rest) : NULL; item; item = strtok_r(NULL, ",", &rest))
        read_item(item);
    free(list);
    if (*report_path)
        atexit(write_report);
}

static enum call call_of(const char *name)
{
    for (int i = 0; i < CALLS; i++)
        if (strcmp(call_names[i], name) == 0)
            return (enum call)i;
    fprintf(stderr, "mock_vulkan: %s is not known here\n", name);
    abort();
}

/* The result that this call is to have; VK_SUCCESS: what the device makes of it. */
static VkResult fault(enum call call)
{
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&lock);
    called[call]++;
    if (lost && (call == vkQueueSubmit_call || call == vkWaitForFences_call || call == vkDeviceWaitIdle_call))
        result = VK_ERROR_DEVICE_LOST;
    for (int i = 0; i < n_faults; i++) {
        if (faults[i].before < 0 && strcmp(faults[i].after, call_names[call]) == 0 && called[call] == faults[i].start)
            faults[i].before = called[call_of(faults[i].call)];
        long place = called[call] - faults[i].before;
        if (faults[i].before >= 0 && strcmp(faults[i].call, call_names[call]) == 0 && (place == faults[i].first || (faults[i].on && place > faults[i].first)))
            result = (VkResult)faults[i].result;
    }
    lost = lost || result == VK_ERROR_DEVICE_LOST;
    pthread_mutex_unlock(&lock);
    return result;
}

static void count(enum kind kind, long change)
{
    pthread_mutex_lock(&lock);
    live[kind] += change;
    pthread_mutex_unlock(&lock);
}

static void hold(VkDeviceMemory memory, VkDeviceSize size)
{
    int i = 0;
    pthread_mutex_lock(&lock);
    while (i < ALLOCATIONS && held[i].size)
        i++;
    if (i == ALLOCATIONS)
        abort(); /* more allocations than are counted here */
    held[i].memory = memory;
    held[i].size = size;
    held_now += size;
    held_most = held_now > held_most ? held_now : held_most;
    pthread_mutex_unlock(&lock);
}

static void let_go(VkDeviceMemory memory)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < ALLOCATIONS; i++)
        if (held[i].size && held[i].memory == memory) {
            held_now -= held[i].size;
            held[i].size = 0;
        }
    pthread_mutex_unlock(&lock);
}

static void refuse(const char *what)
{
    fprintf(stderr, "mock_vulkan: %s\n", what);
    abort();
}

/* ---- Counting calls and objects ------------------------------------------------------------------------------------------------- */

#define REAL(call) ((PFN_##call)real[call##_call])

#define PLAIN(name, parameters, arguments) \
    static VkResult VKAPI_CALL counted_##name parameters \
    { \
        VkResult result = fault(name##_call); \
        return result == VK_SUCCESS ? REAL(name) arguments : result; \
    }
PLAIN_CALLS(PLAIN)

#define OBJECT(object, create, destroy, info) \
    static VkResult VKAPI_CALL counted_##create(VkDevice device, const info *p, const VkAllocationCallbacks *callbacks, Vk##object *out) \
    { \
        VkResult result = fault(create##_call); \
        if (result == VK_SUCCESS && (result = REAL(create)(device, p, callbacks, out)) == VK_SUCCESS) \
            count(object##_kind, 1); \
        return result; \
    } \
    static void VKAPI_CALL counted_##destroy(VkDevice device, Vk##object handle, const VkAllocationCallbacks *callbacks) \
    { \
        if (handle) \
            count(object##_kind, -1); \
        REAL(destroy)(device, handle, callbacks); \
    }
OBJECTS(OBJECT)

static VkResult VKAPI_CALL counted_vkCreateInstance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *callbacks, VkInstance *out)
{
    VkResult result = fault(vkCreateInstance_call);
    if (result == VK_SUCCESS && (result = REAL(vkCreateInstance)(info, callbacks, out)) == VK_SUCCESS) {
        count(Instance_kind, 1);
        newest = *out;
    }
    return result;
}

static void VKAPI_CALL counted_vkDestroyInstance(VkInstance instance, const VkAllocationCallbacks *callbacks)
{
    count(Instance_kind, -1);
    REAL(vkDestroyInstance)(instance, callbacks);
}

static VkResult VKAPI_CALL counted_vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *callbacks, VkDevice *out)
{
    VkResult result = fault(vkCreateDevice_call);
    if (result == VK_SUCCESS && (result = REAL(vkCreateDevice)(physical, info, callbacks, out)) == VK_SUCCESS) {
        count(Device_kind, 1);
        lost = false;
    }
    return result;
}

static void VKAPI_CALL counted_vkDestroyDevice(VkDevice device, const VkAllocationCallbacks *callbacks)
{
    count(Device_kind, -1);
    REAL(vkDestroyDevice)(device, callbacks);
}

static VkResult VKAPI_CALL counted_vkCreateComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t n, const VkComputePipelineCreateInfo *info,
                                                            const VkAllocationCallbacks *callbacks, VkPipeline *out)
{
    VkResult result = fault(vkCreateComputePipelines_call);
    if (result == VK_SUCCESS && (result = REAL(vkCreateComputePipelines)(device, cache, n, info, callbacks, out)) == VK_SUCCESS)
        count(Pipeline_kind, n);
    return result;
}

static void VKAPI_CALL counted_vkDestroyPipeline(VkDevice device, VkPipeline handle, const VkAllocationCallbacks *callbacks)
{
    if (handle)
        count(Pipeline_kind, -1);
    REAL(vkDestroyPipeline)(device, handle, callbacks);
}

#define PLAIN_ENTRY(name, parameters, arguments) (PFN_vkVoidFunction)counted_##name,
#define OBJECT_ENTRIES(object, create, destroy, info) (PFN_vkVoidFunction)counted_##create, (PFN_vkVoidFunction)counted_##destroy,
#define OTHER_ENTRY(name) (PFN_vkVoidFunction)counted_##name,
static const PFN_vkVoidFunction counted[CALLS] = {PLAIN_CALLS(PLAIN_ENTRY) OBJECTS(OBJECT_ENTRIES) OTHER_CALLS(OTHER_ENTRY)};

/* ---- Memory, wrong kernels, slow devices ---------------------------------------------------------------------------------------- */

static VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *out)
{
    if (subgroup && info->allocationSize > tiny_allocation)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    VkResult result = counted_vkAllocateMemory(device, info, callbacks, out);
    if (result == VK_SUCCESS)
        hold(*out, info->allocationSize);
    return result;
}

static void VKAPI_CALL release(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks *callbacks)
{
    let_go(memory);
    counted_vkFreeMemory(device, memory, callbacks);
}

/* Fused multiply-add becomes linear interpolation, and sums become differences: still a valid module. */
static void spoil(uint32_t *code, size_t words)
{
    enum { HEADER = 5, EXT_INST = 12, F_ADD = 129, F_SUB = 131, FMA = 50, F_MIX = 46 };
    for (size_t i = HEADER; i < words && code[i] >> 16; i += code[i] >> 16)
        if ((code[i] & 0xffff) == F_ADD)
            code[i] += F_SUB - F_ADD;
        else if ((code[i] & 0xffff) == EXT_INST && code[i + 4] == FMA)
            code[i + 4] = F_MIX;
}

/* Bytes of shared memory that a module declares: arrays of constant lengths, of words. */
static uint64_t shared_bytes(const uint32_t *code, size_t words)
{
    enum { HEADER = 5, TYPE_INT = 21, TYPE_FLOAT = 22, TYPE_VECTOR = 23, TYPE_ARRAY = 28, TYPE_POINTER = 32, CONSTANT = 43, VARIABLE = 59, WORKGROUP = 4 };
    uint64_t total = 0, *size = calloc(code[3], sizeof *size), *value = calloc(code[3], sizeof *value);
    for (size_t i = HEADER; size && value && i < words && code[i] >> 16; i += code[i] >> 16)
        switch (code[i] & 0xffff) {
        case TYPE_INT:
        case TYPE_FLOAT: size[code[i + 1]] = code[i + 2] / 8; break;
        case TYPE_VECTOR: size[code[i + 1]] = size[code[i + 2]] * code[i + 3]; break;
        case TYPE_ARRAY: size[code[i + 1]] = size[code[i + 2]] * value[code[i + 3]]; break;
        case TYPE_POINTER: size[code[i + 1]] = size[code[i + 3]]; break;
        case CONSTANT: value[code[i + 2]] = code[i + 3]; break;
        case VARIABLE: total += code[i + 3] == WORKGROUP ? size[code[i + 1]] : 0; break;
        default: break;
        }
    free(size);
    free(value);
    return total;
}

static VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *callbacks, VkShaderModule *out)
{
    VkShaderModuleCreateInfo changed = *info;
    uint32_t *code = malloc(info->codeSize);
    if (!code)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    memcpy(code, info->pCode, info->codeSize);
    if (called[vkCreateShaderModule_call] + 1 == wrong)
        spoil(code, info->codeSize / 4);
    if (subgroup && shared_bytes(code, info->codeSize / 4) > tiny_shared)
        refuse("more shared memory than the device has");
    changed.pCode = code;
    VkResult result = counted_vkCreateShaderModule(device, &changed, callbacks, out);
    free(code);
    return result;
}

static void VKAPI_CALL get_queue(VkDevice device, uint32_t family, uint32_t index, VkQueue *out)
{
    REAL(vkGetDeviceQueue)(device, family, index, out);
    slow_queue = slow_queue ? slow_queue : *out;
}

static VkResult VKAPI_CALL submit(VkQueue queue, uint32_t n, const VkSubmitInfo *info, VkFence fence)
{
    if (delay && queue == slow_queue) {
        slow_submissions++;
        nanosleep(&(struct timespec){.tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000}, NULL);
    }
    return counted_vkQueueSubmit(queue, n, info, fence);
}

static VkResult VKAPI_CALL list_extensions(VkPhysicalDevice device, const char *layer, uint32_t *count, VkExtensionProperties *list)
{
    VkResult result = counted_vkEnumerateDeviceExtensionProperties(device, layer, count, list);
    for (uint32_t i = 0; list && result >= VK_SUCCESS && i < *count; i++)
        if (strcmp(list[i].extensionName, hidden) == 0)
            strcpy(list[i].extensionName, "VK_MOCK_hidden");
    return result;
}

/* A device that is lost is at rest: the real one has to be, before what it uses is destroyed. */
static VkResult VKAPI_CALL wait_idle(VkDevice device)
{
    VkResult result = counted_vkDeviceWaitIdle(device);
    if (result != VK_SUCCESS)
        REAL(vkDeviceWaitIdle)(device);
    return result;
}

/* ---- Tiny limits ------------------------------------------------------------------------------------------------------------------ */

static void lower(VkPhysicalDeviceLimits *l)
{
    l->maxStorageBufferRange = tiny_range;
    l->maxComputeSharedMemorySize = tiny_shared;
    for (int i = 0; i < 3; i++)
        l->maxComputeWorkGroupCount[i] = tiny_groups;
}

static void VKAPI_CALL get_properties(VkPhysicalDevice physical, VkPhysicalDeviceProperties *out)
{
    REAL(vkGetPhysicalDeviceProperties)(physical, out);
    if (subgroup)
        lower(&out->limits);
}

/* The driver passes for another: what is known of the real one's subgroups and kernels does not hold for it. */
static void lower_extended(VkBaseOutStructure *s)
{
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES)
        ((VkPhysicalDeviceMaintenance3Properties *)s)->maxMemoryAllocationSize = tiny_allocation;
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES)
        ((VkPhysicalDeviceSubgroupProperties *)s)->subgroupSize = subgroup;
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES)
        ((VkPhysicalDeviceDriverProperties *)s)->driverID = VK_DRIVER_ID_MOLTENVK;
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES) {
        ((VkPhysicalDeviceSubgroupSizeControlProperties *)s)->minSubgroupSize = 4;
        ((VkPhysicalDeviceSubgroupSizeControlProperties *)s)->maxSubgroupSize = 64;
    }
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES) {
        ((VkPhysicalDeviceVulkan11Properties *)s)->maxMemoryAllocationSize = tiny_allocation;
        ((VkPhysicalDeviceVulkan11Properties *)s)->subgroupSize = subgroup;
    }
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES)
        ((VkPhysicalDeviceVulkan12Properties *)s)->driverID = VK_DRIVER_ID_MOLTENVK;
}

static void VKAPI_CALL get_properties2(VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *out)
{
    REAL(vkGetPhysicalDeviceProperties2)(physical, out);
    if (subgroup)
        lower(&out->properties.limits);
    for (VkBaseOutStructure *s = out->pNext; s && subgroup; s = s->pNext)
        lower_extended(s);
}

static void VKAPI_CALL get_memory(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *out)
{
    REAL(vkGetPhysicalDeviceMemoryProperties)(physical, out);
    for (uint32_t i = 0; i < out->memoryTypeCount && subgroup; i++)
        out->memoryTypes[i].propertyFlags &= ~(VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
}

static void VKAPI_CALL dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
    if (subgroup && (x > tiny_groups || y > tiny_groups || z > tiny_groups))
        refuse("more workgroups than the device runs");
    REAL(vkCmdDispatch)(commands, x, y, z);
}

static void VKAPI_CALL update_sets(VkDevice device, uint32_t n, const VkWriteDescriptorSet *writes, uint32_t copies, const VkCopyDescriptorSet *copied)
{
    for (uint32_t i = 0; i < n && subgroup; i++)
        if (writes[i].pBufferInfo->range > tiny_range)
            refuse("a larger binding than the device sees");
    REAL(vkUpdateDescriptorSets)(device, n, writes, copies, copied);
}

/* ---- Addresses ------------------------------------------------------------------------------------------------------------------- */

static PFN_vkVoidFunction VKAPI_CALL device_address(VkDevice device, const char *name);

#define ENTRY(name, function) {#name, (PFN_vkVoidFunction)function, name##_call}
static const struct { const char *name; PFN_vkVoidFunction function; int call; } special[] = {
    ENTRY(vkAllocateMemory, allocate), ENTRY(vkFreeMemory, release), ENTRY(vkCreateShaderModule, create_module), ENTRY(vkQueueSubmit, submit), ENTRY(vkDeviceWaitIdle, wait_idle),
    ENTRY(vkGetDeviceQueue, get_queue), ENTRY(vkGetPhysicalDeviceProperties, get_properties), ENTRY(vkGetPhysicalDeviceProperties2, get_properties2),
    ENTRY(vkGetPhysicalDeviceMemoryProperties, get_memory), ENTRY(vkCmdDispatch, dispatch), ENTRY(vkUpdateDescriptorSets, update_sets),
    ENTRY(vkEnumerateDeviceExtensionProperties, list_extensions),
    ENTRY(vkGetDeviceProcAddr, device_address),
};

/* This file's function for a call, or the real one. That works for every device of every instance: the loader tells them apart. */
static PFN_vkVoidFunction ours(const char *name, PFN_vkVoidFunction theirs)
{
    if (!theirs)
        return NULL;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(special[i].name, name) == 0) {
            real[special[i].call] = theirs;
            return special[i].function;
        }
    for (int i = 0; i < CALLS; i++)
        if (strcmp(call_names[i], name) == 0) {
            real[i] = theirs;
            return counted[i];
        }
    return theirs;
}

__attribute__((visibility("default"))) PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name)
{
    return ours(name, real_address ? real_address(instance, name) : NULL);
}

static PFN_vkVoidFunction VKAPI_CALL device_address(VkDevice device, const char *name)
{
    PFN_vkVoidFunction theirs = REAL(vkGetDeviceProcAddr)(device, name);
    return theirs ? ours(name, real_address(newest, name)) : NULL;
}
