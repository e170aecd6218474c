/* Weights from disk to device, as float32. */
#include "positions.h"
#include "session.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A tensor of uvk_block_weights and the slots that stand in it one below the other. */
typedef struct stack {
    size_t offset;
    int n;
    uvk_slot slots[3];
} stack;

#define MEMBER(name) offsetof(uvk_block_weights, name)

static const stack stacks[] = {
    {MEMBER(norm1_weight), 1, {UVK_NORM1_WEIGHT}}, {MEMBER(norm1_bias), 1, {UVK_NORM1_BIAS}},
    {MEMBER(qkv), 3, {UVK_QUERY_WEIGHT, UVK_KEY_WEIGHT, UVK_VALUE_WEIGHT}}, {MEMBER(qkv_bias), 3, {UVK_QUERY_BIAS, UVK_KEY_BIAS, UVK_VALUE_BIAS}},
    {MEMBER(query_norm), 1, {UVK_QUERY_NORM}}, {MEMBER(key_norm), 1, {UVK_KEY_NORM}},
    {MEMBER(out), 1, {UVK_OUT_WEIGHT}}, {MEMBER(out_bias), 1, {UVK_OUT_BIAS}},
    {MEMBER(norm2_weight), 1, {UVK_NORM2_WEIGHT}}, {MEMBER(norm2_bias), 1, {UVK_NORM2_BIAS}},
    {MEMBER(up), 2, {UVK_GATE_WEIGHT, UVK_UP_WEIGHT}}, {MEMBER(up_bias), 2, {UVK_GATE_BIAS, UVK_UP_BIAS}},
    {MEMBER(cross_norm_weight), 1, {UVK_CROSS_NORM_WEIGHT}}, {MEMBER(cross_norm_bias), 1, {UVK_CROSS_NORM_BIAS}},
    {MEMBER(cross_query), 1, {UVK_CROSS_QUERY_WEIGHT}}, {MEMBER(cross_query_bias), 1, {UVK_CROSS_QUERY_BIAS}},
    {MEMBER(cross_memory), 2, {UVK_CROSS_KEY_WEIGHT, UVK_CROSS_VALUE_WEIGHT}}, {MEMBER(cross_memory_bias), 2, {UVK_CROSS_KEY_BIAS, UVK_CROSS_VALUE_BIAS}},
    {MEMBER(cross_out), 1, {UVK_CROSS_OUT_WEIGHT}}, {MEMBER(cross_out_bias), 1, {UVK_CROSS_OUT_BIAS}},
    {MEMBER(down), 1, {UVK_DOWN_WEIGHT}}, {MEMBER(down_bias), 1, {UVK_DOWN_BIAS}},
};

enum { STACKS = sizeof stacks / sizeof *stacks };

static uvk_tensor *stack_tensor(uvk_block_weights *b, const stack *st)
{
    return (uvk_tensor *)((char *)b + st->offset);
}

static bool is_vector(const uvk_model *m, int block, uvk_slot slot)
{
    return uvk_model_slot(m, block, slot)->shape[1] == UVK_DIM_END;
}

/* Matrices are stacked by rows; vectors are one row, one beside the other. */
static void stack_size(const uvk_model *m, int block, const uvk_slot *slots, int n, uint64_t *rows, uint64_t *cols)
{
    *rows = *cols = 0;
    for (int i = 0; i < n; i++) {
        uint64_t r, c;
        uvk_model_slot_size(m, block, slots[i], &r, &c);
        if (!r)
            continue;
        bool vector = is_vector(m, block, slots[i]);
        *cols = vector ? *cols + c : c;
        *rows = vector ? 1 : *rows + r;
    }
}

/* Vectors outside the blocks. */
static const struct { uvk_slot slot; size_t offset; } vectors[] = {
    {UVK_PATCH_BIAS, offsetof(uvk_session, patch_bias)},
    {UVK_EMBEDDING_NORM_WEIGHT, offsetof(uvk_session, embedding_norm_weight[0])}, {UVK_EMBEDDING_NORM_BIAS, offsetof(uvk_session, embedding_norm_bias[0])},
    {UVK_ENCODER_EMBEDDING_NORM_WEIGHT, offsetof(uvk_session, embedding_norm_weight[1])}, {UVK_ENCODER_EMBEDDING_NORM_BIAS, offsetof(uvk_session, embedding_norm_bias[1])},
    {UVK_ENCODER_NORM_WEIGHT, offsetof(uvk_session, memory_norm_weight)}, {UVK_ENCODER_NORM_BIAS, offsetof(uvk_session, memory_norm_bias)},
};

enum { VECTORS = sizeof vectors / sizeof *vectors };

static uvk_tensor *session_tensor(uvk_session *s, size_t offset)
{
    return (uvk_tensor *)((char *)s + offset);
}

uvk_status uvk_weights_declare_outside(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint64_t d = (uint64_t)a->width, patch = (uint64_t)a->channels * (uint64_t)a->patch * (uint64_t)a->patch;
    uvk_pool *p = s->outside;
    uvk_status status = UVK_OK;
    if (a->modality == UVK_VISION && ((status = uvk_pool_add(p, &s->embedding, (uint64_t)uvk_arch_tokens(a), d, true, err)) ||
                                      (status = uvk_pool_add(p, &s->patch_weight, d, patch, false, err))))
        return status;
    for (int i = 0; i < VECTORS && status == UVK_OK; i++)
        if (uvk_model_tensor(s->model, 0, vectors[i].slot))
            status = uvk_pool_add(p, session_tensor(s, vectors[i].offset), 1, d, true, err);
    for (int i = 0; i < 2 && status == UVK_OK && a->relative_reach; i++)
        status = uvk_pool_add(p, &s->bias[i], (uint64_t)a->heads, 2 * (uint64_t)a->relative_reach + 1, true, err);
    return status;
}

uvk_status uvk_weights_declare_block(const uvk_model *m, int block, uvk_pool *pool, uvk_block_weights *out, uvk_error *err)
{
    uvk_status status = UVK_OK;
    *out = (uvk_block_weights){0};
    for (int i = 0; i < STACKS && status == UVK_OK; i++) {
        uint64_t rows, cols;
        stack_size(m, block - 1, stacks[i].slots, stacks[i].n, &rows, &cols);
        if (rows)
            status = uvk_pool_add_weights(pool, stack_tensor(out, &stacks[i]), rows, cols, err);
    }
    return status;
}

bool uvk_weights_alike(uvk_block_weights *a, uvk_block_weights *b)
{
    bool alike = true;
    for (int i = 0; i < STACKS; i++) {
        const uvk_tensor *x = stack_tensor(a, &stacks[i]), *y = stack_tensor(b, &stacks[i]);
        alike = alike && x->rows == y->rows && x->cols == y->cols;
    }
    return alike;
}

void uvk_weights_detach(uvk_block_weights *w)
{
    for (int i = 0; i < STACKS; i++)
        stack_tensor(w, &stacks[i])->parts = NULL;
}

/* ---- Upload, through a bounded piece of host memory ------------------------------------------------------------------------- */

enum { PIECE = 1 << 20 }; /* elements */

/* n output rows of a matrix, from output row `first` on, into out[n * cols]. */
static void read_transposed(const uvk_tensor_view *view, uint64_t first, uint64_t n, uint64_t cols, float *line, float *out)
{
    uint64_t outputs = view->shape[1];
    for (uint64_t k = 0; k < cols; k++) {
        uvk_tensor_to_f32(view, k * outputs + first, n, line);
        for (uint64_t r = 0; r < n; r++)
            out[r * cols + k] = line[r];
    }
}

/* Layer scale: output row `first` + r of a matrix, or element of a vector, times its factor. */
static void multiply_outputs(const uvk_tensor_view *factors, bool vector, uint64_t first, uint64_t n, uint64_t cols, float *piece)
{
    float factor;
    for (uint64_t r = 0; r < n; r++) {
        uvk_tensor_to_f32(factors, vector ? (first + r) * cols : first + r, 1, &factor);
        for (uint64_t k = 0; k < cols; k++) {
            if (vector && k > 0)
                uvk_tensor_to_f32(factors, (first + r) * cols + k, 1, &factor);
            piece[r * cols + k] *= factor;
        }
    }
}

/* The largest magnitude; INFINITY where one is no number. Bits of floats without their sign are in order: compilers make vectors of this. */
static float largest_of(const float *list, size_t count)
{
    uint32_t most = 0;
    float largest;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &list[i], sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    memcpy(&largest, &most, sizeof largest);
    return isnan(largest) ? INFINITY : largest;
}

/* One slot to rows to_row... of a tensor as wide as the slot's matrix. */
static uvk_status upload_slot(uvk_session *s, int block, uvk_slot slot, uvk_tensor *to, uint64_t to_row, uint64_t rows, uvk_error *err)
{
    const uvk_tensor_view *view = uvk_model_tensor(s->model, block, slot);
    const uvk_tensor_name *name = uvk_model_slot(s->model, block, slot);
    uint64_t cols = to->cols, step = PIECE / cols > 0 ? PIECE / cols : 1, skipped = (uint64_t)name->part * rows;
    const uvk_tensor_view *factors = name->scale ? uvk_model_tensor(s->model, block, name->scale) : NULL;
    size_t bytes = (size_t)(step * cols + step) * sizeof(float);
    float *piece = malloc(bytes);
    if (!piece)
        return uvk_fail_memory(err, bytes, "uploading weights");
    uvk_status status = UVK_OK;
    for (uint64_t r = 0; r < rows && status == UVK_OK; r += step) {
        uint64_t n = rows - r < step ? rows - r : step;
        if (name->transposed)
            read_transposed(view, skipped + r, n, cols, piece + step * cols, piece);
        else
            uvk_tensor_to_f32(view, (skipped + r) * cols, n * cols, piece);
        if (factors)
            multiply_outputs(factors, is_vector(s->model, block, slot), r, n, cols, piece);
        float largest = largest_of(piece, (size_t)(n * cols));
        to->largest = largest > to->largest ? largest : to->largest;
        status = uvk_upload(s->ctx, to, to_row + r, n, piece, err);
    }
    free(piece);
    return status;
}

uvk_status uvk_weights_upload_stack(uvk_session *s, int block, const uvk_slot *slots, int n, uvk_tensor *to, uvk_error *err)
{
    uvk_status status = UVK_OK;
    uint64_t row = 0;
    float largest = 0;
    for (int i = 0; i < n && status == UVK_OK; i++) {
        uint64_t rows, cols;
        uvk_model_slot_size(s->model, block, slots[i], &rows, &cols);
        if (!rows)
            continue;
        bool vector = is_vector(s->model, block, slots[i]) && n > 1; /* each element a row of its own, so that vectors can stand one after the other */
        uvk_tensor column = vector ? uvk_tensor_view_as(to, to->rows * to->cols, 1) : *to;
        uint64_t count = vector ? cols : rows;
        column.largest = 0;
        status = upload_slot(s, block, slots[i], &column, row, count, err);
        row += count;
        largest = fmaxf(largest, column.largest);
    }
    to->largest = largest;
    return status;
}

static void add_row(const uvk_model *m, uvk_slot slot, size_t d, float *scratch, float *row)
{
    uvk_tensor_to_f32(uvk_model_tensor(m, 0, slot), 0, d, scratch);
    for (size_t k = 0; k < d; k++)
        row[k] += scratch[k];
}

/* Position embeddings, those of the patches fitted to the image's grid, with the special tokens' own embeddings added in their rows.
 * Registers come last of these and have no position. trained holds the grid of the file and one row. */
static uvk_status fill_embedding(const uvk_model *m, float *trained, float *out, uvk_error *err)
{
    const uvk_arch *a = &m->arch;
    const uvk_tensor_view *positions = uvk_model_tensor(m, 0, UVK_POSITIONS);
    uvk_grid from = {a->trained_rows, a->trained_cols}, to = {uvk_arch_grid_rows(a), uvk_arch_grid_cols(a)};
    size_t d = (size_t)a->width, placed = (size_t)(a->special - a->registers), patches = (size_t)from.rows * (size_t)from.cols;
    float *grid = out + (size_t)a->special * d, *row = trained + patches * d;
    uvk_status status = UVK_OK;
    uvk_tensor_to_f32(positions, 0, placed * d, out);
    uvk_tensor_to_f32(positions, placed * d, patches * d, trained);
    if (from.rows == to.rows && from.cols == to.cols)
        memcpy(grid, trained, patches * d * sizeof *grid);
    else
        status = uvk_positions_fit(trained, from, d, m->family->interpolation, to, grid, err);
    if (uvk_model_tensor(m, 0, UVK_CLS))
        add_row(m, UVK_CLS, d, row, out);
    if (uvk_model_tensor(m, 0, UVK_DISTILLATION))
        add_row(m, UVK_DISTILLATION, d, row, out + d);
    if (a->registers)
        uvk_tensor_to_f32(uvk_model_tensor(m, 0, UVK_REGISTERS), 0, (size_t)a->registers * d, out + placed * d);
    return status;
}

static uvk_status upload_embedding(uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    size_t d = (size_t)a->width, n = (size_t)uvk_arch_tokens(a) * d, trained = ((size_t)a->trained_rows * (size_t)a->trained_cols + 1) * d;
    float *rows = malloc((n + trained) * sizeof *rows);
    if (!rows)
        return uvk_fail_memory(err, (n + trained) * sizeof *rows, "position embeddings");
    uvk_status status = fill_embedding(s->model, rows + n, rows, err);
    if (status == UVK_OK)
        status = uvk_upload(s->ctx, &s->embedding, 0, s->embedding.rows, rows, err);
    free(rows);
    return status;
}

/* Scores' biases by distance, from the buckets of the file. */
static uvk_status upload_bias(uvk_session *s, uvk_slot slot, bool both_ways, const uvk_tensor *to, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    const uvk_tensor_view *buckets = uvk_model_tensor(s->model, 0, slot);
    size_t heads = (size_t)a->heads, width = 2 * (size_t)a->relative_reach + 1, bytes = heads * width * sizeof(float);
    float *table = malloc(bytes);
    if (!table)
        return uvk_fail_memory(err, bytes, "relative positions");
    for (int distance = -a->relative_reach; distance <= a->relative_reach; distance++) {
        size_t bucket = (size_t)uvk_relative_bucket(distance, both_ways, a->relative_buckets, a->relative_reach);
        for (size_t h = 0; h < heads; h++)
            uvk_tensor_to_f32(buckets, bucket * heads + h, 1, &table[h * width + (size_t)(distance + a->relative_reach)]);
    }
    uvk_status status = uvk_upload(s->ctx, to, 0, heads, table, err);
    free(table);
    return status;
}

/* Those of the tensors outside the blocks that a forward pass needs. */
uvk_status uvk_weights_upload_outside(uvk_session *s, uvk_error *err)
{
    uvk_status status = UVK_OK;
    if (uvk_present(&s->embedding) && ((status = upload_embedding(s, err)) || (status = upload_slot(s, 0, UVK_PATCH_WEIGHT, &s->patch_weight, 0, s->patch_weight.rows, err))))
        return status;
    if (uvk_present(&s->bias[0]) && ((status = upload_bias(s, UVK_RELATIVE_BIAS, false, &s->bias[0], err)) || (status = upload_bias(s, UVK_ENCODER_RELATIVE_BIAS, true, &s->bias[1], err))))
        return status;
    for (int i = 0; i < VECTORS && status == UVK_OK; i++) {
        uvk_tensor *to = session_tensor(s, vectors[i].offset);
        if (uvk_present(to))
            status = upload_slot(s, 0, vectors[i].slot, to, 0, 1, err);
    }
    return status;
}

uvk_status uvk_weights_upload_block(uvk_session *s, int block, uvk_block_weights *to, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int i = 0; i < STACKS && status == UVK_OK; i++) {
        uvk_tensor *tensor = stack_tensor(to, &stacks[i]);
        if (uvk_present(tensor))
            status = uvk_weights_upload_stack(s, block - 1, stacks[i].slots, stacks[i].n, tensor, err);
    }
    return status;
}
