/* What the last forward pass says of its image: classes, and the likeness to a text that went through the text tower. */
#include "head.h"
#include "image_head.h"
#include "input.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The head over all of z(L+1). */
static uvk_status run_head(uvk_session *s, uvk_image_head head, double *out, uvk_error *err)
{
    uint32_t n = s->tokens;
    size_t bytes = (size_t)n * (size_t)s->model->arch.width * sizeof(float);
    float *z = malloc(bytes ? bytes : 1);
    uvk_status status = z ? uvk_hidden(s, s->model->arch.layers + 1, z, err) : uvk_fail_memory(err, bytes, "activations");
    if (status == UVK_OK)
        status = uvk_image_head_run(s->model, head, z, (int)n, out, err);
    free(z);
    return status;
}

uvk_status uvk_class_logits(uvk_session *s, double *out, uvk_error *err)
{
    uvk_status status = run_head(s, UVK_CLASS_LOGITS, out, err);
    for (int i = 0; status == UVK_OK && i < s->model->info.classes; i++)
        if (!isfinite(out[i]))
            status = uvk_fail(err, UVK_FAILED, "the logit of class %d is not finite", i);
    return status;
}

/* ---- Texts ----------------------------------------------------------------------------------------------------------------------- */

/* Filled up with the padding token, where the tower was trained so. */
static uvk_status pad(uvk_input *in, uvk_error *err)
{
    const uvk_model *m = in->model;
    size_t bytes = (size_t)m->arch.context * sizeof *in->tokens;
    if (m->arch.padding < 0)
        return UVK_OK;
    uvk_token *tokens = realloc(in->tokens, bytes);
    if (!tokens)
        return uvk_fail_memory(err, bytes, "tokens");
    in->tokens = tokens;
    while (in->count < m->arch.context)
        in->tokens[in->count++] = (uvk_token){.id = m->arch.padding, .role = UVK_ROLE_SPECIAL, .special = true, .start = -1, .end = -1};
    return UVK_OK;
}

static uvk_status read_text(const uvk_model *tower, const char *text, size_t length, uvk_input **out, uvk_error *err)
{
    uvk_status status = uvk_input_begin(tower, "the text to compare with", out, err);
    if (status == UVK_OK)
        status = uvk_input_fill_text(*out, text, length, err);
    return status ? status : pad(*out, err);
}

static uvk_status normalize(const double *embedding, int count, float *out, uvk_error *err)
{
    double squares = 0;
    for (int k = 0; k < count; k++)
        squares += embedding[k] * embedding[k];
    if (!isfinite(squares) || squares == 0)
        return uvk_fail(err, UVK_FAILED, "the text's embedding has no direction (its length is %g)", sqrt(squares));
    for (int k = 0; k < count; k++)
        out[k] = (float)(embedding[k] / sqrt(squares));
    return UVK_OK;
}

static uvk_status run_tower(uvk_context *ctx, uvk_model *tower, const char *text, size_t length, double *out, uvk_error *err)
{
    uvk_input *input = NULL;
    uvk_session *session = NULL;
    uvk_status status = read_text(tower, text, length, &input, err);
    if (status == UVK_OK)
        status = uvk_session_create(ctx, tower, &session, err);
    if (status == UVK_OK)
        status = uvk_forward(session, input, err);
    if (status == UVK_OK)
        status = run_head(session, UVK_EMBEDDING, out, err);
    uvk_session_free(session);
    uvk_input_free(input);
    return status;
}

uvk_status uvk_text_embedding(uvk_context *ctx, const uvk_model *model, const char *text, size_t length, float *out, uvk_error *err)
{
    uvk_model *tower = NULL;
    int count = model->info.embedding;
    uvk_status status = uvk_model_load_text_tower(model, &tower, err);
    if (status)
        return status;
    if (uvk_image_head_size(tower, UVK_EMBEDDING) != count)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: the embeddings of images and texts differ (found %d numbers and %d)", model->path, count, uvk_image_head_size(tower, UVK_EMBEDDING));
    double *embedding = malloc((size_t)count * sizeof *embedding);
    if (status == UVK_OK && !embedding)
        status = uvk_fail_memory(err, (size_t)count * sizeof *embedding, "an embedding");
    if (status == UVK_OK)
        status = run_tower(ctx, tower, text, length, embedding, err);
    if (status == UVK_OK)
        status = normalize(embedding, count, out, err);
    free(embedding);
    uvk_model_free(tower);
    return status;
}

uvk_status uvk_similarity(uvk_session *s, const float *text, double *out, uvk_error *err)
{
    int count = s->model->info.embedding;
    double squares = 0, product = 0, *image = malloc(((size_t)count + 1) * sizeof *image);
    uvk_status status = image ? run_head(s, UVK_EMBEDDING, image, err) : uvk_fail_memory(err, ((size_t)count + 1) * sizeof *image, "an embedding");
    for (int k = 0; k < count && status == UVK_OK; k++) {
        squares += image[k] * image[k];
        product += image[k] * text[k];
    }
    free(image);
    *out = product / sqrt(squares);
    return status || isfinite(*out) ? status : uvk_fail(err, UVK_FAILED, "the image's embedding has no direction (its length is %g)", sqrt(squares));
}
