#include "segmented.h"

#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uvk_status read_clusters(const options *o, uvk_segment_params *out, bool *by_labels, uvk_error *err)
{
    const char *text = o->clusters;
    char *end;
    bool labels = strcmp(text, "labels") == 0;
    if (strcmp(text, "auto") == 0)
        return UVK_OK;
    long count = labels ? 1 : strtol(text, &end, 10);
    if (!labels && (!isdigit((unsigned char)*text) || *end || count < 1 || count > UVK_MAX_CLUSTERS))
        return uvk_fail(err, UVK_USAGE, "--clusters %s: expected a number from 1 to %d, auto%s", text, UVK_MAX_CLUSTERS, by_labels ? ", or labels" : "");
    if (labels && (!by_labels || !o->masks))
        return uvk_fail(err, UVK_USAGE, "--clusters labels: needs --masks, whose labels are counted");
    out->by = UVK_BY_COUNT;
    out->count = (int)count;
    if (by_labels)
        *by_labels = labels;
    return UVK_OK;
}

/* The longer side has --res pixels. */
static int side(int of, int longer, int res)
{
    int pixels = res ? (int)lrint((double)of * res / longer) : of;
    return pixels > 0 ? pixels : 1;
}

uvk_status segment_params_of(const options *o, const uvk_model_info *model, uvk_segment_params *out, bool *by_labels, uvk_error *err)
{
    int longer = model->image_height > model->image_width ? model->image_height : model->image_width;
    bool demo = o->preset == 1;
    if (model->modality != UVK_VISION)
        return uvk_fail(err, UVK_USAGE, "%s is a language model (expected a vision model, whose patches make segments)", model->name);
    if (!isnan(o->zeta) && o->clusters)
        return uvk_fail(err, UVK_USAGE, "--zeta and --clusters both say where to cut (give one of them)");
    if (o->edges && o->res && o->res != longer)
        return uvk_fail(err, UVK_USAGE, "--edges: labels have the pixels of the model's input, whose edges they follow (leave --res out)");
    *out = (uvk_segment_params){
        .rows = model->grid_rows, .cols = model->grid_cols, .height = side(model->image_height, longer, o->res), .width = side(model->image_width, longer, o->res),
        .raw = demo || o->aggregate == 1, .at_grid = !demo && o->cluster_at == 1, .unscaled = !demo && o->cluster_scale == 1,
        .by = isnan(o->zeta) ? UVK_BY_SILHOUETTE : UVK_BY_ZETA, .zeta = o->zeta, .background = o->background,
    };
    return o->clusters ? read_clusters(o, out, by_labels, err) : UVK_OK;
}
