#include "job.h"

#include <stdlib.h>

static uvk_status check_learned(const uvk_job *job, const uvk_arch *arch, uvk_error *err)
{
    if (arch->modality != UVK_VISION || !job->weights)
        return uvk_fail(err, UVK_USAGE, "the scalar learned needs a vision model and weights for its patches");
    for (int i = 0; i < job->n_targets; i++)
        if (job->targets[i] < arch->special)
            return uvk_fail(err, UVK_USAGE, "token %d is a special token, which has no learned weights (patches have)", (int)job->targets[i]);
    return UVK_OK;
}

static uvk_status check_label(const uvk_job *job, uvk_error *err)
{
    const uvk_model *m = job->session->model;
    if (job->scalar == UVK_SIMILARITY && (!job->text || !m->info.embedding))
        return uvk_fail(err, UVK_USAGE, "the scalar similarity needs a whole CLIP or SigLIP model and a text's embedding");
    if (job->scalar == UVK_LOGPROB && !m->info.classes)
        return uvk_fail(err, UVK_USAGE, "the scalar logprob is for language models and image classifiers (this %s model is neither)", m->arch.family);
    if (job->scalar == UVK_LOGPROB && job->label && (*job->label < 0 || *job->label >= m->info.classes))
        return uvk_fail(err, UVK_USAGE, "class %d does not exist (0 to %d do)", (int)*job->label, m->info.classes - 1);
    return UVK_OK;
}

/* A scalar of the whole image, for the tokens that it is read from. */
static uvk_status check_image(uvk_job *job, uvk_error *err)
{
    const uvk_model *m = job->session->model;
    uvk_image_head head = uvk_job_head(job);
    uvk_status status = check_label(job, err);
    if (status)
        return status;
    if (job->layer != m->arch.layers + 1)
        return uvk_fail(err, UVK_USAGE, "a scalar of the whole image stands at the last layer only (%d, not %d)", m->arch.layers + 1, job->layer);
    for (int i = 0; i < job->n_targets; i++)
        if (!uvk_image_head_reads(m, head, (int)job->tokens, job->targets[i]))
            return uvk_fail(err, UVK_USAGE, "token %d is not what this model's head reads (%s)", (int)job->targets[i],
                            uvk_image_head_reads(m, head, (int)job->tokens, 0) && m->arch.special ? "it reads CLS, token 0" : "it reads the patches");
    job->seed_rows = uvk_image_head_count(m, head, (int)job->tokens) == 1 ? 1 : job->tokens;
    return UVK_OK;
}

static uvk_status check_scalar(uvk_job *job, const uvk_arch *arch, uvk_error *err)
{
    if (job->scalar == UVK_LEARNED)
        return check_learned(job, arch, err);
    if (uvk_job_of_image(job))
        return check_image(job, err);
    if (job->scalar != UVK_LOGPROB)
        return UVK_OK;
    if (!uvk_arch_predicts(arch))
        return uvk_fail(err, UVK_USAGE, "the scalar logprob is for language models (this is a %s model)", arch->family);
    if (job->layer != arch->layers + 1)
        return uvk_fail(err, UVK_USAGE, "the scalar logprob stands at the last layer only (%d, not %d)", arch->layers + 1, job->layer);
    return UVK_OK;
}

/* Of an encoder-decoder the decoder's tokens are explained. */
static uvk_status check_sides(const uvk_job *job, const uvk_arch *arch, uvk_error *err)
{
    if (!arch->encoder_layers)
        return UVK_OK;
    if (job->encoder_tokens < 1 || job->encoder_tokens >= job->tokens)
        return uvk_fail(err, UVK_USAGE, "a sequence of %u tokens, %u of them the encoder's, has not two sides", (unsigned)job->tokens, (unsigned)job->encoder_tokens);
    if (job->order == UVK_FORMULA)
        return uvk_fail(err, UVK_USAGE, "the order formula is not defined for an encoder-decoder such as %s (rollout is)", arch->family);
    for (int i = 0; i < job->n_targets; i++)
        if ((uint32_t)job->targets[i] < job->encoder_tokens)
            return uvk_fail(err, UVK_USAGE, "token %d is the encoder's (those of the decoder are explained, %u to %u)", (int)job->targets[i], (unsigned)job->encoder_tokens,
                            (unsigned)job->tokens - 1);
    return UVK_OK;
}

static uvk_status check_approximation(const uvk_job *job, const uvk_arch *arch, uvk_error *err)
{
    const uvk_approximation *a = &job->approximation;
    if (a->gradient_blocks < 0 || a->landmarks < 0)
        return uvk_fail(err, UVK_USAGE, "%d gradient blocks and %d landmarks cannot be (0, which is all, or more)", a->gradient_blocks, a->landmarks);
    if (a->gradient_blocks && arch->encoder_layers)
        return uvk_fail(err, UVK_USAGE, "gradients through the last blocks only are not defined for an encoder-decoder such as %s", arch->family);
    if (a->landmarks && (arch->modality != UVK_VISION || uvk_job_of_image(job)))
        return uvk_fail(err, UVK_USAGE, "landmarks stand for patches of an image and scalars of one token (%s)",
                        arch->modality != UVK_VISION ? "this is a language model" : "this scalar is of the whole image");
    return UVK_OK;
}

/* The lowest block whose C(b) is not taken for I. */
static int first_block_of(const uvk_explain_params *p, int layer)
{
    int first = p->first_block ? p->first_block : 1, blocks = p->approximation.gradient_blocks;
    return blocks > 0 && layer - blocks > first ? layer - blocks : first;
}

uvk_status uvk_job_init(uvk_job *job, uvk_session *s, uvk_extent extent, const uvk_explain_params *p, uvk_error *err)
{
    int layers = s->model->arch.layers;
    *job = (uvk_job){.session = s, .tokens = extent.tokens, .encoder_tokens = extent.encoder, .layer = p->layer ? p->layer : layers + 1, .scalar = p->scalar,
                     .order = p->order, .normalize = p->normalize, .targets = p->targets, .n_targets = p->n_targets, .weights = p->weights, .label = p->label, .text = p->text, .approximation = p->approximation, .seed_rows = 1,
                     .residency = s->residence.now};
    job->first_block = first_block_of(p, job->layer);
    job->bottom = job->first_block;
    if (job->layer < 2 || job->layer > layers + 1)
        return uvk_fail(err, UVK_USAGE, "layer %d cannot be explained (2 to %d can)", job->layer, layers + 1);
    if (job->first_block < 1 || job->first_block >= job->layer)
        return uvk_fail(err, UVK_USAGE, "first block %d is not below layer %d (1 to %d are)", job->first_block, job->layer, job->layer - 1);
    if (job->n_targets < 1)
        return uvk_fail(err, UVK_USAGE, "no target tokens were given");
    for (int i = 0; i < job->n_targets; i++)
        if (job->targets[i] < 0 || (uint32_t)job->targets[i] >= extent.tokens)
            return uvk_fail(err, UVK_USAGE, "token %d does not exist (0 to %u do)", (int)job->targets[i], (unsigned)extent.tokens - 1);
    uvk_status status = check_sides(job, &s->model->arch, err);
    if (status == UVK_OK)
        status = check_approximation(job, &s->model->arch, err);
    return status ? status : check_scalar(job, &s->model->arch, err);
}

/* The ends of the product need one row of their map only: the top block's other rows are zero, and a product that starts with e_i
 * meets only row i of the first. */
static uint64_t map_rows(const uvk_job *job, int block, uint32_t last)
{
    return uvk_job_one_row(job, block) ? 1 : job->session->model->arch.causal ? last + 1 : job->tokens;
}

static uint32_t last_target(const uvk_job *job)
{
    int32_t last = 0;
    for (int i = 0; i < job->n_targets; i++)
        last = job->targets[i] > last ? job->targets[i] : last;
    return (uint32_t)last;
}

static uvk_status declare_maps(uvk_job *job, uint32_t capacity, uint32_t last, uvk_error *err)
{
    uvk_status status = uvk_pool_add(job->pool, &job->next, capacity, job->tokens, true, err);
    job->maps = calloc((size_t)job->layer, sizeof *job->maps);
    if (!job->maps)
        return uvk_fail_memory(err, (size_t)job->layer * sizeof *job->maps, "a list of maps");
    for (int block = job->first_block; block < job->layer && status == UVK_OK; block++)
        status = uvk_pool_add(job->pool, &job->maps[block], capacity, job->tokens * map_rows(job, block, last), true, err);
    return status;
}

static uvk_status declare(uvk_job *job, uint32_t capacity, uvk_error *err)
{
    const uvk_session *s = job->session;
    uint64_t n = job->tokens;
    uint32_t last = last_target(job);
    uvk_status status;
    if ((status = uvk_pool_create(s->ctx, "the backward pass", &job->pool, err)))
        return status;
    job->chunk.pool = job->pool;
    job->chunk.whole = job->seed_rows > 1;
    job->chunk.skip_mlp = job->approximation.skip_mlp;
    if ((status = uvk_chunk_declare(&job->chunk, s, (uvk_extent){job->tokens, job->encoder_tokens}, last, s->model->arch.encoder_layers + job->layer - 1, job->bottom, capacity, err)) ||
        (status = uvk_pool_add(job->pool, &job->s, capacity, n, true, err)) || (status = uvk_pool_add(job->pool, &job->excess, capacity, n, true, err)) ||
        (status = uvk_pool_add(job->pool, &job->relevance, capacity, n * (uint64_t)s->model->arch.kv_heads, true, err)))
        return status;
    return job->order == UVK_FORMULA ? declare_maps(job, capacity, last, err) : UVK_OK;
}

uvk_status uvk_job_allocate(uvk_job *job, uint32_t capacity, uvk_error *err)
{
    uvk_status status = uvk_residency_change(job->session, job->residency, err);
    if (status || (status = declare(job, capacity, err)))
        return status;
    return uvk_pool_commit(job->pool, err);
}

void uvk_job_free(uvk_job *job)
{
    uvk_pool_free(job->pool);
    uvk_chunk_free(&job->chunk);
    free(job->maps);
    job->pool = NULL;
    job->maps = NULL;
}

/* Bytes that capacity targets take; UINT64_MAX when the device cannot hold them in one piece (err says why). */
static uint64_t bytes_for(uvk_job *job, uint32_t capacity, uvk_error *err)
{
    uint64_t bytes = declare(job, capacity, err) == UVK_OK ? uvk_pool_bytes(job->pool) : UINT64_MAX;
    uvk_job_free(job);
    return bytes;
}

/* Rows beyond these fill a device no better and only delay progress and interruption. */
static uint32_t useful_targets(const uvk_job *job)
{
    enum { ROWS_ON_CPU = 2048, ROWS_ON_GPU = 32768 };
    uint32_t rows = uvk_context_is_cpu(job->session->ctx) ? ROWS_ON_CPU : ROWS_ON_GPU, n = job->tokens;
    uint32_t useful = rows / n > 0 ? rows / n : 1;
    return useful < (uint32_t)job->n_targets ? useful : (uint32_t)job->n_targets;
}

/* The largest chunk that fits; 0: not even one target does. */
static uint32_t largest_chunk(uvk_job *job, uint64_t bytes)
{
    uint32_t fits = 0, limit = useful_targets(job);
    while (fits < limit) {
        uint32_t middle = fits + (limit - fits + 1) / 2;
        if (bytes_for(job, middle, NULL) <= bytes)
            fits = middle;
        else
            limit = middle - 1;
    }
    return fits;
}

/* How the weights are kept beside that forward pass: job->residency goes down until a target fits. The second of two buffers hides the
 * time that weights take to come, at best all of it; twice the targets in a chunk halve it. Returns the targets of a chunk. */
static uint32_t choose_residency(uvk_job *job, uint64_t forward)
{
    const uvk_session *s = job->session;
    uint32_t fits = largest_chunk(job, uvk_session_available(s, job->residency) - forward);
    for (uvk_residency below = uvk_residency_below(s, job->residency); below < UVK_RESIDENCIES; below = uvk_residency_below(s, below)) {
        uint32_t more = fits && job->residency == UVK_RESIDENT ? 0 : largest_chunk(job, uvk_session_available(s, below) - forward);
        if (fits && more < 2 * fits)
            continue;
        job->residency = below;
        fits = more;
    }
    return fits;
}

/* Blocks whose weights a chunk meets. */
static int blocks_below(const uvk_job *job)
{
    return job->layer - (job->bottom > 1 ? job->bottom : 1);
}

/* What is held before the chunks begin may be more than beside them, where the weights are streamed from then on. */
static uint64_t most_before(const uvk_session *s, uvk_residency residency, uint64_t forward)
{
    uint64_t now = uvk_context_used(s->ctx), then = uvk_context_budget(s->ctx) - uvk_session_available(s, residency) + forward;
    return now > then ? now : then;
}

uvk_status uvk_job_plan(uvk_job *job, uvk_plan *plan, uvk_error *err)
{
    const uvk_session *s = job->session;
    uint64_t budget = uvk_context_budget(s->ctx), forward;
    uvk_status status = uvk_session_forward_bytes(s, job->tokens, &job->residency, &forward, err);
    if (status)
        return status;
    uint64_t before = most_before(s, job->residency, forward), one = bytes_for(job, 1, err);
    if (one == UINT64_MAX)
        return UVK_FAILED;
    uint32_t fits = choose_residency(job, forward);
    uint64_t weights = budget - uvk_session_available(s, job->residency), chunk_bytes = bytes_for(job, fits ? fits : 1, NULL), total = weights + forward + chunk_bytes;
    if (!fits)
        return uvk_fail(err, UVK_FAILED, "one target needs %llu bytes of device memory beside the model's %llu, the budget is %llu; raise --memory or take a larger device",
                        (unsigned long long)one, (unsigned long long)(weights + forward), (unsigned long long)budget);
    *plan = (uvk_plan){.weights = weights, .forward = forward, .per_target = chunk_bytes / fits, .total = total > before ? total : before, .budget = budget, .chunk = (int)fits,
                       .streamed = uvk_residency_streamed(s, job->residency, blocks_below(job))};
    return UVK_OK;
}

uvk_status uvk_job_begin(uvk_job *job, int first, uint32_t count, const float *seeds, uvk_error *err)
{
    uint32_t *tokens = malloc(count * sizeof *tokens);
    if (!tokens)
        return uvk_fail_memory(err, count * sizeof *tokens, "targets");
    for (uint32_t t = 0; t < count; t++)
        tokens[t] = (uint32_t)job->targets[first + (int)t];
    uvk_status status = uvk_chunk_begin(&job->chunk, job->session, tokens, count, seeds, err);
    free(tokens);
    return status;
}

uvk_status uvk_job_pass_attention(uvk_job *job, int block, const uvk_attention_gradient *g, uvk_error *err)
{
    uvk_tensor d_qkv = uvk_chunk_d_qkv(&job->chunk, g);
    uvk_status status = uvk_attention_columns(job->session->ctx, g, &job->s, &job->relevance, &d_qkv, err);
    return status ? status : uvk_backward_below_attention(job->session, &job->chunk, block, g, err);
}
