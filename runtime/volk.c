/* volk loads Vulkan at run time, so that the program starts, and queries databases, where there is no Vulkan at all. */
#define VOLK_IMPLEMENTATION
#include <volk.h>
