/* Resizing as Pillow 13 does it, equal to the bit: two passes, one along rows and one along columns, each rounded to 8 bits;
 * weights in fixed point. */
#include "image.h"

#include "image_codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Filters ------------------------------------------------------------------------------------------------------------- */

static const double pi = 3.14159265358979323846;

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0)
        return 1;
    if (x >= 1)
        return 0;
    x *= pi;
    return sin(x) / x * (0.54f + 0.46f * cos(x)); /* rounded to float, as Pillow's constants are */
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
    if (x == 0)
        return 1;
    x *= pi;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/* support: the filter is zero beyond that distance from its centre. */
static const struct {
    double (*value)(double x);
    double support;
} filters[] = {
    [UVK_LANCZOS] = {lanczos, 3}, [UVK_BILINEAR] = {bilinear, 1}, [UVK_BICUBIC] = {bicubic, 2}, [UVK_BOX] = {box, 0.5}, [UVK_HAMMING] = {hamming, 1},
};

/* ---- Weights: which inputs, and how much of each, make one output ---------------------------------------------------------- */

/* 8 bits for the pixel and 2 for sums that overshoot leave 22 of 32. */
enum { FRACTION_BITS = 32 - 8 - 2 };

typedef struct taps {
    int *first, *count; /* of each output: the inputs first..first+count-1 */
    int32_t *weights;   /* width of them per output */
    int width;
} taps;

static void free_taps(taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weights);
}

static int32_t to_fixed(double weight)
{
    double scaled = weight * (1 << FRACTION_BITS);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* scratch holds t->width values. When shrinking, the filter is stretched over all the inputs that fall into one output. */
static void fill_taps(taps *t, int in, int out, uvk_filter filter, double *scratch)
{
    double scale = (double)in / out, stretch = scale < 1 ? 1 : scale;
    double support = filters[filter].support * stretch, shrink = 1 / stretch;
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
        first = first < 0 ? 0 : first;
        end = end > in ? in : end;
        for (int k = 0; k < end - first; k++) {
            scratch[k] = filters[filter].value((k + first - centre + 0.5) * shrink);
            sum += scratch[k];
        }
        for (int k = 0; k < end - first; k++)
            t->weights[(size_t)i * (size_t)t->width + (size_t)k] = to_fixed(sum != 0 ? scratch[k] / sum : scratch[k]);
        t->first[i] = first;
        t->count[i] = end - first;
    }
}

static uvk_status make_taps(int in, int out, uvk_filter filter, taps *t, uvk_error *err)
{
    double scale = (double)in / out;
    t->width = (int)ceil(filters[filter].support * (scale < 1 ? 1 : scale)) * 2 + 1;
    size_t n = (size_t)out, values = n * (size_t)t->width;
    double *scratch = malloc((size_t)t->width * sizeof *scratch);
    t->first = malloc(n * sizeof *t->first);
    t->count = malloc(n * sizeof *t->count);
    t->weights = malloc(values * sizeof *t->weights);
    bool ok = scratch && t->first && t->count && t->weights;
    if (ok)
        fill_taps(t, in, out, filter, scratch);
    free(scratch);
    return ok ? UVK_OK : uvk_fail_memory(err, values * sizeof *t->weights, "resizing an image");
}

/* ---- The two passes ---------------------------------------------------------------------------------------------------------- */

/* The weights of one output add up to 1, and their absolute values to less than 2: a sum fits 32 bits. */
static uint8_t to_pixel(int32_t sum)
{
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static const int32_t half = 1 << (FRACTION_BITS - 1);

static void resize_row(const uint8_t *in, const taps *t, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++, out += 3) {
        const uint8_t *pixel = in + (size_t)t->first[x] * 3;
        const int32_t *weight = t->weights + (size_t)x * (size_t)t->width;
        int32_t r = half, g = half, b = half;
        for (int k = 0; k < t->count[x]; k++, pixel += 3) {
            r += pixel[0] * weight[k];
            g += pixel[1] * weight[k];
            b += pixel[2] * weight[k];
        }
        out[0] = to_pixel(r);
        out[1] = to_pixel(g);
        out[2] = to_pixel(b);
    }
}

static uvk_status resize_rows(const uvk_image *in, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    taps t = {0};
    uvk_status status = make_taps(in->width, out->width, filter, &t, err);
    for (int y = 0; status == UVK_OK && y < in->height; y++)
        resize_row(in->rgb + (size_t)y * (size_t)in->width * 3, &t, out->width, out->rgb + (size_t)y * (size_t)out->width * 3);
    free_taps(&t);
    return status;
}

/* Whole rows are added up, which reads memory in order. */
static void blend_rows(const uint8_t *rows, size_t stride, const int32_t *weights, int count, int32_t *sums, uint8_t *out)
{
    for (size_t i = 0; i < stride; i++)
        sums[i] = half;
    for (int k = 0; k < count; k++, rows += stride)
        for (size_t i = 0; i < stride; i++)
            sums[i] += rows[i] * weights[k];
    for (size_t i = 0; i < stride; i++)
        out[i] = to_pixel(sums[i]);
}

static uvk_status resize_columns(const uvk_image *in, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    taps t = {0};
    size_t stride = (size_t)in->width * 3;
    int32_t *sums = malloc(stride * sizeof *sums);
    uvk_status status = sums ? make_taps(in->height, out->height, filter, &t, err) : uvk_fail_memory(err, stride * sizeof *sums, "resizing an image");
    for (int y = 0; status == UVK_OK && y < out->height; y++)
        blend_rows(in->rgb + (size_t)t.first[y] * stride, stride, t.weights + (size_t)y * (size_t)t.width, t.count[y], sums,
                   out->rgb + (size_t)y * stride);
    free(sums);
    free_taps(&t);
    return status;
}

/* One pass: across rows to a new width, or across columns to a new height. */
static uvk_status resize_once(const uvk_image *in, int width, int height, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    uvk_status status = uvk_image_reserve("a resized image", (uint64_t)width, (uint64_t)height, out, err);
    if (status != UVK_OK)
        return status;
    return width != in->width ? resize_rows(in, filter, out, err) : resize_columns(in, filter, out, err);
}

/* Which pass comes first shows in the last bits, as the picture between them is rounded. Pillow 13 begins with the height
 * when that takes away more than twice as many lines as the width loses; older versions always begin with the width. */
static bool height_first(const uvk_image *in, int width, int height)
{
    return height < in->height && 2 * (in->width - width) < in->height - height;
}

/* A pass that changes nothing is left out. */
static uvk_status resize_filtered(const uvk_image *in, int width, int height, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    if (width == in->width || height == in->height)
        return resize_once(in, width, height, filter, out, err);
    bool columns = height_first(in, width, height);
    uvk_image between = {0};
    uvk_status status = resize_once(in, columns ? in->width : width, columns ? height : in->height, filter, &between, err);
    if (status == UVK_OK)
        status = resize_once(&between, width, height, filter, out, err);
    uvk_image_free(&between);
    return status;
}

/* ---- Nearest ------------------------------------------------------------------------------------------------------------------- */

/* The centre of each output, found by adding up steps as Pillow does, so that ties fall on the same side. */
static void fill_nearest(int in, int out, int *source)
{
    double step = (double)in / out, at = step * 0.5;
    for (int i = 0; i < out; i++, at += step)
        source[i] = at < in ? (int)at : in - 1;
}

static uvk_status resize_nearest(const uvk_image *in, int width, int height, uvk_image *out, uvk_error *err)
{
    uvk_status status = uvk_image_reserve("a resized image", (uint64_t)width, (uint64_t)height, out, err);
    if (status != UVK_OK)
        return status;
    int *columns = malloc(((size_t)width + (size_t)height) * sizeof *columns);
    if (!columns)
        return uvk_fail_memory(err, ((size_t)width + (size_t)height) * sizeof *columns, "resizing an image");
    int *rows = columns + width;
    fill_nearest(in->width, width, columns);
    fill_nearest(in->height, height, rows);
    uint8_t *to = out->rgb;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += 3)
            memcpy(to, in->rgb + ((size_t)rows[y] * (size_t)in->width + (size_t)columns[x]) * 3, 3);
    free(columns);
    return UVK_OK;
}

/* ---- All ------------------------------------------------------------------------------------------------------------------------- */

static uvk_status copy_image(const uvk_image *in, uvk_image *out, uvk_error *err)
{
    uvk_status status = uvk_image_reserve("a resized image", (uint64_t)in->width, (uint64_t)in->height, out, err);
    if (status == UVK_OK)
        memcpy(out->rgb, in->rgb, (size_t)in->width * (size_t)in->height * 3);
    return status;
}

static uvk_status resize_any(const uvk_image *in, int width, int height, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    if (width == in->width && height == in->height)
        return copy_image(in, out, err);
    if (filter == UVK_NEAREST)
        return resize_nearest(in, width, height, out, err);
    return resize_filtered(in, width, height, filter, out, err);
}

uvk_status uvk_image_resize(const uvk_image *in, int width, int height, uvk_filter filter, uvk_image *out, uvk_error *err)
{
    if (width < 1 || height < 1 || width > UVK_MAX_SIDE || height > UVK_MAX_SIDE || (int64_t)width * height > UVK_MAX_PIXELS)
        return uvk_fail(err, UVK_USAGE, "an image cannot be resized to %d x %d (expected 1 to %d a side and at most %d pixels)", width, height,
                        UVK_MAX_SIDE, UVK_MAX_PIXELS);
    uvk_image image = {0};
    uvk_status status = resize_any(in, width, height, filter, &image, err);
    if (status == UVK_OK)
        *out = image;
    else
        uvk_image_free(&image);
    return status;
}
