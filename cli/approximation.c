#include "approximation.h"

#include "text.h"

#include <stdio.h>

uvk_approximation approximation_of(const options *o)
{
    return (uvk_approximation){.gradient_blocks = o->gradient_blocks, .skip_mlp = o->skip_mlp, .landmarks = o->landmarks};
}

const char *approximation_words(const options *o, char out[APPROXIMATION_WORDS])
{
    int length = 0;
    out[0] = '\0';
    if (o->gradient_blocks)
        length += snprintf(out + length, (size_t)(APPROXIMATION_WORDS - length), ", last %d block%s", o->gradient_blocks, o->gradient_blocks == 1 ? "" : "s");
    if (o->skip_mlp)
        length += snprintf(out + length, (size_t)(APPROXIMATION_WORDS - length), ", MLPs skipped");
    if (o->landmarks)
        snprintf(out + length, (size_t)(APPROXIMATION_WORDS - length), ", %d landmark%s", o->landmarks, o->landmarks == 1 ? "" : "s");
    return out;
}

cJSON *approximation_json(const options *o)
{
    if (!o->gradient_blocks && !o->skip_mlp && !o->landmarks)
        return NULL;
    cJSON *json = cJSON_CreateObject();
    if (o->gradient_blocks)
        cJSON_AddNumberToObject(json, "gradient_blocks", o->gradient_blocks);
    if (o->landmarks)
        cJSON_AddNumberToObject(json, "landmarks", o->landmarks);
    if (o->skip_mlp)
        cJSON_AddBoolToObject(json, "skip_mlp", true);
    return json;
}

char *approximation_text(const options *o)
{
    cJSON *json = approximation_json(o);
    char *text = json ? cJSON_PrintUnformatted(json) : NULL, *copy = text ? text_copy(text) : NULL;
    cJSON_free(text);
    cJSON_Delete(json);
    return copy;
}
