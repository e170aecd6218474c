/* The numbers of METHOD section 7, common to vision and text. */
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* S: the row without the special columns; for a patch target the own entry by the rule. Entries are never negative. */
static void make_scores(const uvk_layout *l, int target, const float *row, uvk_own_token own, float *scores)
{
    int n = l->tokens - l->special, self = target - l->special;
    memcpy(scores, row + l->special, (size_t)n * sizeof *scores);
    if (self < 0 || own == UVK_OWN_KEEP)
        return;
    float replacement = 0;
    for (int j = 0; j < n && own == UVK_OWN_MAX; j++)
        if (j != self && scores[j] > replacement)
            replacement = scores[j];
    scores[self] = replacement;
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

static double distance(const uvk_layout *l, int a, int b)
{
    int rows = a / l->grid_cols - b / l->grid_cols, cols = a % l->grid_cols - b % l->grid_cols;
    return sqrt((double)rows * rows + (double)cols * cols);
}

static double locality(const uvk_layout *l, int self, const float *patches, int visible, double sum)
{
    double weighted = 0, plain = 0;
    int count = 0;
    for (int j = 0; j < visible; j++) {
        if (j == self)
            continue;
        double d = distance(l, self, j);
        weighted += d * patches[j] / sum;
        plain += d;
        count++;
    }
    return plain > 0 ? weighted / (plain / count) : NAN;
}

static double special_share(const uvk_layout *l, int target, const float *row)
{
    double special = 0, all = 0;
    for (int j = 0; j < l->tokens; j++) {
        if (j == target)
            continue;
        all += row[j];
        if (j < l->special)
            special += row[j];
    }
    return all > 0 ? special / all : NAN;
}

static void count_scores(const float *scores, int n, uvk_map_stats *stats)
{
    stats->score_min = stats->score_max = n > 0 ? scores[0] : NAN;
    for (int j = 0; j < n; j++) {
        stats->score_min = scores[j] < stats->score_min ? scores[j] : stats->score_min;
        stats->score_max = scores[j] > stats->score_max ? scores[j] : stats->score_max;
        stats->score_sum += scores[j];
    }
}

/* work: n floats. */
static void make_stats(const uvk_layout *l, int target, const float *row, const float *scores, float *work, uvk_map_stats *stats)
{
    int n = l->tokens - l->special, self = target - l->special;
    int visible = l->causal ? (self < 0 ? 0 : self + 1) : n, count = 0;
    double sum = 0;
    *stats = (uvk_map_stats){.n_sources = n, .n_visible = visible, .self_score = row[target], .special_share = special_share(l, target, row),
                             .entropy = NAN, .effective_tokens = NAN, .gini = NAN, .top10_share = NAN, .locality = NAN};
    count_scores(scores, n, stats);
    for (int j = 0; j < visible; j++)
        if (j != self)
            sum += work[count++] = row[l->special + j];
    if (!(sum > 0))
        return;
    concentration(work, count, sum, stats);
    if (self >= 0)
        stats->locality = locality(l, self, row + l->special, visible, sum);
}

uvk_status uvk_map(const uvk_layout *layout, int target, const float *row, uvk_own_token own, float *scores, uvk_map_stats *stats, uvk_error *err)
{
    if (target < 0 || target >= layout->tokens)
        return uvk_fail(err, UVK_USAGE, "token %d does not exist (0 to %d do)", target, layout->tokens - 1);
    size_t n = (size_t)(layout->tokens - layout->special), bytes = (2 * n + 1) * sizeof(float);
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
