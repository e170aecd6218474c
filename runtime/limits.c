#include "context.h"

#include <stdlib.h>
#include <string.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* "16M" -> bytes; false when it is not a positive number with an optional K, M or G. */
static bool parse_size(const char *text, size_t length, uint64_t *out)
{
    char digits[24];
    if (length == 0 || length >= sizeof digits || *text < '0' || *text > '9')
        return false;
    memcpy(digits, text, length);
    digits[length] = 0;
    char *end;
    unsigned long long value = strtoull(digits, &end, 10);
    int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (end[shift ? 1 : 0] || value == 0 || value > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)value << shift;
    return true;
}

static bool item_is(const char *item, size_t length, const char *text)
{
    return length == strlen(text) && !memcmp(item, text, length);
}

/* One kind of half-precision products is left, or none. */
static bool lower_products(uvk_limits *limits, const char *item, size_t length)
{
    bool half = item_is(item, length, "products=half"), cooperative = item_is(item, length, "products=cooperative");
    if (!half && !cooperative && !item_is(item, length, "products=f32"))
        return false;
    if (!cooperative)
        memset(limits->matrix, 0, sizeof limits->matrix);
    limits->half = limits->half && half;
    limits->forced = true;
    return true;
}

static bool lower_limit(uvk_limits *limits, const char *item, size_t length)
{
    bool wide = item_is(item, length, "kernels=wide");
    if (wide || item_is(item, length, "kernels=direct") || item_is(item, length, "kernels=tiled")) {
        limits->wide = wide && limits->addresses;
        limits->direct = !item_is(item, length, "kernels=tiled");
        return true;
    }
    const char *equals = memchr(item, '=', length);
    if (!equals)
        return false;
    size_t name = (size_t)(equals - item);
    uint64_t value;
    if (!parse_size(equals + 1, length - name - 1, &value))
        return false;
    if (item_is(item, name, "range"))
        limits->range = smaller(limits->range, value);
    else if (item_is(item, name, "allocation"))
        limits->allocation = smaller(limits->allocation, value);
    else if (item_is(item, name, "groups"))
        for (int i = 0; i < 3; i++)
            limits->groups[i] = (uint32_t)smaller(limits->groups[i], value);
    else
        return false;
    return true;
}

/* Mesa 25.3 and later keep what is the same in all threads apart; before, the *_wide kernels are slower than the others. */
static const uint32_t knows_uniform_values = VK_MAKE_API_VERSION(0, 25, 3, 0);

static bool has_addresses(VkPhysicalDevice device)
{
    VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v12};
    vkGetPhysicalDeviceFeatures2(device, &features);
    return v12.bufferDeviceAddress && features.features.shaderInt64;
}

/* On a CPU half precision is no faster, and taken only where $ULTRAVK_LIMITS names it. */
static bool wants_half(uvk_precision precision, VkPhysicalDeviceType type, const char *lowered)
{
    return precision == UVK_PRECISION_AUTO && (type != VK_PHYSICAL_DEVICE_TYPE_CPU || (lowered && strstr(lowered, "products=")));
}

uvk_status uvk_limits_read(VkPhysicalDevice device, uvk_precision precision, uvk_limits *out, uvk_error *err)
{
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &driver};
    VkPhysicalDeviceMaintenance3Properties maintenance = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &subgroup};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &maintenance};
    vkGetPhysicalDeviceProperties2(device, &properties);
    const VkPhysicalDeviceLimits *l = &properties.properties.limits;
    bool lavapipe = driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE && subgroup.subgroupSize >= 8 && subgroup.supportedOperations & VK_SUBGROUP_FEATURE_BALLOT_BIT;
    bool of_today = lavapipe && properties.properties.driverVersion >= knows_uniform_values && has_addresses(device);
    uvk_limits limits = {
        .range = l->maxStorageBufferRange,
        .allocation = maintenance.maxMemoryAllocationSize,
        .groups = {l->maxComputeWorkGroupCount[0], l->maxComputeWorkGroupCount[1], l->maxComputeWorkGroupCount[2]},
        .alignment = l->minStorageBufferOffsetAlignment < 4 ? 4 : l->minStorageBufferOffsetAlignment,
        .direct = lavapipe,
        .wide = of_today,
        .addresses = of_today,
        .lanes = subgroup.subgroupSize,
        .fill = UVK_FILL,
    };
    const char *lowered = getenv("ULTRAVK_LIMITS");
    if (wants_half(precision, properties.properties.deviceType, lowered))
        uvk_half_read(device, &limits);
    for (const char *item = lowered; item && *item;) {
        size_t length = strcspn(item, ",");
        if (!lower_limit(&limits, item, length) && !lower_products(&limits, item, length))
            return uvk_fail(err, UVK_USAGE, "ULTRAVK_LIMITS=%s: expected range=N,allocation=N,groups=N,kernels=tiled|direct|wide,products=f32|half|cooperative (N with an optional K, M or G)",
                            lowered);
        item += length + (item[length] == ',');
    }
    *out = limits;
    return UVK_OK;
}
