#include "head.h"
#include "image_head.h"
#include "job.h"

#include <math.h>
#include <stdlib.h>

/* d f / d z_i of METHOD section 1, c held constant, in double: sum 1/c; energy z/(|z| c); learned w_i/c. */
static void seed(const uvk_job *job, int32_t token, const float *z, size_t d, float *out)
{
    double squares = 0;
    for (size_t k = 0; k < d; k++)
        squares += (double)z[k] * z[k];
    double norm = sqrt(squares), c = job->normalize == UVK_NORM ? norm : 1;
    const float *w = job->scalar == UVK_LEARNED ? job->weights + (size_t)(token - job->session->model->arch.special) * d : NULL;
    for (size_t k = 0; k < d; k++)
        out[k] = (float)(w ? w[k] / c : job->scalar == UVK_SUM ? 1 / c : z[k] / (norm * c));
}

/* Without a length there is no gradient, and infinity times weights of zero could end as a row that looks sound. */
static uvk_status check_seed(const uvk_job *job, int target, const float *seed, size_t d, uvk_error *err)
{
    for (size_t k = 0; k < d; k++)
        if (!isfinite(seed[k]))
            return uvk_fail(err, UVK_FAILED, "token %d has no length at layer %d, its scalar no gradient there", (int)job->targets[target], job->layer);
    return UVK_OK;
}

static uvk_status check_finite(const uvk_job *job, const float *z, size_t count, uvk_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(z[i]))
            return uvk_fail(err, UVK_FAILED, "the activations at layer %d are not finite (NaN or infinity in the weights, or an overflow)", job->layer);
    return UVK_OK;
}

/* Seeds of sum, energy and learned, from z itself. */
static uvk_status seeds_of_latents(uvk_job *job, const float *z, size_t d, float *seeds, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int t = 0; t < job->n_targets && status == UVK_OK; t++) {
        seed(job, job->targets[t], z + ((size_t)job->targets[t] - job->encoder_tokens) * d, d, seeds + (size_t)t * d);
        status = check_seed(job, t, seeds + (size_t)t * d, d, err);
    }
    return status;
}

/* Seeds of logprob: y is the next token of the sequence; the last position has none and takes the likeliest. */
static uvk_status seeds_of_logits(uvk_job *job, float *seeds, uvk_error *err)
{
    uvk_session *s = job->session;
    size_t bytes = (size_t)job->n_targets * sizeof(int32_t);
    int32_t *next = malloc(bytes);
    if (!next)
        return uvk_fail_memory(err, bytes, "target ids");
    for (int t = 0; t < job->n_targets; t++)
        next[t] = (uint32_t)job->targets[t] + 1 < job->tokens ? s->ids[job->targets[t] + 1] : -1;
    uvk_status status = uvk_head_gradients(s, job->targets, next, job->n_targets, seeds, err);
    free(next);
    return status;
}

/* d log p(y) / d logits, y the class asked for or the likeliest. */
static void differentiate_class(const uvk_job *job, double *logits, int classes)
{
    int best = 0;
    double sum = 0;
    for (int i = 0; i < classes; i++)
        best = logits[i] > logits[best] ? i : best;
    double largest = logits[best];
    for (int i = 0; i < classes; i++)
        sum += logits[i] = exp(logits[i] - largest);
    for (int i = 0; i < classes; i++)
        logits[i] = (i == (job->label ? *job->label : best)) - logits[i] / sum;
}

/* d cos / d embedding: what of the text is across the image, over the image's length. */
static void differentiate_cosine(const uvk_job *job, double *embedding, int count)
{
    double squares = 0, product = 0;
    for (int k = 0; k < count; k++) {
        squares += embedding[k] * embedding[k];
        product += embedding[k] * job->text[k];
    }
    for (int k = 0; k < count; k++)
        embedding[k] = (job->text[k] - product / squares * embedding[k]) / sqrt(squares);
}

/* The gradient of a whole image's scalar, [n, d], of which each target's seed has the row that it reads, or all. */
static uvk_status seeds_of_image(uvk_job *job, const float *z, size_t n, size_t d, float *seeds, uvk_error *err)
{
    const uvk_model *m = job->session->model;
    uvk_image_head head = uvk_job_head(job);
    int outputs = uvk_image_head_size(m, head);
    size_t count = n * d + (size_t)outputs, size = uvk_job_seed(job);
    double *gradient = malloc(count * sizeof *gradient);
    if (!gradient)
        return uvk_fail_memory(err, count * sizeof *gradient, "the image's gradient");
    double *out = gradient + n * d;
    uvk_status status = uvk_image_head_run(m, head, z, (int)n, out, err);
    if (status == UVK_OK) {
        (job->scalar == UVK_SIMILARITY ? differentiate_cosine : differentiate_class)(job, out, outputs);
        status = uvk_image_head_backward(m, head, z, (int)n, out, gradient, err);
    }
    for (int t = 0; t < job->n_targets && status == UVK_OK; t++) {
        const double *from = job->seed_rows == 1 ? gradient + (size_t)job->targets[t] * d : gradient;
        for (size_t k = 0; k < size; k++)
            seeds[(size_t)t * size + k] = (float)from[k];
        status = check_seed(job, t, seeds + (size_t)t * size, size, err);
    }
    free(gradient);
    return status;
}

/* Seeds of each target's own latent. */
static uvk_status seeds_of_tokens(uvk_job *job, const float *z, size_t d, float *seeds, uvk_error *err)
{
    return job->scalar == UVK_LOGPROB ? seeds_of_logits(job, seeds, err) : seeds_of_latents(job, z, d, seeds, err);
}

uvk_status uvk_job_seeds(uvk_job *job, float **out, uvk_error *err)
{
    size_t n = job->tokens - job->encoder_tokens, d = (size_t)job->session->model->arch.width; /* rows of z(l) */
    float *z = malloc(n * d * sizeof *z), *seeds = malloc((size_t)job->n_targets * uvk_job_seed(job) * sizeof *seeds);
    uvk_status status = z && seeds ? uvk_hidden(job->session, job->layer, z, err) : uvk_fail_memory(err, n * d * sizeof *z, "activations");
    if (status == UVK_OK)
        status = check_finite(job, z, n * d, err);
    if (status == UVK_OK)
        status = uvk_job_of_image(job) ? seeds_of_image(job, z, n, d, seeds, err) : seeds_of_tokens(job, z, d, seeds, err);
    free(z);
    if (status) {
        free(seeds);
        return status;
    }
    *out = seeds;
    return UVK_OK;
}
