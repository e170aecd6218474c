/* provoke_validation core|sync: breaks one rule of Vulkan on purpose, so that a run under the validation layer can prove
 * that the layer is there and speaks. What the driver makes of it does not matter: nothing is submitted. */
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
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkBuffer buffer = VK_NULL_HANDLE;
    vkCreateBuffer(device, &create, NULL, &buffer);
    return buffer;
}

/* A buffer of no bytes. */
static void break_core(VkDevice device)
{
    vkDestroyBuffer(device, create_buffer(device, 0), NULL);
}

/* Two writes to the same bytes with no barrier between them. */
static void break_sync(VkDevice device)
{
    const VkBuffer buffer = create_buffer(device, 64);
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
    const VkCommandPoolCreateInfo pool_create = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool = VK_NULL_HANDLE;
    vkCreateCommandPool(device, &pool_create, NULL, &pool);
    const VkCommandBufferAllocateInfo one = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = pool, .commandBufferCount = 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    vkAllocateCommandBuffers(device, &one, &commands);
    vkBeginCommandBuffer(commands, &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO});
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 1);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 2);
    vkEndCommandBuffer(commands);
    vkDestroyCommandPool(device, pool, NULL);
    vkDestroyBuffer(device, buffer, NULL);
    vkFreeMemory(device, memory, NULL);
}

int main(int argc, char **argv)
{
    const char *const rule = argc == 2 ? argv[1] : "";
    if (strcmp(rule, "core") && strcmp(rule, "sync")) {
        fputs("usage: provoke_validation core|sync\n", stderr);
        return 2;
    }
    VkInstance instance = VK_NULL_HANDLE;
    const VkDevice device = open_device(&instance);
    if (!device) {
        fputs("provoke_validation: no Vulkan device\n", stderr);
        return 4;
    }
    if (!strcmp(rule, "core"))
        break_core(device);
    else
        break_sync(device);
    vkDestroyDevice(device, NULL);
    vkDestroyInstance(instance, NULL);
    return 0;
}
