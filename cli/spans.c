#include "spans.h"

static span_list choose(const span_list *own, const number_pair *given, char_span *room)
{
    if (own->count || !given->given)
        return *own;
    *room = (char_span){given->first, given->second};
    return (span_list){room, 1};
}

void spans_choose(const options *o, const source *s, explained *r)
{
    r->summary_spans = choose(&s->summary_spans, &o->span, &r->flag_spans[0]);
    r->context_spans = choose(&s->context_spans, &o->context_span, &r->flag_spans[1]);
}

/* Whether a token is, in part, of one of these characters of its text. */
static bool is_in(const explained *r, int token, const span_list *spans)
{
    int start, end;
    if (!text_view_characters(&r->text, &r->tokens[token], &start, &end))
        return false;
    for (int i = 0; i < spans->count; i++)
        if (start < spans->at[i].end && end > spans->at[i].start)
            return true;
    return false;
}

bool spans_ask(const explained *r, int token)
{
    return !r->summary_spans.count || is_in(r, token, &r->summary_spans);
}

/* ---- Spans without tokens ---------------------------------------------------------------------------------------------- */

static bool has_token(const explained *r, uvk_role role, char_span span)
{
    for (int i = 0; i < r->n; i++)
        if (r->tokens[i].role == role && is_in(r, i, &(span_list){&span, 1}))
            return true;
    return false;
}

static uvk_status check_side(const explained *r, uvk_role role, const span_list *spans, const char *name, uvk_error *err)
{
    bool summary = role == UVK_ROLE_SUMMARY;
    const char *option = summary ? "--span" : "--context-span", *what = summary ? "summary" : "context";
    const text_side *side = summary ? &r->text.summary : &r->text.context;
    for (int i = 0; i < spans->count; i++) {
        if (!side->text)
            return uvk_fail(err, UVK_USAGE, "%s: %s: the %s is ids, and the model has no tokenizer to read them", name, option, what);
        if (!has_token(r, role, spans->at[i]))
            return uvk_fail(err, UVK_USAGE, "%s: %s %d:%d: no token of the %s is there (it has %d characters%s)", name, option, spans->at[i].start,
                            spans->at[i].end, what, side->characters[side->length], !summary && r->info->truncated ? ", and --truncate cuts it short" : "");
    }
    return UVK_OK;
}

uvk_status spans_check(const explained *r, const char *name, uvk_error *err)
{
    uvk_status status = check_side(r, UVK_ROLE_SUMMARY, &r->summary_spans, name, err);
    return status == UVK_OK ? check_side(r, UVK_ROLE_CONTEXT, &r->context_spans, name, err) : status;
}

/* ---- Contributions ----------------------------------------------------------------------------------------------------- */

/* Contribution scores summed over tokens of the context: those of the spans, and all. */
typedef struct contribution { double chosen, all; } contribution;

/* Of the TCS over the summary's tokens in that span; NULL: over all that were scored. */
static contribution sum_scores(const explained *r, char_span *summary, const span_list *context)
{
    contribution c = {0, 0};
    int rows = 0;
    for (int k = 0; k < r->n_scored; k++) {
        if (summary && !is_in(r, r->outputs[r->scored[k]], &(span_list){summary, 1}))
            continue;
        rows++;
        for (int i = 0; i < r->n; i++) {
            if (r->tokens[i].role != UVK_ROLE_CONTEXT)
                continue;
            double score = r->scaled[(size_t)k * (size_t)r->n + (size_t)i];
            c.all += score;
            c.chosen += is_in(r, i, context) ? score : 0;
        }
    }
    return rows ? (contribution){c.chosen / rows, c.all / rows} : c;
}

static double share(contribution c)
{
    return c.all > 0 ? c.chosen / c.all : 0;
}

static void add_span(cJSON *json, const char *key, const char_span *span)
{
    cJSON_AddItemToObject(json, key, span ? cJSON_CreateIntArray((int[]){span->start, span->end}, 2) : cJSON_CreateNull());
}

static void add_pair(cJSON *list, const explained *r, char_span *summary, char_span *context)
{
    contribution c = sum_scores(r, summary, &(span_list){context, 1});
    cJSON *pair = cJSON_CreateObject();
    add_span(pair, "summary", summary);
    add_span(pair, "context", context);
    cJSON_AddNumberToObject(pair, "score", c.chosen);
    cJSON_AddNumberToObject(pair, "share", share(c));
    cJSON_AddItemToArray(list, pair);
}

void spans_add(cJSON *json, const explained *r)
{
    const span_list *summary = &r->summary_spans, *context = &r->context_spans;
    if (!context->count)
        return;
    cJSON *list = cJSON_AddArrayToObject(json, "spans");
    for (int s = 0; s < summary->count || s == 0; s++)
        for (int c = 0; c < context->count; c++)
            add_pair(list, r, summary->count ? &summary->at[s] : NULL, &context->at[c]);
    cJSON_AddNumberToObject(json, "contribution", share(sum_scores(r, NULL, context)));
}
