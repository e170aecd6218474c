#include "pipeline.h"

#include "unicode_tables.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/* A template is ids in order; TEXT stands for the tokens of the text. */
enum { TEXT = -1, MAX_TEMPLATE = 4096 };

struct uvk_postprocessor {
    bool trim, add_prefix_space; /* spaces at the ends of tokens are left out of their ranges */
    int32_t *ids;                /* the template, or NULL */
    size_t count;
};

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

static uvk_postprocessor *add(uvk_postprocessors *list)
{
    void *items = list->items;
    uvk_postprocessor *p = uvk_list_add(&items, &list->count, sizeof *p);
    list->items = items;
    return p;
}

static uvk_status put_id(uvk_postprocessor *p, int64_t id, const char *file, uvk_error *err)
{
    if (!p->ids)
        p->ids = malloc(MAX_TEMPLATE * sizeof *p->ids);
    if (!p->ids)
        return uvk_fail_memory(err, MAX_TEMPLATE * sizeof *p->ids, "a template");
    if (p->count == MAX_TEMPLATE)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the template is too long (expected at most %d tokens)", file, MAX_TEMPLATE);
    p->ids[p->count++] = (int32_t)id;
    return UVK_OK;
}

static uvk_status put_listed(uvk_postprocessor *p, const cJSON *id, const char *file, uvk_error *err)
{
    int64_t value;
    if (!uvk_json_whole(id, &value) || value < 0 || value > UVK_MAX_ID)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the post_processor has an id out of range (expected 0..%d)", file, UVK_MAX_ID);
    return put_id(p, value, file, err);
}

/* special_tokens[name].ids */
static uvk_status put_special(uvk_postprocessor *p, const cJSON *specials, const char *name, const char *file, uvk_error *err)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(specials, name), "ids");
    if (!cJSON_IsArray(ids))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the template names \"%.100s\", which special_tokens lacks", file, name);
    uvk_status status = UVK_OK;
    for (const cJSON *id = ids->child; id && status == UVK_OK; id = id->next)
        status = put_listed(p, id, file, err);
    return status;
}

static uvk_status put_part(uvk_postprocessor *p, const cJSON *part, const cJSON *specials, const char *file, uvk_error *err)
{
    const cJSON *sequence = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(part, "Sequence"), "id");
    const cJSON *special = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(part, "SpecialToken"), "id");
    if (cJSON_IsString(special))
        return put_special(p, specials, special->valuestring, file, err);
    if (!cJSON_IsString(sequence) || strcmp(sequence->valuestring, "A") != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: a part of the template is neither a special token nor sequence A", file);
    for (size_t i = 0; i < p->count; i++)
        if (p->ids[i] == TEXT)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: the template repeats the text", file);
    return put_id(p, TEXT, file, err);
}

/* The template for a pair of texts is not used here. */
static uvk_status load_template(uvk_postprocessor *p, const cJSON *component, const char *file, uvk_error *err)
{
    const cJSON *single = cJSON_GetObjectItemCaseSensitive(component, "single");
    const cJSON *specials = cJSON_GetObjectItemCaseSensitive(component, "special_tokens");
    if (!cJSON_IsArray(single) || !single->child)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: TemplateProcessing lacks \"single\" (found %s, expected a list)", file, uvk_json_kind(single));
    uvk_status status = UVK_OK;
    for (const cJSON *part = single->child; part && status == UVK_OK; part = part->next)
        status = put_part(p, part, specials, file, err);
    return status;
}

/* ["[CLS]", 101] */
static uvk_status put_pair(uvk_postprocessor *p, const cJSON *component, const char *key, const char *file, uvk_error *err)
{
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(component, key), *name = cJSON_IsArray(pair) ? pair->child : NULL;
    if (!cJSON_IsString(name) || !name->next)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s lacks \"%s\" (found %s, expected a token and its id)", file, uvk_component_type(component), key,
                        uvk_json_kind(pair));
    return put_listed(p, name->next, file, err);
}

static uvk_status load_around(uvk_postprocessor *p, const cJSON *component, const char *file, uvk_error *err)
{
    uvk_status status = put_pair(p, component, "cls", file, err);
    if (status == UVK_OK)
        status = put_id(p, TEXT, file, err);
    return status == UVK_OK ? put_pair(p, component, "sep", file, err) : status;
}

static uvk_status load_trim(uvk_postprocessor *p, const cJSON *component, const char *file, uvk_error *err)
{
    p->trim = p->add_prefix_space = true;
    uvk_status status = uvk_json_bool(component, "trim_offsets", file, &p->trim, err);
    return status == UVK_OK ? uvk_json_bool(component, "add_prefix_space", file, &p->add_prefix_space, err) : status;
}

static uvk_status add_component(void *list, const cJSON *component, const char *file, uvk_error *err)
{
    const char *type = uvk_component_type(component);
    bool template = strcmp(type, "TemplateProcessing") == 0, bert = strcmp(type, "BertProcessing") == 0;
    bool roberta = strcmp(type, "RobertaProcessing") == 0, bytes = strcmp(type, "ByteLevel") == 0;
    if (!template && !bert && !roberta && !bytes)
        return uvk_component_refuse(file, "post_processor", component, err);
    uvk_postprocessor *p = add(list);
    if (!p)
        return uvk_fail_memory(err, sizeof *p, "a post_processor");
    uvk_status status = template ? load_template(p, component, file, err) : UVK_OK;
    if (bert || roberta)
        status = load_around(p, component, file, err);
    return status == UVK_OK && (roberta || bytes) ? load_trim(p, component, file, err) : status;
}

uvk_status uvk_postprocessors_load(uvk_postprocessors *list, const cJSON *component, const char *file, uvk_error *err)
{
    return uvk_component_flatten(component, "processors", file, add_component, list, err);
}

void uvk_postprocessors_free(uvk_postprocessors *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].ids);
    free(list->items);
    *list = (uvk_postprocessors){0};
}

uvk_status uvk_postprocessors_check(const uvk_postprocessors *list, uvk_knows_id *knows, const void *tokenizer, const char *file, uvk_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t k = 0; k < list->items[i].count; k++)
            if (list->items[i].ids[k] != TEXT && !knows(tokenizer, list->items[i].ids[k]))
                return uvk_fail(err, UVK_BAD_INPUT, "%s: the post_processor puts id %d, which the vocabulary lacks", file, (int)list->items[i].ids[k]);
    return UVK_OK;
}

/* ---- Trimming --------------------------------------------------------------------------------------------------------------- */

static bool is_trimmed(uint32_t c)
{
    return c == 0x120 || uvk_is_space(c); /* U+0120 is a byte-level space */
}

static size_t leading(const uvk_found *t)
{
    uint32_t c;
    size_t n = 0;
    for (size_t at = 0; at < t->length; n++) {
        at += uvk_utf8_get(t->text + at, &c);
        if (!is_trimmed(c))
            break;
    }
    return n;
}

static size_t trailing(const uvk_found *t)
{
    uint32_t c;
    size_t n = 0;
    for (size_t left = t->length; left > 0; n++) {
        left -= uvk_utf8_last(t->text, left, &c);
        if (!is_trimmed(c))
            break;
    }
    return n;
}

/* The library counts in characters of the text here. */
static void trim(uvk_found *t, const char *text, size_t length, bool first, bool add_prefix_space)
{
    uint32_t c;
    size_t front = leading(t), back = trailing(t);
    if (front == 1 && add_prefix_space && (first || t->start == 0)) /* the space was not in the text */
        front = 0;
    for (; front > 0 && t->start < t->end && t->start < length; front--)
        t->start += (uint32_t)uvk_utf8_get(text + t->start, &c);
    uint32_t end = t->end;
    for (; back > 0 && end > 0; back--)
        end -= (uint32_t)uvk_utf8_last(text, end, &c);
    if (back == 0)
        t->end = end > t->start ? end : t->start;
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------- */

static void apply_template(const uvk_postprocessor *p, bool add_special, uvk_found_list *tokens)
{
    uvk_found_list out = {0};
    for (size_t i = 0; i < p->count; i++) {
        if (p->ids[i] != TEXT && add_special)
            uvk_found_add(&out, (uvk_found){.id = p->ids[i], .text = "", .special = true});
        for (size_t k = 0; p->ids[i] == TEXT && k < tokens->count; k++)
            uvk_found_add(&out, tokens->items[k]);
    }
    free(tokens->items);
    *tokens = out;
}

uvk_status uvk_postprocess(const uvk_postprocessors *list, const char *text, size_t length, bool add_special, uvk_found_list *tokens, uvk_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const uvk_postprocessor *p = &list->items[i];
        for (size_t k = 0; p->trim && k < tokens->count; k++)
            trim(&tokens->items[k], text, length, k == 0, p->add_prefix_space);
        if (p->ids)
            apply_template(p, add_special, tokens);
    }
    return tokens->no_memory ? uvk_fail_memory(err, tokens->count * sizeof(uvk_found), "tokens") : UVK_OK;
}
