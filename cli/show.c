#include "show.h"

#include "approximation.h"
#include "messages.h"
#include "text.h"
#include "whole_image.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 5 };

int show_count(const job *j, int of)
{
    int top = j->o->top;
    return top < 0 || (top > 0 && top > of) ? of : top > 0 ? top : SHOWN < of ? SHOWN : of;
}

/* Keeps the best so far in order: of equal ones the first stays before. */
int show_strongest(const float *scores, int n, int *best, int most)
{
    int count = 0;
    for (int i = 0; i < n && most > 0; i++) {
        if (count == most && scores[i] <= scores[best[most - 1]])
            continue;
        int place = count < most ? count++ : most - 1;
        for (; place > 0 && scores[best[place - 1]] < scores[i]; place--)
            best[place] = best[place - 1];
        best[place] = i;
    }
    return count;
}

void show_quoted(const char *piece)
{
    char *clean = text_escaped(piece);
    printf("\"%s\"", clean);
    free(clean);
}

static void print_patch(const uvk_model_info *model, int token)
{
    if (token < model->special)
        printf("%5d (%s)  ", token, token ? "special" : "CLS");
    else
        printf("%5d (%2d,%2d)", token, token_row(model, token), token_column(model, token));
}

static void print_token(const job *j, const explained *r, int token)
{
    if (j->info->modality == UVK_VISION) {
        print_patch(j->info, token);
        return;
    }
    char *piece = text_view_piece(&r->text, j->tokenizer, &r->tokens[token]);
    printf("%5d ", token);
    if (piece)
        show_quoted(piece);
    else
        printf("(id %d)", (int)r->tokens[token].id);
    free(piece);
}

/* Sources that a map has: what is not special, and, where a model is causal, what comes before the target. */
static bool is_source(const job *j, const explained *r, int token, int target)
{
    return token != target && !r->tokens[token].special && !(j->info->causal && token > target);
}

static void print_map(const job *j, const explained *r, int k, int shown)
{
    const float *scores = r->scores + (size_t)k * (size_t)r->n;
    int target = r->targets.tokens[k], n_sources = 0;
    float *of = text_alloc((size_t)r->n, sizeof *of);
    int *sources = text_alloc((size_t)r->n, sizeof *sources), *best = text_alloc((size_t)shown, sizeof *best);
    for (int i = 0; i < r->n; i++)
        if (is_source(j, r, i, target)) {
            sources[n_sources] = i;
            of[n_sources++] = scores[i];
        }
    int count = show_strongest(of, n_sources, best, shown);
    print_token(j, r, target);
    for (int i = 0; i < count; i++) {
        fputs(i ? "  " : "   ", stdout);
        print_token(j, r, sources[best[i]]);
        printf(" %.4f", (double)of[best[i]]);
    }
    putchar('\n');
    free(best);
    free(sources);
    free(of);
}

uvk_status show_table(const job *j, const explained *r, uvk_error *err)
{
    bool vision = j->info->modality == UVK_VISION;
    char words[APPROXIMATION_WORDS];
    print_escaped(r->path);
    printf("  layer %d of ", j->layer);
    print_escaped(j->info->name);
    printf(", %s, %s%s\n", scalar_names[j->o->scalar], order_names[j->o->order], approximation_words(j->o, words));
    whole_image_print(j, r);
    printf("%-13s   top sources: token %sscore\n", "target", vision ? "(row,column) " : "\"text\" ");
    for (int k = 0; k < r->targets.count; k++)
        print_map(j, r, k, show_count(j, r->n));
    putchar('\n');
    return flush_results(err);
}

void show_add_text(cJSON *json, const char *key, const char *text)
{
    char *clean = text ? text_utf8(text) : NULL;
    if (clean)
        cJSON_AddStringToObject(json, key, clean);
    else
        cJSON_AddNullToObject(json, key);
    free(clean);
}

cJSON *show_describe(const job *j, const explained *r)
{
    const uvk_device_info *device = r->device ? r->device : &j->device;
    cJSON *json = cJSON_CreateObject();
    show_add_text(json, "path", r->path);
    cJSON_AddStringToObject(json, "status", r->status);
    show_add_text(json, "error", r->error);
    show_add_text(json, "model", j->info->name);
    cJSON_AddNumberToObject(json, "layer", j->layer);
    cJSON *approximation = approximation_json(j->o);
    if (approximation)
        cJSON_AddItemToObject(json, "approximation", approximation);
    cJSON_AddStringToObject(json, "precision", job_precision(j));
    cJSON_AddNumberToObject(json, "targets", r->targets.count);
    cJSON_AddNumberToObject(json, "n", j->info->modality == UVK_VISION ? j->info->tokens : r->n);
    cJSON_AddNumberToObject(json, "seconds_load", r->seconds_load);
    cJSON_AddNumberToObject(json, "seconds_forward", r->cost.seconds_forward);
    cJSON_AddNumberToObject(json, "seconds_backward", r->cost.seconds_backward);
    cJSON_AddNumberToObject(json, "seconds_total", r->seconds_total);
    cJSON_AddNumberToObject(json, "gflop", r->cost.gflop);
    cJSON_AddNumberToObject(json, "peak_bytes", (double)r->cost.peak);
    cJSON_AddNumberToObject(json, "chunk", r->cost.chunk);
    show_add_text(json, "device", device->name);
    show_add_text(json, "driver", device->driver);
    if (j->db)
        cJSON_AddNumberToObject(json, "run", (double)j->run_id);
    else
        cJSON_AddNullToObject(json, "run");
    return json;
}

uvk_status show_line(cJSON *json, uvk_error *err)
{
    uvk_status status = print_json(json, false, err);
    return status == UVK_OK ? flush_results(err) : status;
}

uvk_status show_json(const job *j, const explained *r, uvk_error *err)
{
    cJSON *json = show_describe(j, r);
    whole_image_describe(j, r, json);
    return show_line(json, err);
}
