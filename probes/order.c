#include "order.h"

#include <stdlib.h>

typedef struct place { float score; int32_t token; } place;

static int by_token(const place *x, const place *y)
{
    return (x->token > y->token) - (x->token < y->token);
}

static int ascending(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score) - (x->score < y->score) : by_token(x, y);
}

static int descending(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : by_token(x, y);
}

uvk_status uvk_order_tokens(const float *scores, const bool *candidate, int n, bool least_first, int32_t *order, int *count, uvk_error *err)
{
    size_t bytes = (size_t)n * sizeof(place);
    place *places = malloc(bytes);
    if (!places)
        return uvk_fail_memory(err, bytes, "an order of tokens");
    *count = 0;
    for (int i = 0; i < n; i++)
        if (candidate[i])
            places[(*count)++] = (place){scores[i], i};
    qsort(places, (size_t)*count, sizeof *places, least_first ? ascending : descending);
    for (int k = 0; k < *count; k++)
        order[k] = places[k].token;
    free(places);
    return UVK_OK;
}
