#include "heatmap.h"

#include "colormap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Under a map the photo is darkened and loses most of its colour, so that light and colour are the map's. */
static const double brightness = 0.6, colorfulness = 0.3, outside = 0.25, opacity = 0.85;

static uvk_status picture_of_pixels(const uvk_model_info *model, const float *pixels, uvk_image *out, uvk_error *err)
{
    size_t plane = (size_t)model->image_width * (size_t)model->image_height;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < 3 * plane; i++) {
        low = fminf(low, pixels[i]);
        high = fmaxf(high, pixels[i]);
    }
    *out = (uvk_image){.width = model->image_width, .height = model->image_height, .rgb = malloc(3 * plane)};
    if (!out->rgb)
        return uvk_fail_memory(err, 3 * plane, "a picture");
    float scale = high > low ? 255 / (high - low) : 0;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            out->rgb[3 * i + c] = (uint8_t)lrintf((pixels[c * plane + i] - low) * scale);
    return UVK_OK;
}

uvk_status backdrop_open(const uvk_model_info *model, const uvk_input *input, backdrop *out, uvk_error *err)
{
    const uvk_input_info *info = uvk_input_get_info(input);
    const uint8_t *photo = uvk_input_photo(input);
    double x = 0, y = 0, scale_x = 1, scale_y = 1;
    *out = (backdrop){.rows = model->grid_rows, .columns = model->grid_cols, .owned = !photo};
    if (photo) {
        out->photo = (uvk_image){.width = info->photo_width, .height = info->photo_height, .rgb = (uint8_t *)photo};
        x = info->offset_x;
        y = info->offset_y;
        scale_x = info->scale_x;
        scale_y = info->scale_y;
    }
    out->left = (int)lrint(x);
    out->top = (int)lrint(y);
    out->width = (int)fmax(1, rint(scale_x * model->patch * model->grid_cols));
    out->height = (int)fmax(1, rint(scale_y * model->patch * model->grid_rows));
    return photo ? UVK_OK : picture_of_pixels(model, uvk_input_pixels(input), &out->photo, err);
}

void backdrop_close(backdrop *b)
{
    if (b->owned)
        uvk_image_free(&b->photo);
}

uvk_status heatmap_grid(const float *scores, int rows, int columns, uvk_image *out, uvk_error *err)
{
    size_t n = (size_t)rows * (size_t)columns;
    float low = scores[0], high = scores[0];
    for (size_t i = 1; i < n; i++) {
        low = fminf(low, scores[i]);
        high = fmaxf(high, scores[i]);
    }
    *out = (uvk_image){.width = columns, .height = rows, .rgb = malloc(3 * n)};
    if (!out->rgb)
        return uvk_fail_memory(err, 3 * n, "a map");
    for (size_t i = 0; i < n; i++)
        memset(out->rgb + 3 * i, high > low ? (int)lrintf(255 * ((scores[i] - low) / (high - low))) : 0, 3);
    return UVK_OK;
}

static void darken(uint8_t *pixel, double factor)
{
    double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)(factor * (colorfulness * pixel[c] + (1 - colorfulness) * grey) + 0.5);
}

/* The root lets weak sources be seen; where nothing is, the photo is. */
static void blend(uint8_t *pixel, double value)
{
    uint8_t color[3];
    double weight = opacity * sqrt(value);
    colormap(value, color);
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)(pixel[c] * (1 - weight) + color[c] * weight + 0.5);
}

static void paint(uvk_image *canvas, const backdrop *b, const uvk_image *heat)
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            uint8_t *pixel = canvas->rgb + 3 * ((size_t)y * (size_t)canvas->width + (size_t)x);
            int column = x - b->left, row = y - b->top;
            bool inside = column >= 0 && row >= 0 && column < b->width && row < b->height;
            darken(pixel, inside ? brightness : outside);
            if (inside)
                blend(pixel, heat->rgb[3 * ((size_t)row * (size_t)b->width + (size_t)column)] / 255.0);
        }
}

static void put(uvk_image *canvas, int x, int y, uint8_t grey)
{
    if (x >= 0 && y >= 0 && x < canvas->width && y < canvas->height)
        memset(canvas->rgb + 3 * ((size_t)y * (size_t)canvas->width + (size_t)x), grey, 3);
}

static void frame(uvk_image *canvas, int x0, int y0, int x1, int y1, uint8_t grey)
{
    for (int x = x0; x <= x1; x++) {
        put(canvas, x, y0, grey);
        put(canvas, x, y1, grey);
    }
    for (int y = y0; y <= y1; y++) {
        put(canvas, x0, y, grey);
        put(canvas, x1, y, grey);
    }
}

/* White between two black lines: visible on any photo. Thicker on a large photo. */
static void outline(uvk_image *canvas, const backdrop *b, int target)
{
    int row = target / b->columns, column = target % b->columns;
    int x0 = b->left + column * b->width / b->columns, x1 = b->left + (column + 1) * b->width / b->columns - 1;
    int y0 = b->top + row * b->height / b->rows, y1 = b->top + (row + 1) * b->height / b->rows - 1;
    int thick = 1 + (canvas->width > canvas->height ? canvas->width : canvas->height) / 480;
    for (int i = -1; i <= thick; i++)
        frame(canvas, x0 - i, y0 - i, x1 + i, y1 + i, i < 0 || i == thick ? 0 : 255);
}

uvk_status image_copy(const uvk_image *in, uvk_image *out, uvk_error *err)
{
    size_t bytes = 3 * (size_t)in->width * (size_t)in->height;
    *out = (uvk_image){.width = in->width, .height = in->height, .rgb = malloc(bytes)};
    if (!out->rgb)
        return uvk_fail_memory(err, bytes, "a picture");
    memcpy(out->rgb, in->rgb, bytes);
    return UVK_OK;
}

uvk_status heatmap_write(const char *path, const backdrop *b, const float *scores, int target, uvk_error *err)
{
    uvk_image grid = {0}, heat = {0}, canvas = {0};
    uvk_status status = heatmap_grid(scores, b->rows, b->columns, &grid, err);
    if (status == UVK_OK)
        status = uvk_image_resize(&grid, b->width, b->height, UVK_BICUBIC, &heat, err);
    if (status == UVK_OK)
        status = image_copy(&b->photo, &canvas, err);
    if (status == UVK_OK) {
        paint(&canvas, b, &heat);
        if (target >= 0)
            outline(&canvas, b, target);
        status = uvk_image_save_png(path, &canvas, err);
    }
    uvk_image_free(&grid);
    uvk_image_free(&heat);
    uvk_image_free(&canvas);
    return status;
}
