#include "session.h"

#include "head.h"
#include "self_check.h"

#include <stdlib.h>
#include <time.h>

double uvk_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const uvk_tensor *uvk_session_z(const uvk_session *s, int layer)
{
    return uvk_session_stream(s, s->model->arch.encoder_layers + layer);
}

const uvk_tensor *uvk_session_stream(const uvk_session *s, int block)
{
    return block > uvk_arch_blocks(&s->model->arch) ? &s->activations.z_last : &s->activations.blocks[block - 1].z;
}

const uvk_tensor *uvk_session_output(const uvk_session *s, int block)
{
    return block == s->model->arch.encoder_layers ? &s->activations.encoded : uvk_session_stream(s, block + 1);
}

static uvk_status open_session(uvk_session *s, uvk_error *err)
{
    size_t bytes = (size_t)uvk_arch_blocks(&s->model->arch) * sizeof *s->weights;
    uvk_status status;
    if (!(s->weights = calloc(1, bytes)))
        return uvk_fail_memory(err, bytes, "a session");
    if ((status = uvk_pool_create(s->ctx, "the weights outside the blocks", &s->outside, err)) || (status = uvk_weights_declare_outside(s, err)) ||
        (status = uvk_pool_commit(s->outside, err)) || (status = uvk_weights_upload_outside(s, err)))
        return status;
    return uvk_residency_open(s, err);
}

uvk_status uvk_session_create(uvk_context *ctx, uvk_model *model, uvk_session **out, uvk_error *err)
{
    uvk_session *s = calloc(1, sizeof *s);
    if (!s)
        return uvk_fail_memory(err, sizeof *s, "a session");
    s->ctx = ctx;
    s->model = model;
    uvk_status status = uvk_self_check(ctx, err);
    if (status == UVK_OK)
        status = open_session(s, err);
    if (status) {
        uvk_session_free(s);
        return status;
    }
    *out = s;
    return UVK_OK;
}

void uvk_session_free(uvk_session *s)
{
    if (!s)
        return;
    uvk_pool_free(s->activations.pool);
    uvk_head_free(s->head);
    uvk_residency_close(s);
    uvk_pool_free(s->outside);
    free(s->activations.blocks);
    free(s->weights);
    free(s->ids);
    free(s);
}
