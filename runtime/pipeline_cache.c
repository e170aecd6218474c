/* Compiled pipelines on disk. Drivers trust what they are handed, so a file counts only when its own checksum holds; a damaged,
 * foreign or unwritable one is a miss and never an error. */
#include "context.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_CACHE = 256 << 20 };

typedef struct cache_header {
    char magic[8];
    uint8_t key[32];    /* device, driver and our version */
    uint8_t digest[32]; /* SHA-256 of the data */
    uint64_t size;
} cache_header;

static const char magic[8] = "uvkpipe";

static void digest_of(const void *data, size_t size, uint8_t digest[32])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, size, data);
    sha256_digest(&hash, 32, digest);
}

/* The data of a sound cache file, owned by the caller; NULL for anything else. */
static void *read_cache(const uvk_context *ctx, const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    cache_header header;
    uint8_t digest[32];
    void *data = NULL;
    bool sound = fread(&header, sizeof header, 1, file) == 1 && !memcmp(header.magic, magic, sizeof magic) &&
                 !memcmp(header.key, ctx->cache_key, sizeof header.key) && header.size > 0 && header.size <= LARGEST_CACHE;
    sound = sound && (data = malloc(header.size)) && fread(data, header.size, 1, file) == 1;
    if (sound)
        digest_of(data, header.size, digest);
    sound = sound && !memcmp(digest, header.digest, sizeof digest);
    fclose(file);
    if (!sound) {
        free(data);
        return NULL;
    }
    *size = header.size;
    return data;
}

void uvk_pipeline_cache_open(uvk_context *ctx, const char *cache_dir)
{
    uvk_kernels *k = &ctx->kernels;
    size_t size = 0;
    void *data = NULL;
    k->cache_path = uvk_cache_path(cache_dir, "pipelines", ctx->cache_key, "bin");
    if (k->cache_path)
        data = read_cache(ctx, k->cache_path, &size);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = size, .pInitialData = data};
    if (ctx->vk.vkCreatePipelineCache(ctx->device, &info, NULL, &k->cache) != VK_SUCCESS)
        k->cache = VK_NULL_HANDLE; /* pipelines are compiled without one */
    free(data);
}

static void save_cache(uvk_context *ctx)
{
    uvk_kernels *k = &ctx->kernels;
    size_t size = 0;
    if (ctx->vk.vkGetPipelineCacheData(ctx->device, k->cache, &size, NULL) != VK_SUCCESS || size == 0 || size > LARGEST_CACHE)
        return;
    void *data = malloc(size);
    if (data && ctx->vk.vkGetPipelineCacheData(ctx->device, k->cache, &size, data) == VK_SUCCESS) {
        cache_header header = {.size = size};
        memcpy(header.magic, magic, sizeof magic);
        memcpy(header.key, ctx->cache_key, sizeof header.key);
        digest_of(data, size, header.digest);
        uvk_cache_write(k->cache_path, &header, sizeof header, data, size);
    }
    free(data);
}

void uvk_pipeline_cache_close(uvk_context *ctx)
{
    uvk_kernels *k = &ctx->kernels;
    if (k->cache && k->cache_path && k->cache_dirty)
        save_cache(ctx);
    ctx->vk.vkDestroyPipelineCache(ctx->device, k->cache, NULL);
    free(k->cache_path);
}
