#include "preprocess.h"

#include <math.h>

/* ---- Sizes --------------------------------------------------------------------------------------------------------------- */

typedef struct size {
    int width, height;
} size;

/* The shorter side becomes shortest_edge; the longer one is cut to an integer, not rounded. */
static size scale_to_edge(int edge, size photo)
{
    int64_t w = photo.width, h = photo.height;
    if (w <= h)
        return (size){edge, (int)((double)(edge * h) / (double)w)};
    return (size){(int)((double)(edge * w) / (double)h), edge};
}

/* The same, but the longer side does not exceed limit. A side that would become what it is already leaves the photo alone. */
static size scale_to_edges(int edge, int limit, size photo)
{
    double w = photo.width, h = photo.height, shorter = fmin(w, h), longer = fmax(w, h), exact = edge;
    if (longer / shorter * edge > limit) {
        exact = limit * shorter / longer;
        edge = (int)rint(exact);
    }
    if ((h <= w && photo.height == edge) || (w <= h && photo.width == edge))
        return photo;
    if (w < h)
        return (size){edge, (int)(exact * h / w)};
    return (size){(int)(exact * w / h), edge};
}

static size resized(const uvk_preprocess *p, size photo)
{
    if (!p->resize)
        return photo;
    if (p->shortest_edge == 0)
        return (size){p->resize_width, p->resize_height};
    if (p->longest_edge == 0)
        return scale_to_edge(p->shortest_edge, photo);
    return scale_to_edges(p->shortest_edge, p->longest_edge, photo);
}

static size cropped(const uvk_preprocess *p, size image)
{
    return p->center_crop ? (size){p->crop_width, p->crop_height} : image;
}

void uvk_preprocess_size(const uvk_preprocess *p, int photo_width, int photo_height, int *width, int *height)
{
    size result = cropped(p, resized(p, (size){photo_width, photo_height}));
    *width = result.width;
    *height = result.height;
}

static int scaled(int side, double by)
{
    double result = ceil(side * by);
    return result < UVK_MAX_SIDE ? (int)result : UVK_MAX_SIDE;
}

void uvk_preprocess_resize(uvk_preprocess *p, int height, int width)
{
    double by_height = p->center_crop ? (double)height / p->crop_height : 1, by_width = p->center_crop ? (double)width / p->crop_width : 1;
    if (!p->center_crop || !p->resize) {
        p->resize = true;
        p->center_crop = false;
        p->shortest_edge = p->longest_edge = 0;
        p->resize_height = height;
        p->resize_width = width;
        return;
    }
    p->shortest_edge = scaled(p->shortest_edge, fmax(by_height, by_width));
    p->longest_edge = scaled(p->longest_edge, fmax(by_height, by_width));
    p->resize_height = scaled(p->resize_height, by_height);
    p->resize_width = scaled(p->resize_width, by_width);
    p->crop_height = height;
    p->crop_width = width;
}

bool uvk_preprocess_fixed_size(const uvk_preprocess *p, int *width, int *height)
{
    *width = p->center_crop ? p->crop_width : p->resize_width;
    *height = p->center_crop ? p->crop_height : p->resize_height;
    return p->center_crop || (p->resize && p->shortest_edge == 0);
}

/* ---- Pixels -------------------------------------------------------------------------------------------------------------- */

/* Every value that a byte can become. Rescaling is done in double and rounded to float32, normalising in float32. */
static void fill_table(const uvk_preprocess *p, int channel, float table[256])
{
    for (int i = 0; i < 256; i++) {
        float value = p->rescale ? (float)(i * p->rescale_factor) : (float)i;
        if (p->normalize) {
            value -= p->mean[channel];
            value /= p->std[channel];
        }
        table[i] = value;
    }
}

/* Half of the difference, downwards also when it is negative: then the image is smaller than the crop and gets a border. */
static int centre(int whole, int part)
{
    int difference = whole - part;
    return (difference - (difference < 0 && difference % 2 != 0)) / 2;
}

static void write_channel(const uvk_image *image, int channel, const float table[256], int left, int top, size out, float *pixels)
{
    for (int y = top; y < top + out.height; y++)
        for (int x = left; x < left + out.width; x++) {
            bool inside = x >= 0 && y >= 0 && x < image->width && y < image->height;
            *pixels++ = table[inside ? image->rgb[((size_t)y * (size_t)image->width + (size_t)x) * 3 + (size_t)channel] : 0];
        }
}

static void write_pixels(const uvk_preprocess *p, const uvk_image *image, const uvk_image *photo, float *pixels, uvk_geometry *geometry)
{
    size out = cropped(p, (size){image->width, image->height});
    int left = centre(image->width, out.width), top = centre(image->height, out.height);
    for (int channel = 0; channel < 3; channel++) {
        float table[256];
        fill_table(p, channel, table);
        write_channel(image, channel, table, left, top, out, pixels + (size_t)channel * (size_t)out.width * (size_t)out.height);
    }
    double scale_x = (double)photo->width / image->width, scale_y = (double)photo->height / image->height;
    *geometry = (uvk_geometry){scale_x, scale_y, left * scale_x, top * scale_y};
}

uvk_status uvk_preprocess_run(const uvk_preprocess *p, const uvk_image *photo, const char *name, float *pixels, uvk_geometry *geometry, uvk_error *err)
{
    size to = resized(p, (size){photo->width, photo->height});
    if (to.width == photo->width && to.height == photo->height) {
        write_pixels(p, photo, photo, pixels, geometry);
        return UVK_OK;
    }
    if (to.width < 1 || to.height < 1 || to.width > UVK_MAX_SIDE || to.height > UVK_MAX_SIDE || (int64_t)to.width * to.height > UVK_MAX_PIXELS)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be resized as the preprocessor asks (%d x %d would become %d x %d, expected 1 to %d a side and at most %d pixels)",
                        name, photo->width, photo->height, to.width, to.height, UVK_MAX_SIDE, UVK_MAX_PIXELS);
    uvk_image image = {0};
    uvk_status status = uvk_image_resize(photo, to.width, to.height, p->filter, &image, err);
    if (status == UVK_OK)
        write_pixels(p, &image, photo, pixels, geometry);
    uvk_image_free(&image);
    return status;
}
