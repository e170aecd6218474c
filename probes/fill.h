/* What hides a patch. */
#ifndef UVK_PROBES_FILL_H
#define UVK_PROBES_FILL_H

#include "hide.h"

/* A picture of the input's size, [3, height, width], that hidden patches are taken from. */
uvk_status uvk_fill(const uvk_input *input, uvk_mask mask, float *out, uvk_error *err);

#endif
