/* Greedy generation. The activations of the tokens so far stay where the forward pass left them; their keys and values are what
 * the next token attends to. */
#include "head.h"
#include "input.h"

#include <stdlib.h>

static uvk_status check_room(const uvk_session *s, const uvk_input *input, int n, int max_new, uvk_error *err)
{
    const uvk_arch *a = &s->model->arch;
    if (!uvk_arch_predicts(a))
        return uvk_fail(err, UVK_USAGE, "%s: a %s model does not generate text", s->model->path, a->family);
    if (max_new < 1)
        return uvk_fail(err, UVK_USAGE, "%d new tokens cannot be generated (at least 1 can)", max_new);
    n -= input->encoder_count;
    if (n > a->context || max_new > a->context - n)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %d tokens and %d new ones exceed the model's context of %d", input->path, n, max_new, a->context);
    return UVK_OK;
}

typedef struct progress {
    void (*report)(void *user, int done, int of);
    void *user;
} progress;

/* What is written so far, and where the next token's logits go. */
typedef struct text {
    int32_t *ids;   /* all tokens, the encoder's first */
    int encoder, n, given, most;
    float *logits;
} text;

/* The likeliest token behind those that are there, of what the folder's decoding rules leave. */
static uvk_status next_token(uvk_session *s, const text *t, int32_t *id, uvk_error *err)
{
    int32_t last = t->n - 1;
    uvk_generated g = {.ids = t->ids + t->encoder, .count = t->n - t->encoder, .given = t->given, .most = t->given + t->most, .encoder = t->ids, .n_encoder = t->encoder};
    uvk_status status = uvk_head_logits(s, &last, 1, t->logits, err);
    if (status)
        return status;
    if (uvk_argmax(t->logits, s->model->arch.vocabulary) < 0)
        return uvk_fail(err, UVK_FAILED, "the logits at position %d are not finite", last);
    uvk_decoding_apply(&s->model->decoding, &g, t->logits, s->model->arch.vocabulary);
    *id = uvk_argmax(t->logits, s->model->arch.vocabulary);
    return UVK_OK;
}

static uvk_status run(uvk_session *s, const uvk_input *input, text *t, progress p, int32_t *ids, int *count, uvk_error *err)
{
    uvk_status status = uvk_forward(s, input, err);
    s->tokens = 0; /* what the descent would need of the new tokens' last row is not there */
    for (*count = 0; *count < t->most && status == UVK_OK; ++*count) {
        int32_t id;
        if ((status = next_token(s, t, &id, err)) || uvk_decoding_stops(&s->model->decoding, id))
            break;
        uvk_range row = {(uint32_t)t->n, 1};
        ids[*count] = t->ids[t->n++] = id;
        if (p.report)
            p.report(p.user, *count + 1, t->most);
        if (*count + 1 < t->most && (status = uvk_embed_ids(s, &id, row, err)) == UVK_OK)
            status = uvk_forward_rows(s, row, err);
    }
    return status;
}

uvk_status uvk_generate(uvk_session *s, const uvk_input *input, int max_new, void (*report)(void *user, int done, int of), void *user, int32_t *ids, int *count, uvk_error *err)
{
    int n;
    const uvk_token *tokens = uvk_input_tokens(input, &n);
    uvk_status status;
    if ((status = check_room(s, input, n, max_new, err)) || (status = uvk_head_load(s, err)) || (status = uvk_session_reserve(s, (uint32_t)(n + max_new), err)))
        return status;
    size_t vocabulary = (size_t)s->model->arch.vocabulary, all = (size_t)(n + max_new);
    text t = {.ids = malloc(all * sizeof *t.ids), .encoder = input->encoder_count, .n = n, .given = n - input->encoder_count, .most = max_new,
              .logits = malloc(vocabulary * sizeof *t.logits)};
    if (t.ids && t.logits) {
        for (int i = 0; i < n; i++)
            t.ids[i] = tokens[i].id;
        status = run(s, input, &t, (progress){report, user}, ids, count, err);
    } else {
        status = uvk_fail_memory(err, vocabulary * sizeof *t.logits + all * sizeof *t.ids, "logits");
    }
    free(t.logits);
    free(t.ids);
    return status;
}
