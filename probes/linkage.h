/* Agglomerative clustering: average linkage, the cuts of its dendrogram, and how well a cut fits. */
#ifndef UVK_PROBES_LINKAGE_H
#define UVK_PROBES_LINKAGE_H

#include "error.h"

/* Clusters 0..n-1 are the items, n + k is what step k made; a < b, heights ascend, size counts items: as SciPy's linkage. */
typedef struct uvk_merge {
    int a, b;
    double height;
    int size;
} uvk_merge;

/* Where the pair i < j of n items stands in a list of n(n-1)/2 distances. */
static inline size_t uvk_pair(size_t n, size_t i, size_t j) { return i * n - i * (i + 1) / 2 + j - i - 1; }

/* Average linkage by nearest-neighbour chain, O(n^2) in time and memory: steps[n-1] of distances[n(n-1)/2], which are lost. */
uvk_status uvk_linkage_average(double *distances, int n, uvk_merge *steps, uvk_error *err);

/* Items in one cluster when they join at zeta or below. labels[n] are numbered from 0 by their lowest item; returns how many there are. */
int uvk_cut_at(const uvk_merge *steps, int n, double zeta, int *labels);
/* At most `most` clusters, cut at the lowest height that leaves no more; merges of equal height happen together. */
int uvk_cut_into(const uvk_merge *steps, int n, int most, int *labels);

/* Mean over items of (b - a) / max(a, b): a the mean distance within the item's cluster, b the lowest to another; 0 for an item alone.
 * clusters is at least 2; room[2 * clusters] is scratch. */
double uvk_silhouette(const double *distances, int n, const int *labels, int clusters, double *room);

#endif
