/* Where the weights of the blocks are. All on the device where they fit; else in their file, from which each block's come when the pass,
 * forward or backward, reaches it. Two buffers let the next block's be written while the device computes the one before. */
#include "session.h"

/* Encoder-decoders are not streamed: their blocks are of two kinds, and every decoder block's keys and values are taken of the encoder's
 * output at once. */
static bool can_stream(const uvk_session *s)
{
    const uvk_arch *a = &s->model->arch;
    bool alike = a->encoder_layers == 0;
    for (int block = 2; block <= uvk_arch_blocks(a) && alike; block++)
        alike = uvk_weights_alike(&s->weights[0], &s->weights[block - 1]);
    return alike;
}

static uint64_t total(uint64_t each, uint64_t count)
{
    uint64_t bytes;
    return uvk_mul(each, count, &bytes) ? bytes : UINT64_MAX;
}

/* What each way takes. The weights of all blocks are declared, and in no memory yet. */
static uvk_status measure(uvk_session *s, uvk_error *err)
{
    uvk_residence *r = &s->residence;
    uvk_block_weights one;
    uvk_pool *pool = NULL;
    uvk_status status = uvk_pool_create(s->ctx, "the model's weights", &r->pool, err);
    for (int block = 1; block <= uvk_arch_blocks(&s->model->arch) && status == UVK_OK; block++)
        status = uvk_weights_declare_block(s->model, block, r->pool, &s->weights[block - 1], err);
    if (status || (status = uvk_pool_create(s->ctx, "one block's weights", &pool, err)))
        return status;
    status = uvk_weights_declare_block(s->model, 1, pool, &one, err);
    r->bytes[UVK_RESIDENT] = uvk_pool_bytes(r->pool);
    r->bytes[UVK_ONE_BUFFER] = can_stream(s) ? uvk_pool_bytes(pool) : UINT64_MAX;
    r->bytes[UVK_TWO_BUFFERS] = can_stream(s) ? total(r->bytes[UVK_ONE_BUFFER], 2) : UINT64_MAX;
    uvk_pool_free(pool);
    return status;
}

uvk_residency uvk_residency_below(const uvk_session *s, uvk_residency from)
{
    if (s->residence.pinned)
        return UVK_RESIDENCIES;
    uvk_residency next = from + 1;
    while (next < UVK_RESIDENCIES && s->residence.bytes[next] >= s->residence.bytes[from])
        next++;
    return next;
}

uint64_t uvk_residency_free(const uvk_session *s, uvk_residency residency)
{
    uint64_t budget = uvk_context_budget(s->ctx), others = uvk_context_used(s->ctx) - s->residence.held, bytes = s->residence.bytes[residency];
    return others <= budget && bytes <= budget - others ? budget - others - bytes : 0;
}

uint64_t uvk_residency_streamed(const uvk_session *s, uvk_residency residency, int blocks)
{
    return residency == UVK_RESIDENT ? 0 : total(s->residence.bytes[UVK_ONE_BUFFER], (uint64_t)blocks);
}

/* ---- Changing it -------------------------------------------------------------------------------------------------------------- */

static int buffers_of(uvk_residency residency)
{
    return residency == UVK_RESIDENT ? 0 : residency == UVK_TWO_BUFFERS ? 2 : 1;
}

static void release(uvk_session *s)
{
    uvk_residence *r = &s->residence;
    uvk_pool_free(r->pool);
    for (int i = 0; i < 2; i++)
        uvk_pool_free(r->buffers[i].pool);
    r->pool = NULL;
    r->buffers[0] = r->buffers[1] = (uvk_block_buffer){0};
    r->held = 0;
    r->entered = 0;
}

static uvk_status open_buffer(uvk_session *s, uvk_block_buffer *b, uvk_error *err)
{
    uvk_status status = uvk_pool_create(s->ctx, "one block's weights", &b->pool, err);
    if (status)
        return status;
    uvk_pool_written_by_host(b->pool);
    status = uvk_weights_declare_block(s->model, 1, b->pool, &b->weights, err);
    return status ? status : uvk_pool_commit(b->pool, err);
}

static uvk_status upload_all(uvk_session *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int block = 1; block <= uvk_arch_blocks(&s->model->arch) && status == UVK_OK; block++)
        status = uvk_weights_upload_block(s, block, &s->weights[block - 1], err);
    return status;
}

/* Memory for the present residency, filled where it holds all weights. */
static uvk_status occupy(uvk_session *s, uvk_error *err)
{
    uvk_residence *r = &s->residence;
    uint64_t before = uvk_context_used(s->ctx);
    uvk_status status = r->now == UVK_RESIDENT ? uvk_pool_commit(r->pool, err) : UVK_OK;
    for (int i = 0; i < buffers_of(r->now) && status == UVK_OK; i++)
        status = open_buffer(s, &r->buffers[i], err);
    r->held = uvk_context_used(s->ctx) - before;
    if (status == UVK_OK && r->now == UVK_RESIDENT)
        status = upload_all(s, err);
    if (status)
        release(s); /* what there is of it is of no use */
    return status;
}

/* The first way that fits; the last one says what is missing. */
uvk_status uvk_residency_open(uvk_session *s, uvk_error *err)
{
    uvk_residence *r = &s->residence;
    uvk_status status = measure(s, err);
    if (status)
        return status;
    uint64_t room = uvk_context_budget(s->ctx) - uvk_context_used(s->ctx);
    for (uvk_residency next = uvk_residency_below(s, r->now); r->bytes[r->now] > room && next < UVK_RESIDENCIES; next = uvk_residency_below(s, r->now))
        r->now = next;
    if (r->now != UVK_RESIDENT)
        release(s);
    return occupy(s, err);
}

void uvk_residency_close(uvk_session *s)
{
    release(s);
}

/* Nothing that a pass left is lost: activations stay where they are. */
uvk_status uvk_residency_change(uvk_session *s, uvk_residency to, uvk_error *err)
{
    if (s->residence.now == to)
        return UVK_OK;
    uvk_status status = uvk_flush(s->ctx, err);
    if (status)
        return status;
    release(s);
    for (int block = 1; block <= uvk_arch_blocks(&s->model->arch); block++)
        uvk_weights_detach(&s->weights[block - 1]);
    s->residence.now = to;
    return occupy(s, err);
}

uvk_status uvk_residency_make_room(uvk_session *s, uint64_t bytes, uvk_error *err)
{
    uvk_residency to = s->residence.now;
    while (uvk_residency_free(s, to) < bytes && uvk_residency_below(s, to) < UVK_RESIDENCIES)
        to = uvk_residency_below(s, to);
    return uvk_residency_free(s, to) < bytes ? UVK_OK : uvk_residency_change(s, to, err); /* in vain, it stays: whoever allocates says what is missing */
}

uvk_status uvk_residency_pin(uvk_session *s, uvk_error *err)
{
    if (s->residence.now != UVK_RESIDENT)
        return uvk_fail(err, UVK_FAILED, "weights that are to be changed need %llu bytes of device memory all together, which the budget of %llu does not leave; raise --memory or take a larger device",
                        (unsigned long long)s->residence.bytes[UVK_RESIDENT], (unsigned long long)uvk_context_budget(s->ctx));
    s->residence.pinned = true;
    return UVK_OK;
}

uvk_status uvk_residency_unpin(uvk_session *s, uvk_error *err)
{
    uvk_status status = s->residence.pinned ? upload_all(s, err) : UVK_OK;
    if (status == UVK_OK)
        s->residence.pinned = false;
    return status;
}

/* ---- Passing through the blocks ------------------------------------------------------------------------------------------------- */

/* Into a buffer that no work reads any more. While it is written, the block that it held is nowhere. */
static uvk_status load(uvk_session *s, int block, uvk_block_buffer *b, uvk_error *err)
{
    uvk_status status = b->pool ? uvk_wait(s->ctx, b->last_use, err) : uvk_fail(err, UVK_FAILED, "the device had no memory for a block's weights, which a session needs");
    if (status)
        return status;
    if (b->block)
        uvk_weights_detach(&s->weights[b->block - 1]);
    b->block = 0;
    if ((status = uvk_weights_upload_block(s, block, &b->weights, err)))
        return status;
    s->weights[block - 1] = b->weights;
    b->block = block;
    return UVK_OK;
}

uvk_status uvk_residency_enter(uvk_session *s, int block, uvk_error *err)
{
    uvk_residence *r = &s->residence;
    int n = buffers_of(r->now);
    if (n == 0 || r->entered == block)
        return UVK_OK;
    uvk_status status = UVK_OK;
    if (r->entered) /* all that reads those weights is recorded: the device computes it while the next ones are written */
        status = uvk_submit(s->ctx, &r->buffers[r->entered % n].last_use, err);
    r->entered = 0;
    uvk_block_buffer *b = &r->buffers[block % n];
    if (status == UVK_OK && b->block != block)
        status = load(s, block, b, err);
    if (status == UVK_OK)
        r->entered = block;
    return status;
}
