/* What summarize and attribute print of one text: the words that contributed most, or one line of JSON. */
#include "approximation.h"
#include "messages.h"
#include "show.h"
#include "spans.h"
#include "summary.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The words of the context or the summary; where there is no text, its tokens. */
typedef struct units {
    const explained *r;
    const text_side *side;
    uvk_role role;
    int count;
} units;

static units units_of(const explained *r, uvk_role role)
{
    const text_side *side = role == UVK_ROLE_CONTEXT ? &r->text.context : &r->text.summary;
    return (units){r, side, role, side->n_words ? side->n_words : r->n};
}

/* The unit that a token is part of; -1: none. */
static int unit_at(const units *u, int token)
{
    const uvk_token *t = &u->r->tokens[token];
    if (t->role != u->role)
        return -1;
    if (!u->side->n_words)
        return token;
    int word = text_view_word(&u->r->text, t);
    return word >= 0 && u->role == UVK_ROLE_SUMMARY ? word - u->r->text.context.n_words : word;
}

static char *unit_name(const units *u, int unit)
{
    if (!u->side->n_words)
        return text_format("token %d", unit);
    char *slice = text_view_slice(u->side, u->side->words[unit].start, u->side->words[unit].end), *clean = text_escaped(slice);
    char *name = text_format("\"%s\"", clean);
    free(clean);
    free(slice);
    return name;
}

/* Sums token scores to units; returns the sum over all tokens. */
static double sum_units(const units *u, const float *scores, float *out)
{
    double total = 0;
    for (int i = 0; i < u->count; i++)
        out[i] = 0;
    for (int i = 0; i < u->r->n; i++) {
        int unit = unit_at(u, i);
        total += scores[i];
        if (unit >= 0)
            out[unit] += scores[i];
    }
    return total;
}

/* ---- The table --------------------------------------------------------------------------------------------------------- */

static void print_strongest(const char *name, const units *context, const float *scores, int shown)
{
    float *sums = text_alloc((size_t)context->count, sizeof *sums);
    int *best = text_alloc((size_t)shown, sizeof *best);
    double total = sum_units(context, scores, sums);
    int count = show_strongest(sums, context->count, best, shown);
    printf("%-16s", name);
    for (int i = 0; i < count && sums[best[i]] > 0; i++) {
        char *word = unit_name(context, best[i]);
        printf("  %s %.4f", word, sums[best[i]] / total);
        free(word);
    }
    putchar('\n');
    free(best);
    free(sums);
}

/* The mean of the rows of one summary word; false: none of its tokens was scored. */
static bool mean_of(const units *summary, int unit, float *out)
{
    const explained *r = summary->r;
    int rows = 0;
    for (int i = 0; i < r->n; i++)
        out[i] = 0;
    for (int k = 0; k < r->n_scored; k++) {
        if (unit_at(summary, r->outputs[r->scored[k]]) != unit)
            continue;
        for (int i = 0; i < r->n; i++)
            out[i] += r->scaled[(size_t)k * (size_t)r->n + (size_t)i];
        rows++;
    }
    return rows > 0;
}

static void print_summary_words(const units *summary, const units *context, int shown)
{
    float *scores = text_alloc((size_t)summary->r->n, sizeof *scores);
    for (int unit = 0; unit < summary->count; unit++) {
        if (!mean_of(summary, unit, scores))
            continue;
        char *name = unit_name(summary, unit);
        print_strongest(name, context, scores, shown);
        free(name);
    }
    free(scores);
}

uvk_status summary_show_table(const job *j, const explained *r, uvk_error *err)
{
    units context = units_of(r, UVK_ROLE_CONTEXT), summary = units_of(r, UVK_ROLE_SUMMARY);
    int shown = show_count(j, context.count);
    char words[APPROXIMATION_WORDS];
    print_escaped(r->from_pairs ? r->name : r->path);
    printf("  layer %d of ", j->layer);
    print_escaped(j->info->name);
    printf(", %s, %s, %s%s", scalar_names[j->o->scalar], order_names[j->o->order], at_names[j->o->at],
           approximation_words(j->o, words));
    if (!isnan(r->summary_logprob))
        printf(", log p %.3f a token", r->summary_logprob);
    printf("\n%-16s  what of the text contributed most (share)\n", "summary");
    print_strongest("(all of it)", &context, r->tcs, shown);
    print_summary_words(&summary, &context, shown);
    putchar('\n');
    return flush_results(err);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------- */

static void add_context_tokens(cJSON *json, const explained *r)
{
    cJSON *tcs = cJSON_AddArrayToObject(json, "tcs"), *share = cJSON_AddArrayToObject(json, "share"), *tokens = cJSON_AddArrayToObject(json, "tokens");
    for (int i = 0; i < r->n; i++) {
        int at[2] = {-1, -1};
        if (r->tokens[i].role != UVK_ROLE_CONTEXT)
            continue;
        bool known = text_view_characters(&r->text, &r->tokens[i], &at[0], &at[1]);
        cJSON_AddItemToArray(tcs, cJSON_CreateNumber((double)r->tcs[i]));
        cJSON_AddItemToArray(share, cJSON_CreateNumber((double)r->share[i]));
        cJSON_AddItemToArray(tokens, known ? cJSON_CreateIntArray(at, 2) : cJSON_CreateNull());
    }
}

static void add_context_words(cJSON *json, const explained *r)
{
    const text_side *side = &r->text.context;
    cJSON *list = cJSON_AddArrayToObject(json, "context");
    units u = units_of(r, UVK_ROLE_CONTEXT);
    float *scores = text_alloc((size_t)u.count, sizeof *scores), *shares = text_alloc((size_t)u.count, sizeof *shares);
    sum_units(&u, r->tcs, scores);
    sum_units(&u, r->share, shares);
    for (int w = 0; w < side->n_words; w++) {
        cJSON *word = cJSON_CreateObject();
        char *text = text_view_slice(side, side->words[w].start, side->words[w].end);
        cJSON_AddStringToObject(word, "text", text);
        cJSON_AddNumberToObject(word, "start", side->words[w].char_start);
        cJSON_AddNumberToObject(word, "end", side->words[w].char_end);
        cJSON_AddNumberToObject(word, "score", (double)scores[w]);
        cJSON_AddNumberToObject(word, "share", (double)shares[w]);
        cJSON_AddItemToArray(list, word);
        free(text);
    }
    free(shares);
    free(scores);
}

static void add_scores(cJSON *json, const explained *r)
{
    char *summary = r->text.summary.text ? text_view_slice(&r->text.summary, 0, (int)r->text.summary.length) : NULL;
    show_add_text(json, "summary", summary);
    cJSON_AddNumberToObject(json, "truncated", r->info->truncated);
    if (isnan(r->summary_logprob))
        cJSON_AddNullToObject(json, "summary_logprob");
    else
        cJSON_AddNumberToObject(json, "summary_logprob", r->summary_logprob);
    add_context_tokens(json, r);
    add_context_words(json, r);
    spans_add(json, r);
    free(summary);
}

uvk_status summary_show_json(const job *j, const explained *r, uvk_error *err)
{
    cJSON *json = show_describe(j, r);
    cJSON_AddStringToObject(json, "id", r->name);
    if (r->tcs && !r->error)
        add_scores(json, r);
    return show_line(json, err);
}
