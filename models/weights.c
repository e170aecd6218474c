/* Weights from disk to device, as float32. */
#include "session.h"

#include <stdlib.h>

uvk_status uvk_weights_declare(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint64_t d = (uint64_t)a->width, m = (uint64_t)a->mlp_width, patch = (uint64_t)a->channels * (uint64_t)a->patch * (uint64_t)a->patch;
    uvk_pool *p = s->weights_pool;
    uvk_status status;
    if ((status = uvk_pool_add(p, &s->embedding, (uint64_t)uvk_arch_tokens(a), d, true, err)) || (status = uvk_pool_add(p, &s->patch_weight, d, patch, false, err)) ||
        (status = uvk_pool_add(p, &s->patch_bias, 1, d, true, err)))
        return status;
    for (int i = 0; i < a->layers && status == UVK_OK; i++) {
        uvk_block_weights *b = &s->weights[i];
        const struct { uvk_tensor *tensor; uint64_t rows, cols; } list[] = {
            {&b->norm1_weight, 1, d}, {&b->norm1_bias, 1, d}, {&b->qkv, 3 * d, d}, {&b->qkv_bias, 1, 3 * d}, {&b->out, d, d}, {&b->out_bias, 1, d},
            {&b->norm2_weight, 1, d}, {&b->norm2_bias, 1, d}, {&b->up, m, d}, {&b->up_bias, 1, m}, {&b->down, d, m}, {&b->down_bias, 1, d},
        };
        for (size_t k = 0; k < sizeof list / sizeof *list && status == UVK_OK; k++)
            status = uvk_pool_add(p, list[k].tensor, list[k].rows, list[k].cols, false, err);
    }
    return status;
}

/* ---- Upload, through a bounded piece of host memory ------------------------------------------------------------------------- */

enum { PIECE = 1 << 20 }; /* elements */

typedef struct upload {
    uvk_session *s;
    float *piece;
} upload;

/* Rows of a tensor to to[first_row...]; an absent optional tensor is zeros. */
static uvk_status upload_rows(upload *u, const uvk_tensor_view *from, const uvk_tensor *to, uint64_t first_row, uint64_t rows, uvk_error *err)
{
    uint64_t step = PIECE / to->cols > 0 ? PIECE / to->cols : 1;
    for (uint64_t r = 0; r < rows; r += step) {
        uint64_t n = rows - r < step ? rows - r : step;
        if (from)
            uvk_tensor_to_f32(from, r * to->cols, n * to->cols, u->piece);
        else
            for (uint64_t i = 0; i < n * to->cols; i++)
                u->piece[i] = 0;
        uvk_status status = uvk_upload(u->s->ctx, to, first_row + r, n, u->piece, err);
        if (status)
            return status;
    }
    return UVK_OK;
}

static uvk_status upload_block(upload *u, int block, uvk_error *err)
{
    const uvk_block_weights *b = &u->s->weights[block];
    uint64_t d = b->out.rows;
    uvk_tensor qkv_bias = uvk_tensor_view_as(&b->qkv_bias, 3, d);
    const struct { uvk_slot slot; const uvk_tensor *to; uint64_t first_row, rows; } list[] = {
        {UVK_NORM1_WEIGHT, &b->norm1_weight, 0, 1}, {UVK_NORM1_BIAS, &b->norm1_bias, 0, 1},
        {UVK_QUERY_WEIGHT, &b->qkv, 0, d}, {UVK_KEY_WEIGHT, &b->qkv, d, d}, {UVK_VALUE_WEIGHT, &b->qkv, 2 * d, d},
        {UVK_QUERY_BIAS, &qkv_bias, 0, 1}, {UVK_KEY_BIAS, &qkv_bias, 1, 1}, {UVK_VALUE_BIAS, &qkv_bias, 2, 1},
        {UVK_OUT_WEIGHT, &b->out, 0, b->out.rows}, {UVK_OUT_BIAS, &b->out_bias, 0, 1},
        {UVK_NORM2_WEIGHT, &b->norm2_weight, 0, 1}, {UVK_NORM2_BIAS, &b->norm2_bias, 0, 1},
        {UVK_UP_WEIGHT, &b->up, 0, b->up.rows}, {UVK_UP_BIAS, &b->up_bias, 0, 1},
        {UVK_DOWN_WEIGHT, &b->down, 0, b->down.rows}, {UVK_DOWN_BIAS, &b->down_bias, 0, 1},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        status = upload_rows(u, uvk_model_tensor(u->s->model, block, list[i].slot), list[i].to, list[i].first_row, list[i].rows, err);
    return status;
}

/* Position embeddings, with the special tokens' own embeddings added in their rows. */
static uvk_status upload_embedding(upload *u, uvk_error *err)
{
    const uvk_arch *a = &u->s->model->arch;
    size_t d = (size_t)a->width;
    uvk_status status = upload_rows(u, uvk_model_tensor(u->s->model, 0, UVK_POSITIONS), &u->s->embedding, 0, (uint64_t)uvk_arch_tokens(a), err);
    const uvk_tensor_view *cls = uvk_model_tensor(u->s->model, 0, UVK_CLS);
    if (status || !cls)
        return status;
    float *row = malloc(2 * d * sizeof *row);
    if (!row)
        return uvk_fail_memory(err, 2 * d * sizeof *row, "an embedding");
    uvk_tensor_to_f32(cls, 0, d, row);
    uvk_tensor_to_f32(uvk_model_tensor(u->s->model, 0, UVK_POSITIONS), 0, d, row + d);
    for (size_t k = 0; k < d; k++)
        row[k] += row[d + k];
    status = uvk_upload(u->s->ctx, &u->s->embedding, 0, 1, row, err);
    free(row);
    return status;
}

uvk_status uvk_weights_upload(uvk_session *s, uvk_error *err)
{
    uint64_t widest = s->model->arch.mlp_width > 3 * s->model->arch.width ? (uint64_t)s->model->arch.mlp_width : 3 * (uint64_t)s->model->arch.width;
    widest = s->patch_weight.cols > widest ? s->patch_weight.cols : widest;
    size_t elements = widest > PIECE ? widest : PIECE;
    upload u = {.s = s, .piece = malloc(elements * sizeof(float))};
    if (!u.piece)
        return uvk_fail_memory(err, elements * sizeof(float), "uploading weights");
    uvk_status status = upload_embedding(&u, err);
    if (status == UVK_OK)
        status = upload_rows(&u, uvk_model_tensor(s->model, 0, UVK_PATCH_WEIGHT), &s->patch_weight, 0, s->patch_weight.rows, err);
    if (status == UVK_OK)
        status = upload_rows(&u, uvk_model_tensor(s->model, 0, UVK_PATCH_BIAS), &s->patch_bias, 0, 1, err);
    for (int i = 0; i < s->model->arch.layers && status == UVK_OK; i++)
        status = upload_block(&u, i, err);
    free(u.piece);
    return status;
}
