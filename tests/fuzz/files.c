#include "fuzz.h"

#include "scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[4096];

fuzz_part fuzz_next(fuzz_part *rest)
{
    if (!rest->data)
        return *rest;
    const uint8_t *end = rest->size ? memchr(rest->data, 0, rest->size) : NULL;
    fuzz_part part = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
    *rest = end ? (fuzz_part){end + 1, rest->size - part.size - 1} : (fuzz_part){NULL, 0};
    return part;
}

static void remove_folder(void)
{
    scratch_remove(folder);
}

const char *fuzz_folder(void)
{
    if (!*folder) {
        if (access("/dev/shm", W_OK) == 0)
            setenv("TMPDIR", "/dev/shm", 0);
        scratch_create(folder);
        atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_path(const char *name)
{
    static char paths[8][4200];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder(), name);
    return path;
}

const char *fuzz_write(const char *name, fuzz_part part)
{
    const char *path = fuzz_path(name);
    if (!part.data) {
        unlink(path);
        return path;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, part.data, part.size) != (ssize_t)part.size)
        abort();
    close(fd);
    return path;
}

void fuzz_check(uvk_status status, const uvk_error *err)
{
    if (status == UVK_OK)
        return;
    if (status != UVK_BAD_INPUT || err->status != status || !*err->message || strpbrk(err->message, "\n\r")) {
        fprintf(stderr, "status %d: \"%s\"\n", status, err->message);
        abort();
    }
}
