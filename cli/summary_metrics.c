/* Numbers of a summary beside its scores: how likely each of its tokens was, and whether the scores agree with a person. */
#include "summary.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>

static void add(explained *r, int target, const char *name, double value)
{
    explained_add_metric(r, (uvk_db_metric){.target = target, .name = name, .method = "ultra", .k = NAN, .value = value});
}

/* ---- log p(y_t | before) ----------------------------------------------------------------------------------------------- */

/* The place of a summary token among the targets; -1: it was not explained. */
static int find_output(const explained *r, int32_t output)
{
    for (int k = 0; k < r->targets.count; k++)
        if (r->outputs[k] == output)
            return k;
    return -1;
}

static void store_probabilities(explained *r, const int32_t *outputs, const double *values, int m)
{
    double sum = 0;
    for (int t = 0; t < m; t++) {
        int k = find_output(r, outputs[t]);
        sum += values[t];
        if (k >= 0)
            add(r, r->targets.tokens[k], "logprob", values[t]);
    }
    r->summary_logprob = sum / m;
    add(r, -1, "logprob", r->summary_logprob);
}

/* A model without a head predicts nothing: no metric. */
static uvk_status measure_probabilities(job *j, explained *r, uvk_error *err)
{
    int m = uvk_summary_targets(r->input, UVK_AT_PREDICT, NULL, NULL);
    int32_t *positions = text_alloc((size_t)m, sizeof *positions), *outputs = text_alloc((size_t)m, sizeof *outputs);
    int32_t *ids = text_alloc((size_t)m, sizeof *ids);
    double *values = text_alloc((size_t)m, sizeof *values);
    uvk_summary_targets(r->input, UVK_AT_PREDICT, positions, outputs);
    for (int t = 0; t < m; t++)
        ids[t] = r->tokens[outputs[t]].id;
    uvk_status status = m ? uvk_log_probabilities(j->session, positions, ids, m, values, err) : UVK_BAD_INPUT;
    if (status == UVK_OK)
        store_probabilities(r, outputs, values, m);
    free(values);
    free(ids);
    free(outputs);
    free(positions);
    return status == UVK_BAD_INPUT ? UVK_OK : status;
}

/* ---- Rationales -------------------------------------------------------------------------------------------------------- */

/* The scores of the context tokens in their order, and the characters of each. */
typedef struct context_scores {
    float *scores;
    char_span *characters;
    int count;
} context_scores;

static context_scores gather(const explained *r, const float *scores)
{
    context_scores c = {.scores = text_alloc((size_t)r->n, sizeof *c.scores), .characters = text_alloc((size_t)r->n, sizeof *c.characters)};
    for (int i = 0; i < r->n; i++) {
        if (r->tokens[i].role != UVK_ROLE_CONTEXT)
            continue;
        char_span at = {0, 0};
        text_view_characters(&r->text, &r->tokens[i], &at.start, &at.end);
        c.scores[c.count] = scores[i];
        c.characters[c.count++] = at;
    }
    return c;
}

/* The tokens that overlap a span of characters; false: none does, as what is behind a truncation. */
static bool tokens_of(const context_scores *c, char_span span, uvk_token_span *out)
{
    *out = (uvk_token_span){c->count, 0};
    for (int i = 0; i < c->count; i++)
        if (c->characters[i].start < span.end && c->characters[i].end > span.start) {
            out->start = i < out->start ? i : out->start;
            out->end = i + 1;
        }
    return out->start < out->end;
}

uvk_status summary_agreement(const explained *r, const source *s, const float *scores, uvk_agreement *out, bool *marked, uvk_error *err)
{
    context_scores c = gather(r, scores);
    uvk_token_span *spans = text_alloc((size_t)s->n_rationales, sizeof *spans);
    int n_spans = 0;
    for (int i = 0; i < s->n_rationales; i++)
        n_spans += tokens_of(&c, s->rationales[i], &spans[n_spans]);
    *marked = n_spans > 0;
    uvk_status status = *marked ? uvk_agreement_measure(c.scores, c.count, spans, n_spans, out, err) : UVK_OK;
    free(spans);
    free(c.characters);
    free(c.scores);
    return status;
}

static uvk_status measure_agreement(explained *r, const source *s, uvk_error *err)
{
    uvk_agreement agreement;
    bool marked;
    uvk_status status = summary_agreement(r, s, r->tcs, &agreement, &marked, err);
    if (status == UVK_OK && marked) {
        add(r, -1, "token_f1", agreement.token_f1);
        add(r, -1, "iou_f1", agreement.iou_f1);
        add(r, -1, "auprc", agreement.auprc);
    }
    return status;
}

uvk_status summary_measure(job *j, explained *r, const source *s, uvk_error *err)
{
    uvk_status status = measure_probabilities(j, r, err);
    return status == UVK_OK ? measure_agreement(r, s, err) : status;
}
