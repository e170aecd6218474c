/* --layer auto: which layer's explanations to segment. No label is used: of three depths, half, three quarters and all of the blocks, the one
 * whose maps fall into clusters best, by the mean silhouette over the first images. */
#include "segmented.h"

#include "messages.h"
#include "signals.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTHS = 3, IMAGES = 3 };

/* NaN where the image has no two clusters, or cannot be read: then whoever segments it reports that. */
static uvk_status silhouette(job *j, const char *path, const segment_settings *settings, double *out, uvk_error *err)
{
    explained r = {.path = path, .name = text_utf8(text_base_name(path)), .targets = segment_targets(j->info)};
    uvk_segment_params params = settings->params;
    uvk_segmentation s;
    params.by = UVK_BY_SILHOUETTE;
    *out = (double)NAN;
    uvk_status status = explained_load(j, &r, NULL) == UVK_OK ? explained_run(j, &r, err) : UVK_BAD_INPUT;
    if (status == UVK_OK) {
        float *maps = segment_maps(j, &r);
        if ((status = uvk_segment(&params, maps, &s, err)) == UVK_OK) {
            *out = s.silhouette;
            uvk_segmentation_free(&s);
        }
        free(maps);
    }
    explained_free(&r);
    return status == UVK_BAD_INPUT ? UVK_OK : status;
}

static uvk_status mean_silhouette(job *j, const char *const *paths, int n, const segment_settings *settings, double *mean, uvk_error *err)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        double value;
        uvk_status status = interrupted() ? UVK_INTERRUPTED : silhouette(j, paths[i], settings, &value, err);
        if (status)
            return status;
        if (!isnan(value)) {
            sum += value;
            count++;
        }
    }
    *mean = count ? sum / count : 0;
    return UVK_OK;
}

uvk_status segment_choose_layer(job *j, const char *const *paths, int n_paths, const segment_settings *settings, uvk_error *err)
{
    int blocks = j->info->layers, chosen = blocks + 1, n = n_paths < IMAGES ? n_paths : IMAGES;
    double best = -1;
    for (int k = 0; k < DEPTHS; k++) {
        double mean;
        int layer = 1 + blocks * (k + 2) / (DEPTHS + 1);
        if (layer < 2 || layer <= j->first_block)
            continue;
        j->layer = layer;
        uvk_status status = mean_silhouette(j, paths, n, settings, &mean, err);
        if (status)
            return status;
        note("--layer auto: layer %d has mean silhouette %.3f", layer, mean);
        if (mean > best) {
            best = mean;
            chosen = layer;
        }
    }
    j->layer = chosen;
    note("--layer auto: layer %d, whose maps cluster best over %d image%s", chosen, n, n == 1 ? "" : "s");
    return UVK_OK;
}
