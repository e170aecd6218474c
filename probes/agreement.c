#include "agreement.h"

#include <stdlib.h>
#include <string.h>

typedef struct scored { float score; int token; } scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

static double f1(double precision, double recall)
{
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static int mark(const uvk_token_span *spans, int n_spans, int n, bool *marked)
{
    int count = 0;
    for (int s = 0; s < n_spans; s++)
        for (int i = spans[s].start; i < spans[s].end; i++)
            marked[i] = true;
    for (int i = 0; i < n; i++)
        count += marked[i];
    return count;
}

/* The sum over thresholds of precision times the recall gained there; equal scores share a threshold. */
static double average_precision(const scored *order, int n, const bool *marked, int n_marked)
{
    double sum = 0;
    int hits = 0, before = 0;
    for (int i = 0; i < n; i++) {
        hits += marked[order[i].token];
        if (i + 1 < n && order[i + 1].score == order[i].score)
            continue;
        sum += (double)(hits - before) * hits / (i + 1);
        before = hits;
    }
    return sum / n_marked;
}

static double intersection_over_union(uvk_token_span a, uvk_token_span b)
{
    int start = a.start > b.start ? a.start : b.start, end = a.end < b.end ? a.end : b.end;
    int both = end > start ? end - start : 0;
    return (double)both / (a.end - a.start + b.end - b.start - both);
}

static bool matches(uvk_token_span run, const uvk_token_span *spans, int n_spans)
{
    for (int s = 0; s < n_spans; s++)
        if (intersection_over_union(run, spans[s]) >= 0.5)
            return true;
    return false;
}

static int by_place(const void *a, const void *b)
{
    const uvk_token_span *x = a, *y = b;
    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : (x->end > y->end) - (x->end < y->end);
}

/* Drops what is there twice; returns how many are left. */
static int make_distinct(uvk_token_span *spans, int n_spans)
{
    int kept = 0;
    qsort(spans, (size_t)n_spans, sizeof *spans, by_place);
    for (int s = 0; s < n_spans; s++)
        if (kept == 0 || by_place(&spans[kept - 1], &spans[s]) != 0)
            spans[kept++] = spans[s];
    return kept;
}

/* As ERASER counts: runs that match a marked span, over the runs and over the marked spans. */
static double span_f1(const bool *chosen, int n, const uvk_token_span *spans, int n_spans)
{
    int runs = 0, hits = 0;
    for (int i = 0; i < n; i++) {
        if (!chosen[i])
            continue;
        uvk_token_span run = {i, i};
        while (run.end < n && chosen[run.end])
            run.end++;
        runs++;
        hits += matches(run, spans, n_spans);
        i = run.end;
    }
    return f1((double)hits / runs, (double)hits / n_spans);
}

static uvk_status check(int n, const uvk_token_span *spans, int n_spans, uvk_error *err)
{
    for (int s = 0; s < n_spans; s++)
        if (spans[s].start < 0 || spans[s].end > n || spans[s].start >= spans[s].end)
            return uvk_fail(err, UVK_USAGE, "a marked span is no part of the text (found tokens %d to %d of %d)", spans[s].start, spans[s].end, n);
    return n_spans > 0 ? UVK_OK : uvk_fail(err, UVK_USAGE, "no token is marked");
}

/* What is needed to compare, as long as the text. */
typedef struct workspace {
    scored *order;
    bool *marked, *chosen;
    uvk_token_span *spans;
} workspace;

static void compare(const float *scores, int n, int n_spans, const workspace *w, uvk_agreement *out)
{
    int n_distinct = make_distinct(w->spans, n_spans), n_marked = mark(w->spans, n_distinct, n, w->marked), hits = 0;
    for (int i = 0; i < n; i++)
        w->order[i] = (scored){scores[i], i};
    qsort(w->order, (size_t)n, sizeof *w->order, by_score);
    for (int i = 0; i < n_marked; i++) {
        w->chosen[w->order[i].token] = true;
        hits += w->marked[w->order[i].token];
    }
    *out = (uvk_agreement){.token_f1 = (double)hits / n_marked, /* as many are chosen as are marked */
                           .iou_f1 = span_f1(w->chosen, n, w->spans, n_distinct), .auprc = average_precision(w->order, n, w->marked, n_marked)};
}

uvk_status uvk_agreement_measure(const float *scores, int n, const uvk_token_span *spans, int n_spans, uvk_agreement *out, uvk_error *err)
{
    uvk_status status = check(n, spans, n_spans, err);
    if (status)
        return status;
    size_t tokens = (size_t)n, marks = (size_t)n_spans * sizeof *spans;
    workspace w = {malloc(tokens * sizeof *w.order), calloc(tokens, sizeof *w.marked), calloc(tokens, sizeof *w.chosen), malloc(marks)};
    if (w.order && w.marked && w.chosen && w.spans) {
        memcpy(w.spans, spans, marks);
        compare(scores, n, n_spans, &w, out);
    } else {
        status = uvk_fail_memory(err, tokens * (sizeof *w.order + 2) + marks, "an agreement");
    }
    free(w.order);
    free(w.marked);
    free(w.chosen);
    free(w.spans);
    return status;
}
