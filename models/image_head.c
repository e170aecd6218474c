#include "image_head.h"

#include "attention_pool.h"
#include "dense.h"

#include <stdlib.h>
#include <string.h>

/* What a head reads: the mean of count tokens from `first` on, which meets the columns of a matrix from `column` on. */
typedef struct reading {
    uvk_slot weight, bias;
    int first, count;
    size_t column;
    double share; /* of the result */
} reading;

enum { MOST_READINGS = 2 };

static bool has(const uvk_model *m, uvk_slot slot)
{
    return uvk_model_tensor(m, 0, slot) != NULL;
}

static bool has_all(const uvk_model *m, uvk_slot first, uvk_slot last)
{
    for (int slot = first; slot <= (int)last; slot++)
        if (!has(m, (uvk_slot)slot))
            return false;
    return true;
}

static bool has_norm(const uvk_model *m)
{
    return has_all(m, UVK_FINAL_NORM_WEIGHT, UVK_FINAL_NORM_BIAS);
}

static bool pools_by_attention(const uvk_model *m, uvk_image_head head)
{
    return head == UVK_EMBEDDING && has_all(m, UVK_POOL_QUERY, UVK_POOL_DOWN_BIAS);
}

static int list_class_readings(const uvk_model *m, int n, reading *out)
{
    const uvk_arch *a = &m->arch;
    const reading first = {UVK_CLASSIFIER_WEIGHT, UVK_CLASSIFIER_BIAS, 0, 1, 0, 1};
    reading patches = {UVK_CLASSIFIER_WEIGHT, 0, a->special, n - a->special, a->pooling == UVK_POOL_BOTH ? (size_t)a->width : 0, 1};
    if (has(m, UVK_DISTILLED_WEIGHT)) { /* the mean of both classifiers */
        out[0] = (reading){UVK_CLASSIFIER_WEIGHT, UVK_CLASSIFIER_BIAS, 0, 1, 0, 0.5};
        out[1] = (reading){UVK_DISTILLED_WEIGHT, UVK_DISTILLED_BIAS, 1, 1, 0, 0.5};
        return 2;
    }
    if (a->pooling == UVK_POOL_PATCHES) {
        patches.bias = UVK_CLASSIFIER_BIAS;
        out[0] = patches;
        return 1;
    }
    out[0] = first;
    out[1] = patches; /* its bias is the first one's */
    return a->pooling == UVK_POOL_BOTH ? 2 : 1;
}

/* A text's embedding is read at its last token. */
static int list_readings(const uvk_model *m, uvk_image_head head, int n, reading out[MOST_READINGS])
{
    if (head == UVK_CLASS_LOGITS)
        return list_class_readings(m, n, out);
    out[0] = (reading){UVK_PROJECTION_WEIGHT, UVK_PROJECTION_BIAS, m->arch.modality == UVK_TEXT ? n - 1 : 0, 1, 0, 1};
    return 1;
}

int uvk_image_head_size(const uvk_model *m, uvk_image_head head)
{
    if (head == UVK_CLASS_LOGITS)
        return has(m, UVK_CLASSIFIER_WEIGHT) && (m->family->pools_unnormed || has_norm(m)) ? m->arch.classes : 0;
    if (pools_by_attention(m, head))
        return has_norm(m) ? m->arch.width : 0;
    return has(m, UVK_PROJECTION_WEIGHT) && has_norm(m) ? m->arch.projection : 0;
}

bool uvk_image_head_reads(const uvk_model *m, uvk_image_head head, int n, int token)
{
    reading list[MOST_READINGS];
    int count = list_readings(m, head, n, list);
    bool found = pools_by_attention(m, head);
    for (int i = 0; i < count; i++)
        found = found || (token >= list[i].first && token < list[i].first + list[i].count);
    return found;
}

int uvk_image_head_count(const uvk_model *m, uvk_image_head head, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += uvk_image_head_reads(m, head, n, i);
    return count;
}

/* ---- Running it ---------------------------------------------------------------------------------------------------------------- */

typedef struct run {
    const uvk_model *m;
    uvk_image_head head;
    int n;
    size_t d;
    bool normed;
    double *z, *y;      /* [n, d] the last layer, and that normed */
    double *pooled;     /* [d] */
    float *norm, *scratch; /* [2, d], [d] */
} run;

static uvk_status open_run(run *r, const uvk_model *m, uvk_image_head head, const float *z, int n, uvk_error *err)
{
    size_t d = (size_t)m->arch.width, count = 2 * (size_t)n * d + d;
    *r = (run){.m = m, .head = head, .n = n, .d = d, .normed = head == UVK_EMBEDDING || !m->family->pools_unnormed};
    if (!uvk_image_head_size(m, head))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s", m->path, head == UVK_CLASS_LOGITS ? "has no image classifier (expected classifier.weight, as a model ForImageClassification has it)"
                                                                                        : "does not compare images with texts (expected a whole CLIP or SigLIP model)");
    r->z = malloc(count * sizeof *r->z);
    r->norm = malloc(3 * d * sizeof *r->norm);
    if (!r->z || !r->norm)
        return uvk_fail_memory(err, count * sizeof *r->z, "the image's head");
    r->y = r->z + (size_t)n * d;
    r->pooled = r->y + (size_t)n * d;
    r->scratch = r->norm + 2 * d;
    for (size_t i = 0; i < (size_t)n * d; i++)
        r->z[i] = z[i];
    if (r->normed) {
        uvk_tensor_to_f32(uvk_model_tensor(m, 0, UVK_FINAL_NORM_WEIGHT), 0, d, r->norm);
        uvk_tensor_to_f32(uvk_model_tensor(m, 0, UVK_FINAL_NORM_BIAS), 0, d, r->norm + d);
    }
    return UVK_OK;
}

static void close_run(run *r)
{
    free(r->z);
    free(r->norm);
}

static uvk_layer_norm norm_of(const run *r)
{
    return (uvk_layer_norm){r->norm, r->norm + r->d, r->d, r->m->arch.norm_epsilon};
}

static void norm_rows(run *r)
{
    uvk_layer_norm norm = norm_of(r);
    if (!r->normed)
        memcpy(r->y, r->z, (size_t)r->n * r->d * sizeof *r->y);
    for (int i = 0; i < r->n && r->normed; i++)
        uvk_layer_norm_run(&norm, r->z + (size_t)i * r->d, r->y + (size_t)i * r->d);
}

static uvk_dense layer_of(const run *r, const reading *from)
{
    size_t whole = r->head == UVK_CLASS_LOGITS && r->m->arch.pooling == UVK_POOL_BOTH ? 2 * r->d : r->d;
    return (uvk_dense){.weight = uvk_model_tensor(r->m, 0, from->weight), .bias = from->bias ? uvk_model_tensor(r->m, 0, from->bias) : NULL,
                       .rows = (size_t)uvk_image_head_size(r->m, r->head), .first_col = from->column, .cols = r->d, .stride = whole};
}

static void read_tokens(run *r, const reading *from, double *out)
{
    uvk_dense layer = layer_of(r, from);
    memset(r->pooled, 0, r->d * sizeof *r->pooled);
    for (int i = from->first; i < from->first + from->count; i++)
        for (size_t k = 0; k < r->d; k++)
            r->pooled[k] += r->y[(size_t)i * r->d + k] / from->count;
    uvk_dense_add(&layer, r->pooled, from->share, r->scratch, out);
}

uvk_status uvk_image_head_run(const uvk_model *m, uvk_image_head head, const float *z, int n, double *out, uvk_error *err)
{
    run r;
    reading list[MOST_READINGS];
    uvk_status status = open_run(&r, m, head, z, n, err);
    if (status == UVK_OK) {
        norm_rows(&r);
        memset(out, 0, (size_t)uvk_image_head_size(m, head) * sizeof *out);
    }
    if (status == UVK_OK && pools_by_attention(m, head))
        status = uvk_attention_pool(m, r.y, (size_t)n, out, err);
    else
        for (int i = 0, count = list_readings(m, head, n, list); i < count && status == UVK_OK; i++)
            read_tokens(&r, &list[i], out);
    close_run(&r);
    return status;
}

/* ---- Its gradient ---------------------------------------------------------------------------------------------------------------- */

/* dy += what a reading hands to the tokens that it reads. */
static void spread(run *r, const reading *from, const double *weights, double *dy)
{
    uvk_dense layer = layer_of(r, from);
    memset(r->pooled, 0, r->d * sizeof *r->pooled);
    uvk_dense_backward(&layer, weights, from->share, r->scratch, r->pooled);
    for (int i = from->first; i < from->first + from->count; i++)
        for (size_t k = 0; k < r->d; k++)
            dy[(size_t)i * r->d + k] += r->pooled[k] / from->count;
}

/* Rows of dy through the norm, into the gradient. */
static void pass_norm(const run *r, const double *dy, double *gradient)
{
    uvk_layer_norm norm = norm_of(r);
    size_t d = r->d;
    if (!r->normed)
        memcpy(gradient, dy, (size_t)r->n * d * sizeof *gradient);
    for (int i = 0; i < r->n && r->normed; i++) {
        memset(gradient + (size_t)i * d, 0, d * sizeof *gradient);
        uvk_layer_norm_backward(&norm, r->z + (size_t)i * d, dy + (size_t)i * d, gradient + (size_t)i * d);
    }
}

uvk_status uvk_image_head_backward(const uvk_model *m, uvk_image_head head, const float *z, int n, const double *weights, double *gradient, uvk_error *err)
{
    run r;
    reading list[MOST_READINGS];
    double *dy = NULL;
    uvk_status status = open_run(&r, m, head, z, n, err);
    if (status == UVK_OK && !(dy = calloc((size_t)n * r.d, sizeof *dy)))
        status = uvk_fail_memory(err, (size_t)n * r.d * sizeof *dy, "the image's head");
    if (status == UVK_OK)
        norm_rows(&r);
    if (status == UVK_OK && pools_by_attention(m, head))
        status = uvk_attention_pool_backward(m, r.y, (size_t)n, weights, dy, err);
    else
        for (int i = 0, count = list_readings(m, head, n, list); i < count && status == UVK_OK; i++)
            spread(&r, &list[i], weights, dy);
    if (status == UVK_OK)
        pass_norm(&r, dy, gradient);
    free(dy);
    close_run(&r);
    return status;
}
