#include "attention_pool.h"

#include "dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct pool {
    const uvk_model *m;
    size_t n, d, width, heads; /* width: the MLP's */
    double *query;             /* [d] */
    double *key, *value;       /* [n, d] */
    double *weight;            /* [heads, n] */
    double *attended, *middle; /* [d] before and behind the attention's projection */
    double *normed, *hidden, *slope; /* [d], [m], [m] */
    float *scratch, *norm;     /* [m or d], [2, d] */
} pool;

static uvk_status open_pool(pool *p, const uvk_model *m, size_t n, uvk_error *err)
{
    size_t d = (size_t)m->arch.width, width = (size_t)m->arch.mlp_width, heads = (size_t)m->arch.heads;
    size_t count = d + 2 * n * d + heads * n + 3 * d + 2 * width, floats = (d > width ? d : width) + 2 * d;
    *p = (pool){.m = m, .n = n, .d = d, .width = width, .heads = heads, .query = calloc(count, sizeof(double)), .scratch = malloc(floats * sizeof(float))};
    if (!p->query || !p->scratch)
        return uvk_fail_memory(err, count * sizeof(double), "the pooling head");
    p->key = p->query + d;
    p->value = p->key + n * d;
    p->weight = p->value + n * d;
    p->attended = p->weight + heads * n;
    p->middle = p->attended + d;
    p->normed = p->middle + d;
    p->hidden = p->normed + d;
    p->slope = p->hidden + width;
    p->norm = p->scratch + (d > width ? d : width);
    uvk_tensor_to_f32(uvk_model_tensor(m, 0, UVK_POOL_NORM_WEIGHT), 0, d, p->norm);
    uvk_tensor_to_f32(uvk_model_tensor(m, 0, UVK_POOL_NORM_BIAS), 0, d, p->norm + d);
    return UVK_OK;
}

static void close_pool(pool *p)
{
    free(p->query);
    free(p->scratch);
}

static uvk_dense layer(const pool *p, uvk_slot weight, uvk_slot bias, size_t first, size_t rows, size_t cols)
{
    return (uvk_dense){.weight = uvk_model_tensor(p->m, 0, weight), .bias = uvk_model_tensor(p->m, 0, bias), .first_row = first, .rows = rows, .cols = cols, .stride = cols};
}

/* The part-th of query, key and value. */
static uvk_dense part_of(const pool *p, size_t part) { return layer(p, UVK_POOL_QKV_WEIGHT, UVK_POOL_QKV_BIAS, part * p->d, p->d, p->d); }
static uvk_dense out_of(const pool *p) { return layer(p, UVK_POOL_OUT_WEIGHT, UVK_POOL_OUT_BIAS, 0, p->d, p->d); }
static uvk_dense up_of(const pool *p) { return layer(p, UVK_POOL_UP_WEIGHT, UVK_POOL_UP_BIAS, 0, p->width, p->d); }
static uvk_dense down_of(const pool *p) { return layer(p, UVK_POOL_DOWN_WEIGHT, UVK_POOL_DOWN_BIAS, 0, p->d, p->width); }
static uvk_layer_norm norm_of(const pool *p) { return (uvk_layer_norm){p->norm, p->norm + p->d, p->d, p->m->arch.norm_epsilon}; }

static void project(pool *p, const double *y)
{
    uvk_dense query = part_of(p, 0), key = part_of(p, 1), value = part_of(p, 2);
    float *probe = p->scratch; /* read before the layer that uses the scratch */
    double *start = p->normed;
    uvk_tensor_to_f32(uvk_model_tensor(p->m, 0, UVK_POOL_QUERY), 0, p->d, probe);
    for (size_t k = 0; k < p->d; k++)
        start[k] = probe[k];
    uvk_dense_add(&query, start, 1, p->scratch, p->query);
    for (size_t i = 0; i < p->n; i++) {
        uvk_dense_add(&key, y + i * p->d, 1, p->scratch, p->key + i * p->d);
        uvk_dense_add(&value, y + i * p->d, 1, p->scratch, p->value + i * p->d);
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

static void softmax(double *x, size_t n)
{
    double largest = x[0], sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - largest);
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

static void attend(pool *p)
{
    size_t size = p->d / p->heads;
    for (size_t h = 0; h < p->heads; h++) {
        double *weight = p->weight + h * p->n;
        for (size_t i = 0; i < p->n; i++)
            weight[i] = dot(p->query + h * size, p->key + i * p->d + h * size, size) / sqrt((double)size);
        softmax(weight, p->n);
        for (size_t i = 0; i < p->n; i++)
            for (size_t k = 0; k < size; k++)
                p->attended[h * size + k] += weight[i] * p->value[i * p->d + h * size + k];
    }
}

/* Everything that the gradient needs stays in p. */
static void run(pool *p, const double *y, double *out)
{
    uvk_dense projection = out_of(p), up = up_of(p), down = down_of(p);
    uvk_layer_norm norm = norm_of(p);
    project(p, y);
    attend(p);
    uvk_dense_add(&projection, p->attended, 1, p->scratch, p->middle);
    uvk_layer_norm_run(&norm, p->middle, p->normed);
    uvk_dense_add(&up, p->normed, 1, p->scratch, p->hidden);
    for (size_t k = 0; k < p->width; k++)
        p->hidden[k] = uvk_activation_of(p->m->arch.activation, p->hidden[k], &p->slope[k]);
    memcpy(out, p->middle, p->d * sizeof *out);
    uvk_dense_add(&down, p->hidden, 1, p->scratch, out);
}

/* Down through MLP, norm and projection to the attention's output; buffer holds m + 2 d zeros. */
static void descend(pool *p, const double *weights, double *buffer, double *d_attended)
{
    uvk_dense projection = out_of(p), up = up_of(p), down = down_of(p);
    uvk_layer_norm norm = norm_of(p);
    double *d_hidden = buffer, *d_normed = d_hidden + p->width, *d_middle = d_normed + p->d;
    uvk_dense_backward(&down, weights, 1, p->scratch, d_hidden);
    for (size_t k = 0; k < p->width; k++)
        d_hidden[k] *= p->slope[k];
    uvk_dense_backward(&up, d_hidden, 1, p->scratch, d_normed);
    memcpy(d_middle, weights, p->d * sizeof *d_middle);
    uvk_layer_norm_backward(&norm, p->middle, d_normed, d_middle);
    uvk_dense_backward(&projection, d_middle, 1, p->scratch, d_attended);
}

/* To key and value of patch i, and on to the patch. The learned query is no input. */
static void descend_to_patch(pool *p, size_t i, const double *d_attended, double *d_key, double *d_value, double *dy)
{
    uvk_dense key = part_of(p, 1), value = part_of(p, 2);
    size_t size = p->d / p->heads;
    for (size_t h = 0; h < p->heads; h++) {
        const double *d_o = d_attended + h * size, *o = p->attended + h * size, *v = p->value + i * p->d + h * size;
        double weight = p->weight[h * p->n + i], d_score = weight * (dot(d_o, v, size) - dot(d_o, o, size)) / sqrt((double)size);
        for (size_t k = 0; k < size; k++) {
            d_value[h * size + k] = weight * d_o[k];
            d_key[h * size + k] = d_score * p->query[h * size + k];
        }
    }
    memset(dy, 0, p->d * sizeof *dy);
    uvk_dense_backward(&key, d_key, 1, p->scratch, dy);
    uvk_dense_backward(&value, d_value, 1, p->scratch, dy);
}

uvk_status uvk_attention_pool(const uvk_model *m, const double *y, size_t n, double *out, uvk_error *err)
{
    pool p;
    uvk_status status = open_pool(&p, m, n, err);
    if (status == UVK_OK)
        run(&p, y, out);
    close_pool(&p);
    return status;
}

uvk_status uvk_attention_pool_backward(const uvk_model *m, const double *y, size_t n, const double *weights, double *dy, uvk_error *err)
{
    pool p;
    uvk_status status = open_pool(&p, m, n, err);
    size_t count = p.width + 6 * p.d;
    double *buffer = status == UVK_OK ? calloc(count, sizeof *buffer) : NULL;
    if (status == UVK_OK && !buffer)
        status = uvk_fail_memory(err, count * sizeof *buffer, "the pooling head");
    if (status == UVK_OK) {
        double *out = buffer + p.width + 2 * p.d, *d_attended = out + p.d, *d_key = d_attended + p.d, *d_value = d_key + p.d;
        run(&p, y, out);
        descend(&p, weights, buffer, d_attended);
        for (size_t i = 0; i < n; i++)
            descend_to_patch(&p, i, d_attended, d_key, d_value, dy + i * p.d);
    }
    free(buffer);
    close_pool(&p);
    return status;
}
