/* Photos: JPEG, PNG, WebP in; RGB, 8 bits, rows from the top. */
#ifndef UVK_MODELS_IMAGE_H
#define UVK_MODELS_IMAGE_H

#include "error.h"

/* Of photos that are read and of images that they are resized to: an image within these needs 600 MB at most. */
enum { UVK_MAX_SIDE = 16384, UVK_MAX_PIXELS = 200 * 1000 * 1000 };

typedef struct uvk_image {
    int width, height;
    uint8_t *rgb; /* width*height*3 bytes, owned */
} uvk_image;

/* Decodes by content, not by extension. As Pillow's convert("RGB"): grey is replicated, alpha dropped, CMYK converted, the
 * EXIF orientation not applied (image processors do not apply it either). The one difference: 16 bits a channel keep the upper
 * 8, also for grey, where Pillow clips all but the darkest values to white. Larger than 16384 a side or 200 million pixels,
 * truncated, or not an image: UVK_BAD_INPUT. */
uvk_status uvk_image_load(const char *path, uvk_image *out, uvk_error *err);
/* The same from bytes; name is for messages. */
uvk_status uvk_image_decode(const void *bytes, size_t size, const char *name, uvk_image *out, uvk_error *err);
void uvk_image_free(uvk_image *image);
/* Whether these first bytes (16 suffice) are of an image that uvk_image_decode knows. */
bool uvk_image_sniff(const void *bytes, size_t size);
/* An 8-bit RGB PNG, through a temporary name that is renamed when complete. */
uvk_status uvk_image_save_png(const char *path, const uvk_image *image, uvk_error *err);
/* A baseline JPEG, quality 1..100; *bytes is owned by the caller, free(). */
uvk_status uvk_image_encode_jpeg(const uvk_image *image, int quality, unsigned char **bytes, size_t *size, uvk_error *err);

/* An image of labels, one byte a pixel. */
typedef struct uvk_labels {
    int width, height;
    uint8_t *values; /* width*height, owned */
} uvk_labels;

/* A PNG of one channel of at most 8 bits: grey as it is, of a palette the indices. Anything else: UVK_BAD_INPUT. */
uvk_status uvk_labels_load(const char *path, uvk_labels *out, uvk_error *err);
void uvk_labels_free(uvk_labels *labels);
/* An 8-bit grey PNG. */
uvk_status uvk_labels_save_png(const char *path, const uvk_labels *labels, uvk_error *err);

/* The numbers are those of preprocessor_config.json's "resample". */
typedef enum uvk_filter { UVK_NEAREST = 0, UVK_LANCZOS = 1, UVK_BILINEAR = 2, UVK_BICUBIC = 3, UVK_BOX = 4, UVK_HAMMING = 5 } uvk_filter;

/* Pillow's Image.resize, antialiased, equal to the bit (to Pillow 13; older versions differ where the height shrinks much more
 * than the width). A size outside the limits above: UVK_USAGE. */
uvk_status uvk_image_resize(const uvk_image *in, int width, int height, uvk_filter filter, uvk_image *out, uvk_error *err);

#endif
