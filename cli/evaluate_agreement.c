/* evaluate agreement: scores against the rationales that a person marked (METHOD section 6). */
#include "evaluate.h"

#include "summary.h"

#include <math.h>

static uvk_status compare(const evaluation *e, explained *r, const source *s, const rankings *all, uvk_error *err)
{
    uvk_agreement sums[METHODS] = {0}, one;
    bool marked = true;
    uvk_status status = UVK_OK;
    for (int i = 0; i < all->count && status == UVK_OK && marked; i++) {
        double share = 1.0 / rankings_count(all, all->list[i].method);
        uvk_agreement *sum = &sums[all->list[i].method];
        if ((status = summary_agreement(r, s, all->list[i].scores, &one, &marked, err)) || !marked)
            break;
        *sum = (uvk_agreement){sum->token_f1 + share * one.token_f1, sum->iou_f1 + share * one.iou_f1, sum->auprc + share * one.auprc};
    }
    if (status == UVK_OK && !marked)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: no token of the text is marked (expected \"rationales\": [[start, end], ...])", s->name);
    for (method m = METHOD_ULTRA; m < METHODS && status == UVK_OK; m++)
        if (e->methods[m]) {
            evaluate_add(r, -1, "token_f1", m, NAN, sums[m].token_f1);
            evaluate_add(r, -1, "iou_f1", m, NAN, sums[m].iou_f1);
            evaluate_add(r, -1, "auprc", m, NAN, sums[m].auprc);
        }
    return status;
}

static uvk_status judge(job *j, const evaluation *e, explained *r, const source *s, uvk_error *err)
{
    rankings all = {.count = 0};
    uvk_status status = summary_explain(j, r, s, err);
    if (status == UVK_OK)
        status = rankings_of_text(j, e, r, &all, err);
    if (status == UVK_OK)
        status = compare(e, r, s, &all, err);
    rankings_free(&all);
    return status;
}

const subject subject_agreement = {"agreement", NULL, judge, "rationales"};
