#include "linkage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The chain of nearest neighbours, each closer to the next than to any other (Muellner, arXiv 1109.2378): its last two are merged. */
typedef struct chain {
    double *distances;
    int *sizes;  /* of the cluster that an item stands for; 0: it was merged into another */
    int *items;
    int length, n;
} chain;

static double *distance(const chain *c, int i, int j)
{
    return &c->distances[uvk_pair((size_t)c->n, (size_t)(i < j ? i : j), (size_t)(i < j ? j : i))];
}

static int first_alive(const chain *c)
{
    int i = 0;
    while (c->sizes[i] == 0)
        i++;
    return i;
}

/* Of equally near ones the chain's last but one, so that the chain ends, else the first. */
static int nearest(const chain *c, int of)
{
    int best = c->length > 1 ? c->items[c->length - 2] : -1;
    double low = best >= 0 ? *distance(c, of, best) : (double)INFINITY;
    for (int i = 0; i < c->n; i++)
        if (c->sizes[i] > 0 && i != of && (best < 0 || *distance(c, of, i) < low)) {
            best = i;
            low = *distance(c, of, i);
        }
    return best;
}

static void extend(chain *c)
{
    if (c->length == 0)
        c->items[c->length++] = first_alive(c);
    for (;;) {
        int last = c->items[c->length - 1], next = nearest(c, last);
        if (c->length > 1 && next == c->items[c->length - 2])
            return;
        c->items[c->length++] = next;
    }
}

/* What a and b were lives on in b. */
static void merge(chain *c, int a, int b)
{
    for (int i = 0; i < c->n; i++)
        if (c->sizes[i] > 0 && i != a && i != b)
            *distance(c, i, b) = (c->sizes[a] * *distance(c, i, a) + c->sizes[b] * *distance(c, i, b)) / (c->sizes[a] + c->sizes[b]);
    c->sizes[b] += c->sizes[a];
    c->sizes[a] = 0;
}

/* Steps as they are found: a and b are items that stand for their clusters; size keeps the order. */
static void find_steps(chain *c, uvk_merge *steps)
{
    for (int k = 0; k < c->n - 1; k++) {
        extend(c);
        int a = c->items[c->length - 1], b = c->items[c->length - 2];
        c->length -= 2;
        int low = a < b ? a : b, high = a < b ? b : a;
        steps[k] = (uvk_merge){low, high, *distance(c, low, high), k};
        merge(c, low, high);
    }
}

static int by_height(const void *a, const void *b)
{
    const uvk_merge *x = a, *y = b;
    if (x->height != y->height)
        return x->height < y->height ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

static int root_of(int *parents, int i)
{
    while (parents[i] != i)
        i = parents[i] = parents[parents[i]];
    return i;
}

/* From items to the clusters that they are part of, step by step. */
static void name_clusters(uvk_merge *steps, int n, int *parents, int *sizes)
{
    for (int i = 0; i < 2 * n - 1; i++) {
        parents[i] = i;
        sizes[i] = 1;
    }
    for (int k = 0; k < n - 1; k++) {
        int a = root_of(parents, steps[k].a), b = root_of(parents, steps[k].b);
        sizes[n + k] = sizes[a] + sizes[b];
        parents[a] = parents[b] = n + k;
        steps[k] = (uvk_merge){a < b ? a : b, a < b ? b : a, steps[k].height, sizes[n + k]};
    }
}

uvk_status uvk_linkage_average(double *distances, int n, uvk_merge *steps, uvk_error *err)
{
    size_t items = (size_t)n, bytes = items * 6 * sizeof(int);
    int *room = malloc(bytes);
    if (!room)
        return uvk_fail_memory(err, bytes, "a clustering");
    chain c = {.distances = distances, .sizes = room, .items = room + items, .n = n};
    for (int i = 0; i < n; i++)
        c.sizes[i] = 1;
    find_steps(&c, steps);
    qsort(steps, items - 1, sizeof *steps, by_height);
    name_clusters(steps, n, room, room + 2 * items);
    free(room);
    return UVK_OK;
}

/* ---- Cuts -------------------------------------------------------------------------------------------------------------- */

static int item_of(const uvk_merge *steps, int n, int cluster)
{
    while (cluster >= n)
        cluster = steps[cluster - n].a;
    return cluster;
}

/* Labels after the first `count` steps. First labels holds each item's parent, the lowest of those it was joined with; then, from the
 * lowest item up, the complement of its label. */
static int label_after(const uvk_merge *steps, int n, int count, int *labels)
{
    int clusters = 0;
    for (int i = 0; i < n; i++)
        labels[i] = i;
    for (int k = 0; k < count; k++) {
        int a = root_of(labels, item_of(steps, n, steps[k].a)), b = root_of(labels, item_of(steps, n, steps[k].b));
        labels[a < b ? b : a] = a < b ? a : b;
    }
    for (int i = 0; i < n; i++)
        labels[i] = labels[i] == i ? ~clusters++ : labels[labels[i]];
    for (int i = 0; i < n; i++)
        labels[i] = ~labels[i];
    return clusters;
}

int uvk_cut_at(const uvk_merge *steps, int n, double zeta, int *labels)
{
    int count = 0;
    while (count < n - 1 && steps[count].height <= zeta)
        count++;
    return label_after(steps, n, count, labels);
}

int uvk_cut_into(const uvk_merge *steps, int n, int most, int *labels)
{
    int count = most >= n ? 0 : n - most;
    while (count > 0 && count < n - 1 && steps[count].height <= steps[count - 1].height)
        count++;
    return label_after(steps, n, count, labels);
}

/* ---- Silhouette -------------------------------------------------------------------------------------------------------- */

static double width_of(const double *distances, int n, const int *labels, int clusters, const double *sizes, int i, double *sums)
{
    double a = 0, b = (double)INFINITY;
    memset(sums, 0, (size_t)clusters * sizeof *sums);
    for (int j = 0; j < n; j++)
        if (j != i)
            sums[labels[j]] += distances[uvk_pair((size_t)n, (size_t)(i < j ? i : j), (size_t)(i < j ? j : i))];
    for (int c = 0; c < clusters; c++)
        if (c == labels[i])
            a = sums[c] / (sizes[c] - 1);
        else
            b = fmin(b, sums[c] / sizes[c]);
    double larger = fmax(a, b);
    return sizes[labels[i]] > 1 && larger > 0 ? (b - a) / larger : 0;
}

double uvk_silhouette(const double *distances, int n, const int *labels, int clusters, double *room)
{
    double sum = 0, *sizes = room + clusters;
    memset(sizes, 0, (size_t)clusters * sizeof *sizes);
    for (int i = 0; i < n; i++)
        sizes[labels[i]]++;
    for (int i = 0; i < n; i++)
        sum += width_of(distances, n, labels, clusters, sizes, i, room);
    return sum / n;
}
