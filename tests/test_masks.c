/* What is done to segments beyond the exact method, against its definition: the guided filter window by window, the background cluster by cluster. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "background.h"
#include "guided.h"

enum { HEIGHT = 9, WIDTH = 12, PIXELS = HEIGHT * WIDTH };

static uint32_t seed;

static double uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) / 16777216.0;
}

/* ---- Guided filter ------------------------------------------------------------------------------------------------------ */

/* Ridge regression of the image on the colours of one window: slopes[0..2], and the offset, by elimination. */
static void fit_window(const float *guide, const double *image, int y0, int x0, int radius, double epsilon, double out[4])
{
    double m[3][4] = {{0}}, mean[4] = {0};
    int count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int y = y0 - radius; y <= y0 + radius; y++)
            for (int x = x0 - radius; x <= x0 + radius; x++) {
                if (y < 0 || x < 0 || y >= HEIGHT || x >= WIDTH)
                    continue;
                double v[4] = {guide[y * WIDTH + x], guide[PIXELS + y * WIDTH + x], guide[2 * PIXELS + y * WIDTH + x], image[y * WIDTH + x]};
                count += pass == 0;
                for (int a = 0; a < 4; a++)
                    mean[a] += pass == 0 ? v[a] : 0;
                for (int a = 0; a < 3 && pass == 1; a++)
                    for (int b = 0; b < 4; b++)
                        m[a][b] += (v[a] - mean[a] / count) * (v[b] - mean[b] / count) / count;
            }
    for (int a = 0; a < 3; a++)
        m[a][a] += epsilon;
    for (int a = 0; a < 3; a++)
        for (int r = 0; r < 3; r++) {
            double factor = r == a ? 0 : m[r][a] / m[a][a];
            for (int b = 0; b < 4 && r != a; b++)
                m[r][b] -= factor * m[a][b];
        }
    out[3] = mean[3] / count;
    for (int a = 0; a < 3; a++) {
        out[a] = m[a][3] / m[a][a];
        out[3] -= out[a] * mean[a] / count;
    }
}

static void draw(float *guide, double *image, bool flat)
{
    for (int i = 0; i < 3 * PIXELS; i++)
        guide[i] = flat ? 0.25f : (float)uniform();
    for (int i = 0; i < PIXELS; i++)
        image[i] = uniform();
}

static void expect_defined(bool flat, int radius, double epsilon)
{
    float guide[3 * PIXELS];
    double image[PIXELS], filtered[PIXELS];
    uvk_guide g;
    draw(guide, image, flat);
    for (int i = 0; i < PIXELS; i++)
        filtered[i] = image[i];
    assert_int_equal(uvk_guide_create(guide, HEIGHT, WIDTH, radius, epsilon, &g, NULL), UVK_OK);
    uvk_guide_filter(&g, filtered);
    uvk_guide_free(&g);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double sum[4] = {0}, fit[4];
            int count = 0;
            for (int v = y - radius; v <= y + radius; v++)
                for (int u = x - radius; u <= x + radius; u++) {
                    if (v < 0 || u < 0 || v >= HEIGHT || u >= WIDTH)
                        continue;
                    fit_window(guide, image, v, u, radius, epsilon, fit);
                    for (int a = 0; a < 4; a++)
                        sum[a] += fit[a];
                    count++;
                }
            double expected = sum[3];
            for (int a = 0; a < 3; a++)
                expected += sum[a] * guide[a * PIXELS + y * WIDTH + x];
            assert_true(fabs(filtered[y * WIDTH + x] - expected / count) < 1e-8);
        }
}

static void filter_is_the_mean_of_the_fits_of_all_windows(void **state)
{
    (void)state;
    seed = 5;
    expect_defined(false, 2, 1e-2);
    expect_defined(false, 1, 1e-4);
    expect_defined(false, 20, 1e-3); /* every window is the whole image */
    expect_defined(true, 2, 1e-4);   /* without edges: the mean of means */
}

/* A step in the guide, and an image whose step lies two pixels beside it: it moves to the guide's. */
static void a_mask_moves_to_the_edge(void **state)
{
    float guide[3 * PIXELS];
    double image[PIXELS];
    uvk_guide g;
    (void)state;
    for (int i = 0; i < PIXELS; i++) {
        guide[i] = guide[PIXELS + i] = guide[2 * PIXELS + i] = i % WIDTH < 6 ? 0.2f : 0.8f;
        image[i] = i % WIDTH < 8;
    }
    assert_int_equal(uvk_guide_create(guide, HEIGHT, WIDTH, 4, 1e-4, &g, NULL), UVK_OK);
    uvk_guide_filter(&g, image);
    uvk_guide_free(&g);
    for (int y = 0; y < HEIGHT; y++)
        assert_true(image[y * WIDTH + 5] > image[y * WIDTH + 6] + 0.3 && image[y * WIDTH + 6] < 0.6);
}

/* ---- Background ----------------------------------------------------------------------------------------------------------- */

static void expect_labels(int most, const int *before, int clusters, const int *after, int rows, int cols)
{
    int labels[64];
    for (int i = 0; i < rows * cols; i++)
        labels[i] = before[i];
    assert_int_equal(uvk_join_background(rows, cols, most, labels, &clusters, NULL), UVK_OK);
    int highest = 0;
    for (int i = 0; i < rows * cols; i++) {
        assert_int_equal(labels[i], after[i]);
        highest = after[i] > highest ? after[i] : highest;
    }
    assert_int_equal(clusters, highest + 1);
}

static void what_lies_at_the_border_or_is_small_is_background(void **state)
{
    /* 0 and 4 lie at the border; 1 has four patches inside; 2 three, none at the border; 3 one. */
    static const int before[36] = {0, 0, 0, 0, 0, 0,
                                   0, 1, 1, 0, 2, 0,
                                   0, 1, 1, 0, 2, 0,
                                   0, 0, 3, 0, 2, 0,
                                   0, 0, 0, 0, 4, 0,
                                   0, 0, 0, 0, 4, 0};
    static const int all[36] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 0, 0, 1, 1, 0, 2, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const int two[36] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const int none[36] = {0};
    (void)state;
    expect_labels(9, before, 5, all, 6, 6);
    expect_labels(2, before, 5, two, 6, 6);
    expect_labels(0, before, 5, none, 6, 6);
}

static void what_stays_is_numbered_by_its_lowest_patch(void **state)
{
    /* Cluster 0 is one patch at the border and five inside; the background begins behind it. */
    static const int before[25] = {1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1};
    static const int first[25] = {0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0};
    static const int border[2] = {0, 1}, joined[2] = {0, 0}; /* of one row, every patch is at the border */
    (void)state;
    expect_labels(2, before, 3, first, 5, 5);
    expect_labels(2, border, 2, joined, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_is_the_mean_of_the_fits_of_all_windows),
        cmocka_unit_test(a_mask_moves_to_the_edge),
        cmocka_unit_test(what_lies_at_the_border_or_is_small_is_background),
        cmocka_unit_test(what_stays_is_numbered_by_its_lowest_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
