/* evaluate stability: the words that a text and its paraphrase share must contribute alike (METHOD section 6). */
#include "evaluate.h"

#include "align.h"
#include "statistics.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_WORDS = 5 }; /* that must be aligned */

/* Scores [n] of tokens as sums by words of the context. */
static double *word_scores(const explained *r, const float *scores)
{
    double *out = text_alloc((size_t)r->text.context.n_words + 1, sizeof *out);
    for (int i = 0; i < r->n; i++) {
        int word = r->tokens[i].role == UVK_ROLE_CONTEXT ? text_view_word(&r->text, &r->tokens[i]) : -1;
        if (word >= 0 && word < r->text.context.n_words)
            out[word] += scores[i];
    }
    return out;
}

typedef struct aligned { int32_t *pairs; int count; } aligned;

static uvk_status align(const explained *a, const explained *b, aligned *out, uvk_error *err)
{
    const text_side *x = &a->text.context, *y = &b->text.context;
    uvk_word_list first = {x->text, x->words, x->n_words}, second = {y->text, y->words, y->n_words};
    out->pairs = text_alloc(2 * (size_t)(x->n_words < y->n_words ? x->n_words : y->n_words) + 1, sizeof *out->pairs);
    return uvk_align_words(&first, &second, out->pairs, &out->count, err);
}

/* Of one method, over the aligned words. */
static uvk_status correlate(const explained *a, const explained *b, const aligned *words, const float *a_scores, const float *b_scores, double *out, uvk_error *err)
{
    double *of_a = word_scores(a, a_scores), *of_b = word_scores(b, b_scores);
    double *x = text_alloc(2 * (size_t)words->count + 1, sizeof *x), *y = x + words->count;
    for (int k = 0; k < words->count; k++) {
        x[k] = of_a[words->pairs[2 * k]];
        y[k] = of_b[words->pairs[2 * k + 1]];
    }
    uvk_status status = uvk_spearman(x, y, words->count, out, err);
    free(x);
    free(of_b);
    free(of_a);
    return status;
}

/* Both lists hold the same methods in the same order. */
static uvk_status compare(const evaluation *e, explained *r, const explained *other, const aligned *words, const rankings *all, const rankings *others, uvk_error *err)
{
    double sums[METHODS] = {0}, one;
    uvk_status status = UVK_OK;
    for (int i = 0; i < all->count && status == UVK_OK; i++) {
        method m = all->list[i].method;
        status = correlate(r, other, words, all->list[i].scores, others->list[i].scores, &one, err);
        sums[m] += one / rankings_count(all, m);
    }
    for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
        if (e->methods[m])
            evaluate_add(r, -1, "stability", m, NAN, words->count < LEAST_WORDS ? NAN : sums[m]);
    return status;
}

/* The paraphrase with the same summary. */
static uvk_status load_other(job *j, const source *s, explained *other, uvk_error *err)
{
    source paraphrased = *s;
    paraphrased.context = s->paraphrase;
    uvk_text_params params = summary_params(j, &paraphrased);
    uvk_status status = summary_load(j, other, &params, err);
    return status == UVK_OK ? summary_explain(j, other, &paraphrased, err) : status;
}

static uvk_status judge(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err)
{
    explained other = {.path = r->path, .name = text_copy(r->name), .from_pairs = true};
    rankings all = {.count = 0}, others = {.count = 0};
    aligned words = {0};
    uvk_status status = s->paraphrase.text ? summary_explain(j, r, s, err)
                                           : uvk_fail(err, UVK_BAD_INPUT, "%s: has no \"paraphrase\" (expected the document in other words)", s->name);
    if (status == UVK_OK && (status = rankings_of_text(j, e, r, &all, err)) == UVK_OK && (status = load_other(j, s, &other, err)) == UVK_OK &&
        (status = rankings_of_text(j, e, &other, &others, err)) == UVK_OK && (status = align(r, &other, &words, err)) == UVK_OK)
        status = compare(e, r, &other, &words, &all, &others, err);
    free(words.pairs);
    rankings_free(&others);
    rankings_free(&all);
    explained_free(&other);
    return status;
}

const subject subject_stability = {"stability", NULL, judge, "paraphrase"};
