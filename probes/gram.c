/* Cosines between maps. Enlarging is linear, so that inner products of enlarged maps are those of the maps with a matrix between,
 * and that matrix is separable: (V^T V) x (H^T H) for V, H the enlargement's two sides. n maps of a million pixels cost what n maps
 * of n patches do. */
#include "bicubic.h"
#include "segment.h"

#include <math.h>
#include <stdlib.h>

/* square[n, n] = m^T m of m[rows, n]. */
static void normal_matrix(const double *m, int rows, int n, double *square)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int r = 0; r < rows; r++)
                sum += m[r * n + i] * m[r * n + j];
            square[i * n + j] = sum;
        }
}

/* out = vertical . map . horizontal, all on the grid; between is scratch of the map's size. */
static void sandwich(int rows, int cols, const double *vertical, const double *map, const double *horizontal, double *between, double *out)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            double sum = 0;
            for (int k = 0; k < cols; k++)
                sum += map[r * cols + k] * horizontal[k * cols + c];
            between[r * cols + c] = sum;
        }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            double sum = 0;
            for (int k = 0; k < rows; k++)
                sum += vertical[r * rows + k] * between[k * cols + c];
            out[r * cols + c] = sum;
        }
}

static void products(const double *left, const double *right, size_t n, size_t width, double *gram)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < width; k++)
                sum += left[i * width + k] * right[j * width + k];
            gram[i * n + j] = gram[j * n + i] = sum;
        }
}

static void enlarged_products(const uvk_segment_params *p, const uvk_enlargement *e, const double *maps, double *room, double *gram)
{
    size_t n = (size_t)p->rows * (size_t)p->cols;
    double *vertical = room, *horizontal = vertical + (size_t)p->rows * (size_t)p->rows, *between = horizontal + (size_t)p->cols * (size_t)p->cols;
    double *weighed = between + n;
    normal_matrix(e->vertical, p->height, p->rows, vertical);
    normal_matrix(e->horizontal, p->width, p->cols, horizontal);
    for (size_t i = 0; i < n; i++)
        sandwich(p->rows, p->cols, vertical, maps + i * n, horizontal, between, weighed + i * n);
    products(maps, weighed, n, n, gram);
}

uvk_status uvk_map_gram(const uvk_segment_params *p, const double *maps, double *gram, uvk_error *err)
{
    size_t rows = (size_t)p->rows, cols = (size_t)p->cols, n = rows * cols;
    if (p->at_grid) {
        products(maps, maps, n, n, gram);
        return UVK_OK;
    }
    uvk_enlargement e;
    uvk_status status = uvk_enlargement_create(p->rows, p->cols, p->height, p->width, &e, err);
    if (status)
        return status;
    size_t bytes = (rows * rows + cols * cols + n + n * n) * sizeof(double);
    double *room = malloc(bytes);
    if (room)
        enlarged_products(p, &e, maps, room, gram);
    else
        status = uvk_fail_memory(err, bytes, "cosines");
    free(room);
    uvk_enlargement_free(&e);
    return status;
}

void uvk_cosine_distances(const double *gram, int n, double *distances)
{
    size_t count = (size_t)n;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            double lengths = sqrt(gram[i * count + i] * gram[j * count + j]); /* of equal maps exactly the inner product */
            bool zeros = gram[i * count + i] == 0 && gram[j * count + j] == 0;
            distances[uvk_pair(count, i, j)] = lengths > 0 ? fmax(0, 1 - gram[i * count + j] / lengths) : zeros ? 0 : 1;
        }
}
