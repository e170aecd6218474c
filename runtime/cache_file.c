/* Files beside each other in the cache folder, each for one device and driver. A folder that cannot be made, and a file that cannot
 * be written, are no error: nothing is kept then. */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

char *uvk_cache_path(const char *cache_dir, const char *kind, const uint8_t key[32], const char *extension)
{
    char *folder = cache_dir && !*cache_dir ? NULL : cache_folder(cache_dir), name[17];
    if (!folder)
        return NULL;
    for (int i = 0; i < 8; i++)
        snprintf(name + 2 * i, 3, "%02x", key[i]);
    size_t size = strlen(folder) + strlen(kind) + strlen(extension) + 32;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s-%s.%s", folder, kind, name, extension);
    free(folder);
    return path;
}

void uvk_cache_write(const char *path, const void *head, size_t head_size, const void *data, size_t size)
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
    bool written = fwrite(head, 1, head_size, file) == head_size && fwrite(data, 1, size, file) == size;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0)
        unlink(temporary);
}
