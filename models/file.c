#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

static uvk_status check_regular(int fd, const char *path, uint64_t *size, uvk_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be read (%s)", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a file (found %s, expected a regular file)", path,
                        S_ISDIR(info.st_mode) ? "a folder" : "a device or a pipe");
    *size = (uint64_t)info.st_size;
    return UVK_OK;
}

uvk_status uvk_file_open(const char *path, int *fd, uint64_t *size, uvk_error *err)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang. It changes nothing for a regular file. */
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be opened (%s)", path, strerror(errno));
    uvk_status status = check_regular(opened, path, size, err);
    if (status == UVK_OK)
        *fd = opened;
    else
        close(opened);
    return status;
}

uvk_status uvk_file_read_exact(int fd, const char *path, void *out, size_t size, uvk_error *err)
{
    unsigned char *to = out;
    for (size_t left = size; left > 0;) {
        ssize_t got = read(fd, to, left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be read (%s)", path, strerror(errno));
        if (got == 0)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: ends too early (found %zu bytes, expected %zu)", path, size - left, size);
        to += got;
        left -= (size_t)got;
    }
    return UVK_OK;
}

static uvk_status read_opened(int fd, const char *path, size_t size, void **out, uvk_error *err)
{
    char *bytes = malloc(size + 1);
    if (!bytes)
        return uvk_fail_memory(err, size + 1, path);
    uvk_status status = uvk_file_read_exact(fd, path, bytes, size, err);
    if (status != UVK_OK) {
        free(bytes);
        return status;
    }
    bytes[size] = '\0';
    *out = bytes;
    return UVK_OK;
}

uvk_status uvk_file_read(const char *path, size_t max_bytes, void **out, size_t *size, uvk_error *err)
{
    int fd;
    uint64_t found;
    uvk_status status = uvk_file_open(path, &fd, &found, err);
    if (status != UVK_OK)
        return status;
    if (found > max_bytes || found >= SIZE_MAX)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: too large (found %llu bytes, expected at most %zu)", path,
                          (unsigned long long)found, max_bytes);
    else
        status = read_opened(fd, path, (size_t)found, out, err);
    close(fd);
    if (status == UVK_OK)
        *size = (size_t)found;
    return status;
}

bool uvk_file_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

char *uvk_file_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = n > 0 && dir[n - 1] == '/' ? "" : "/";
    size_t size = n + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", dir, slash, name);
    return path;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------- */

static void forget(uvk_file_writer *w)
{
    free(w->path);
    free(w->temporary);
    *w = (uvk_file_writer){0};
}

static uvk_status fail_write(uvk_file_writer *w, int error, uvk_error *err)
{
    return uvk_fail(err, UVK_FAILED, "%s: cannot be written (%s)", w->path, strerror(error ? error : EIO));
}

/* Renaming over /dev/full or a pipe would replace it by a file: such a path gets its bytes directly. */
static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

/* A temporary name of ours that is free. A process killed earlier may have left one with our number: the next is tried. */
static int open_temporary(const uvk_file_writer *w, size_t size)
{
    int fd = -1;
    for (int i = 0; i < 1000; i++) {
        snprintf(w->temporary, size, "%s.%ld-%d.tmp", w->path, (long)getpid(), i);
        fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    return fd;
}

static int open_target(uvk_file_writer *w)
{
    if (is_special(w->path))
        return open(w->path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(w->path) + 48;
    w->temporary = malloc(size);
    return w->temporary ? open_temporary(w, size) : -1;
}

uvk_status uvk_file_writer_open(uvk_file_writer *w, const char *path, uvk_error *err)
{
    *w = (uvk_file_writer){.path = strdup(path)};
    if (!w->path)
        return uvk_fail_memory(err, strlen(path) + 1, path);
    int fd = open_target(w);
    w->stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (w->stream)
        return UVK_OK;
    uvk_status status = fail_write(w, errno, err);
    if (fd >= 0) {
        close(fd);
        if (w->temporary)
            unlink(w->temporary);
    }
    forget(w);
    return status;
}

/* The first error of all that was written: fclose reports those that the kernel found late. */
static int close_stream(uvk_file_writer *w)
{
    int error = 0;
    errno = 0;
    if (fflush(w->stream) != 0 || ferror(w->stream))
        error = errno ? errno : EIO;
    if (fclose(w->stream) != 0 && error == 0)
        error = errno;
    return error;
}

uvk_status uvk_file_writer_commit(uvk_file_writer *w, uvk_error *err)
{
    int error = close_stream(w);
    if (error == 0 && w->temporary && rename(w->temporary, w->path) != 0)
        error = errno;
    if (error != 0 && w->temporary)
        unlink(w->temporary);
    uvk_status status = error == 0 ? UVK_OK : fail_write(w, error, err);
    forget(w);
    return status;
}

void uvk_file_writer_abandon(uvk_file_writer *w)
{
    fclose(w->stream);
    if (w->temporary)
        unlink(w->temporary);
    forget(w);
}
