#include "image_codec.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

/* Encoders write a dozen at most. A file of thousands of empty scans, each of which walks over the whole image, would take
 * hours. */
enum { MAX_SCANS = 100 };

/* Everything that must survive a longjmp lives here, outside of the function that calls setjmp. */
typedef struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uvk_encoded *in;
    uvk_image *out;
    uvk_error *err;
    uvk_status status;
} job;

/* ---- What libjpeg calls ------------------------------------------------------------------------------------------------ */

_Noreturn static void leave(job *j, uvk_status status)
{
    j->status = status;
    longjmp(j->escape, 1);
}

_Noreturn static void fail_with_message(j_common_ptr jpeg)
{
    job *j = jpeg->client_data;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        leave(j, uvk_fail(j->err, UVK_FAILED, "%s: out of memory (%s)", j->in->name, message));
    leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a JPEG that cannot be decoded (%s)", j->in->name, message));
}

/* libjpeg fills in what is missing and warns. An explanation of a half-grey photo is worth less than none. */
static void refuse_corruption(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: {
        job *j = jpeg->client_data;
        leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a JPEG that is truncated or damaged (found %zu bytes, expected more or others)",
                          j->in->name, j->in->size));
    }
    default: break; /* bytes between segments, odd version numbers: every reader accepts them */
    }
}

static void print_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void limit_scans(j_common_ptr jpeg)
{
    job *j = jpeg->client_data;
    if (j->jpeg.input_scan_number > MAX_SCANS)
        leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a JPEG of too many scans (expected at most %d)", j->in->name, MAX_SCANS));
}

/* ---- Pixels ------------------------------------------------------------------------------------------------------------ */

/* a * b / 255, rounded, as Pillow does it. */
static unsigned multiply_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Adobe stores CMYK inverted, and everyone takes every CMYK JPEG as Adobe's. */
static void cmyk_to_rgb(const uint8_t *inverted, int width, uint8_t *rgb)
{
    for (int x = 0; x < width; x++, inverted += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            unsigned ink = 255u - inverted[c], white = inverted[3];
            rgb[c] = (uint8_t)(white - multiply_255(ink, white));
        }
}

static void read_rows(job *j)
{
    size_t stride = (size_t)j->out->width * 3;
    while (j->jpeg.output_scanline < j->jpeg.output_height) {
        JSAMPROW row = j->out->rgb + j->jpeg.output_scanline * stride;
        jpeg_read_scanlines(&j->jpeg, &row, 1);
    }
}

static void read_cmyk_rows(job *j)
{
    j_common_ptr common = (j_common_ptr)&j->jpeg;
    JSAMPARRAY line = j->jpeg.mem->alloc_sarray(common, JPOOL_IMAGE, (JDIMENSION)j->out->width * 4, 1);
    size_t stride = (size_t)j->out->width * 3;
    while (j->jpeg.output_scanline < j->jpeg.output_height) {
        uint8_t *rgb = j->out->rgb + j->jpeg.output_scanline * stride;
        jpeg_read_scanlines(&j->jpeg, line, 1);
        cmyk_to_rgb(line[0], j->out->width, rgb);
    }
}

static void check_components(job *j)
{
    int n = j->jpeg.num_components;
    if (n != 1 && n != 3 && n != 4)
        leave(j, uvk_fail(j->err, UVK_BAD_INPUT, "%s: a JPEG of an unknown kind (found %d components, expected 1, 3 or 4)", j->in->name, n));
}

/* libjpeg's defaults (accurate integer DCT, smooth chroma) are what Pillow uses. */
static void decode(job *j)
{
    jpeg_create_decompress(&j->jpeg);
    j->jpeg.client_data = j;
    j->jpeg.progress = &j->progress;
    jpeg_mem_src(&j->jpeg, j->in->bytes, (unsigned long)j->in->size);
    jpeg_read_header(&j->jpeg, TRUE);
    check_components(j);
    uvk_status status = uvk_image_reserve(j->in->name, j->jpeg.image_width, j->jpeg.image_height, j->out, j->err);
    if (status != UVK_OK)
        leave(j, status);
    bool cmyk = j->jpeg.num_components == 4;
    j->jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&j->jpeg);
    if (cmyk)
        read_cmyk_rows(j);
    else
        read_rows(j);
    jpeg_finish_decompress(&j->jpeg); /* reads up to the end mark: its absence is a truncation too */
}

static void attempt(job *j)
{
    if (setjmp(j->escape) == 0)
        decode(j);
}

uvk_status uvk_jpeg_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err)
{
    job j = {.in = in, .out = out, .err = err, .status = UVK_OK};
    j.jpeg.err = jpeg_std_error(&j.errors);
    j.jpeg.client_data = &j;
    j.errors.error_exit = fail_with_message;
    j.errors.emit_message = refuse_corruption;
    j.errors.output_message = print_nothing;
    j.progress.progress_monitor = limit_scans;
    attempt(&j);
    jpeg_destroy_decompress(&j.jpeg);
    return j.status;
}
