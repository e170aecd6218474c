#include "reinitialize.h"

#include "random.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE = 1 << 20 }; /* elements at a time */
enum { FARTHEST = 9 }; /* deviations that uvk_random_normal draws at most */

/* Passes over a tensor's elements, rows at a time. */
typedef struct pieces { const uvk_tensor *tensor; uint64_t step; float *values; } pieces;

static uvk_status measure(uvk_context *ctx, const pieces *p, double *deviation, uvk_error *err)
{
    double sum = 0, squares = 0, count = (double)(p->tensor->rows * p->tensor->cols);
    uvk_status status = UVK_OK;
    for (uint64_t r = 0; r < p->tensor->rows && status == UVK_OK; r += p->step) {
        uint64_t n = p->tensor->rows - r < p->step ? p->tensor->rows - r : p->step;
        status = uvk_download(ctx, p->tensor, r, n, p->values, err);
        for (uint64_t i = 0; i < n * p->tensor->cols && status == UVK_OK; i++) {
            sum += p->values[i];
            squares += (double)p->values[i] * p->values[i];
        }
    }
    *deviation = sqrt(fmax(squares / count - sum / count * (sum / count), 0));
    return status;
}

/* value + deviation * normal, in every element. */
static uvk_status fill(uvk_context *ctx, const pieces *p, float value, double deviation, uvk_random *draw, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (uint64_t r = 0; r < p->tensor->rows && status == UVK_OK; r += p->step) {
        uint64_t n = p->tensor->rows - r < p->step ? p->tensor->rows - r : p->step;
        for (uint64_t i = 0; i < n * p->tensor->cols; i++)
            p->values[i] = deviation > 0 ? (float)(deviation * uvk_random_normal(draw)) : value;
        status = uvk_upload(ctx, p->tensor, r, n, p->values, err);
    }
    return status;
}

static uvk_status reinitialize(uvk_context *ctx, uvk_tensor *tensor, bool matrix, float value, uvk_random *draw, uvk_error *err)
{
    uint64_t step = uvk_present(tensor) && PIECE > tensor->cols ? PIECE / tensor->cols : 1;
    size_t bytes = (size_t)(step * tensor->cols) * sizeof(float);
    if (!uvk_present(tensor))
        return UVK_OK;
    pieces p = {tensor, step, malloc(bytes)};
    double deviation = 0;
    if (!p.values)
        return uvk_fail_memory(err, bytes, "weights drawn anew");
    uvk_status status = matrix ? measure(ctx, &p, &deviation, err) : UVK_OK;
    if (status == UVK_OK)
        status = fill(ctx, &p, value, deviation, draw, err);
    free(p.values);
    if (matrix)
        tensor->largest = (float)(FARTHEST * deviation);
    return status;
}

uvk_status uvk_reinitialize_block(uvk_session *s, int block, int64_t seed, uvk_error *err)
{
    uvk_block_weights *w = &s->weights[block - 1];
    const struct { uvk_tensor *tensor; bool matrix; float value; } list[] = {
        {&w->qkv, true, 0}, {&w->out, true, 0}, {&w->up, true, 0}, {&w->down, true, 0}, {&w->qkv_bias, false, 0}, {&w->out_bias, false, 0},
        {&w->up_bias, false, 0}, {&w->down_bias, false, 0}, {&w->norm1_weight, false, 1}, {&w->norm1_bias, false, 0}, {&w->norm2_weight, false, 1},
        {&w->norm2_bias, false, 0}, {&w->query_norm, false, 1}, {&w->key_norm, false, 1}, {&w->cross_query, true, 0}, {&w->cross_memory, true, 0},
        {&w->cross_out, true, 0}, {&w->cross_query_bias, false, 0}, {&w->cross_memory_bias, false, 0}, {&w->cross_out_bias, false, 0},
        {&w->cross_norm_weight, false, 1}, {&w->cross_norm_bias, false, 0},
    };
    uvk_random draw = uvk_random_start(seed, (uint64_t)block);
    uvk_status status = uvk_residency_pin(s, err);
    s->tokens = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        status = reinitialize(s->ctx, list[i].tensor, list[i].matrix, list[i].value, &draw, err);
    return status;
}

uvk_status uvk_restore_weights(uvk_session *s, uvk_error *err)
{
    s->tokens = 0;
    return uvk_residency_unpin(s, err);
}
