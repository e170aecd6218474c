/* --layer auto: which layer's explanations to segment, without a label. */
#include "segmented.h"

uvk_status segment_choose_layer(job *j, const char *const *paths, int n_paths, const segment_settings *settings, uvk_error *err)
{
    (void)j; (void)paths; (void)n_paths; (void)settings;
    return uvk_fail(err, UVK_USAGE, "--layer auto: not yet");
}
