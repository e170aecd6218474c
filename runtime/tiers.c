/* Which kernels a device takes, and what the self-check found of them. The verdicts are kept beside the pipelines, a line a tier:
 * "direct passed", "direct failed" and what was wrong, "half slow" and how slow it is. */
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

static const char *const outcomes[] = {[UVK_UNCHECKED] = "", [UVK_PASSED] = "passed", [UVK_SLOW] = "slow", [UVK_WRONG] = "failed"};

/* What stands behind that word and a space, or "" at the end; NULL: another word. */
static const char *after(const char *line, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(line, word, length) != 0 || (line[length] && line[length] != ' '))
        return NULL;
    return line[length] ? line + length + 1 : "";
}

/* One line of it, which may be damaged. */
static bool read_line(const char *line, const char *name, uvk_verdict *out)
{
    const char *rest = after(line, name);
    *out = (uvk_verdict){0};
    for (uvk_outcome o = UVK_PASSED; rest && o <= UVK_WRONG; o++) {
        const char *what = after(rest, outcomes[o]);
        if (!what || (o != UVK_PASSED && !*what))
            continue;
        out->outcome = o;
        snprintf(out->what, sizeof out->what, "%s", what);
    }
    return out->outcome != UVK_UNCHECKED;
}

uvk_verdict uvk_verdict_of(const uvk_context *ctx, uvk_tier tier)
{
    char text[LARGEST_FILE], *rest = text, *line;
    uvk_verdict found, verdict = ctx->verdicts[tier];
    if (verdict.outcome != UVK_UNCHECKED)
        return verdict;
    read_verdicts(ctx->verdicts_path, text);
    while ((line = strsep(&rest, "\n")))
        if (read_line(line, names[tier], &found))
            verdict = found;
    return verdict;
}

void uvk_verdict_keep(uvk_context *ctx, uvk_tier tier, const uvk_verdict *verdict)
{
    char text[LARGEST_FILE], line[sizeof verdict->what + 32];
    ctx->verdicts[tier] = *verdict;
    if (!ctx->verdicts_path)
        return;
    read_verdicts(ctx->verdicts_path, text);
    int n = snprintf(line, sizeof line, "%s %s%s%s\n", names[tier], outcomes[verdict->outcome], *verdict->what ? " " : "", verdict->what);
    uvk_cache_write(ctx->verdicts_path, text, strlen(text), line, (size_t)n);
}

bool uvk_products_settled(const uvk_context *ctx)
{
    return ctx->settled;
}

void uvk_products_settle(uvk_context *ctx)
{
    ctx->settled = true;
}

void uvk_products_fill(uvk_context *ctx, uint32_t groups)
{
    ctx->limits.fill = groups ? groups : UVK_FILL;
}

void uvk_products_of_float(uvk_context *ctx)
{
    ctx->limits.products = UVK_FLOAT_PRODUCTS;
}

void uvk_tier_drop(uvk_context *ctx, uvk_tier tier, const char *what)
{
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
