/* Compiled pipelines on disk. Drivers trust what they are handed, so a file counts only when its own checksum holds; a damaged,
 * foreign or unwritable one is a miss and never an error. */
#include "context.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || access(path, W_OK) == 0;
}

/* The folder for cache files, made when it is not there; NULL when there is none. */
static char *cache_folder(const char *wanted)
{
    char path[4096];
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    if (wanted)
        n = snprintf(path, sizeof path, "%s", wanted);
    else if (base && *base == '/' && make_folder(base))
        n = snprintf(path, sizeof path, "%s/ultravk", base);
    else if (home && *home == '/' && snprintf(path, sizeof path, "%s/.cache", home) < (int)sizeof path && make_folder(path))
        n = snprintf(path, sizeof path, "%s/.cache/ultravk", home);
    if (n <= 0 || n >= (int)sizeof path || !make_folder(path))
        return NULL;
    return strdup(path);
}

static char *cache_file(const uvk_context *ctx, const char *folder)
{
    size_t size = strlen(folder) + 64;
    char *path = malloc(size), name[17];
    if (!path)
        return NULL;
    for (int i = 0; i < 8; i++)
        snprintf(name + 2 * i, 3, "%02x", ctx->cache_key[i]);
    snprintf(path, size, "%s/pipelines-%s.bin", folder, name);
    return path;
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
    char *folder = cache_dir && !*cache_dir ? NULL : cache_folder(cache_dir);
    if (folder)
        k->cache_path = cache_file(ctx, folder);
    free(folder);
    if (k->cache_path)
        data = read_cache(ctx, k->cache_path, &size);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = size, .pInitialData = data};
    if (ctx->vk.vkCreatePipelineCache(ctx->device, &info, NULL, &k->cache) != VK_SUCCESS)
        k->cache = VK_NULL_HANDLE; /* pipelines are compiled without one */
    free(data);
}

/* Through a temporary name, so that two programs at once, or a kill, leave a whole file. */
static void write_cache(const char *path, const cache_header *header, const void *data)
{
    char temporary[4200];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = n > 0 && n < (int)sizeof temporary ? mkstemp(temporary) : -1;
    if (fd < 0)
        return;
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        close(fd);
        unlink(temporary);
        return;
    }
    bool written = fwrite(header, sizeof *header, 1, file) == 1 && fwrite(data, header->size, 1, file) == 1;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0)
        unlink(temporary);
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
        write_cache(k->cache_path, &header, data);
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
