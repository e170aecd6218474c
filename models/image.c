#include "image.h"

#include "file.h"
#include "image_codec.h"

#include <stdlib.h>
#include <string.h>

static const size_t max_file = (size_t)1 << 30;

typedef uvk_status decode_function(const uvk_encoded *in, uvk_image *out, uvk_error *err);

/* A file begins with first, and at byte 8 with second. */
typedef struct format {
    const char *first;
    size_t first_size;
    const char *second;
    const char *name;
    decode_function *decode; /* NULL: known, to say what it is, but not read */
} format;

static const format formats[] = {
    {"\xff\xd8\xff", 3, NULL, "a JPEG", uvk_jpeg_decode},
    {"\x89PNG\r\n\x1a\n", 8, NULL, "a PNG", uvk_png_decode},
    {"RIFF", 4, "WEBP", "a WebP", uvk_webp_decode},
    {"GIF8", 4, NULL, "a GIF", NULL},
    {"BM", 2, NULL, "a BMP", NULL},
    {"II*\0", 4, NULL, "a TIFF", NULL},
    {"MM\0*", 4, NULL, "a TIFF", NULL},
    {"\0\0\0", 3, "avif", "an AVIF", NULL},
    {"\0\0\0", 3, "heic", "a HEIC", NULL},
};

static const format *find_format(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const format *f = &formats[i];
        bool first = size >= f->first_size && memcmp(bytes, f->first, f->first_size) == 0;
        bool second = !f->second || (size >= 12 && memcmp(bytes + 8, f->second, 4) == 0);
        if (first && second)
            return f;
    }
    return NULL;
}

static const char *describe(const unsigned char *bytes, size_t size)
{
    const format *f = find_format(bytes, size);
    if (f)
        return f->name;
    if (size == 0)
        return "an empty file";
    for (size_t i = 0; i < size && i < 64; i++)
        if (bytes[i] < 0x20 && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r')
            return "something else";
    return "text";
}

bool uvk_image_sniff(const void *bytes, size_t size)
{
    const format *f = find_format(bytes, size);
    return f && f->decode;
}

uvk_status uvk_image_decode(const void *bytes, size_t size, const char *name, uvk_image *out, uvk_error *err)
{
    const format *f = find_format(bytes, size);
    if (!f || !f->decode)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not an image this program reads (found %s, expected JPEG, PNG or WebP)", name,
                        describe(bytes, size));
    uvk_encoded in = {bytes, size, name};
    uvk_image image = {0};
    uvk_status status = f->decode(&in, &image, err);
    if (status == UVK_OK)
        *out = image;
    else
        uvk_image_free(&image);
    return status;
}

uvk_status uvk_image_load(const char *path, uvk_image *out, uvk_error *err)
{
    void *bytes;
    size_t size;
    uvk_status status = uvk_file_read(path, max_file, &bytes, &size, err);
    if (status != UVK_OK)
        return status;
    status = uvk_image_decode(bytes, size, path, out, err);
    free(bytes);
    return status;
}

uvk_status uvk_labels_load(const char *path, uvk_labels *out, uvk_error *err)
{
    void *bytes;
    size_t size;
    uvk_image image = {0};
    uvk_status status = uvk_file_read(path, max_file, &bytes, &size, err);
    if (status != UVK_OK)
        return status;
    const format *f = find_format(bytes, size);
    if (f && f->decode == uvk_png_decode)
        status = uvk_png_decode_labels(&(uvk_encoded){bytes, size, path}, &image, err);
    else
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: not a mask (found %s, expected a PNG of one 8-bit channel)", path, describe(bytes, size));
    free(bytes);
    if (status == UVK_OK)
        *out = (uvk_labels){image.width, image.height, image.rgb};
    else
        uvk_image_free(&image);
    return status;
}

void uvk_labels_free(uvk_labels *labels)
{
    free(labels->values);
    *labels = (uvk_labels){0};
}

void uvk_image_free(uvk_image *image)
{
    free(image->rgb);
    *image = (uvk_image){0};
}

uvk_status uvk_image_reserve(const char *name, uint64_t width, uint64_t height, uvk_image *out, uvk_error *err)
{
    if (width < 1 || height < 1 || width > UVK_MAX_SIDE || height > UVK_MAX_SIDE || width * height > UVK_MAX_PIXELS)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: an image of a size that is not read (found %llu x %llu, expected 1 to %d a side and at most %d pixels)",
                        name, (unsigned long long)width, (unsigned long long)height, UVK_MAX_SIDE, UVK_MAX_PIXELS);
    size_t bytes = (size_t)(width * height * 3);
    out->rgb = malloc(bytes);
    if (!out->rgb)
        return uvk_fail_memory(err, bytes, name);
    out->width = (int)width;
    out->height = (int)height;
    return UVK_OK;
}
