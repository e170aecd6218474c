/* How well segments coincide with the classes of a mask (METHOD section 3). */
#ifndef UVK_PROBES_MATCHING_H
#define UVK_PROBES_MATCHING_H

#include "error.h"

/* One to one: of gains[rows * cols], row r gets column match[r], -1 where there are fewer columns than rows; the sum is the largest there is
 * (the Hungarian method, O(n^3)). */
uvk_status uvk_match_best(const int64_t *gains, int rows, int cols, int *match, uvk_error *err);

enum { UVK_NO_CLASS = 255, UVK_CLASSES = 256 };

/* Of one image. A class is a value of the mask, 0..254; UVK_NO_CLASS counts nowhere. */
typedef struct uvk_match {
    int64_t counted;                     /* pixels that have a class */
    int64_t matched;                     /* of them, those in the segment that their class was matched to */
    int64_t intersections[UVK_CLASSES], unions[UVK_CLASSES]; /* of each class with its segment; the class alone when it has none */
    bool present[UVK_CLASSES];
    double accuracy, miou;               /* u_acc, u_miou; NaN when no pixel has a class */
    int classes[UVK_CLASSES];            /* of each segment; -1: it was matched to none */
    double ious[UVK_CLASSES];            /* with that class; of an unmatched segment the largest with any class, NaN when none has a pixel */
} uvk_match;

/* labels[pixels] are segments 0..segments-1, mask[pixels] classes. out is large: not for the stack of a deep call. */
uvk_status uvk_match_mask(const uint8_t *labels, int segments, const uint8_t *mask, size_t pixels, uvk_match *out, uvk_error *err);

/* Over the images of a run, classes being the same in all: the share of pixels in the right segment, and the mean over classes of summed
 * intersections over summed unions. */
typedef struct uvk_pooled {
    int64_t counted, matched, intersections[UVK_CLASSES], unions[UVK_CLASSES];
    double accuracies, mious; /* sums over images */
    int images;
} uvk_pooled;

void uvk_pool_match(uvk_pooled *pooled, const uvk_match *match);
double uvk_pooled_miou(const uvk_pooled *pooled); /* NaN without classes */

#endif
