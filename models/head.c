#include "head.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 16 }; /* that go through the head together: a vocabulary is wide */

struct uvk_head {
    uvk_pool *pool;
    uvk_tensor norm_weight, norm_bias; /* [1, d] */
    uvk_tensor weight;                 /* [vocabulary, d] */
    uvk_tensor bias;                   /* [1, vocabulary] */
    uvk_tensor z, normed, gradient;    /* [ROWS, d] */
    uvk_tensor stats;                  /* [ROWS, 2] */
    uvk_tensor logits;                 /* [ROWS, vocabulary] */
    uvk_tensor index;                  /* [ROWS, 1] 0, 1, ... */
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_status declare(uvk_head *h, const uvk_session *s, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    uint64_t d = (uint64_t)a->width, v = (uint64_t)a->vocabulary;
    bool norm = uvk_model_tensor(s->model, 0, UVK_FINAL_NORM_WEIGHT) != NULL, bias = uvk_model_tensor(s->model, 0, UVK_FINAL_NORM_BIAS) != NULL;
    bool logit_bias = uvk_model_tensor(s->model, 0, UVK_HEAD_BIAS) != NULL;
    const struct { uvk_tensor *tensor; uint64_t rows, cols; bool whole; } list[] = {
        {&h->norm_weight, norm, d, true}, {&h->norm_bias, bias, d, true}, {&h->weight, v, d, false}, {&h->bias, logit_bias, v, true}, {&h->z, ROWS, d, true}, {&h->normed, ROWS, d, true},
        {&h->gradient, ROWS, d, true}, {&h->stats, ROWS, 2, true}, {&h->logits, ROWS, v, true}, {&h->index, ROWS, 1, true},
    };
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && status == UVK_OK; i++)
        if (list[i].rows)
            status = uvk_pool_add(h->pool, list[i].tensor, list[i].rows, list[i].cols, list[i].whole, err);
    return status;
}

/* An own matrix, where the checkpoint has one; else, where they are tied, the embedding. */
static uvk_slot head_slot(const uvk_model *m)
{
    return uvk_model_tensor(m, 0, UVK_HEAD_WEIGHT) || !m->arch.tied ? UVK_HEAD_WEIGHT : UVK_TOKEN_EMBEDDING;
}

/* Logits that are scaled are so by the norm before them. */
static uvk_status upload_final_norm(const uvk_head *h, uvk_session *s, uvk_error *err)
{
    size_t d = (size_t)s->model->arch.width;
    float *row = malloc(d * sizeof *row);
    if (!row)
        return uvk_fail_memory(err, d * sizeof *row, "the output head");
    uvk_tensor_to_f32(uvk_model_tensor(s->model, 0, UVK_FINAL_NORM_WEIGHT), 0, d, row);
    for (size_t k = 0; k < d; k++)
        row[k] *= (float)s->model->arch.logit_scale;
    uvk_status status = uvk_upload(s->ctx, &h->norm_weight, 0, 1, row, err);
    free(row);
    return status;
}

static uvk_status upload(uvk_head *h, uvk_session *s, uvk_error *err)
{
    uvk_slot weight = head_slot(s->model);
    uint32_t index[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        index[i] = i;
    uvk_status status = uvk_upload(s->ctx, &h->index, 0, ROWS, index, err);
    if (status == UVK_OK && uvk_present(&h->norm_weight))
        status = upload_final_norm(h, s, err);
    if (status == UVK_OK && uvk_present(&h->bias))
        status = uvk_weights_upload_stack(s, 0, (uvk_slot[]){UVK_HEAD_BIAS}, 1, &h->bias, err);
    if (status == UVK_OK && uvk_present(&h->norm_bias))
        status = uvk_weights_upload_stack(s, 0, (uvk_slot[]){UVK_FINAL_NORM_BIAS}, 1, &h->norm_bias, err);
    return status ? status : uvk_weights_upload_stack(s, 0, &weight, 1, &h->weight, err);
}

static uvk_status open_head(uvk_head *h, uvk_session *s, uvk_error *err)
{
    uvk_status status = uvk_pool_create(s->ctx, "the output head", &h->pool, err);
    if (status || (status = declare(h, s, err)) || (status = uvk_residency_make_room(s, uvk_pool_bytes(h->pool), err)) || (status = uvk_pool_commit(h->pool, err)))
        return status;
    return upload(h, s, err);
}

uvk_status uvk_head_load(uvk_session *s, uvk_error *err)
{
    const uvk_model *m = s->model;
    if (s->head)
        return UVK_OK;
    if (!uvk_arch_predicts(&m->arch))
        return uvk_fail(err, UVK_USAGE, "%s: a %s model has no logits over a vocabulary", m->path, m->arch.family);
    if (!uvk_model_tensor(m, 0, head_slot(m)))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor %s is missing: this checkpoint has no output head, so it has no logits", m->path, m->family->tensors[UVK_HEAD_WEIGHT].name);
    uvk_head *h = calloc(1, sizeof *h);
    if (!h)
        return uvk_fail_memory(err, sizeof *h, "the output head");
    uvk_status status = open_head(h, s, err);
    if (status) {
        uvk_head_free(h);
        return status;
    }
    s->head = h;
    return UVK_OK;
}

void uvk_head_free(uvk_head *h)
{
    if (!h)
        return;
    uvk_pool_free(h->pool);
    free(h);
}

uvk_status uvk_session_use_logits(uvk_session *s, uvk_error *err)
{
    return uvk_head_load(s, err);
}

void uvk_session_drop_logits(uvk_session *s)
{
    uvk_head_free(s->head);
    s->head = NULL;
}

/* ---- Logits ------------------------------------------------------------------------------------------------------------------- */

/* Of at most ROWS rows, left in h->logits. */
static uvk_status run_head(uvk_session *s, const int32_t *rows, int count, uvk_error *err)
{
    uvk_head *h = s->head;
    const uvk_arch *a = &s->model->arch;
    uvk_status status = UVK_OK;
    for (int k = 0; k < count && status == UVK_OK; k++)
        status = uvk_copy_record(s->ctx, &s->activations.z_last, (uint64_t)rows[k], &h->z, (uint64_t)k, 1, err);
    if (status == UVK_OK && !uvk_present(&h->norm_weight)) /* the last block's own norm was the final one */
        status = uvk_copy_record(s->ctx, &h->z, 0, &h->normed, 0, (uint64_t)count, err);
    else if (status == UVK_OK)
        status = uvk_norm(s->ctx, a->norm, &h->z, (uvk_range){0, (uint32_t)count}, &h->norm_weight, uvk_present(&h->norm_bias), (float)a->norm_epsilon, &h->normed, &h->stats, err);
    return status ? status : uvk_linear(s->ctx, &h->normed, 0, (uint64_t)count, &h->weight, uvk_present(&h->bias), &h->logits, 0, false, err);
}

uvk_status uvk_head_logits(uvk_session *s, const int32_t *rows, int count, float *out, uvk_error *err)
{
    size_t v = (size_t)s->model->arch.vocabulary;
    uvk_status status = uvk_head_load(s, err);
    for (int first = 0; first < count && status == UVK_OK; first += ROWS) {
        int n = count - first < ROWS ? count - first : ROWS;
        if ((status = run_head(s, rows + first, n, err)) == UVK_OK && (status = uvk_flush(s->ctx, err)) == UVK_OK)
            status = uvk_download(s->ctx, &s->head->logits, 0, (uint64_t)n, out + (size_t)first * v, err);
    }
    return status;
}

uvk_status uvk_logits(uvk_session *s, int first, int count, float *out, uvk_error *err)
{
    if (first < 0 || count < 0 || (uint32_t)first > s->tokens || (uint32_t)count > s->tokens - (uint32_t)first)
        return uvk_fail(err, UVK_USAGE, "positions %d to %d have no logits (the last forward pass had %u tokens)", first, first + count - 1, (unsigned)s->tokens);
    int32_t rows[ROWS];
    uvk_status status = UVK_OK;
    for (int done = 0; done < count && status == UVK_OK; done += ROWS) {
        int n = count - done < ROWS ? count - done : ROWS;
        for (int k = 0; k < n; k++)
            rows[k] = first + done + k;
        status = uvk_head_logits(s, rows, n, out + (size_t)done * (size_t)s->model->arch.vocabulary, err);
    }
    return status;
}

int32_t uvk_argmax(const float *logits, int count)
{
    int32_t best = 0;
    for (int32_t i = 0; i < count; i++) {
        if (isnan(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return best;
}

/* log sum exp; NaN when a logit is. */
static double log_sum(const float *logits, int count)
{
    int32_t best = uvk_argmax(logits, count);
    if (best < 0)
        return NAN;
    double sum = 0, largest = logits[best];
    for (int i = 0; i < count; i++)
        sum += exp(logits[i] - largest);
    return largest + log(sum);
}

double uvk_log_softmax(const float *logits, int count, int32_t id)
{
    return logits[id] - log_sum(logits, count);
}

static uvk_status check_positions(const uvk_session *s, const int32_t *positions, const int32_t *ids, int count, uvk_error *err)
{
    for (int k = 0; k < count; k++) {
        if (positions[k] < 0 || (uint32_t)positions[k] >= s->tokens)
            return uvk_fail(err, UVK_USAGE, "position %d does not exist (the last forward pass had %u tokens)", (int)positions[k], (unsigned)s->tokens);
        if (ids[k] < 0 || ids[k] >= s->model->arch.vocabulary)
            return uvk_fail(err, UVK_USAGE, "token id %d does not exist (the vocabulary has %d)", (int)ids[k], s->model->arch.vocabulary);
    }
    return UVK_OK;
}

uvk_status uvk_log_probabilities(uvk_session *s, const int32_t *positions, const int32_t *ids, int count, double *out, uvk_error *err)
{
    size_t v = (size_t)s->model->arch.vocabulary;
    uvk_status status = check_positions(s, positions, ids, count, err);
    if (status)
        return status;
    float *logits = malloc(ROWS * v * sizeof *logits);
    if (!logits)
        return uvk_fail_memory(err, ROWS * v * sizeof *logits, "logits");
    for (int first = 0; first < count && status == UVK_OK; first += ROWS) {
        int n = count - first < ROWS ? count - first : ROWS;
        status = uvk_head_logits(s, positions + first, n, logits, err);
        for (int k = 0; k < n && status == UVK_OK; k++) {
            out[first + k] = uvk_log_softmax(logits + (size_t)k * v, (int)v, ids[first + k]);
            if (!isfinite(out[first + k]))
                status = uvk_fail(err, UVK_FAILED, "the logits at position %d are not finite", (int)positions[first + k]);
        }
    }
    free(logits);
    return status;
}

/* ---- Gradients ---------------------------------------------------------------------------------------------------------------- */

/* Logits become the gradient of the log probability: one at y, minus the probabilities. */
static uvk_status differentiate(float *logits, int vocabulary, int32_t id, int position, uvk_error *err)
{
    double sum = log_sum(logits, vocabulary);
    if (!isfinite(sum))
        return uvk_fail(err, UVK_FAILED, "the logits at position %d are not finite", position);
    int32_t y = id < 0 ? uvk_argmax(logits, vocabulary) : id;
    for (int i = 0; i < vocabulary; i++)
        logits[i] = (float)((i == y) - exp(logits[i] - sum));
    return UVK_OK;
}

/* h->logits holds d f / d logits; down through head and norm into h->z's gradient. */
static uvk_status descend(uvk_session *s, int count, float *gradients, uvk_error *err)
{
    uvk_head *h = s->head;
    uvk_window rows = {.first = &h->index, .rows = 1}, none = {.first = &h->index, .rows = 0};
    bool normed = uvk_present(&h->norm_weight) != NULL;
    uvk_status status;
    if ((status = uvk_linear_backward(s->ctx, &h->logits, (uint64_t)count, &h->weight, &h->normed, err)) ||
        (status = uvk_norm_backward(s->ctx, normed ? s->model->arch.norm : UVK_IDENTITY, &h->normed, &h->z, &h->stats, normed ? &h->norm_weight : &h->normed, (uint32_t)count, &h->normed, none, &h->gradient, rows, err)) ||
        (status = uvk_flush(s->ctx, err)))
        return status;
    return uvk_download(s->ctx, &h->gradient, 0, (uint64_t)count, gradients, err);
}

uvk_status uvk_head_gradients(uvk_session *s, const int32_t *rows, const int32_t *ids, int count, float *gradients, uvk_error *err)
{
    size_t v = (size_t)s->model->arch.vocabulary, d = (size_t)s->model->arch.width;
    float *logits = malloc(ROWS * v * sizeof *logits);
    if (!logits)
        return uvk_fail_memory(err, ROWS * v * sizeof *logits, "logits");
    uvk_status status = UVK_OK;
    for (int first = 0; first < count && status == UVK_OK; first += ROWS) {
        int n = count - first < ROWS ? count - first : ROWS;
        status = uvk_head_logits(s, rows + first, n, logits, err);
        for (int k = 0; k < n && status == UVK_OK; k++)
            status = differentiate(logits + (size_t)k * v, (int)v, ids[first + k], (int)rows[first + k], err);
        if (status == UVK_OK && (status = uvk_upload(s->ctx, &s->head->logits, 0, (uint64_t)n, logits, err)) == UVK_OK)
            status = descend(s, n, gradients + (size_t)first * d, err);
    }
    free(logits);
    return status;
}
