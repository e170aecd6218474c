/* For tests/oracle/check_segments.py. Each line of standard input is a case:
 *   ROWS.npy FIRST_PATCH GRID RES image|grid scaled|raw minmax|none zeta|clusters VALUE LABELS.bin
 * The heights of the dendrogram and the cluster of each patch come out on one line, the label image as bytes in LABELS.bin. */
#include "npy.h"
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_case {
    char rows[1024], at[16], aggregate[16], scale[16], by[16], labels[1024];
    int first, grid, res;
    double value;
} test_case;

/* S of the patches: their columns, the own entry the largest of the others. rows is [patches, n] or, special ones first, [n, n]. */
static void make_maps(const uvk_npy *rows, size_t first, size_t patches, float *maps)
{
    size_t n = (size_t)rows->shape[1], skip = rows->shape[0] == n ? first : 0;
    for (size_t i = 0; i < patches; i++) {
        float *map = maps + i * patches, highest = 0;
        memcpy(map, (const float *)rows->data + (i + skip) * n + first, patches * sizeof *map);
        map[i] = 0;
        for (size_t k = 0; k < patches; k++)
            highest = map[k] > highest ? map[k] : highest;
        map[i] = highest;
    }
}

static bool print(const test_case *t, const uvk_segmentation *s)
{
    FILE *out = fopen(t->labels, "wb");
    size_t pixels = (size_t)s->height * (size_t)s->width;
    bool written = out && fwrite(s->labels, 1, pixels, out) == pixels;
    if (out)
        written = !fclose(out) && written;
    for (int k = 0; k < s->n - 1; k++)
        printf("%.17g ", s->steps[k].height);
    for (int i = 0; i < s->n; i++)
        printf(" %d", s->patches[i]);
    putchar('\n');
    return written;
}

static bool run(const test_case *t)
{
    uvk_error err;
    uvk_npy rows;
    uvk_segmentation s;
    uvk_segment_params params = {.rows = t->grid, .cols = t->grid, .height = t->res, .width = t->res, .raw = !strcmp(t->aggregate, "raw"),
                                 .at_grid = !strcmp(t->at, "grid"), .unscaled = !strcmp(t->scale, "none"),
                                 .by = strcmp(t->by, "zeta") ? UVK_BY_COUNT : UVK_BY_ZETA, .zeta = t->value, .count = (int)t->value};
    size_t patches = (size_t)t->grid * (size_t)t->grid;
    if (uvk_npy_load(t->rows, &rows, &err) != UVK_OK)
        return false;
    float *maps = malloc(patches * patches * sizeof *maps);
    bool done = maps && rows.rank == 2 && rows.dtype == UVK_F32;
    if (done) {
        make_maps(&rows, (size_t)t->first, patches, maps);
        done = uvk_segment(&params, maps, &s, &err) == UVK_OK && print(t, &s);
        uvk_segmentation_free(&s);
    }
    free(maps);
    uvk_npy_free(&rows);
    return done;
}

int main(void)
{
    test_case t;
    while (scanf("%1023s %d %d %d %15s %15s %15s %15s %lf %1023s", t.rows, &t.first, &t.grid, &t.res, t.at, t.aggregate, t.scale, t.by, &t.value, t.labels) == 10)
        if (!run(&t))
            return 1;
    return 0;
}
