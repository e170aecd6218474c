#include "image.h"

#include "file.h"

#include <setjmp.h>

#include <png.h>

/* Everything that must survive a longjmp lives here, outside of the function that calls setjmp. */
typedef struct job {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    FILE *stream;
    int width, height, channels;
    const uint8_t *pixels;
    bool done;
} job;

_Noreturn static void leave(png_structp png, png_const_charp message)
{
    (void)message;
    job *j = png_get_error_ptr(png);
    longjmp(j->escape, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* A failed write leaves its mark on the stream, and the writer's commit reports it. */
static void write_bytes(png_structp png, png_bytep bytes, size_t size)
{
    job *j = png_get_io_ptr(png);
    if (fwrite(bytes, 1, size, j->stream) != size)
        png_error(png, "write error");
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void encode(job *j)
{
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, leave, ignore_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info)
        return;
    png_set_write_fn(j->png, j, write_bytes, flush_nothing);
    png_set_IHDR(j->png, j->info, (png_uint_32)j->width, (png_uint_32)j->height, 8, j->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(j->png, 1); /* a picture for every token: 1 takes a fourth of the time of 6 */
    png_write_info(j->png, j->info);
    for (int y = 0; y < j->height; y++)
        png_write_row(j->png, j->pixels + (size_t)y * (size_t)j->width * (size_t)j->channels);
    png_write_end(j->png, NULL);
    j->done = true;
}

static void attempt(job *j)
{
    if (setjmp(j->escape) == 0)
        encode(j);
}

static uvk_status save(const char *path, job *j, uvk_error *err)
{
    uvk_file_writer writer;
    uvk_status status = uvk_file_writer_open(&writer, path, err);
    if (status != UVK_OK)
        return status;
    j->stream = writer.stream;
    attempt(j);
    png_destroy_write_struct(&j->png, &j->info);
    if (j->done || ferror(writer.stream))
        return uvk_file_writer_commit(&writer, err);
    uvk_file_writer_abandon(&writer);
    return uvk_fail(err, UVK_FAILED, "%s: cannot be written (libpng failed, out of memory perhaps)", path);
}

uvk_status uvk_image_save_png(const char *path, const uvk_image *image, uvk_error *err)
{
    job j = {.width = image->width, .height = image->height, .channels = 3, .pixels = image->rgb};
    return save(path, &j, err);
}

uvk_status uvk_labels_save_png(const char *path, const uvk_labels *labels, uvk_error *err)
{
    job j = {.width = labels->width, .height = labels->height, .channels = 1, .pixels = labels->values};
    return save(path, &j, err);
}
