#include "erase.h"

#include "order.h"

#include <stdlib.h>
#include <string.h>

const int uvk_erase_percent[UVK_ERASE_STEPS] = {1, 5, 10, 20, 50};

int uvk_erase_count(int tokens, int percent)
{
    int count = (int)(((int64_t)tokens * percent + 99) / 100);
    return count > 0 || tokens == 0 ? count : 1;
}

void uvk_erasure_add(uvk_erasure *sum, const uvk_erasure *one, double share)
{
    for (int i = 0; i < UVK_ERASE_STEPS; i++) {
        sum->comprehensiveness[i] += share * one->comprehensiveness[i];
        sum->sufficiency[i] += share * one->sufficiency[i];
    }
}

void uvk_erasure_finish(uvk_erasure *e)
{
    e->aopc_comprehensiveness = e->aopc_sufficiency = 0;
    for (int i = 0; i < UVK_ERASE_STEPS; i++) {
        e->aopc_comprehensiveness += e->comprehensiveness[i] / UVK_ERASE_STEPS;
        e->aopc_sufficiency += e->sufficiency[i] / UVK_ERASE_STEPS;
    }
}

/* p with the first `top` of the order hidden, or with all the others. */
static uvk_status probability(uvk_hider *h, const int32_t *order, int count, int top, bool others, bool *hidden, double *out, uvk_error *err)
{
    memset(hidden, 0, (size_t)h->n * sizeof *hidden);
    for (int k = 0; k < count; k++)
        hidden[order[k]] = others ? k >= top : k < top;
    uvk_status status = uvk_hider_run(h, hidden, err);
    return status ? status : uvk_hider_probability(h, out, err);
}

static uvk_status measure(uvk_hider *h, const int32_t *order, int count, bool *hidden, uvk_erasure *out, uvk_error *err)
{
    double full, without, only;
    uvk_status status = probability(h, order, count, 0, false, hidden, &full, err);
    for (int i = 0; i < UVK_ERASE_STEPS && status == UVK_OK; i++) {
        int top = uvk_erase_count(count, uvk_erase_percent[i]);
        if ((status = probability(h, order, count, top, false, hidden, &without, err)) || (status = probability(h, order, count, top, true, hidden, &only, err)))
            break;
        out->comprehensiveness[i] = full - without;
        out->sufficiency[i] = full - only;
    }
    uvk_erasure_finish(out);
    return status;
}

uvk_status uvk_erase(uvk_hider *h, const float *scores, uvk_erasure *out, uvk_error *err)
{
    size_t n = (size_t)h->n, bytes = n * (sizeof(int32_t) + sizeof(bool));
    int32_t *order = malloc(n * sizeof *order);
    bool *hidden = malloc(n * sizeof *hidden);
    int count;
    uvk_status status = order && hidden ? UVK_OK : uvk_fail_memory(err, bytes, "a text without some of its tokens");
    for (int i = 0; i < h->n && status == UVK_OK; i++)
        hidden[i] = h->input->tokens[i].role == UVK_ROLE_CONTEXT;
    if (status == UVK_OK && (status = uvk_order_tokens(scores, hidden, h->n, false, order, &count, err)) == UVK_OK)
        status = measure(h, order, count, hidden, out, err);
    free(hidden);
    free(order);
    return status;
}
