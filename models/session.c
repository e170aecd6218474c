#include "session.h"

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
    return layer > s->model->arch.layers ? &s->z_last : &s->activations[layer - 1].z;
}

static uvk_status declare_activations(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint64_t n = (uint64_t)uvk_arch_tokens(a), d = (uint64_t)a->width, m = (uint64_t)a->mlp_width, h = (uint64_t)a->heads;
    uvk_pool *p = s->activations_pool;
    uvk_status status;
    if ((status = uvk_pool_add(p, &s->z_last, n, d, true, err)) || (status = uvk_pool_add(p, &s->patches, n - (uint64_t)a->special, s->patch_weight.cols, true, err)) ||
        (status = uvk_pool_add(p, &s->normed, n, d, true, err)) || (status = uvk_pool_add(p, &s->hidden, n, m, true, err)))
        return status;
    for (int i = 0; i < a->layers && status == UVK_OK; i++) {
        uvk_block_activations *b = &s->activations[i];
        const struct { uvk_tensor *tensor; uint64_t cols; } list[] = {
            {&b->z, d}, {&b->norm1_stats, 2}, {&b->qkv, 3 * d}, {&b->attention_stats, 2 * h}, {&b->o, d}, {&b->middle, d}, {&b->norm2_stats, 2}, {&b->slope, m},
        };
        for (size_t k = 0; k < sizeof list / sizeof *list && status == UVK_OK; k++)
            status = uvk_pool_add(p, list[k].tensor, n, list[k].cols, true, err);
    }
    return status;
}

static uvk_status open_session(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    s->attention = (uvk_attention_shape){(uint32_t)uvk_arch_tokens(a), (uint32_t)a->heads, (uint32_t)a->head_dim, 0};
    s->attention.scale = (float)(1 / __builtin_sqrt((double)a->head_dim));
    s->weights = calloc((size_t)a->layers, sizeof *s->weights);
    s->activations = calloc((size_t)a->layers, sizeof *s->activations);
    if (!s->weights || !s->activations)
        return uvk_fail_memory(err, (size_t)a->layers * sizeof *s->weights, "a session");
    uvk_status status;
    if ((status = uvk_pool_create(s->ctx, "the model's weights", &s->weights_pool, err)) || (status = uvk_weights_declare(s, err)) ||
        (status = uvk_pool_commit(s->weights_pool, err)) || (status = uvk_pool_create(s->ctx, "the forward pass", &s->activations_pool, err)) ||
        (status = declare_activations(s, err)) || (status = uvk_pool_commit(s->activations_pool, err)))
        return status;
    return uvk_weights_upload(s, err);
}

uvk_status uvk_session_create(uvk_context *ctx, uvk_model *model, uvk_session **out, uvk_error *err)
{
    uvk_session *s = calloc(1, sizeof *s);
    if (!s)
        return uvk_fail_memory(err, sizeof *s, "a session");
    s->ctx = ctx;
    s->model = model;
    uvk_status status = open_session(s, err);
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
    uvk_pool_free(s->activations_pool);
    uvk_pool_free(s->weights_pool);
    free(s->activations);
    free(s->weights);
    free(s);
}
