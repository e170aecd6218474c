#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_create(char path[4096])
{
    const char *const base = getenv("TMPDIR");
    snprintf(path, 4096, "%s/ultravk-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        abort();
    }
}

void scratch_remove(const char *path)
{
    DIR *const dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char file[8192];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file); /* "." and ".." refuse */
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}
