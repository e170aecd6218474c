/* ultravk generate: what a language model writes behind a text. */
#include "job.h"
#include "messages.h"
#include "model.h"
#include "progress.h"
#include "signals.h"
#include "source.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct continuation {
    int32_t *ids;
    int count;
    char *text; /* NULL: the model has no tokenizer */
} continuation;

static uvk_status read_input(const options *o, const uvk_model *model, uvk_input **out, uvk_error *err)
{
    const char *argument = o->n_arguments ? o->arguments[0] : "-";
    bool file = text_has_extension(argument, ".npy") || strcmp(argument, "-") == 0;
    source_part part = {0};
    uvk_status status = UVK_OK;
    if (file)
        status = source_read(argument, &part, err);
    else
        part = (source_part){.text = text_copy(argument), .length = strlen(argument)};
    uvk_text_params params = {.name = file ? argument : "the text", .context = part.text, .context_length = part.length, .context_ids = part.ids,
                              .n_context_ids = part.n_ids, .prompt = "{text}", .room = max_new_tokens(o), .truncate = o->truncate};
    if (status == UVK_OK)
        status = uvk_input_create_text(model, &params, out, err);
    free(part.ids);
    free(part.text);
    return status;
}

/* A token may read otherwise at the start of a text than behind another: what the prompt does not read is the continuation. */
static uvk_status decode(const uvk_tokenizer *t, const uvk_input *input, continuation *c, uvk_error *err)
{
    int n;
    const uvk_token *tokens = uvk_input_tokens(input, &n);
    int32_t *all = text_alloc((size_t)(n + c->count), sizeof *all);
    char *prompt = NULL, *whole = NULL;
    for (int i = 0; i < n; i++)
        all[i] = tokens[i].id;
    memcpy(all + n, c->ids, (size_t)c->count * sizeof *all);
    uvk_status status = uvk_tokenizer_decode(t, all, (size_t)n, true, &prompt, err);
    if (status == UVK_OK)
        status = uvk_tokenizer_decode(t, all, (size_t)(n + c->count), true, &whole, err);
    if (status == UVK_OK && strncmp(whole, prompt, strlen(prompt)) == 0)
        c->text = text_copy(whole + strlen(prompt));
    else if (status == UVK_OK)
        status = uvk_tokenizer_decode(t, c->ids, (size_t)c->count, true, &c->text, err);
    free(whole);
    free(prompt);
    free(all);
    return status;
}

static void show_progress(void *user, int done, int of)
{
    (void)user;
    progress_update((double)done / of, done, "");
}

static uvk_status generate(const options *o, uvk_session *session, const uvk_model *model, const uvk_input *input, continuation *c, uvk_error *err)
{
    c->ids = text_alloc((size_t)max_new_tokens(o), sizeof *c->ids);
    progress_start("tokens", o->quiet);
    uvk_status status = uvk_generate(session, input, max_new_tokens(o), show_progress, NULL, c->ids, &c->count, err);
    progress_end();
    return status == UVK_OK && model->tokenizer ? decode(model->tokenizer, input, c, err) : status;
}

static uvk_status print_object(const continuation *c, uvk_error *err)
{
    cJSON *json = cJSON_CreateObject();
    char *text = c->text ? text_utf8(c->text) : NULL;
    cJSON_AddItemToObject(json, "ids", cJSON_CreateIntArray(c->ids, c->count));
    cJSON_AddItemToObject(json, "text", text ? cJSON_CreateString(text) : cJSON_CreateNull());
    free(text);
    return print_json(json, false, err);
}

static uvk_status print(const options *o, const continuation *c, uvk_error *err)
{
    if (o->json)
        return print_object(c, err);
    for (int i = 0; i < c->count && !c->text; i++)
        printf(i ? " %d" : "%d", (int)c->ids[i]);
    char *text = text_shown(c->text ? c->text : "");
    puts(text);
    free(text);
    return UVK_OK;
}

static uvk_status run(const options *o, uvk_model *model, uvk_error *err)
{
    uvk_input *input = NULL;
    uvk_context *context = NULL;
    uvk_session *session = NULL;
    continuation c = {0};
    if (uvk_model_get_info(model)->modality != UVK_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a vision model (generate takes language models)", o->model);
    uvk_status status = read_input(o, model, &input, err);
    if (status == UVK_OK)
        note_ignored(uvk_model_get_info(model));
    if (status == UVK_OK)
        status = open_device(o->device, o->memory, 1, UVK_PRECISION_F32, &context, err);
    if (status == UVK_OK)
        status = uvk_session_create(context, model, &session, err);
    if (status == UVK_OK)
        status = generate(o, session, model, input, &c, err);
    if (status == UVK_OK)
        status = print(o, &c, err);
    free(c.text);
    free(c.ids);
    uvk_session_free(session);
    uvk_context_free(context);
    uvk_input_free(input);
    return status;
}

uvk_status verb_generate(const options *o)
{
    uvk_error err;
    uvk_model *model;
    signals_defer();
    uvk_status status = uvk_model_load(o->model, &model, &err);
    if (status == UVK_OK) {
        status = run(o, model, &err);
        uvk_model_free(model);
    }
    if (status == UVK_INTERRUPTED)
        uvk_fail(&err, status, "interrupted");
    return status == UVK_OK ? status : complain(&err);
}
