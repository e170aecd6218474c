#include "matching.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shortest augmenting paths over costs (Kuhn's method with potentials), rows <= cols. Column 0 stands for "not matched yet". */
typedef struct assignment {
    int rows, cols;
    const int64_t *gains;
    bool turned;         /* gains are [cols, rows] */
    int64_t *row_potential, *col_potential, *slack;
    int *owner, *before; /* of each column: its row, and the column before it on the path; rows and columns from 1 */
    bool *seen;
} assignment;

static int64_t cost(const assignment *a, int row, int col)
{
    size_t r = (size_t)row - 1, c = (size_t)col - 1;
    return -(a->turned ? a->gains[c * (size_t)a->rows + r] : a->gains[r * (size_t)a->cols + c]);
}

/* Lowers the slack of what is not seen through the row that owns column `at`; returns the column of least slack. */
static int relax(assignment *a, int at)
{
    int next = 0, row = a->owner[at];
    for (int c = 1; c <= a->cols; c++) {
        if (a->seen[c])
            continue;
        int64_t reduced = cost(a, row, c) - a->row_potential[row] - a->col_potential[c];
        if (reduced < a->slack[c]) {
            a->slack[c] = reduced;
            a->before[c] = at;
        }
        if (!next || a->slack[c] < a->slack[next])
            next = c;
    }
    int64_t step = a->slack[next];
    for (int c = 0; c <= a->cols; c++)
        if (a->seen[c]) {
            a->row_potential[a->owner[c]] += step;
            a->col_potential[c] -= step;
        } else {
            a->slack[c] -= step;
        }
    return next;
}

static void place(assignment *a, int row)
{
    int at = 0;
    a->owner[0] = row;
    for (int c = 0; c <= a->cols; c++) {
        a->slack[c] = INT64_MAX / 2;
        a->seen[c] = false;
    }
    do {
        a->seen[at] = true;
        at = relax(a, at);
    } while (a->owner[at]);
    for (; at; at = a->before[at])
        a->owner[at] = a->owner[a->before[at]];
}

uvk_status uvk_match_best(const int64_t *gains, int rows, int cols, int *match, uvk_error *err)
{
    bool turned = rows > cols;
    assignment a = {.rows = turned ? cols : rows, .cols = turned ? rows : cols, .gains = gains, .turned = turned};
    size_t r = (size_t)a.rows + 1, c = (size_t)a.cols + 1, bytes = (r + 2 * c) * sizeof(int64_t) + 2 * c * sizeof(int) + c;
    int64_t *room = calloc(1, bytes);
    if (!room)
        return uvk_fail_memory(err, bytes, "a matching");
    a.row_potential = room;
    a.col_potential = a.row_potential + r;
    a.slack = a.col_potential + c;
    a.owner = (int *)(a.slack + c);
    a.before = a.owner + c;
    a.seen = (bool *)(a.before + c);
    for (int row = 1; row <= a.rows; row++)
        place(&a, row);
    for (int i = 0; i < rows; i++)
        match[i] = -1;
    for (int col = 1; col <= a.cols; col++)
        if (a.owner[col])
            match[turned ? col - 1 : a.owner[col] - 1] = turned ? a.owner[col] - 1 : col - 1;
    free(room);
    return UVK_OK;
}

/* ---- Masks ---------------------------------------------------------------------------------------------------------------- */

typedef struct counts {
    int64_t both[UVK_CLASSES * UVK_CLASSES]; /* [segments, classes that are there] */
    int64_t segments[UVK_CLASSES], classes[UVK_CLASSES];
    int values[UVK_CLASSES], n;              /* the classes that are there */
} counts;

static void count_pixels(const uint8_t *labels, const uint8_t *mask, size_t pixels, counts *c)
{
    int place_of[UVK_CLASSES];
    for (size_t k = 0; k < pixels; k++)
        c->classes[mask[k]]++;
    for (int value = 0; value < UVK_NO_CLASS; value++)
        if (c->classes[value]) {
            place_of[value] = c->n;
            c->values[c->n++] = value;
        }
    for (size_t k = 0; k < pixels; k++)
        if (mask[k] != UVK_NO_CLASS) {
            c->segments[labels[k]]++;
            c->both[labels[k] * c->n + place_of[mask[k]]]++;
        }
}

static double iou_of(const counts *c, int segment, int class)
{
    int64_t both = c->both[segment * c->n + class], either = c->segments[segment] + c->classes[c->values[class]] - both;
    return either > 0 ? (double)both / (double)either : 0;
}

static double largest_iou(const counts *c, int segment)
{
    double largest = c->n ? 0 : (double)NAN;
    for (int k = 0; k < c->n; k++)
        largest = fmax(largest, iou_of(c, segment, k));
    return largest;
}

/* A segment that has no pixel of a class is matched to it only to fill up the matching: that says nothing. */
static void fill_in(const counts *c, int segments, const int *match, uvk_match *out)
{
    double sum = 0;
    for (int k = 0; k < c->n; k++) {
        out->present[c->values[k]] = true;
        out->unions[c->values[k]] = c->classes[c->values[k]];
        out->counted += c->classes[c->values[k]];
    }
    for (int s = 0; s < segments; s++) {
        int class = match[s] >= 0 && c->both[s * c->n + match[s]] ? match[s] : -1;
        out->classes[s] = class >= 0 ? c->values[class] : -1;
        out->ious[s] = class >= 0 ? iou_of(c, s, class) : largest_iou(c, s);
        if (class < 0)
            continue;
        int64_t both = c->both[s * c->n + class];
        out->intersections[c->values[class]] = both;
        out->unions[c->values[class]] += c->segments[s] - both;
        out->matched += both;
        sum += out->ious[s];
    }
    out->accuracy = out->counted ? (double)out->matched / (double)out->counted : (double)NAN;
    out->miou = c->n ? sum / c->n : (double)NAN;
}

uvk_status uvk_match_mask(const uint8_t *labels, int segments, const uint8_t *mask, size_t pixels, uvk_match *out, uvk_error *err)
{
    int match[UVK_CLASSES];
    counts *c = calloc(1, sizeof *c);
    if (!c)
        return uvk_fail_memory(err, sizeof *c, "a matching");
    *out = (uvk_match){0};
    count_pixels(labels, mask, pixels, c);
    uvk_status status = uvk_match_best(c->both, segments, c->n, match, err);
    if (status == UVK_OK)
        fill_in(c, segments, match, out);
    free(c);
    return status;
}

void uvk_pool_match(uvk_pooled *pooled, const uvk_match *match)
{
    if (match->counted == 0)
        return;
    pooled->counted += match->counted;
    pooled->matched += match->matched;
    pooled->accuracies += match->accuracy;
    pooled->mious += match->miou;
    pooled->images++;
    for (int k = 0; k < UVK_CLASSES; k++) {
        pooled->intersections[k] += match->intersections[k];
        pooled->unions[k] += match->unions[k];
    }
}

double uvk_pooled_miou(const uvk_pooled *pooled)
{
    double sum = 0;
    int classes = 0;
    for (int k = 0; k < UVK_CLASSES; k++)
        if (pooled->unions[k]) {
            sum += (double)pooled->intersections[k] / (double)pooled->unions[k];
            classes++;
        }
    return classes ? sum / classes : (double)NAN;
}
