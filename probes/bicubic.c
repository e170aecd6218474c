#include "bicubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys' kernel, |x| < 2. */
static double kernel(double x)
{
    const double a = -0.75;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Beyond the border the outermost patch repeats. */
void uvk_bicubic_weights(int from, int to, double *weights)
{
    memset(weights, 0, (size_t)from * (size_t)to * sizeof *weights);
    for (int pixel = 0; pixel < to; pixel++) {
        double place = (pixel + 0.5) * from / to - 0.5, base = floor(place);
        for (int tap = -1; tap <= 2; tap++) {
            int patch = (int)fmin(fmax(base + tap, 0), from - 1);
            weights[(size_t)pixel * (size_t)from + (size_t)patch] += kernel(place - base - tap);
        }
    }
}

uvk_status uvk_enlargement_create(int rows, int cols, int height, int width, uvk_enlargement *out, uvk_error *err)
{
    size_t r = (size_t)rows, c = (size_t)cols, h = (size_t)height, w = (size_t)width, count = h * r + w * c + r * w;
    *out = (uvk_enlargement){.rows = rows, .cols = cols, .height = height, .width = width, .vertical = malloc(count * sizeof(double))};
    if (!out->vertical)
        return uvk_fail_memory(err, count * sizeof(double), "an enlargement");
    out->horizontal = out->vertical + h * r;
    out->between = out->horizontal + w * c;
    uvk_bicubic_weights(rows, height, out->vertical);
    uvk_bicubic_weights(cols, width, out->horizontal);
    return UVK_OK;
}

void uvk_enlargement_free(uvk_enlargement *e)
{
    free(e->vertical);
    *e = (uvk_enlargement){0};
}

static void enlarge_rows(const uvk_enlargement *e, const double *map)
{
    size_t cols = (size_t)e->cols, width = (size_t)e->width;
    for (size_t r = 0; r < (size_t)e->rows; r++)
        for (size_t x = 0; x < width; x++) {
            double sum = 0;
            for (size_t c = 0; c < cols; c++)
                sum += e->horizontal[x * cols + c] * map[r * cols + c];
            e->between[r * width + x] = sum;
        }
}

void uvk_enlarge(const uvk_enlargement *e, const double *map, double *image)
{
    size_t rows = (size_t)e->rows, width = (size_t)e->width;
    enlarge_rows(e, map);
    memset(image, 0, (size_t)e->height * width * sizeof *image);
    for (size_t y = 0; y < (size_t)e->height; y++)
        for (size_t r = 0; r < rows; r++) {
            double weight = e->vertical[y * rows + r];
            for (size_t x = 0; weight != 0 && x < width; x++)
                image[y * width + x] += weight * e->between[r * width + x];
        }
}
