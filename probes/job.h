/* One explanation under way: parameters made definite, the chunk of targets that fits, and the rows it grows. */
#ifndef UVK_PROBES_JOB_H
#define UVK_PROBES_JOB_H

#include "backward.h"
#include "image_head.h"

typedef struct uvk_job {
    uvk_session *session;
    uint32_t tokens;          /* n */
    uint32_t encoder_tokens;  /* how many of them are the encoder's, the first ones */
    int layer, first_block;   /* the product runs over blocks first_block..layer-1 */
    uvk_scalar scalar;
    uvk_order order;
    uvk_normalize normalize;
    const int32_t *targets;
    int n_targets;
    const float *weights;     /* [patches, d] of UVK_LEARNED */
    const int32_t *label;     /* of UVK_LOGPROB on an image; NULL: the likeliest class */
    const float *text;        /* [embedding] of UVK_SIMILARITY */
    uvk_approximation approximation;
    uint32_t seed_rows;       /* rows of z(l) that the scalar is of: 1, the target's own, or n */
    uvk_residency residency;  /* how the plan keeps the weights */
    int bottom;               /* the descent ends at the gradient of this level, or at the attention of the block below (backward.h) */

    uvk_pool *pool;
    uvk_chunk chunk;
    uvk_tensor s, excess;     /* [T, n] the rows, and what of them exceeds e_i */
    uvk_tensor relevance;     /* [T, kv_heads n] per key head, what attention_columns leaves */
    uvk_tensor next;          /* [T, n], order formula: rows after the next factor */
    uvk_tensor *maps;         /* [layer - 1], order formula: mean_h relu(G) A of each block; [T, n n], or [T, n] for its ends */
} uvk_job;

/* Checks params against the model and a sequence of that extent and fills job; nothing is allocated. UVK_USAGE. */
uvk_status uvk_job_init(uvk_job *job, uvk_session *s, uvk_extent extent, const uvk_explain_params *params, uvk_error *err);
/* Whether the scalar is of a whole image; and what head of the model tells it then. */
static inline bool uvk_job_of_image(const uvk_job *job)
{
    return job->scalar == UVK_SIMILARITY || (job->scalar == UVK_LOGPROB && job->session->model->arch.modality == UVK_VISION);
}
static inline uvk_image_head uvk_job_head(const uvk_job *job) { return job->scalar == UVK_SIMILARITY ? UVK_EMBEDDING : UVK_CLASS_LOGITS; }
/* The plan: how many targets go together. */
uvk_status uvk_job_plan(uvk_job *job, uvk_plan *plan, uvk_error *err);
/* Floats of one target's seed. */
static inline size_t uvk_job_seed(const uvk_job *job) { return job->seed_rows * (size_t)job->session->model->arch.width; }
/* Whether the product meets one row only of that block's map: e_i starts at the first factor, and at the top block a scalar of one token
 * leaves the others zero. */
static inline bool uvk_job_one_row(const uvk_job *job, int block) { return block == job->first_block || (block == job->layer - 1 && job->seed_rows == 1); }
/* Allocates for capacity targets. uvk_job_free follows, also after a failure. */
uvk_status uvk_job_allocate(uvk_job *job, uint32_t capacity, uvk_error *err);
void uvk_job_free(uvk_job *job);

/* A chunk of targets first..first+count-1 begins its descent from their seeds[count, seed_rows, d]. */
uvk_status uvk_job_begin(uvk_job *job, int first, uint32_t count, const float *seeds, uvk_error *err);
/* From a block's attention to its input, where the gradient alone is wanted. */
uvk_status uvk_job_pass_attention(uvk_job *job, int block, const uvk_attention_gradient *g, uvk_error *err);

/* seeds.c: d f / d z(l)_i for every target, [n_targets, seed_rows, d], owned by the caller. UVK_FAILED when an activation is not finite. */
uvk_status uvk_job_seeds(uvk_job *job, float **out, uvk_error *err);

/* rows.c: targets first..first+count-1 of the job, seeds[count, seed_rows, d], to rows[count, n]. */
uvk_status uvk_job_rows(uvk_job *job, int first, uint32_t count, const float *seeds, float *rows, uvk_error *err);

/* landmarks.c: how many of the targets are explained by themselves. */
int uvk_job_explained(const uvk_job *job);

#endif
