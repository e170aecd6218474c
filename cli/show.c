/* Results of one input on stdout: a short table, or one line of JSON. */
#include "explain.h"
#include "messages.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 5 };

static void print_token(const uvk_model_info *model, int token)
{
    if (token < model->special)
        printf("%5d (%s)  ", token, token ? "special" : "CLS");
    else
        printf("%5d (%2d,%2d)", token, token_row(model, token), token_column(model, token));
}

/* The strongest source that is neither the target nor taken yet; -1 when there is none. */
static int strongest(const float *scores, int n, int target, const bool *taken)
{
    int best = -1;
    for (int j = 0; j < n; j++)
        if (j != target && !taken[j] && (best < 0 || scores[j] > scores[best]))
            best = j;
    return best;
}

static void print_map(const explain_job *job, const explained *r, int k, int shown)
{
    const uvk_model_info *model = job->info;
    int n = model->tokens - model->special, target = r->targets.tokens[k];
    const float *scores = r->scores + (size_t)k * (size_t)n;
    bool *taken = text_alloc((size_t)n, sizeof *taken);
    print_token(model, target);
    for (int i = 0; i < shown; i++) {
        int best = strongest(scores, n, target - model->special, taken);
        if (best < 0)
            break;
        taken[best] = true;
        fputs(i ? "  " : "   ", stdout);
        print_token(model, best + model->special);
        printf(" %.4f", (double)scores[best]);
    }
    putchar('\n');
    free(taken);
}

uvk_status show_table(const explain_job *job, const explained *r, uvk_error *err)
{
    const options *o = job->o;
    int shown = o->top > 0 ? o->top : o->top < 0 ? job->info->tokens : SHOWN;
    printf("%s  layer %d of %s, %s, %s\n", r->path, job->layer, job->info->name, scalar_names[o->scalar], order_names[o->order]);
    printf("%-13s   %s\n", "target", "top sources: token (row,column) score");
    for (int k = 0; k < r->targets.count; k++)
        print_map(job, r, k, shown);
    putchar('\n');
    return flush_results(err);
}

static void add_text(cJSON *json, const char *key, const char *text)
{
    char *clean = text ? text_utf8(text) : NULL;
    if (clean)
        cJSON_AddStringToObject(json, key, clean);
    else
        cJSON_AddNullToObject(json, key);
    free(clean);
}

uvk_status show_json(const explain_job *job, const explained *r, uvk_error *err)
{
    cJSON *json = cJSON_CreateObject();
    add_text(json, "path", r->path);
    cJSON_AddStringToObject(json, "status", r->status);
    add_text(json, "error", r->error);
    add_text(json, "model", job->info->name);
    cJSON_AddNumberToObject(json, "layer", job->layer);
    cJSON_AddNumberToObject(json, "targets", r->targets.count);
    cJSON_AddNumberToObject(json, "n", job->info->tokens);
    cJSON_AddNumberToObject(json, "seconds_load", r->seconds_load);
    cJSON_AddNumberToObject(json, "seconds_forward", r->cost.seconds_forward);
    cJSON_AddNumberToObject(json, "seconds_backward", r->cost.seconds_backward);
    cJSON_AddNumberToObject(json, "seconds_total", r->seconds_total);
    cJSON_AddNumberToObject(json, "gflop", r->cost.gflop);
    cJSON_AddNumberToObject(json, "peak_bytes", (double)r->cost.peak);
    cJSON_AddNumberToObject(json, "chunk", r->cost.chunk);
    add_text(json, "device", job->device->name);
    add_text(json, "driver", job->device->driver);
    if (job->db)
        cJSON_AddNumberToObject(json, "run", (double)job->run_id);
    else
        cJSON_AddNullToObject(json, "run");
    char *line = cJSON_PrintUnformatted(json);
    if (line)
        puts(line);
    cJSON_free(line);
    cJSON_Delete(json);
    return line ? flush_results(err) : uvk_fail(err, UVK_FAILED, "out of memory");
}
