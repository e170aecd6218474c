/* Greedy generation. The activations of the tokens so far stay where the forward pass left them; their keys and values are what
 * the next token attends to. */
#include "head.h"
#include "input.h"

#include <stdlib.h>

static bool is_stop(const uvk_model *m, int32_t id)
{
    for (int i = 0; i < m->n_stop_ids; i++)
        if (m->stop_ids[i] == id)
            return true;
    return false;
}

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

/* The likeliest token after position `last`. */
static uvk_status next_token(uvk_session *s, int last, float *logits, int32_t *id, uvk_error *err)
{
    uvk_status status = uvk_head_logits(s, &last, 1, logits, err);
    if (status)
        return status;
    *id = uvk_argmax(logits, s->model->arch.vocabulary);
    return *id < 0 ? uvk_fail(err, UVK_FAILED, "the logits at position %d are not finite", last) : UVK_OK;
}

typedef struct progress {
    void (*report)(void *user, int done, int of);
    void *user;
} progress;

static uvk_status run(uvk_session *s, const uvk_input *input, int n, int max_new, progress p, float *logits, int32_t *ids, int *count, uvk_error *err)
{
    uvk_status status = uvk_forward(s, input, err);
    s->tokens = 0; /* what the descent would need of the new tokens' last row is not there */
    for (*count = 0; *count < max_new && status == UVK_OK; ++*count) {
        int32_t id;
        if ((status = next_token(s, n + *count - 1, logits, &id, err)) || is_stop(s->model, id))
            break;
        ids[*count] = id;
        if (p.report)
            p.report(p.user, *count + 1, max_new);
        uvk_range row = {(uint32_t)(n + *count), 1};
        if (*count + 1 < max_new && (status = uvk_embed_ids(s, &id, row, err)) == UVK_OK)
            status = uvk_forward_rows(s, row, err);
    }
    return status;
}

uvk_status uvk_generate(uvk_session *s, const uvk_input *input, int max_new, void (*report)(void *user, int done, int of), void *user, int32_t *ids, int *count, uvk_error *err)
{
    int n;
    uvk_input_tokens(input, &n);
    uvk_status status;
    if ((status = check_room(s, input, n, max_new, err)) || (status = uvk_head_load(s, err)) || (status = uvk_session_reserve(s, (uint32_t)(n + max_new), err)))
        return status;
    float *logits = malloc((size_t)s->model->arch.vocabulary * sizeof *logits);
    if (!logits)
        return uvk_fail_memory(err, (size_t)s->model->arch.vocabulary * sizeof *logits, "logits");
    status = run(s, input, n, max_new, (progress){report, user}, logits, ids, count, err);
    free(logits);
    return status;
}
