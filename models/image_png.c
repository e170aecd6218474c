#include "image_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <png.h>

/* Everything that must survive a longjmp lives here, outside of the function that calls setjmp. */
typedef struct job {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    const uvk_encoded *in;
    size_t at; /* bytes read so far */
    uvk_image *out;
    int channels; /* of a pixel of out */
    uvk_error *err;
    uvk_status status;
} job;

_Noreturn static void leave(job *j, uvk_status status)
{
    j->status = status;
    longjmp(j->escape, 1);
}

_Noreturn static void fail_with_message(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    if (errno == ENOMEM) /* libpng has no code for it */
        leave(j, uvk_fail_memory(j->err, j->in->size, j->in->name));
    leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a PNG that cannot be decoded (%s)", j->in->name, message));
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep out, size_t size)
{
    job *j = png_get_io_ptr(png);
    if (size > j->in->size - j->at)
        leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a PNG that is truncated (found %zu bytes, expected more)", j->in->name, j->in->size));
    memcpy(out, j->in->bytes + j->at, size);
    j->at += size;
}

/* As Pillow's convert("RGB"): palettes looked up, grey replicated, 16 bits cut to the upper 8, alpha dropped without a
 * background. */
static void request_rgb(job *j)
{
    png_set_palette_to_rgb(j->png);
    png_set_expand_gray_1_2_4_to_8(j->png);
    png_set_strip_16(j->png);
    png_set_gray_to_rgb(j->png);
    png_set_strip_alpha(j->png);
}

/* The values as they are stored; of a palette the indices. */
static void request_labels(job *j)
{
    int type = png_get_color_type(j->png, j->info);
    if ((type != PNG_COLOR_TYPE_GRAY && type != PNG_COLOR_TYPE_PALETTE) || png_get_bit_depth(j->png, j->info) > 8)
        leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: not a mask (found %s, expected a PNG of one 8-bit channel, grey or palette)", j->in->name,
                          type == PNG_COLOR_TYPE_GRAY ? "16 bits" : "colour or transparency"));
    png_set_packing(j->png);
}

static void read_rows(job *j)
{
    int passes = png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    size_t stride = (size_t)j->out->width * (size_t)j->channels;
    if (png_get_rowbytes(j->png, j->info) != stride)
        png_error(j->png, "an unexpected pixel format");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < j->out->height; y++)
            png_read_row(j->png, j->out->rgb + (size_t)y * stride, NULL);
}

static void decode(job *j)
{
    errno = 0;
    j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, fail_with_message, ignore_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info)
        leave(j, uvk_fail_memory(j->err, j->in->size, j->in->name));
    png_set_read_fn(j->png, j, read_bytes);
    /* Colour profiles and texts can be compressed bombs, and nothing of them is used: only the chunks of the picture. */
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(j->png, 0x7fffffff, 0x7fffffff); /* uvk_image_reserve knows a better message */
    png_read_info(j->png, j->info);
    uvk_status status = uvk_image_reserve(j->in->name, png_get_image_width(j->png, j->info), png_get_image_height(j->png, j->info), j->out, j->err);
    if (status != UVK_OK)
        leave(j, status);
    if (j->channels == 1)
        request_labels(j);
    else
        request_rgb(j);
    read_rows(j);
    png_read_end(j->png, NULL); /* the checksum of the last data, and that the end is there */
}

static void attempt(job *j)
{
    if (setjmp(j->escape) == 0)
        decode(j);
}

static uvk_status run(const uvk_encoded *in, uvk_image *out, int channels, uvk_error *err)
{
    job j = {.in = in, .out = out, .channels = channels, .err = err, .status = UVK_OK};
    attempt(&j);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    return j.status;
}

uvk_status uvk_png_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err)
{
    return run(in, out, 3, err);
}

uvk_status uvk_png_decode_labels(const uvk_encoded *in, uvk_image *out, uvk_error *err)
{
    return run(in, out, 1, err);
}
