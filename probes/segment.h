/* Unsupervised segmentation of one image from the explanations of its patches (METHOD section 3), on the host. */
#ifndef UVK_PROBES_SEGMENT_H
#define UVK_PROBES_SEGMENT_H

#include "linkage.h"

typedef enum uvk_cluster_by { UVK_BY_SILHOUETTE, UVK_BY_ZETA, UVK_BY_COUNT } uvk_cluster_by;

typedef struct uvk_segment_params {
    int rows, cols;       /* of the patch grid */
    int height, width;    /* of the label image */
    bool raw;             /* maps and sums of maps as they are, not scaled to 0..1 */
    bool at_grid;         /* cosines between maps on the grid, not at the resolution of the label image */
    bool unscaled;        /* cluster maps compared as they are, not scaled to 0..1 */
    uvk_cluster_by by;
    double zeta;
    int count;
    bool background;      /* join what is not an object (background.h); of `count` clusters one is then the background, cut out of count + 1 */
    const float *guide;   /* [3, height, width], 0..1: what a pixel belongs to is its patches' membership, filtered along the edges of this
                           * picture (guided.h), instead of the largest cluster map. NULL: it is not */
} uvk_segment_params;

typedef struct uvk_segmentation {
    int n, clusters;      /* patches; clusters are numbered by their lowest patch */
    int *patches;         /* [n] the cluster of each */
    uvk_merge *steps;     /* [n - 1] */
    double silhouette;    /* of this cut; NaN with fewer than two clusters */
    int height, width;
    uint8_t *labels;      /* [height * width] */
} uvk_segmentation;

/* The most clusters that labels of 8 bits tell apart. */
enum { UVK_MAX_CLUSTERS = 256, UVK_MOST_BY_SILHOUETTE = 20 };

/* maps[rows * cols][rows * cols]: S of every patch, own-token rule applied, finite. More clusters than UVK_MAX_CLUSTERS: UVK_USAGE.
 * uvk_segmentation_free follows a success. Safe. */
uvk_status uvk_segment(const uvk_segment_params *params, const float *maps, uvk_segmentation *out, uvk_error *err);

/* The same for features[n, width] of the patches, which have no maps: cosine distance, or Euclidean; a pixel belongs to the cluster whose
 * enlarged membership is largest there. A baseline. */
uvk_status uvk_segment_features(const uvk_segment_params *params, const float *features, int width, bool euclidean, uvk_segmentation *out, uvk_error *err);
void uvk_segmentation_free(uvk_segmentation *s);

/* distances[n(n-1)/2]: 1 - cosine of vectors[n, width] (gram: of their inner products instead, vectors[n, n]). 0 between two zero vectors,
 * 1 between one and another. */
void uvk_cosine_distances(const double *gram, int n, double *distances);

/* gram[n, n] of maps[n, n] on a grid; enlarged: as they are at height x width, exactly, without enlarging them: the product of the
 * enlargement with its transpose is taken on the grid. */
uvk_status uvk_map_gram(const uvk_segment_params *params, const double *maps, double *gram, uvk_error *err);

#endif
