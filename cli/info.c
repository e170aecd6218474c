/* ultravk info: what a model folder holds, and what explaining all patches, or all tokens of a text, takes on the device. */
#include "input.h"
#include "messages.h"
#include "options.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED = 10, TEXT_TOKENS = 1024, SUMMARY_TOKENS = 64 };

/* The plan of a run, or why there is none. */
typedef struct forecast {
    uvk_status status;
    uvk_plan plan;
    char device[256];
    uvk_error err;
} forecast;

/* Of a text: as many as a long article has, or as the model takes. */
static int tokens_planned(const uvk_model_info *m)
{
    return m->modality == UVK_VISION ? m->tokens : m->context < TEXT_TOKENS ? m->context : TEXT_TOKENS;
}

static uvk_status plan_all(uvk_context *context, uvk_model *model, uvk_plan *plan, uvk_error *err)
{
    const uvk_model_info *info = uvk_model_get_info(model);
    uvk_session *session;
    uvk_status status = uvk_session_create(context, model, &session, err);
    if (status != UVK_OK)
        return status;
    int encoder = info->encoder_layers ? tokens_planned(info) : 0, n = encoder ? encoder + SUMMARY_TOKENS : tokens_planned(info);
    int first = encoder + info->special, n_targets = n - first;
    int32_t *targets = text_alloc((size_t)n_targets, sizeof *targets);
    for (int i = 0; i < n_targets; i++)
        targets[i] = first + i;
    uvk_explain_params params = {.targets = targets, .n_targets = n_targets, .encoder_tokens = encoder};
    status = uvk_explain_plan(session, n, &params, plan, err);
    free(targets);
    uvk_session_free(session);
    return status;
}

static void predict(const options *o, uvk_model *model, forecast *out)
{
    uvk_context_params params = {.device = o->device, .memory = o->memory};
    uvk_context *context;
    memset(out, 0, sizeof *out);
    out->status = uvk_context_create(&params, &context, &out->err);
    if (out->status != UVK_OK)
        return;
    snprintf(out->device, sizeof out->device, "%s", uvk_context_device(context)->name);
    out->status = plan_all(context, model, &out->plan, &out->err);
    uvk_context_free(context);
}

static void print_forecast(const uvk_model_info *m, const forecast *f)
{
    char total[32], weights[32], forward[32], each[32], budget[32], streamed[32];
    if (f->status != UVK_OK) {
        printf("%-12s %s\n", "memory", f->err.message);
        return;
    }
    printf("%-12s %s of %s on %s\n", "memory", text_bytes(f->plan.total, total), text_bytes(f->plan.budget, budget), f->device);
    printf("%-12s weights %s + forward %s + %d targets x %s%s\n", "", text_bytes(f->plan.weights, weights), text_bytes(f->plan.forward, forward), f->plan.chunk,
           text_bytes(f->plan.per_target, each), m->modality == UVK_TEXT ? ", for a long text" : "");
    if (f->plan.streamed)
        printf("%-12s the weights do not fit and are streamed, %s for each chunk of targets\n", "", text_bytes(f->plan.streamed, streamed));
}

static void print_after_space(const char *text)
{
    putchar(' ');
    print_escaped(text);
}

static void print_unused(const uvk_model_info *m)
{
    if (!m->n_unused)
        return;
    printf("%-12s %d tensor%s in the folder:", "not used", m->n_unused, m->n_unused == 1 ? "" : "s");
    for (int i = 0; i < m->n_unused && i < LISTED; i++)
        print_after_space(m->unused[i]);
    puts(m->n_unused > LISTED ? " ..." : "");
}

/* The special tokens that a sequence may hold: of an image those before the first patch, of a text those of the tokenizer. Owned by the
 * caller. */
static cJSON *list_special(const uvk_model *model)
{
    const uvk_arch *a = &model->arch;
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; a->modality == UVK_VISION && i < a->special; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(i == 0 ? "CLS" : i < a->special - a->registers ? "distillation" : "register"));
    int32_t size = a->modality == UVK_TEXT && model->tokenizer ? uvk_tokenizer_size(model->tokenizer) : 0;
    for (int32_t id = 0; id < size; id++)
        if (uvk_is_marker(model->tokenizer, id)) {
            char *piece = text_escaped(uvk_tokenizer_piece(model->tokenizer, id));
            cJSON_AddItemToArray(list, cJSON_CreateString(piece));
            free(piece);
        }
    return list;
}

static void print_special(const uvk_model *model)
{
    cJSON *list = list_special(model);
    int count = cJSON_GetArraySize(list);
    if (count)
        printf("%-12s", "special");
    for (int i = 0; i < count && i < LISTED; i++)
        printf("%s%s", i ? ", " : " ", cJSON_GetArrayItem(list, i)->valuestring);
    if (count)
        puts(count > LISTED ? ", ..." : "");
    cJSON_Delete(list);
}

static void print_vision(const uvk_model_info *m)
{
    printf("%-12s %d\n%-12s %d x %d patches of %d pixels\n%-12s %d x %d pixels\n", "tokens", m->tokens, "grid", m->grid_rows, m->grid_cols, m->patch, "image", m->image_height,
           m->image_width);
    if (m->classes)
        printf("%-12s %d, with --scalar logprob\n", "classes", m->classes);
    if (m->embedding)
        printf("%-12s a text tower, with --similar-to\n", "texts");
}

static void print_text(const uvk_model_info *m)
{
    printf("%-12s %d ids\n%-12s %d tokens\n", "vocabulary", m->vocabulary, "context", m->context);
    if (m->sliding_window)
        printf("%-12s %d tokens, in the blocks that have a sliding one\n", "window", m->sliding_window);
    if (m->ignored)
        printf("%-12s greedy; of generation_config.json ignored: %s\n", "generation", m->ignored);
}

static void print_table(const uvk_model *model, const forecast *f)
{
    const uvk_model_info *m = uvk_model_get_info(model);
    bool vision = m->modality == UVK_VISION;
    printf("%-12s", "name");
    print_after_space(m->name);
    printf("\n%-12s %s (%s)\n", "family", m->family, vision ? "vision" : "text");
    if (m->encoder_layers)
        printf("%-12s %d\n", "encoder", m->encoder_layers);
    printf("%-12s %d, explained layers 2 to %d\n%-12s %d of width %d", m->encoder_layers ? "decoder" : "blocks", m->layers, m->layers + 1, "heads", m->heads, m->head_dim);
    if (m->kv_heads != m->heads)
        printf(", %d of keys and values", m->kv_heads);
    printf("\n%-12s %d, MLP %d\n", "width", m->width, m->mlp_width);
    if (vision)
        print_vision(m);
    else
        print_text(m);
    print_special(model);
    printf("%-12s %llu\n%-12s %s\n", "parameters", (unsigned long long)m->parameters, "sha256", m->sha256);
    print_unused(m);
    print_forecast(m, f);
}

static cJSON *describe_forecast(const forecast *f)
{
    cJSON *json = cJSON_CreateObject();
    if (f->status != UVK_OK) {
        cJSON_AddStringToObject(json, "error", f->err.message);
        return json;
    }
    cJSON_AddStringToObject(json, "device", f->device);
    cJSON_AddNumberToObject(json, "weights", (double)f->plan.weights);
    cJSON_AddNumberToObject(json, "forward", (double)f->plan.forward);
    cJSON_AddNumberToObject(json, "per_target", (double)f->plan.per_target);
    cJSON_AddNumberToObject(json, "chunk", f->plan.chunk);
    cJSON_AddNumberToObject(json, "total", (double)f->plan.total);
    cJSON_AddNumberToObject(json, "budget", (double)f->plan.budget);
    cJSON_AddNumberToObject(json, "streamed", (double)f->plan.streamed);
    return json;
}

static void add_text(cJSON *json, const char *key, const char *text)
{
    char *clean = text_utf8(text);
    cJSON_AddStringToObject(json, key, clean);
    free(clean);
}

static uvk_status print_object(const uvk_model *model, const forecast *f, uvk_error *err)
{
    const uvk_model_info *m = uvk_model_get_info(model);
    cJSON *json = cJSON_CreateObject();
    add_text(json, "path", m->path);
    add_text(json, "name", m->name);
    cJSON_AddStringToObject(json, "family", m->family);
    cJSON_AddStringToObject(json, "modality", m->modality == UVK_VISION ? "vision" : "text");
    const struct { const char *key; double value; } numbers[] = {
        {"layers", m->layers}, {"encoder_layers", m->encoder_layers}, {"heads", m->heads}, {"width", m->width}, {"head_dim", m->head_dim}, {"mlp_width", m->mlp_width}, {"tokens", m->tokens},
        {"special", m->special}, {"kv_heads", m->kv_heads}, {"vocabulary", m->vocabulary}, {"context", m->context},
        {"sliding_window", m->sliding_window}, {"grid_rows", m->grid_rows}, {"grid_cols", m->grid_cols}, {"patch", m->patch}, {"image_height", m->image_height},
        {"image_width", m->image_width}, {"classes", m->classes}, {"embedding", m->embedding}, {"parameters", (double)m->parameters}, {"unused_count", m->n_unused},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cJSON_AddNumberToObject(json, numbers[i].key, numbers[i].value);
    cJSON_AddBoolToObject(json, "causal", m->causal);
    cJSON_AddItemToObject(json, "special_tokens", list_special(model));
    cJSON_AddStringToObject(json, "sha256", m->sha256);
    cJSON_AddItemToObject(json, "ignored", m->ignored ? cJSON_CreateString(m->ignored) : cJSON_CreateNull());
    cJSON_AddItemToObject(json, "unused", cJSON_CreateStringArray(m->unused, m->n_unused < LISTED ? m->n_unused : LISTED));
    cJSON_AddItemToObject(json, "memory", describe_forecast(f));
    return print_json(json, true, err);
}

uvk_status verb_info(const options *o)
{
    uvk_error err;
    uvk_model *model;
    uvk_status status = UVK_OK;
    forecast f;
    if (uvk_model_load_sized(o->model, o->image_size.first, o->image_size.second, &model, &err) != UVK_OK)
        return complain(&err);
    predict(o, model, &f);
    if (f.status == UVK_USAGE)
        complain(&f.err);
    else if (o->json)
        status = print_object(model, &f, &err) == UVK_OK ? UVK_OK : complain(&err);
    else
        print_table(model, &f);
    uvk_model_free(model);
    return f.status == UVK_USAGE ? f.status : status;
}
