/* Which clusters of an image are its background. */
#ifndef UVK_PROBES_BACKGROUND_H
#define UVK_PROBES_BACKGROUND_H

#include "error.h"

/* Of the clusters of a grid's patches, the `most` largest of those that have less than a quarter of their patches at the border of the grid
 * stay (of equally large ones the lowest); all others become one. labels[rows * cols] are numbered by their lowest patch, before and after; their
 * new number goes to clusters. */
uvk_status uvk_join_background(int rows, int cols, int most, int *labels, int *clusters, uvk_error *err);

#endif
