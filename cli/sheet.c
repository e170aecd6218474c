/* The contact sheet: left the photo as the model sees it, right one small map for every patch, laid out as the patches are. */
#include "heatmap.h"

#include "colormap.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 2, MARGIN = 16, WANTED = 896, GROUND = 56, DIM = 3 };

typedef struct sheet {
    const backdrop *b;
    int scale;              /* pixels a patch of a small map takes */
    int tile_width, tile_height, panel_width, panel_height;
    uvk_image canvas, view; /* view: what the model sees, in the panel's size */
} sheet;

static uint8_t *pixel_at(const uvk_image *image, int x, int y)
{
    return image->rgb + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

static void measure(sheet *s)
{
    const backdrop *b = s->b;
    int side = b->columns > b->rows ? b->columns : b->rows;
    int scale = (WANTED + side * side - 1) / (side * side);
    s->scale = scale < 1 ? 1 : scale > 8 ? 8 : scale;
    s->tile_width = s->scale * b->columns;
    s->tile_height = s->scale * b->rows;
    s->panel_width = b->columns * (s->tile_width + GAP) - GAP;
    s->panel_height = b->rows * (s->tile_height + GAP) - GAP;
}

/* The part of the photo under the grid, black where the grid sticks out. */
static uvk_status crop(const backdrop *b, uvk_image *out, uvk_error *err)
{
    size_t bytes = 3 * (size_t)b->width * (size_t)b->height;
    *out = (uvk_image){.width = b->width, .height = b->height, .rgb = calloc(1, bytes)};
    if (!out->rgb)
        return uvk_fail_memory(err, bytes, "a picture");
    int from = b->left < 0 ? -b->left : 0, to = b->photo.width - b->left < b->width ? b->photo.width - b->left : b->width;
    for (int y = 0; y < b->height && from < to; y++)
        if (y + b->top >= 0 && y + b->top < b->photo.height)
            memcpy(pixel_at(out, from, y), pixel_at(&b->photo, from + b->left, y + b->top), 3 * (size_t)(to - from));
    return UVK_OK;
}

static uvk_status make_canvas(sheet *s, uvk_error *err)
{
    int width = 3 * MARGIN + 2 * s->panel_width, height = 2 * MARGIN + s->panel_height;
    size_t bytes = 3 * (size_t)width * (size_t)height;
    s->canvas = (uvk_image){.width = width, .height = height, .rgb = malloc(bytes)};
    if (!s->canvas.rgb)
        return uvk_fail_memory(err, bytes, "a picture");
    memset(s->canvas.rgb, GROUND, bytes);
    return UVK_OK;
}

static void paint_view(sheet *s)
{
    for (int y = 0; y < s->panel_height; y++)
        memcpy(pixel_at(&s->canvas, MARGIN, MARGIN + y), pixel_at(&s->view, 0, y), 3 * (size_t)s->panel_width);
}

/* Without a map the tile shows the photo, darkened: no map is not an empty map. */
static void paint_tile(sheet *s, int left, int top, const uvk_image *heat)
{
    for (int y = 0; y < s->tile_height; y++)
        for (int x = 0; x < s->tile_width; x++) {
            uint8_t *pixel = pixel_at(&s->canvas, 2 * MARGIN + s->panel_width + left + x, MARGIN + top + y);
            if (heat)
                colormap(*pixel_at(heat, x, y) / 255.0, pixel);
            else
                for (int c = 0; c < 3; c++)
                    pixel[c] = pixel_at(&s->view, left + x, top + y)[c] / DIM;
        }
}

static uvk_status paint_map(sheet *s, int place, const float *scores, uvk_error *err)
{
    const backdrop *b = s->b;
    int left = place % b->columns * (s->tile_width + GAP), top = place / b->columns * (s->tile_height + GAP);
    uvk_image grid = {0}, heat = {0};
    uvk_status status = scores ? heatmap_grid(scores, b->rows, b->columns, &grid, err) : UVK_OK;
    if (status == UVK_OK && scores)
        status = uvk_image_resize(&grid, s->tile_width, s->tile_height, UVK_BICUBIC, &heat, err);
    if (status == UVK_OK)
        paint_tile(s, left, top, scores ? &heat : NULL);
    uvk_image_free(&grid);
    uvk_image_free(&heat);
    return status;
}

uvk_status sheet_write(const char *path, const backdrop *b, const float *const *maps, uvk_error *err)
{
    sheet s = {.b = b};
    uvk_image seen = {0};
    measure(&s);
    uvk_status status = crop(b, &seen, err);
    if (status == UVK_OK)
        status = uvk_image_resize(&seen, s.panel_width, s.panel_height, UVK_BICUBIC, &s.view, err);
    if (status == UVK_OK)
        status = make_canvas(&s, err);
    if (status == UVK_OK)
        paint_view(&s);
    for (int place = 0; place < b->rows * b->columns && status == UVK_OK; place++)
        status = paint_map(&s, place, maps[place], err);
    if (status == UVK_OK)
        status = uvk_image_save_png(path, &s.canvas, err);
    uvk_image_free(&seen);
    uvk_image_free(&s.view);
    uvk_image_free(&s.canvas);
    return status;
}
