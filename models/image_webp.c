#include "image_codec.h"

#include <errno.h>

#include <webp/decode.h>

static uvk_status fail_decode(const uvk_encoded *in, VP8StatusCode code, uvk_error *err)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY || errno == ENOMEM) /* the second: found where libwebp calls it an error of the file */
        return uvk_fail_memory(err, in->size, in->name);
    return uvk_fail(err, UVK_BAD_INPUT, "%s: a WebP that is truncated or damaged (found %zu bytes, expected more or others)", in->name, in->size);
}

static uvk_status decode_into(const uvk_encoded *in, WebPDecoderConfig *config, uvk_image *out, uvk_error *err)
{
    config->output.colorspace = MODE_RGB; /* alpha is dropped, as Pillow's convert("RGB") does */
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = out->rgb;
    config->output.u.RGBA.stride = out->width * 3;
    config->output.u.RGBA.size = (size_t)out->width * (size_t)out->height * 3;
    VP8StatusCode code = WebPDecode(in->bytes, in->size, config);
    WebPFreeDecBuffer(&config->output);
    return code == VP8_STATUS_OK ? UVK_OK : fail_decode(in, code, err);
}

uvk_status uvk_webp_decode(const uvk_encoded *in, uvk_image *out, uvk_error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return uvk_fail(err, UVK_FAILED, "%s: libwebp is older than this program was built for", in->name);
    errno = 0;
    VP8StatusCode code = WebPGetFeatures(in->bytes, in->size, &config.input);
    if (code != VP8_STATUS_OK)
        return fail_decode(in, code, err);
    if (config.input.has_animation)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: an animated WebP (expected a single image); extract one frame first", in->name);
    uvk_status status = uvk_image_reserve(in->name, (uint64_t)config.input.width, (uint64_t)config.input.height, out, err);
    return status == UVK_OK ? decode_into(in, &config, out, err) : status;
}
