#include "npy.h"

#include "file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A plain array needs some hundred bytes; NumPy itself distrusts headers beyond 10000. */
enum { MAX_HEADER = 65535 };
static const uint64_t max_data = (uint64_t)4 << 30;

static const struct {
    const char *descr;
    uvk_dtype dtype;
} descrs[] = {
    {"<f4", UVK_F32}, {"<f2", UVK_F16}, {"<f8", UVK_F64}, {"<i8", UVK_I64}, {"<i4", UVK_I32},
    {"<i2", UVK_I16}, {"|i1", UVK_I8},  {"|u1", UVK_U8},  {"|b1", UVK_BOOL},
};

/* ---- The header: a Python dictionary of three known keys ------------------------------------------------------------------ */

static void skip_space(const char **p)
{
    while (**p == ' ' || **p == '\t' || **p == '\n')
        ++*p;
}

static bool accept(const char **p, const char *token)
{
    skip_space(p);
    size_t n = strlen(token);
    if (strncmp(*p, token, n) != 0)
        return false;
    *p += n;
    return true;
}

/* A quoted string without escapes into out; false when it is not one or does not fit. */
static bool read_string(const char **p, char *out, size_t size)
{
    skip_space(p);
    char quote = **p;
    if (quote != '\'' && quote != '"')
        return false;
    const char *end = strchr(*p + 1, quote);
    if (!end || (size_t)(end - *p) > size)
        return false;
    size_t n = (size_t)(end - *p) - 1;
    memcpy(out, *p + 1, n);
    out[n] = '\0';
    *p = end + 1;
    return true;
}

static bool read_size(const char **p, uint64_t *out)
{
    skip_space(p);
    if (**p < '0' || **p > '9')
        return false;
    uint64_t value = 0;
    for (; **p >= '0' && **p <= '9'; ++*p)
        if (!uvk_mul(value, 10, &value) || !uvk_add(value, (uint64_t)(**p - '0'), &value))
            return false;
    *out = value;
    return true;
}

/* "()", "(3,)", "(3, 4)" */
static bool read_shape(const char **p, uvk_npy *npy)
{
    if (!accept(p, "("))
        return false;
    npy->rank = 0;
    while (!accept(p, ")")) {
        if (npy->rank == UVK_MAX_RANK || !read_size(p, &npy->shape[npy->rank++]))
            return false;
        if (accept(p, ","))
            continue;
        return accept(p, ")");
    }
    return true;
}

static uvk_status read_descr(const char **p, const char *path, uvk_npy *npy, uvk_error *err)
{
    char descr[32];
    if (!read_string(p, descr, sizeof descr))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not an array of plain numbers (expected a dtype such as '<f4' in the header)", path);
    for (size_t i = 0; i < sizeof descrs / sizeof *descrs; i++)
        if (strcmp(descr, descrs[i].descr) == 0) {
            npy->dtype = descrs[i].dtype;
            return UVK_OK;
        }
    return uvk_fail(err, UVK_BAD_INPUT, "%s: a dtype that this program does not read (found '%s', expected '<f4', '<i8' or '<i4')", path, descr);
}

static uvk_status fail_header(const char *path, const char *expected, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: not a valid .npy header (expected %s)", path, expected);
}

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

static uvk_status read_member(const char **p, const char *path, uvk_npy *npy, int *seen, uvk_error *err)
{
    char key[32];
    if (!read_string(p, key, sizeof key) || !accept(p, ":"))
        return fail_header(path, "'descr', 'fortran_order' and 'shape'", err);
    if (strcmp(key, "descr") == 0) {
        *seen |= SEEN_DESCR;
        return read_descr(p, path, npy, err);
    }
    if (strcmp(key, "fortran_order") == 0) {
        *seen |= SEEN_ORDER;
        return accept(p, "False") ? UVK_OK
                                  : uvk_fail(err, UVK_BAD_INPUT, "%s: Fortran order (expected C order: numpy.ascontiguousarray)", path);
    }
    if (strcmp(key, "shape") == 0) {
        *seen |= SEEN_SHAPE;
        return read_shape(p, npy) ? UVK_OK : fail_header(path, "a shape of at most 8 sizes", err);
    }
    return fail_header(path, "no keys but 'descr', 'fortran_order' and 'shape'", err);
}

static uvk_status read_dictionary(const char *text, const char *path, uvk_npy *npy, uvk_error *err)
{
    int seen = 0;
    if (!accept(&text, "{"))
        return fail_header(path, "{ at its start", err);
    while (!accept(&text, "}")) {
        uvk_status status = read_member(&text, path, npy, &seen, err);
        if (status != UVK_OK)
            return status;
        if (accept(&text, ","))
            continue;
        if (!accept(&text, "}"))
            return fail_header(path, "} at its end", err);
        break;
    }
    skip_space(&text);
    if (*text != '\0' || seen != SEEN_ALL)
        return fail_header(path, "'descr', 'fortran_order', 'shape' and nothing else", err);
    return UVK_OK;
}

/* ---- The file --------------------------------------------------------------------------------------------------------------- */

typedef struct source {
    int fd;
    const char *path;
    uint64_t left; /* bytes of the file not read yet */
} source;

static uvk_status take(source *in, void *out, size_t size, uvk_error *err)
{
    if (size > in->left)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not an .npy file, or cut short (found %llu bytes more, expected %zu)", in->path,
                        (unsigned long long)in->left, size);
    in->left -= size;
    return uvk_file_read_exact(in->fd, in->path, out, size, err);
}

/* The length field has two bytes in version 1 and four in 2 and 3. */
static uvk_status read_header_length(source *in, size_t *length, uvk_error *err)
{
    unsigned char b[12];
    uvk_status status = take(in, b, 8, err);
    if (status != UVK_OK)
        return status;
    if (memcmp(b, "\x93NUMPY", 6) != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not an .npy file (expected it to start with \\x93NUMPY)", in->path);
    if (b[6] < 1 || b[6] > 3)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: unknown .npy version (found %d, expected 1 to 3)", in->path, b[6]);
    size_t width = b[6] == 1 ? 2 : 4;
    status = take(in, b + 8, width, err);
    if (status != UVK_OK)
        return status;
    size_t found = 0;
    for (size_t i = width; i-- > 0;)
        found = found << 8 | b[8 + i];
    if (found > MAX_HEADER)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: header too long (found %zu bytes, expected at most %d)", in->path, found, MAX_HEADER);
    *length = found;
    return UVK_OK;
}

static uvk_status read_header(source *in, uvk_npy *npy, uvk_error *err)
{
    size_t length = 0;
    uvk_status status = read_header_length(in, &length, err);
    if (status != UVK_OK)
        return status;
    char *text = malloc(length + 1);
    if (!text)
        return uvk_fail_memory(err, length + 1, in->path);
    status = take(in, text, length, err);
    if (status == UVK_OK) {
        text[length] = '\0';
        status = strlen(text) == length ? read_dictionary(text, in->path, npy, err) : fail_header(in->path, "text", err);
    }
    free(text);
    return status;
}

/* The size of the data must be that of the rest of the file, so that a lying shape allocates nothing. */
static uvk_status read_data(source *in, uvk_npy *npy, uvk_error *err)
{
    uint64_t bytes = uvk_dtype_size(npy->dtype);
    bool fits = true;
    npy->count = 1;
    for (int i = 0; i < npy->rank; i++)
        fits = fits && uvk_mul(npy->count, npy->shape[i], &npy->count);
    fits = fits && uvk_mul(bytes, npy->count, &bytes);
    if (!fits || bytes != in->left)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the data does not have the size of the shape (found %llu bytes, expected %llu%s)", in->path,
                        (unsigned long long)in->left, (unsigned long long)bytes, fits ? "" : " or more");
    if (bytes > max_data || bytes >= SIZE_MAX)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: too large (found %llu bytes, expected at most %llu)", in->path, (unsigned long long)bytes,
                        (unsigned long long)max_data);
    npy->data = malloc(bytes > 0 ? (size_t)bytes : 1);
    if (!npy->data)
        return uvk_fail_memory(err, (size_t)bytes, in->path);
    return take(in, npy->data, (size_t)bytes, err);
}

uvk_status uvk_npy_load(const char *path, uvk_npy *out, uvk_error *err)
{
    source in = {.path = path};
    uvk_status status = uvk_file_open(path, &in.fd, &in.left, err);
    if (status != UVK_OK)
        return status;
    uvk_npy npy = {0};
    status = read_header(&in, &npy, err);
    if (status == UVK_OK)
        status = read_data(&in, &npy, err);
    close(in.fd);
    if (status == UVK_OK)
        *out = npy;
    else
        uvk_npy_free(&npy);
    return status;
}

void uvk_npy_free(uvk_npy *npy)
{
    free(npy->data);
    *npy = (uvk_npy){0};
}

/* ---- Writing ----------------------------------------------------------------------------------------------------------------- */

/* Version 1.0: magic, version, length and dictionary fill a multiple of 64 bytes and end in a newline. */
static void write_header(FILE *stream, int rank, const uint64_t *shape)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < rank; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%llu,%s", (unsigned long long)shape[i], i + 1 < rank ? " " : "");
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    unsigned length = ((unsigned)n + 10 + 1 + 63) / 64 * 64 - 10;
    fwrite("\x93NUMPY\x01\x00", 1, 8, stream);
    fputc((int)(length & 255), stream);
    fputc((int)(length >> 8), stream);
    fprintf(stream, "%-*s\n", (int)length - 1, text);
}

uvk_status uvk_npy_save_f32(const char *path, const float *data, int rank, const uint64_t *shape, uvk_error *err)
{
    uvk_file_writer writer;
    uvk_status status = uvk_file_writer_open(&writer, path, err);
    if (status != UVK_OK)
        return status;
    uint64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    write_header(writer.stream, rank, shape);
    fwrite(data, sizeof *data, count, writer.stream);
    return uvk_file_writer_commit(&writer, err);
}
