/* The numbers of METHOD section 7, common to vision and text. */
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_source(const uvk_layout *l, int j)
{
    return !l->list[j].special;
}

static bool is_visible(const uvk_layout *l, int target, int j)
{
    return is_source(l, j) && (!l->causal || j <= target);
}

/* S: the row without the special columns; for a target that is no special token the own entry by the rule. Entries are never
 * negative. */
static void make_scores(const uvk_layout *l, int target, const float *row, uvk_own_token own, float *scores)
{
    float highest = 0;
    for (int j = 0; j < l->tokens; j++) {
        scores[j] = is_source(l, j) ? row[j] : 0;
        if (j != target && scores[j] > highest)
            highest = scores[j];
    }
    if (is_source(l, target) && own != UVK_OWN_KEEP)
        scores[target] = own == UVK_OWN_MAX ? highest : 0;
}

static int compare_descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Over v[0..count-1], all >= 0, with that sum > 0; sorts v. */
static void concentration(float *v, int count, double sum, uvk_map_stats *stats)
{
    qsort(v, (size_t)count, sizeof *v, compare_descending);
    double entropy = 0, top = 0, ranked = 0;
    int n_top = (count + 9) / 10;
    for (int i = 0; i < count; i++) {
        double p = v[i] / sum;
        if (p > 0)
            entropy -= p * log(p);
        if (i < n_top)
            top += p;
        ranked += (double)(count - i) * p; /* rank 1 is the smallest */
    }
    stats->effective_tokens = exp(entropy);
    stats->entropy = count > 1 ? entropy / log(count) : 0;
    stats->gini = (2 * ranked - (count + 1)) / count;
    stats->top10_share = top;
}

/* Between two places: positions of a text, numbers of patches on a grid. */
static double distance(const uvk_layout *l, int a, int b)
{
    if (l->grid_cols == 0)
        return abs(a - b);
    int rows = a / l->grid_cols - b / l->grid_cols, cols = a % l->grid_cols - b % l->grid_cols;
    return sqrt((double)rows * rows + (double)cols * cols);
}

static int patch_number(const uvk_layout *l, int token)
{
    int n = 0;
    for (int j = 0; j < token; j++)
        n += is_source(l, j);
    return n;
}

static double locality(const uvk_layout *l, int target, const float *row, double sum)
{
    double weighted = 0, plain = 0;
    int own = l->grid_cols ? patch_number(l, target) : target, patch = 0, count = 0;
    for (int j = 0; j < l->tokens; j++) {
        int place = l->grid_cols ? patch : j;
        patch += is_source(l, j);
        if (j == target || !is_visible(l, target, j))
            continue;
        double d = distance(l, own, place);
        weighted += d * row[j] / sum;
        plain += d;
        count++;
    }
    return plain > 0 && !l->encoder_tokens ? weighted / (plain / count) : NAN;
}

static double special_share(const uvk_layout *l, int target, const float *row)
{
    double special = 0, all = 0;
    for (int j = 0; j < l->tokens; j++) {
        if (j == target)
            continue;
        all += row[j];
        if (!is_source(l, j))
            special += row[j];
    }
    return all > 0 ? special / all : NAN;
}

static void count_scores(const uvk_layout *l, int target, const float *scores, uvk_map_stats *stats)
{
    stats->score_min = stats->score_max = NAN;
    for (int j = 0; j < l->tokens; j++) {
        if (!is_source(l, j))
            continue;
        stats->n_visible += is_visible(l, target, j);
        stats->score_min = stats->n_sources == 0 || scores[j] < stats->score_min ? scores[j] : stats->score_min;
        stats->score_max = stats->n_sources == 0 || scores[j] > stats->score_max ? scores[j] : stats->score_max;
        stats->score_sum += scores[j];
        stats->n_sources++;
    }
}

/* work: n floats. */
static void make_stats(const uvk_layout *l, int target, const float *row, const float *scores, float *work, uvk_map_stats *stats)
{
    int count = 0;
    double sum = 0;
    *stats = (uvk_map_stats){.self_score = row[target], .special_share = special_share(l, target, row),
                             .entropy = NAN, .effective_tokens = NAN, .gini = NAN, .top10_share = NAN, .locality = NAN};
    count_scores(l, target, scores, stats);
    for (int j = 0; j < l->tokens; j++)
        if (j != target && is_visible(l, target, j))
            sum += work[count++] = row[j];
    if (!(sum > 0))
        return;
    concentration(work, count, sum, stats);
    if (is_source(l, target))
        stats->locality = locality(l, target, row, sum);
}

uvk_status uvk_map(const uvk_layout *layout, int target, const float *row, uvk_own_token own, float *scores, uvk_map_stats *stats, uvk_error *err)
{
    if (target < 0 || target >= layout->tokens)
        return uvk_fail(err, UVK_USAGE, "token %d does not exist (0 to %d do)", target, layout->tokens - 1);
    size_t n = (size_t)layout->tokens, bytes = 2 * n * sizeof(float);
    float *buffer = malloc(bytes);
    if (!buffer)
        return uvk_fail_memory(err, bytes, "a map");
    make_scores(layout, target, row, own, buffer);
    if (scores)
        memcpy(scores, buffer, n * sizeof *scores);
    if (stats)
        make_stats(layout, target, row, buffer, buffer + n, stats);
    free(buffer);
    return UVK_OK;
}
