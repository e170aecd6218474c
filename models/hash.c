#include "hash.h"

#include "file.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

static void finish(struct sha256_ctx *hash, char hex[65])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
}

static void add_length(struct sha256_ctx *hash, uint64_t length)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
    sha256_update(hash, sizeof bytes, bytes);
}

static uvk_status add_opened(struct sha256_ctx *hash, int fd, const char *path, uvk_error *err)
{
    uint8_t buffer[64 * 1024];
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got == 0)
            return UVK_OK;
        if (got < 0 && errno != EINTR)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be read (%s)", path, strerror(errno));
        if (got > 0)
            sha256_update(hash, (size_t)got, buffer);
    }
}

static uvk_status add_file(struct sha256_ctx *hash, const char *path, bool with_length, uvk_error *err)
{
    int fd;
    uint64_t size;
    uvk_status status = uvk_file_open(path, &fd, &size, err);
    if (status != UVK_OK)
        return status;
    if (with_length)
        add_length(hash, size);
    status = add_opened(hash, fd, path, err);
    close(fd);
    return status;
}

uvk_status uvk_sha256_file(const char *path, char hex[65], uvk_error *err)
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    uvk_status status = add_file(&hash, path, false, err);
    if (status == UVK_OK)
        finish(&hash, hex);
    return status;
}

uvk_status uvk_sha256_files(const char *const *paths, size_t n, char hex[65], uvk_error *err)
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (size_t i = 0; i < n; i++) {
        uvk_status status = add_file(&hash, paths[i], true, err);
        if (status != UVK_OK)
            return status;
    }
    finish(&hash, hex);
    return UVK_OK;
}

void uvk_sha256_bytes(const void *bytes, size_t size, char hex[65])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, size, bytes);
    finish(&hash, hex);
}
