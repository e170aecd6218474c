/* Clustering, cuts, silhouettes, matchings and label images against their definitions, by brute force on random cases; and the edges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bicubic.h"
#include "matching.h"
#include "segment.h"

enum { MOST = 36, PAIRS = MOST * (MOST - 1) / 2 };

static uint32_t seed;

static double uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) / 16777216.0;
}

static void near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-11 * (1 + fabs(b)));
}

static double pair(const double *d, int n, int i, int j)
{
    return i == j ? 0 : d[uvk_pair((size_t)n, (size_t)(i < j ? i : j), (size_t)(i < j ? j : i))];
}

/* Distances without equal ones but by chance, or, coarse, with many. */
static int draw_distances(uint32_t number, double *d)
{
    seed = number * 2654435761u + 1;
    int n = 2 + (int)(uniform() * (MOST - 2));
    for (int k = 0; k < n * (n - 1) / 2; k++)
        d[k] = number % 4 == 3 ? floor(uniform() * 4) / 4 : uniform();
    return n;
}

/* ---- Linkage and cuts --------------------------------------------------------------------------------------------------- */

/* The mean of all distances between the members of two clusters: average linkage as it is defined. */
static double between(const double *d, int n, const int *labels, int a, int b)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (labels[i] == a && labels[j] == b) {
                sum += pair(d, n, i, j);
                count++;
            }
    return sum / count;
}

/* Merges the nearest two of all clusters, n - 1 times; the heights only, in their order. */
static void merge_naively(const double *d, int n, double *heights)
{
    int labels[MOST];
    for (int i = 0; i < n; i++)
        labels[i] = i;
    for (int step = 0; step < n - 1; step++) {
        int best_a = -1, best_b = -1;
        double best = INFINITY;
        for (int a = 0; a < n; a++)
            for (int b = a + 1; b < n; b++)
                if (labels[a] == a && labels[b] == b && between(d, n, labels, a, b) < best) {
                    best = between(d, n, labels, a, b);
                    best_a = a;
                    best_b = b;
                }
        heights[step] = best;
        for (int i = 0; i < n; i++)
            labels[i] = labels[i] == best_b ? best_a : labels[i];
    }
}

static void merge(const double *d, int n, uvk_merge *steps)
{
    double copy[PAIRS];
    memcpy(copy, d, (size_t)(n * (n - 1) / 2) * sizeof *copy);
    assert_int_equal(uvk_linkage_average(copy, n, steps, NULL), UVK_OK);
}

/* The items of a cluster. */
static void collect(const uvk_merge *steps, int n, int cluster, bool *members)
{
    if (cluster < n) {
        members[cluster] = true;
        return;
    }
    collect(steps, n, steps[cluster - n].a, members);
    collect(steps, n, steps[cluster - n].b, members);
}

static void heights_are_those_of_merging_naively(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 60; number++) {
        double d[PAIRS], heights[MOST];
        uvk_merge steps[MOST];
        if (number % 4 == 3) /* of equal distances either may be merged first, to other heights later */
            continue;
        int n = draw_distances(number, d);
        merge(d, n, steps);
        merge_naively(d, n, heights);
        for (int k = 0; k < n - 1; k++)
            near(steps[k].height, heights[k]);
    }
}

static void each_step_joins_two_clusters_at_their_mean_distance(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 100; number++) {
        double d[PAIRS];
        uvk_merge steps[MOST];
        int n = draw_distances(number, d);
        merge(d, n, steps);
        for (int k = 0; k < n - 1; k++) {
            bool a[MOST] = {false}, b[MOST] = {false};
            int labels[MOST], size = 0;
            assert_true(steps[k].a < steps[k].b && steps[k].b < n + k && (k == 0 || steps[k].height >= steps[k - 1].height));
            collect(steps, n, steps[k].a, a);
            collect(steps, n, steps[k].b, b);
            for (int i = 0; i < n; i++) {
                assert_false(a[i] && b[i]);
                labels[i] = a[i] ? 0 : b[i] ? 1 : 2;
                size += a[i] || b[i];
            }
            assert_int_equal(steps[k].size, size);
            near(steps[k].height, between(d, n, labels, 0, 1));
        }
        assert_int_equal(steps[n - 2].size, n);
    }
}

/* The height at which two items come together. */
static double cophenetic(const uvk_merge *steps, int n, int i, int j)
{
    for (int k = 0; k < n - 1; k++) {
        bool members[MOST] = {false};
        collect(steps, n, n + k, members);
        if (members[i] && members[j])
            return steps[k].height;
    }
    return INFINITY;
}

static void expect_numbered_by_lowest_item(const int *labels, int n, int clusters)
{
    int next = 0;
    for (int i = 0; i < n; i++) {
        assert_true(labels[i] >= 0 && labels[i] <= next);
        next += labels[i] == next;
    }
    assert_int_equal(next, clusters);
}

static void cuts_are_their_definitions(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 40; number++) {
        double d[PAIRS];
        uvk_merge steps[MOST];
        int labels[MOST], before = MOST + 1, n = draw_distances(number, d);
        merge(d, n, steps);
        for (double zeta = 0; zeta <= 1; zeta += 0.125) {
            int clusters = uvk_cut_at(steps, n, zeta, labels);
            assert_true(clusters <= before);
            before = clusters;
            expect_numbered_by_lowest_item(labels, n, clusters);
            for (int i = 0; i < n; i++)
                for (int j = 0; j < i; j++)
                    assert_int_equal(labels[i] == labels[j], cophenetic(steps, n, i, j) <= zeta);
        }
        for (int most = 1; most <= n + 3; most++) {
            int clusters = uvk_cut_into(steps, n, most, labels), other[MOST];
            expect_numbered_by_lowest_item(labels, n, clusters);
            assert_true(clusters <= most);
            if (most >= n) {
                assert_int_equal(clusters, n);
                continue;
            }
            /* the lowest height that leaves no more than so many: one step below there are more */
            double height = steps[n - clusters - 1].height;
            assert_int_equal(uvk_cut_at(steps, n, height, other), clusters);
            assert_memory_equal(labels, other, (size_t)n * sizeof *labels);
            assert_true(uvk_cut_at(steps, n, nextafter(height, -1), other) > most);
        }
    }
}

static double silhouette_of(const double *d, int n, const int *labels, int clusters, int i)
{
    double mean[MOST];
    int sizes[MOST] = {0};
    double a = 0, b = INFINITY;
    for (int c = 0; c < clusters; c++) {
        double sum = 0;
        for (int j = 0; j < n; j++)
            if (labels[j] == c && j != i) {
                sum += pair(d, n, i, j);
                sizes[c]++;
            }
        mean[c] = sizes[c] ? sum / sizes[c] : 0;
        if (c == labels[i])
            a = mean[c];
        else
            b = mean[c] < b ? mean[c] : b;
    }
    return sizes[labels[i]] == 0 || (a == 0 && b == 0) ? 0 : (b - a) / (a > b ? a : b);
}

static void silhouettes_are_their_definition(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 60; number++) {
        double d[PAIRS], room[2 * MOST], sum = 0;
        uvk_merge steps[MOST];
        int labels[MOST], n = draw_distances(number, d);
        merge(d, n, steps);
        int clusters = uvk_cut_into(steps, n, 2 + (int)(uniform() * 5), labels);
        if (clusters < 2)
            continue;
        for (int i = 0; i < n; i++)
            sum += silhouette_of(d, n, labels, clusters, i);
        near(uvk_silhouette(d, n, labels, clusters, room), sum / n);
    }
}

/* ---- Enlargement ---------------------------------------------------------------------------------------------------------- */

static void inner_products_are_those_of_enlarged_maps(void **state)
{
    (void)state;
    enum { ROWS = 3, COLS = 4, N = ROWS * COLS, HEIGHT = 17, WIDTH = 23 };
    double maps[N * N], gram[N * N], images[N][HEIGHT * WIDTH];
    uvk_enlargement e;
    seed = 3;
    for (int i = 0; i < N * N; i++)
        maps[i] = uniform();
    assert_int_equal(uvk_enlargement_create(ROWS, COLS, HEIGHT, WIDTH, &e, NULL), UVK_OK);
    for (int i = 0; i < N; i++)
        uvk_enlarge(&e, maps + i * N, images[i]);
    uvk_enlargement_free(&e);
    for (int at_grid = 0; at_grid < 2; at_grid++) {
        uvk_segment_params params = {.rows = ROWS, .cols = COLS, .height = HEIGHT, .width = WIDTH, .at_grid = at_grid};
        assert_int_equal(uvk_map_gram(&params, maps, gram, NULL), UVK_OK);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < (at_grid ? N : HEIGHT * WIDTH); k++)
                    sum += at_grid ? maps[i * N + k] * maps[j * N + k] : images[i][k] * images[j][k];
                near(gram[i * N + j], sum);
            }
    }
}

/* As torch.nn.functional.interpolate([0, 1, 4], size=6, mode="bicubic") has it. */
static void enlargement_is_pytorchs(void **state)
{
    static const double map[3] = {0, 1, 4}, expected[6] = {-0.10546875, 0.12109375, 0.45703125, 1.78515625, 3.35546875, 4.31640625};
    double weights[18], same[9];
    (void)state;
    uvk_bicubic_weights(3, 6, weights);
    for (int pixel = 0; pixel < 6; pixel++) {
        double value = 0, sum = 0;
        for (int k = 0; k < 3; k++) {
            value += weights[pixel * 3 + k] * map[k];
            sum += weights[pixel * 3 + k];
        }
        near(sum, 1);
        near(value, expected[pixel]);
    }
    uvk_bicubic_weights(3, 3, same);
    for (int k = 0; k < 9; k++)
        near(same[k], k % 4 == 0);
}

/* ---- Matching -------------------------------------------------------------------------------------------------------------- */

/* The largest sum of gains over all ways to give rows[r..] different columns, or none. */
static int64_t best_gain(const int64_t *gains, int rows, int cols, int r, unsigned taken)
{
    if (r == rows)
        return 0;
    int64_t best = best_gain(gains, rows, cols, r + 1, taken);
    for (int c = 0; c < cols; c++)
        if (!(taken >> c & 1)) {
            int64_t gain = gains[r * cols + c] + best_gain(gains, rows, cols, r + 1, taken | 1u << c);
            best = gain > best ? gain : best;
        }
    return best;
}

static void matchings_are_the_best_there_are(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 400; number++) {
        int64_t gains[36], sum = 0;
        int match[6], taken = 0, matched = 0;
        seed = number * 2654435761u + 1;
        int rows = 1 + (int)(uniform() * 6), cols = (int)(uniform() * 6.999);
        for (int k = 0; k < rows * cols; k++)
            gains[k] = (int64_t)(uniform() * (number % 3 ? 1000 : 4));
        assert_int_equal(uvk_match_best(gains, rows, cols, match, NULL), UVK_OK);
        for (int r = 0; r < rows; r++) {
            if (match[r] < 0)
                continue;
            assert_true(match[r] < cols && !(taken >> match[r] & 1));
            taken |= 1 << match[r];
            sum += gains[r * cols + match[r]];
            matched++;
        }
        assert_int_equal(matched, rows < cols ? rows : cols);
        assert_int_equal(sum, best_gain(gains, rows, cols, 0, 0));
    }
}

static void scores_count_pixels(void **state)
{
    /* Segment 0 covers class 7 but for one pixel, segment 1 class 2 and that pixel; nobody has class 9; 255 counts nowhere. */
    static const uint8_t labels[12] = {0, 0, 0, 1, 1, 1, 1, 2, 0, 1, 2, 0}, mask[12] = {7, 7, 7, 7, 2, 2, 2, 255, 255, 255, 255, 9};
    (void)state;
    uvk_match *m = malloc(sizeof *m);
    uvk_pooled *pooled = calloc(1, sizeof *pooled);
    assert_true(m && pooled);
    assert_int_equal(uvk_match_mask(labels, 3, mask, 12, m, NULL), UVK_OK);
    assert_int_equal(m->counted, 8);
    near(m->accuracy, 6 / 8.0);
    near(m->miou, (3 / 5.0 + 3 / 4.0 + 0) / 3);
    assert_int_equal(m->classes[0], 7);
    assert_int_equal(m->classes[1], 2);
    assert_int_equal(m->classes[2], -1);
    near(m->ious[2], 0);
    uvk_pool_match(pooled, m);
    uvk_pool_match(pooled, m);
    near(uvk_pooled_miou(pooled), m->miou);
    assert_int_equal(pooled->counted, 16);
    memset((uint8_t *)m, 0, sizeof *m);
    assert_int_equal(uvk_match_mask(labels, 3, (const uint8_t[12]){255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 12, m, NULL), UVK_OK);
    assert_true(isnan(m->accuracy) && isnan(m->miou) && m->classes[0] == -1);
    free(m);
    free(pooled);
}

/* ---- Segmentation ----------------------------------------------------------------------------------------------------------- */

static const uvk_segment_params four = {.rows = 2, .cols = 2, .height = 8, .width = 8, .by = UVK_BY_COUNT, .count = 2};

static uvk_segmentation segment(uvk_segment_params params, const float *maps)
{
    uvk_segmentation s;
    uvk_error err;
    uvk_status status = uvk_segment(&params, maps, &s, &err);
    if (status != UVK_OK)
        fail_msg("%s", err.message);
    return s;
}

static void halves_of_an_image_are_two_segments(void **state)
{
    static const float maps[16] = {1, 0, 1, 0, 0, 1, 0, 1, 0.9f, 0, 1, 0, 0, 1, 0, 0.8f};
    (void)state;
    for (int by = UVK_BY_SILHOUETTE; by <= UVK_BY_COUNT; by++) {
        uvk_segment_params params = four;
        params.by = (uvk_cluster_by)by;
        params.zeta = 0.5;
        uvk_segmentation s = segment(params, maps);
        assert_int_equal(s.clusters, 2);
        assert_memory_equal(s.patches, ((int[]){0, 1, 0, 1}), 4 * sizeof(int));
        for (int k = 0; k < 64; k++)
            assert_int_equal(s.labels[k], k % 8 >= 4);
        assert_true(s.silhouette > 0.8);
        uvk_segmentation_free(&s);
    }
}

static void constant_maps_and_identical_tokens_are_one_segment(void **state)
{
    static const float constant[16] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    float same[16];
    (void)state;
    for (int k = 0; k < 16; k++)
        same[k] = (float)(k % 4) * 0.3f + 0.1f;
    for (int number = 0; number < 8; number++) {
        uvk_segment_params params = four;
        params.raw = number & 1;
        params.by = number & 2 ? UVK_BY_ZETA : UVK_BY_SILHOUETTE;
        uvk_segmentation s = segment(params, number & 4 ? constant : same); /* zeta is 0 */
        assert_int_equal(s.clusters, 1);
        for (int k = 0; k < 3; k++)
            assert_true(s.steps[k].height == 0);
        for (int k = 0; k < 64; k++)
            assert_int_equal(s.labels[k], 0);
        assert_true(isnan(s.silhouette));
        uvk_segmentation_free(&s);
    }
}

static void a_constant_map_is_far_from_others(void **state)
{
    static const float maps[16] = {2, 2, 2, 2, 5, 5, 5, 5, 1, 0, 1, 0, 1, 0, 1, 0};
    (void)state;
    uvk_segmentation s = segment(four, maps);
    assert_memory_equal(s.patches, ((int[]){0, 0, 1, 1}), 4 * sizeof(int));
    near(s.steps[0].height, 0);
    near(s.steps[1].height, 0);
    near(s.steps[2].height, 1); /* between zero maps and others */
    uvk_segmentation_free(&s);
}

static void one_patch_is_one_segment(void **state)
{
    static const float map[1] = {4};
    (void)state;
    for (int by = UVK_BY_SILHOUETTE; by <= UVK_BY_COUNT; by++) {
        uvk_segmentation s = segment((uvk_segment_params){.rows = 1, .cols = 1, .height = 3, .width = 2, .by = (uvk_cluster_by)by, .count = 5}, map);
        assert_int_equal(s.clusters, 1);
        for (int k = 0; k < 6; k++)
            assert_int_equal(s.labels[k], 0);
        uvk_segmentation_free(&s);
    }
}

static void more_clusters_than_patches_are_as_many_as_patches(void **state)
{
    float maps[16];
    (void)state;
    seed = 11;
    for (int k = 0; k < 16; k++)
        maps[k] = (float)uniform();
    uvk_segment_params params = four;
    params.count = 99;
    uvk_segmentation s = segment(params, maps);
    assert_int_equal(s.clusters, 4);
    uvk_segmentation_free(&s);
    params.by = UVK_BY_ZETA;
    params.zeta = 2; /* no distance is larger */
    s = segment(params, maps);
    assert_int_equal(s.clusters, 1);
    uvk_segmentation_free(&s);
    params.zeta = 0;
    s = segment(params, maps);
    assert_int_equal(s.clusters, 4);
    uvk_segmentation_free(&s);
}

static void too_many_clusters_for_labels_are_refused(void **state)
{
    enum { SIDE = 17, N = SIDE * SIDE };
    (void)state;
    float *maps = malloc(N * N * sizeof *maps);
    uvk_segmentation s;
    uvk_error err;
    assert_non_null(maps);
    seed = 5;
    for (int k = 0; k < N * N; k++)
        maps[k] = (float)uniform();
    uvk_segment_params params = {.rows = SIDE, .cols = SIDE, .height = SIDE, .width = SIDE, .by = UVK_BY_ZETA};
    assert_int_equal(uvk_segment(&params, maps, &s, &err), UVK_USAGE);
    assert_non_null(strstr(err.message, "289"));
    free(maps);
}

static void features_are_segmented_without_maps(void **state)
{
    static const float features[12] = {1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3, 0};
    (void)state;
    for (int euclidean = 0; euclidean < 2; euclidean++) {
        uvk_segmentation s;
        assert_int_equal(uvk_segment_features(&four, features, 3, euclidean, &s, NULL), UVK_OK);
        near(s.steps[0].height, euclidean ? 1 : 0);
        near(s.steps[1].height, euclidean ? (sqrt(2) + sqrt(5)) / 2 : 0);
        assert_memory_equal(s.patches, ((int[]){0, 1, 0, 1}), euclidean ? 0 : 4 * sizeof(int));
        uvk_segmentation_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heights_are_those_of_merging_naively),
        cmocka_unit_test(each_step_joins_two_clusters_at_their_mean_distance),
        cmocka_unit_test(cuts_are_their_definitions),
        cmocka_unit_test(silhouettes_are_their_definition),
        cmocka_unit_test(inner_products_are_those_of_enlarged_maps),
        cmocka_unit_test(enlargement_is_pytorchs),
        cmocka_unit_test(matchings_are_the_best_there_are),
        cmocka_unit_test(scores_count_pixels),
        cmocka_unit_test(halves_of_an_image_are_two_segments),
        cmocka_unit_test(constant_maps_and_identical_tokens_are_one_segment),
        cmocka_unit_test(a_constant_map_is_far_from_others),
        cmocka_unit_test(one_patch_is_one_segment),
        cmocka_unit_test(more_clusters_than_patches_are_as_many_as_patches),
        cmocka_unit_test(too_many_clusters_for_labels_are_refused),
        cmocka_unit_test(features_are_segmented_without_maps),
    };
    return cmocka_run_group_tests_name("segmentation", tests, NULL, NULL);
}
