/* The decoders behind uvk_image_decode, one file each. */
#ifndef UVK_MODELS_IMAGE_CODEC_H
#define UVK_MODELS_IMAGE_CODEC_H

#include "image.h"

/* Encoded bytes and what to call them in messages. */
typedef struct uvk_encoded {
    const unsigned char *bytes;
    size_t size;
    const char *name;
} uvk_encoded;

/* Checks a size that a file claims and only then allocates the pixels. */
uvk_status uvk_image_reserve(const char *name, uint64_t width, uint64_t height, uvk_image *out, uvk_error *err);

/* *out is empty before; after a failure the caller frees what was reserved. */
uvk_status uvk_jpeg_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err);
uvk_status uvk_png_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err);
/* One byte a pixel, in out->rgb. */
uvk_status uvk_png_decode_labels(const uvk_encoded *in, uvk_image *out, uvk_error *err);
uvk_status uvk_webp_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err);

#endif
