#include "safetensors.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and are read as they are");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [UVK_F32] = {"F32", 4}, [UVK_F16] = {"F16", 2}, [UVK_BF16] = {"BF16", 2}, [UVK_F64] = {"F64", 8}, [UVK_I64] = {"I64", 8},
    [UVK_I32] = {"I32", 4}, [UVK_I16] = {"I16", 2}, [UVK_I8] = {"I8", 1},     [UVK_U8] = {"U8", 1},   [UVK_BOOL] = {"BOOL", 1},
};

const char *uvk_dtype_name(uvk_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t uvk_dtype_size(uvk_dtype dtype)
{
    return dtypes[dtype].size;
}

/* The bits of the float32 that equals a float16. Both ways are computed and one is taken, so that compilers vectorise it. */
static uint32_t widen_f16(uint32_t half)
{
    uint32_t exponent = half & 0x7c00, mantissa = half & 0x3ff;
    uint32_t rebias = exponent == 0x7c00 ? 224u << 23 : 112u << 23; /* infinity and NaN go to exponent 255 */
    uint32_t normal = ((half & 0x7fff) << 13) + rebias;
    float tiny = (float)mantissa * 0x1p-24f; /* zero and subnormal: exact */
    uint32_t subnormal;
    memcpy(&subnormal, &tiny, sizeof subnormal);
    return (exponent == 0 ? subnormal : normal) | (half & 0x8000) << 16;
}

/* Bits go through memcpy: the data may be unaligned, and a signalling NaN must not pass through a float register. */
static void f16_to_f32(const unsigned char *in, uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, in + 2 * i, sizeof half);
        uint32_t bits = widen_f16(half);
        memcpy(out + i, &bits, sizeof bits);
    }
}

static void bf16_to_f32(const unsigned char *in, uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, in + 2 * i, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, sizeof bits);
    }
}

void uvk_tensor_to_f32(const uvk_tensor_view *view, uint64_t first, uint64_t count, float *out)
{
    const unsigned char *in = (const unsigned char *)view->data + first * uvk_dtype_size(view->dtype);
    if (view->dtype == UVK_F16)
        f16_to_f32(in, count, out);
    else if (view->dtype == UVK_BF16)
        bf16_to_f32(in, count, out);
    else
        memcpy(out, in, count * sizeof *out);
}
