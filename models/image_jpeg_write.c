#include "image.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

/* Everything that must survive a longjmp lives here, outside of the function that calls setjmp. */
typedef struct job {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    const uvk_image *image;
    int quality;
    unsigned char *bytes;
    unsigned long size;
    bool done;
} job;

_Noreturn static void leave(j_common_ptr jpeg)
{
    job *j = jpeg->client_data;
    longjmp(j->escape, 1);
}

static void encode(job *j)
{
    jpeg_create_compress(&j->jpeg);
    j->jpeg.client_data = j;
    jpeg_mem_dest(&j->jpeg, &j->bytes, &j->size);
    j->jpeg.image_width = (JDIMENSION)j->image->width;
    j->jpeg.image_height = (JDIMENSION)j->image->height;
    j->jpeg.input_components = 3;
    j->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&j->jpeg);
    jpeg_set_quality(&j->jpeg, j->quality, TRUE);
    jpeg_start_compress(&j->jpeg, TRUE);
    while (j->jpeg.next_scanline < j->jpeg.image_height) {
        JSAMPROW row = j->image->rgb + (size_t)j->jpeg.next_scanline * (size_t)j->image->width * 3;
        jpeg_write_scanlines(&j->jpeg, &row, 1);
    }
    jpeg_finish_compress(&j->jpeg);
    j->done = true;
}

static void attempt(job *j)
{
    if (setjmp(j->escape) == 0)
        encode(j);
}

uvk_status uvk_image_encode_jpeg(const uvk_image *image, int quality, unsigned char **bytes, size_t *size, uvk_error *err)
{
    job j = {.image = image, .quality = quality};
    j.jpeg.err = jpeg_std_error(&j.errors);
    j.jpeg.client_data = &j;
    j.errors.error_exit = leave;
    attempt(&j);
    jpeg_destroy_compress(&j.jpeg);
    if (!j.done) /* bytes may be what libjpeg has replaced and freed: not to be touched */
        return uvk_fail_memory(err, (size_t)image->width * (size_t)image->height, "a JPEG");
    *bytes = j.bytes;
    *size = j.size;
    return UVK_OK;
}
