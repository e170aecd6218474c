#include "prompt.h"

#include "file.h"
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "{text}"
#define REQUEST "Summarize the following text.\n\n" TEXT
#define PLAIN TEXT "\nTL;DR:"

enum { MAX_CONFIG = 64 * 1024 * 1024, MAX_TEMPLATE = 1024 * 1024 };

void uvk_prompt_free(uvk_prompt *prompt)
{
    free(prompt->before);
    free(prompt->after);
    *prompt = (uvk_prompt){0};
}

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* NULL when memory ran out. */
static char *format(const char *pattern, ...)
{
    va_list arguments, again;
    va_start(arguments, pattern);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, pattern, arguments);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, pattern, again);
    va_end(again);
    va_end(arguments);
    return text;
}

static uvk_status split(const char *template, uvk_prompt *out, uvk_error *err)
{
    const char *at = strstr(template, TEXT);
    if (!at || strstr(at + 1, TEXT))
        return uvk_fail(err, UVK_USAGE, "a prompt template holds %s once (found it %s in '%.200s')", TEXT, at ? "more than once" : "nowhere", template);
    uvk_prompt prompt = {.before = strndup(template, (size_t)(at - template)), .after = strdup(at + strlen(TEXT))};
    if (!prompt.before || !prompt.after) {
        uvk_prompt_free(&prompt);
        return uvk_fail_memory(err, strlen(template), "a prompt");
    }
    *out = prompt;
    return UVK_OK;
}

/* ---- What the folder says ------------------------------------------------------------------------------------------- */

/* *out stays NULL where there is no such file. */
static uvk_status load_json(const char *dir, const char *name, cJSON **out, uvk_error *err)
{
    char *path = uvk_file_join(dir, name);
    if (!path)
        return uvk_fail_memory(err, strlen(dir), "a path");
    uvk_status status = uvk_file_exists(path) ? uvk_json_load(path, MAX_CONFIG, out, err) : UVK_OK;
    free(path);
    return status;
}

static uvk_status copy_string(const char *text, char **out, uvk_error *err)
{
    if (!text)
        return UVK_OK;
    *out = strdup(text);
    return *out ? UVK_OK : uvk_fail_memory(err, strlen(text), "a prompt");
}

/* "<s>", or {"content": "<s>", ...}; anything else names none. */
static const char *piece_in(const cJSON *config, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    return cJSON_GetStringValue(cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "content") : item);
}

uvk_status uvk_prompt_piece(const char *dir, const char *key, char **out, uvk_error *err)
{
    static const char *const files[] = {"tokenizer_config.json", "special_tokens_map.json"};
    uvk_status status = UVK_OK;
    *out = NULL;
    for (size_t i = 0; !status && !*out && i < sizeof files / sizeof *files; i++) {
        cJSON *config = NULL;
        status = load_json(dir, files[i], &config, err);
        if (!status)
            status = copy_string(piece_in(config, key), out, err);
        cJSON_Delete(config);
    }
    return status;
}

/* A string, or a list of {"name", "template"}, of which the one named "default" counts, else the first. */
static const char *template_in(const cJSON *config)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, "chat_template"), *entry;
    if (!cJSON_IsArray(item))
        return cJSON_GetStringValue(item);
    const char *chosen = NULL;
    cJSON_ArrayForEach(entry, item) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "name"));
        const char *template = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "template"));
        if (template && (!chosen || (name && strcmp(name, "default") == 0)))
            chosen = template;
    }
    return chosen;
}

/* A file of its own comes before the one in tokenizer_config.json, as in transformers. *out stays NULL where there is none. */
static uvk_status load_template(const char *dir, char **out, uvk_error *err)
{
    cJSON *config = NULL;
    char *path = uvk_file_join(dir, "chat_template.jinja");
    if (!path)
        return uvk_fail_memory(err, strlen(dir), "a path");
    uvk_status status;
    if (uvk_file_exists(path)) {
        size_t size;
        void *bytes = NULL;
        status = uvk_file_read(path, MAX_TEMPLATE, &bytes, &size, err);
        *out = bytes;
    } else {
        status = load_json(dir, "tokenizer_config.json", &config, err);
        if (!status)
            status = copy_string(template_in(config), out, err);
    }
    cJSON_Delete(config);
    free(path);
    return status;
}

/* ---- The forms ------------------------------------------------------------------------------------------------------ */

typedef struct chat {
    const char *source;    /* the folder's template */
    const char *bos, *eos; /* pieces; "" where the template does not write them or the folder names none */
} chat;

/* The text of a system message that the template writes when it is given none: a literal between the two markers. Within a
 * string of the template a newline is one, or \n. NULL where there is no such literal. */
static char *default_system(const char *source)
{
    static const char begin[] = "<|im_start|>system", end[] = "<|im_end|>";
    for (const char *at = strstr(source, begin); at; at = strstr(at + 1, begin)) {
        const char *body = at + strlen(begin), *stop = strstr(body, end);
        size_t newline = *body == '\n' ? 1 : strncmp(body, "\\n", 2) == 0 ? 2 : 0;
        body += newline;
        if (newline && stop && stop > body && strcspn(body, "'\"{}+\\") > (size_t)(stop - body))
            return strndup(body, (size_t)(stop - body));
    }
    return NULL;
}

static char *chatml(const chat *c)
{
    char *system = default_system(c->source);
    char *text = format("%s%s%s%s<|im_start|>user\n" REQUEST "<|im_end|>\n<|im_start|>assistant\n", c->bos, system ? "<|im_start|>system\n" : "",
                        system ? system : "", system ? "<|im_end|>\n" : "");
    free(system);
    return text;
}

static char *llama3(const chat *c)
{
    /* Since 3.1 there always is a system message; its date is the template's own where nobody gives one. */
    static const char dated[] = "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>";
    return format("%s%s<|start_header_id|>user<|end_header_id|>\n\n" REQUEST "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", c->bos,
                  strstr(c->source, "Cutting Knowledge Date") ? dated : "");
}

/* Llama 2 and Mistral, whose versions differ in the spaces inside the brackets. */
static char *instruction(const chat *c)
{
    return format("%s[INST]%s" REQUEST "%s[/INST]", c->bos, strstr(c->source, "[INST] ") ? " " : "", strstr(c->source, " [/INST]") ? " " : "");
}

/* Zephyr ends a message with the end-of-sequence token, Phi-3 with one of its own. */
static char *user_assistant(const chat *c)
{
    const char *end = strstr(c->source, "<|end|>") ? "<|end|>" : c->eos;
    return format("%s<|user|>\n" REQUEST "%s\n<|assistant|>\n", c->bos, end);
}

static char *gemma(const chat *c)
{
    return format("%s<start_of_turn>user\n" REQUEST "<end_of_turn>\n<start_of_turn>model\n", c->bos);
}

static const struct {
    const char *marker;
    char *(*write)(const chat *c);
} forms[] = {
    {"<|im_start|>", chatml}, {"<|start_header_id|>", llama3}, {"[INST]", instruction}, {"<|user|>", user_assistant}, {"<start_of_turn>", gemma},
};

static char *write_chat(const chat *c)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strstr(c->source, forms[i].marker))
            return forms[i].write(c);
    return strdup(PLAIN);
}

static uvk_status make_chat(const char *dir, const char *source, uvk_prompt *out, uvk_error *err)
{
    char *bos = NULL, *eos = NULL, *text = NULL;
    uvk_status status = uvk_prompt_piece(dir, "bos_token", &bos, err);
    if (!status)
        status = uvk_prompt_piece(dir, "eos_token", &eos, err);
    if (!status) {
        const chat c = {.source = source, .bos = bos && strstr(source, "bos_token") ? bos : "", .eos = eos ? eos : ""};
        text = write_chat(&c);
        status = text ? split(text, out, err) : uvk_fail_memory(err, strlen(source), "a prompt");
        if (status == UVK_USAGE)
            status = uvk_fail(err, UVK_BAD_INPUT, "%s/tokenizer_config.json: its special tokens make a prompt that does not hold %s once", dir, TEXT);
    }
    free(bos);
    free(eos);
    free(text);
    return status;
}

uvk_status uvk_prompt_make(const char *dir, const char *template, uvk_prompt *out, uvk_error *err)
{
    char *source = NULL;
    if (template)
        return split(template, out, err);
    uvk_status status = load_template(dir, &source, err);
    if (!status)
        status = source ? make_chat(dir, source, out, err) : split(PLAIN, out, err);
    free(source);
    return status;
}
