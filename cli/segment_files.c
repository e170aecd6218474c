/* --out-dir: labels as the model's input lies, labels as the photo lies, and the photo with its segments over it. */
#include "segmented.h"

#include "heatmap.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

enum { OUTSIDE = 255 };

static uvk_status write_labels(const char *folder, const char *stem, const char *kind, const uvk_labels *labels, uvk_error *err)
{
    char *name = text_format("%s.%s.png", stem, kind), *path = text_join_path(folder, name);
    uvk_status status = uvk_labels_save_png(path, labels, err);
    free(path);
    free(name);
    return status;
}

/* Where the middle of a photo's pixel lies on an axis of the label image; -1 outside. */
static int place(int pixel, double scale, double offset, int model_size, int size)
{
    double at = floor((pixel + 0.5 - offset) / scale * size / model_size);
    return at >= 0 && at < size ? (int)at : -1;
}

static void label_photo(const job *j, const explained *r, const uvk_segmentation *s, uvk_labels *photo)
{
    for (int y = 0; y < photo->height; y++)
        for (int x = 0; x < photo->width; x++) {
            int row = place(y, r->info->scale_y, r->info->offset_y, j->info->image_height, s->height);
            int column = place(x, r->info->scale_x, r->info->offset_x, j->info->image_width, s->width);
            bool inside = row >= 0 && column >= 0;
            photo->values[(size_t)y * (size_t)photo->width + (size_t)x] = inside ? s->labels[(size_t)row * (size_t)s->width + (size_t)column] : OUTSIDE;
        }
}

/* Hues that stay apart however many there are: steps of the golden angle. */
static void color_of(int segment, uint8_t rgb[3])
{
    double hue = fmod(segment * 0.381966, 1) * 6, light = segment % 2 ? 1 : 0.8;
    for (int c = 0; c < 3; c++) {
        double distance = fabs(fmod(hue + 6 - 2 * c, 6) - 3); /* 3 at the colour itself, 0 opposite */
        double opposite = 3 - distance;
        rgb[c] = (uint8_t)(255 * light * fmin(fmax(2 - opposite, 0.1), 1));
    }
}

/* Segments tinted, their borders white; what the model does not see is dark. */
static void paint(uvk_image *canvas, const uvk_labels *labels)
{
    size_t width = (size_t)labels->width;
    for (int y = 0; y < labels->height; y++)
        for (int x = 0; x < labels->width; x++) {
            size_t k = (size_t)y * width + (size_t)x;
            uint8_t label = labels->values[k], color[3], *pixel = canvas->rgb + 3 * k;
            bool border = (x > 0 && labels->values[k - 1] != label) || (y > 0 && labels->values[k - width] != label);
            color_of(label, color);
            for (int c = 0; c < 3; c++)
                pixel[c] = border ? 255 : label == OUTSIDE ? pixel[c] / 4 : (uint8_t)((pixel[c] + color[c]) / 2);
        }
}

static uvk_status write_overlay(const char *folder, const char *stem, const backdrop *b, const uvk_labels *labels, uvk_error *err)
{
    uvk_image canvas;
    uvk_status status = image_copy(&b->photo, &canvas, err);
    if (status)
        return status;
    char *name = text_format("%s.overlay.png", stem), *path = text_join_path(folder, name);
    paint(&canvas, labels);
    status = uvk_image_save_png(path, &canvas, err);
    free(path);
    free(name);
    uvk_image_free(&canvas);
    return status;
}

uvk_status segment_files_write(const job *j, const explained *r, uvk_error *err)
{
    const uvk_segmentation *s = &r->segments->s;
    const char *folder = j->o->out_dir;
    backdrop b;
    uvk_status status = backdrop_open(j->info, r->input, &b, err);
    if (status)
        return status;
    char *stem = text_stem(r->path);
    uvk_labels labels = {s->width, s->height, s->labels}, photo = {b.photo.width, b.photo.height, NULL};
    photo.values = text_alloc((size_t)photo.width * (size_t)photo.height, 1);
    label_photo(j, r, s, &photo);
    status = write_labels(folder, stem, "labels", &labels, err);
    if (status == UVK_OK)
        status = write_labels(folder, stem, "original", &photo, err);
    if (status == UVK_OK)
        status = write_overlay(folder, stem, &b, &photo, err);
    free(photo.values);
    free(stem);
    backdrop_close(&b);
    return status;
}
