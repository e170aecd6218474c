/* What the files of "ultravk segment" share. */
#ifndef UVK_CLI_SEGMENTED_H
#define UVK_CLI_SEGMENTED_H

#include "explained.h"
#include "mask.h"
#include "matching.h"
#include "segment.h"

enum { SEGMENT_METHODS = 5 };
extern const char *const segment_methods[SEGMENT_METHODS]; /* as in table metric: ultra, then the baselines */

/* What the flags say, and what all images together came to. */
typedef struct segment_settings {
    uvk_segment_params params;
    bool by_labels;       /* as many segments as the mask has classes */
    label_map map;
    uvk_pooled pooled[SEGMENT_METHODS];
} segment_settings;

/* One image's segments. */
typedef struct segmented {
    uvk_segmentation s;
    uvk_segment_params params; /* with the number of segments, where the mask has it */
    const segment_settings *settings;
    float *colours;            /* of the model's input, where masks follow its edges */
    uint8_t *mask;             /* classes at the size of the model's input; NULL: none */
    uvk_match *match;          /* with the mask, of each method; NULL: none */
    int n_methods;             /* of them, those that were tried */
    uvk_db_segment *list;      /* [s.clusters] */
    int *token_segments;       /* [n] */
    uvk_db_merge_step *merges;      /* [s.n - 1] */
} segmented;

void segmented_free(segmented *g); /* NULL is allowed */

/* segment_flags.c: what --clusters, --zeta, --res and the presets say of how to cluster; by_labels may be NULL: then "labels" is refused. */
uvk_status segment_params_of(const options *o, const uvk_model_info *model, uvk_segment_params *out, bool *by_labels, uvk_error *err);

/* segment_input.c: load, rows, clusters, scores of one image; deliver. The source is the segment_settings. */
extern const steps segment_steps;
/* S of all patches, [patches * patches], owned by the caller. */
float *segment_maps(const job *j, const explained *r);
/* All patches. */
target_list segment_targets(const uvk_model_info *model);

/* segment_baselines.c: the other methods, each scored against the mask. */
uvk_status segment_baselines(job *j, explained *r, segmented *g, uvk_error *err);
/* Against the mask, whatever the size of the label image. */
uvk_status segment_score(const uvk_model_info *model, const segmented *g, const uvk_segmentation *s, uvk_match *out, uvk_error *err);

/* segment_files.c: --out-dir. */
uvk_status segment_files_write(const job *j, const explained *r, uvk_error *err);
/* segment_show.c */
uvk_status segment_table(const job *j, const explained *r, uvk_error *err);
uvk_status segment_json(const job *j, const explained *r, uvk_error *err);
uvk_status segment_show_pooled(const job *j, const segment_settings *settings, uvk_error *err);

/* segment_layer.c: --layer auto. */
uvk_status segment_choose_layer(job *j, const char *const *paths, int n_paths, const segment_settings *settings, uvk_error *err);

#endif
