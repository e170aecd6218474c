/* Preloaded: makes one allocation, or one write to a file, fail.
 *
 *   FAIL_KIND=memory|files   what is looked at
 *   FAIL_RECORD=PATH         writes, at the end, one line for each place that was seen: a number made of the calls that led to it
 *   FAIL_AT=PLACE            there the first call fails, with ENOMEM or ENOSPC, and no other
 *
 * Looked at are calls from what the program is linked with: itself and its libraries, but for the C library. Drivers are loaded
 * later, and what they allocate is not ours; nor is what the dynamic loader calls when the program has ended, as gcov's counting. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 9, MOST_OBJECTS = 64, MOST_PLACES = 1 << 16 };
typedef enum { MEMORY, FILES, KINDS } failing;

static struct { uintptr_t begin, end, base; } objects[MOST_OBJECTS];
static int n_objects;
static struct { uintptr_t begin, end; } loader;
static uint64_t places[MOST_PLACES]; /* a hash table of what was seen; 0: free */
static failing kind = KINDS;
static uint64_t fail_at;
static const char *record;
static __thread bool busy = false;

/* ---- Whose call it is ------------------------------------------------------------------------------------------------ */

static int add_object(struct dl_phdr_info *info, size_t size, void *user)
{
    static const char *const not_ours[] = {"libc.so", "ld-linux", "linux-vdso", "libasan", "libubsan", "fail_once", "keep_drivers", "libgcc_s", "libstdc++"};
    (void)size, (void)user;
    for (int i = 0; strstr(info->dlpi_name, "ld-linux") && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            loader.begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            loader.end = loader.begin + info->dlpi_phdr[i].p_memsz;
        }
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        if (strstr(info->dlpi_name, not_ours[i]))
            return 0;
    for (int i = 0; i < info->dlpi_phnum && n_objects < MOST_OBJECTS; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            objects[n_objects].base = info->dlpi_addr;
            objects[n_objects].begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            objects[n_objects].end = objects[n_objects].begin + info->dlpi_phdr[i].p_memsz;
            n_objects++;
        }
    return 0;
}

static int object_of(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    for (int i = 0; i < n_objects; i++)
        if (at >= objects[i].begin && at < objects[i].end)
            return i;
    return -1;
}

/* The same in every process: addresses count from where their object lies. */
static uint64_t place_of(void *const *frames, int count)
{
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < count; i++) {
        int object = object_of(frames[i]);
        uint64_t part = object < 0 ? 1 : ((uintptr_t)frames[i] - objects[object].base) * 64 + (uint64_t)object;
        hash = (hash ^ part) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash | 1;
}

/* Constructors and destructors: among the innermost of the frames is the dynamic loader. */
static bool called_by_loader(void *const *frames, int count)
{
    for (int i = 0; i < count; i++)
        if ((uintptr_t)frames[i] >= loader.begin && (uintptr_t)frames[i] < loader.end)
            return true;
    return false;
}

/* Notes the place, and returns whether it is the one that fails. */
static bool reach(uint64_t place)
{
    static bool failed;
    bool result = !failed && place == fail_at;
    failed = failed || result;
    uint64_t at = place;
    while (record && places[at % MOST_PLACES] && places[at % MOST_PLACES] != place)
        at++;
    places[at % MOST_PLACES] = place;
    return result;
}

/* Whether this call is the one that fails. caller: where the function that is called returns to. */
static bool fails(failing which, const void *caller)
{
    void *frames[DEPTH + 2];
    if (which != kind || busy || object_of(caller) < 0)
        return false;
    busy = true;
    int count = backtrace(frames, DEPTH + 2), first = 0;
    while (first < count && frames[first] != caller)
        first++;
    bool result = !called_by_loader(frames, count) && reach(place_of(frames + first, count - first < DEPTH ? count - first : DEPTH));
    busy = false;
    return result;
}

__attribute__((constructor)) static void begin(void)
{
    void *frames[2];
    const char *of = getenv("FAIL_KIND"), *at = getenv("FAIL_AT");
    busy = true;
    backtrace(frames, 2); /* the first call allocates */
    dl_iterate_phdr(add_object, NULL);
    record = getenv("FAIL_RECORD");
    fail_at = at ? strtoull(at, NULL, 16) : 0;
    kind = of && !strcmp(of, "memory") ? MEMORY : of && !strcmp(of, "files") ? FILES : KINDS;
    busy = false;
}

__attribute__((destructor)) static void end(void)
{
    kind = KINDS;
    FILE *out = record ? fopen(record, "w") : NULL;
    for (int i = 0; out && i < MOST_PLACES; i++)
        if (places[i])
            fprintf(out, "%llx\n", (unsigned long long)places[i]);
    if (out)
        fclose(out);
}

/* ---- What can fail ------------------------------------------------------------------------------------------------------- */

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(which, error, result) if (fails(which, __builtin_return_address(0))) { errno = error; return result; }

void *malloc(size_t size)
{
    REAL(malloc);
    FAIL(MEMORY, ENOMEM, NULL)
    return real(size);
}

/* dlsym itself may ask for memory before there is a function to give it. */
void *calloc(size_t count, size_t size)
{
    static char early[4096];
    static bool looking;
    static __typeof__(&calloc) real;
    if (!real) {
        if (looking)
            return early;
        looking = true;
        real = (__typeof__(&calloc))dlsym(RTLD_NEXT, "calloc");
    }
    FAIL(MEMORY, ENOMEM, NULL)
    return real(count, size);
}

void *realloc(void *old, size_t size)
{
    REAL(realloc);
    FAIL(MEMORY, ENOMEM, NULL)
    return real(old, size);
}

char *strdup(const char *text)
{
    REAL(strdup);
    FAIL(MEMORY, ENOMEM, NULL)
    return real(text);
}

char *strndup(const char *text, size_t size)
{
    REAL(strndup);
    FAIL(MEMORY, ENOMEM, NULL)
    return real(text, size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write);
    if (fd != STDERR_FILENO)
        FAIL(FILES, ENOSPC, -1)
    return real(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    REAL(pwrite64);
    FAIL(FILES, ENOSPC, -1)
    return real(fd, bytes, size, at);
}

int fsync(int fd)
{
    REAL(fsync);
    FAIL(FILES, EIO, -1)
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    FAIL(FILES, EIO, -1)
    return real(fd);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    FAIL(FILES, EIO, -1)
    return real(fd, size);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    FAIL(FILES, ENOSPC, -1)
    return real(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    FAIL(FILES, ENOSPC, -1)
    return real(path, mode);
}

/* What a stream holds back is written by these two. */
int fflush(FILE *stream)
{
    REAL(fflush);
    if (stream != stderr && fails(FILES, __builtin_return_address(0))) {
        stream->_flags |= 0x20; /* as ferror tells */
        errno = ENOSPC;
        return EOF;
    }
    return real(stream);
}

int fclose(FILE *stream)
{
    REAL(fclose);
    bool failed = fails(FILES, __builtin_return_address(0));
    int result = real(stream);
    if (!failed)
        return result;
    errno = ENOSPC;
    return EOF;
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream)
{
    REAL(fwrite);
    if (stream != stderr && fails(FILES, __builtin_return_address(0))) {
        stream->_flags |= 0x20;
        errno = ENOSPC;
        return 0;
    }
    return real(bytes, size, count, stream);
}
