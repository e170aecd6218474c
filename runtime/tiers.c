/* Which kernels a device takes, and what the self-check found of them. The verdicts are kept beside the pipelines, a line a tier:
 * "direct passed", or "direct failed" and what was wrong. */
#include "context.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 4096 };

static const char *const names[UVK_TIERS] = {[UVK_WIDE] = "wide", [UVK_DIRECT] = "direct", [UVK_TILED] = "tiled", [UVK_COOPERATIVE] = "cooperative", [UVK_HALF] = "half"};

bool uvk_tier_applies(const uvk_context *ctx, uvk_tier tier)
{
    const uvk_limits *l = &ctx->limits;
    switch (tier) {
    case UVK_WIDE: return l->wide;
    case UVK_DIRECT: return l->direct;
    case UVK_COOPERATIVE: return l->matrix[0] > 0;
    case UVK_HALF: return l->half;
    default: return true;
    }
}

void uvk_tier_use(uvk_context *ctx, uvk_tier tier)
{
    if (tier > UVK_TILED) {
        ctx->limits.products = tier == UVK_HALF ? UVK_HALF_PRODUCTS : UVK_COOPERATIVE_PRODUCTS;
        return;
    }
    ctx->limits.direct = tier != UVK_TILED;
    ctx->limits.wide = tier == UVK_WIDE;
}

/* Of one device with one driver, and of these kernels. */
char *uvk_verdicts_path(VkPhysicalDevice device, const char *cache_dir)
{
    uint8_t key[32];
    struct sha256_ctx hash;
    uvk_device_key(device, key);
    sha256_init(&hash);
    sha256_update(&hash, sizeof key, key);
    for (int k = 0; k < UVK_KERNEL_COUNT; k++)
        sha256_update(&hash, uvk_kernel_list[k].size, (const uint8_t *)uvk_kernel_list[k].code);
    sha256_digest(&hash, sizeof key, key);
    return uvk_cache_path(cache_dir, "self-check", key, "txt");
}

/* The file as it is; "" when there is none. */
static void read_verdicts(const char *path, char text[LARGEST_FILE])
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    size_t size = file ? fread(text, 1, LARGEST_FILE - 1, file) : 0;
    text[size] = '\0';
    if (file)
        fclose(file);
}

/* One line of it, which may be damaged. */
static bool read_line(const char *line, const char *name, uvk_verdict *out)
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || line[length] != ' ')
        return false;
    line += length + 1;
    *out = (uvk_verdict){.known = true, .passed = strcmp(line, "passed") == 0};
    if (!out->passed && strncmp(line, "failed ", 7) == 0)
        snprintf(out->what, sizeof out->what, "%s", line + 7);
    return out->passed || *out->what;
}

uvk_verdict uvk_verdict_of(const uvk_context *ctx, uvk_tier tier)
{
    char text[LARGEST_FILE], *rest = text, *line;
    uvk_verdict found, verdict = {0};
    read_verdicts(ctx->verdicts_path, text);
    while ((line = strsep(&rest, "\n")))
        if (read_line(line, names[tier], &found))
            verdict = found;
    return verdict;
}

void uvk_verdict_keep(uvk_context *ctx, uvk_tier tier, const uvk_verdict *verdict)
{
    char text[LARGEST_FILE], line[sizeof verdict->what + 32];
    if (!ctx->verdicts_path)
        return;
    read_verdicts(ctx->verdicts_path, text);
    int n = snprintf(line, sizeof line, "%s %s%s\n", names[tier], verdict->passed ? "passed" : "failed ", verdict->what);
    uvk_cache_write(ctx->verdicts_path, text, strlen(text), line, (size_t)n);
}

void uvk_tier_drop(uvk_context *ctx, uvk_tier tier, const char *what)
{
    ctx->limits.products = UVK_FLOAT_PRODUCTS;
    uvk_log(ctx, UVK_LOG_WARNING, "%s (%s): the self-check of the %s kernels failed: %s; others are used", ctx->info.name, ctx->info.driver, names[tier], what);
}

void uvk_verdicts_describe(VkPhysicalDevice device, char *out, size_t size)
{
    char text[LARGEST_FILE], *rest = text, *line, *path = uvk_verdicts_path(device, NULL);
    uvk_verdict verdict;
    size_t used = 0;
    *out = '\0';
    read_verdicts(path, text);
    free(path);
    while ((line = strsep(&rest, "\n")))
        for (int t = 0; t < UVK_TIERS; t++)
            if (read_line(line, names[t], &verdict) && used < size)
                used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", line);
}
