/* The inside of a context. Only runtime/ includes this. */
#ifndef UVK_RUNTIME_CONTEXT_H
#define UVK_RUNTIME_CONTEXT_H

#include "gpu.h"

enum { UVK_FRAMES = 2, UVK_SETS_PER_FRAME = 256 };
enum { UVK_FILL = 512 }; /* workgroups: a few for each multiprocessor of the largest GPUs */

typedef struct uvk_frame {
    VkCommandBuffer commands;
    VkDescriptorPool descriptors;
    VkFence fence;
    uint32_t sets;   /* allocated from descriptors */
    double flop;     /* recorded, weighted by kernel */
    double started;  /* host clock at the submission */
    uint64_t ticket; /* of the submission */
    bool recording, pending;
} uvk_frame;

/* Commands recorded into one of two frames while the device runs the other. */
typedef struct uvk_stream {
    VkCommandPool pool;
    VkQueryPool timestamps; /* two a frame; VK_NULL_HANDLE where the queue has none */
    uvk_frame frames[UVK_FRAMES];
    int current;
    double flop_limit;      /* of one submission, weighted by kernel; follows the measured time */
    double seconds, flop;   /* totals */
    uint64_t submitted;     /* likewise; the last one's ticket */
} uvk_stream;

typedef struct uvk_pipeline {
    uvk_kernel kernel;
    uint32_t constants[UVK_MAX_CONSTANTS];
    VkPipeline handle;
} uvk_pipeline;

typedef struct uvk_kernels {
    VkDescriptorSetLayout set_layouts[UVK_MAX_BINDINGS + 1];  /* by number of bindings */
    VkPipelineLayout layouts[UVK_MAX_BINDINGS + 1];
    VkShaderModule modules[UVK_KERNEL_COUNT];
    uvk_pipeline *pipelines;
    size_t n_pipelines;
    VkPipelineCache cache;
    char *cache_path;  /* NULL: none */
    bool cache_dirty;
} uvk_kernels;

typedef struct uvk_staging {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize size;
    bool coherent;
    void *mapped;
} uvk_staging;

struct uvk_context {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    struct VolkDeviceTable vk;
    VkQueue queue;
    uint32_t queue_family;
    float timestamp_period;      /* nanoseconds a tick; 0: no time stamps */
    VkPhysicalDeviceMemoryProperties memory_types;
    uvk_device_info info;
    uvk_limits limits;
    uint8_t cache_key[32];       /* uvk_device_key */
    char *verdicts_path;         /* tiers.c; NULL: nowhere */
    uvk_verdict verdicts[UVK_TIERS]; /* of this context's own self-check */
    bool settled;                /* limits.products is decided */
    uint64_t budget, used, peak;
    uvk_staging staging;
    uvk_kernels kernels;
    uvk_stream stream;
    void (*log)(void *user, uvk_log_level level, const char *line);
    bool (*interrupted)(void *user);
    void *user;
};

/* instance.c */
uvk_status uvk_instance_create(VkInstance *out, uvk_error *err);
/* Physical devices of an instance with what is known of each. *list and *info are owned by the caller (free). */
uvk_status uvk_instance_devices(VkInstance instance, VkPhysicalDevice **list, uvk_device_info **info, uint32_t *count, uvk_error *err);
bool uvk_device_has_extension(VkPhysicalDevice device, const char *name);
/* Bytes of device-local memory, and of it what the driver says is free. */
void uvk_device_memory(VkPhysicalDevice device, uint64_t *total, uint64_t *available);
/* The first queue family with compute, or -1. */
int uvk_device_queue_family(VkPhysicalDevice device);

/* SHA-256 over the identity of device and driver and our version. */
void uvk_device_key(VkPhysicalDevice device, uint8_t key[32]);

/* tiers.c: where the verdicts on a device are kept, owned by the caller, or NULL; and all of them in words, "" when there are none. */
char *uvk_verdicts_path(VkPhysicalDevice device, const char *cache_dir);
void uvk_verdicts_describe(VkPhysicalDevice device, char *out, size_t size);

/* cache_file.c: the file of that kind for that key, in cache_dir as uvk_context_params has it; owned by the caller; NULL: nowhere. */
char *uvk_cache_path(const char *cache_dir, const char *kind, const uint8_t key[32], const char *extension);
/* Through a temporary name, so that two programs at once, or a kill, leave a whole file. */
void uvk_cache_write(const char *path, const void *head, size_t head_size, const void *data, size_t size);

/* limits.c */
uvk_status uvk_limits_read(VkPhysicalDevice device, uvk_precision precision, uvk_limits *out, uvk_error *err);

/* half.c: fills in half and matrix. */
void uvk_half_read(VkPhysicalDevice device, uvk_limits *limits);

/* device.c: opens ctx->physical as ctx->limits have it. */
uvk_status uvk_device_open(uvk_context *ctx, uvk_error *err);

typedef enum uvk_memory_use { UVK_FOR_DEVICE, UVK_FOR_STAGING, UVK_WRITTEN_BY_HOST } uvk_memory_use;

/* memory.c: one raw allocation, counted against the budget. *size becomes what the driver made of it, and is what counts. */
uvk_status uvk_memory_allocate(uvk_context *ctx, VkDeviceSize *size, VkBufferUsageFlags usage, uvk_memory_use use, const char *what,
                               VkBuffer *buffer, VkDeviceMemory *memory, VkMemoryPropertyFlags *flags, uvk_error *err);
void uvk_memory_release(uvk_context *ctx, VkDeviceSize size, VkBuffer buffer, VkDeviceMemory memory);

/* transfer.c */
uvk_status uvk_staging_create(uvk_context *ctx, uvk_error *err);
void uvk_staging_destroy(uvk_context *ctx);

/* pipeline.c, pipeline_cache.c */
uvk_status uvk_kernels_create(uvk_context *ctx, const char *cache_dir, uvk_error *err);
void uvk_kernels_destroy(uvk_context *ctx);
uvk_status uvk_kernels_pipeline(uvk_context *ctx, uvk_kernel kernel, const uint32_t *constants, VkPipeline *out, uvk_error *err);
void uvk_pipeline_cache_open(uvk_context *ctx, const char *cache_dir);
void uvk_pipeline_cache_close(uvk_context *ctx);

/* stream.c */
uvk_status uvk_stream_create(uvk_context *ctx, uvk_error *err);
void uvk_stream_destroy(uvk_context *ctx);
/* The command buffer that is being recorded. */
uvk_status uvk_stream_commands(uvk_context *ctx, VkCommandBuffer *out, uvk_error *err);
/* Drops what is recorded and not submitted: after a failure, it may name buffers that are about to go. */
void uvk_stream_discard(uvk_context *ctx);
/* Everything recorded later sees what was recorded before. */
void uvk_stream_barrier(uvk_context *ctx, VkCommandBuffer commands);

/* errors.c */
uvk_status uvk_fail_vulkan(uvk_error *err, VkResult result, const char *call);
void uvk_log(const uvk_context *ctx, uvk_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
