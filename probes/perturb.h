/* Pictures of which some patches are changed: what ULTraW learns from (METHOD section 5). */
#ifndef UVK_PROBES_PERTURB_H
#define UVK_PROBES_PERTURB_H

#include "input.h"
#include "random.h"

/* Gaussian noise; the image blurred; its mean colour; the changed patches in another order. */
typedef enum uvk_perturbation { UVK_PERTURB_NOISE, UVK_PERTURB_BLUR, UVK_PERTURB_MEAN, UVK_PERTURB_SHUFFLE } uvk_perturbation;

/* pixels[3, height, width] of an image's input: x + delta (y - x) in the patches of which changed[patches] says so, y being what the
 * perturbation puts there; noise: x + delta times a normal number for each value, of deviation 1 in normalised pixels. */
uvk_status uvk_perturb(const uvk_input *input, uvk_perturbation kind, double delta, const bool *changed, uvk_random *random, float *pixels, uvk_error *err);

#endif
