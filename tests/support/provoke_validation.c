/* provoke_validation core|sync|gpu: breaks one rule of Vulkan on purpose, so that a run under the validation layer can prove
 * that the layer is there and speaks. What the driver makes of it does not matter: nothing is submitted, but for gpu, a shader that
 * writes behind the end of a buffer. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include <stdio.h>
#include <string.h>

static VkDevice open_device(VkInstance *instance)
{
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
    const VkInstanceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    if (volkInitialize() || vkCreateInstance(&create, NULL, instance))
        return VK_NULL_HANDLE;
    volkLoadInstance(*instance);
    VkPhysicalDevice physical;
    const VkResult found = vkEnumeratePhysicalDevices(*instance, &(uint32_t){1}, &physical);
    if (found != VK_SUCCESS && found != VK_INCOMPLETE)
        return VK_NULL_HANDLE;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &(float){1}};
    const VkDeviceCreateInfo device_create = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue};
    VkDevice device = VK_NULL_HANDLE;
    if (!vkCreateDevice(physical, &device_create, NULL, &device))
        volkLoadDevice(device);
    return device;
}

static VkBuffer create_buffer(VkDevice device, VkDeviceSize size)
{
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
    VkBuffer buffer = VK_NULL_HANDLE;
    vkCreateBuffer(device, &create, NULL, &buffer);
    return buffer;
}

/* A buffer of no bytes. */
static void break_core(VkDevice device)
{
    vkDestroyBuffer(device, create_buffer(device, 0), NULL);
}

static const uint32_t out_of_bounds[] =
#include "out_of_bounds.inc"
    ;

static VkDeviceMemory bind_memory(VkDevice device, VkBuffer buffer)
{
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device, buffer, &needs);
    uint32_t type = 0;
    while (!(needs.memoryTypeBits >> type & 1))
        type++;
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size, .memoryTypeIndex = type};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    vkAllocateMemory(device, &allocate, NULL, &memory);
    vkBindBufferMemory(device, buffer, memory, 0);
    return memory;
}

static VkCommandBuffer begin_commands(VkDevice device, VkCommandPool *pool)
{
    const VkCommandPoolCreateInfo pool_create = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    vkCreateCommandPool(device, &pool_create, NULL, pool);
    const VkCommandBufferAllocateInfo one = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = *pool, .commandBufferCount = 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    vkAllocateCommandBuffers(device, &one, &commands);
    vkBeginCommandBuffer(commands, &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO});
    return commands;
}

/* Two writes to the same bytes with no barrier between them. */
static void break_sync(VkDevice device)
{
    const VkBuffer buffer = create_buffer(device, 64);
    const VkDeviceMemory memory = bind_memory(device, buffer);
    VkCommandPool pool = VK_NULL_HANDLE;
    const VkCommandBuffer commands = begin_commands(device, &pool);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 1);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 2);
    vkEndCommandBuffer(commands);
    vkDestroyCommandPool(device, pool, NULL);
    vkDestroyBuffer(device, buffer, NULL);
    vkFreeMemory(device, memory, NULL);
}

typedef struct program {
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkShaderModule module;
    VkPipeline pipeline;
    VkDescriptorPool pool;
    VkDescriptorSet set;
} program;

static void create_program(VkDevice device, VkBuffer buffer, program *p)
{
    const VkDescriptorSetLayoutBinding binding = {
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1, .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 1, .pBindings = &binding};
    vkCreateDescriptorSetLayout(device, &set, NULL, &p->set_layout);
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = 4};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &p->set_layout,
        .pushConstantRangeCount = 1, .pPushConstantRanges = &push};
    vkCreatePipelineLayout(device, &layout, NULL, &p->layout);
    const VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof out_of_bounds, .pCode = out_of_bounds};
    vkCreateShaderModule(device, &module, NULL, &p->module);
    const VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = p->layout,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = p->module, .pName = "main"}};
    vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &pipeline, NULL, &p->pipeline);
    const VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size};
    vkCreateDescriptorPool(device, &pool, NULL, &p->pool);
    const VkDescriptorSetAllocateInfo one = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorPool = p->pool, .descriptorSetCount = 1, .pSetLayouts = &p->set_layout};
    vkAllocateDescriptorSets(device, &one, &p->set);
    const VkDescriptorBufferInfo words = {.buffer = buffer, .range = VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = p->set, .descriptorCount = 1, .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = &words};
    vkUpdateDescriptorSets(device, 1, &write, 0, NULL);
}

static void destroy_program(VkDevice device, const program *p)
{
    vkDestroyDescriptorPool(device, p->pool, NULL);
    vkDestroyPipeline(device, p->pipeline, NULL);
    vkDestroyShaderModule(device, p->module, NULL);
    vkDestroyPipelineLayout(device, p->layout, NULL);
    vkDestroyDescriptorSetLayout(device, p->set_layout, NULL);
}

/* A word that a buffer of 16 does not have. */
static void break_gpu(VkDevice device)
{
    const VkBuffer buffer = create_buffer(device, 64);
    const VkDeviceMemory memory = bind_memory(device, buffer);
    program p = {0};
    create_program(device, buffer, &p);
    VkCommandPool pool = VK_NULL_HANDLE;
    const VkCommandBuffer commands = begin_commands(device, &pool);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, p.pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, p.layout, 0, 1, &p.set, 0, NULL);
    vkCmdPushConstants(commands, p.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &(uint32_t){16});
    vkCmdDispatch(commands, 1, 1, 1);
    vkEndCommandBuffer(commands);
    VkQueue queue;
    vkGetDeviceQueue(device, 0, 0, &queue);
    vkQueueSubmit(queue, 1, &(VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands}, VK_NULL_HANDLE);
    vkDeviceWaitIdle(device);
    vkDestroyCommandPool(device, pool, NULL);
    destroy_program(device, &p);
    vkDestroyBuffer(device, buffer, NULL);
    vkFreeMemory(device, memory, NULL);
}

static const struct {
    const char *name;
    void (*break_it)(VkDevice device);
} rules[] = {{"core", break_core}, {"sync", break_sync}, {"gpu", break_gpu}};

int main(int argc, char **argv)
{
    size_t rule = 0, n = sizeof rules / sizeof *rules;
    while (argc == 2 && rule < n && strcmp(argv[1], rules[rule].name))
        rule++;
    if (argc != 2 || rule == n) {
        fputs("usage: provoke_validation core|sync|gpu\n", stderr);
        return 2;
    }
    VkInstance instance = VK_NULL_HANDLE;
    const VkDevice device = open_device(&instance);
    if (!device) {
        fputs("provoke_validation: no Vulkan device\n", stderr);
        return 4;
    }
    rules[rule].break_it(device);
    vkDestroyDevice(device, NULL);
    vkDestroyInstance(instance, NULL);
    return 0;
}
