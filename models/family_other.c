#include "family_other.h"

#include <stddef.h>
#include <string.h>

typedef struct other {
    const char *name, *advice;
} other;

static const char *find(const other *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].name, name))
            return list[i].advice;
    return "";
}

#define SHIFTED "; its positions are numbered otherwise than BERT's: take a bert checkpoint"
#define WINDOWS "; it attends within windows and merges patches, so that no attention spans the image: take a vit, deit or dinov2 checkpoint"

const char *uvk_other_family(const char *model_type)
{
    static const other list[] = {
        {"roberta", SHIFTED}, {"xlm-roberta", SHIFTED}, {"camembert", SHIFTED},
        {"distilbert", "; take the bert checkpoint that it was distilled from"}, {"albert", "; take a bert checkpoint"}, {"electra", "; take a bert checkpoint"},
        {"deberta", "; take a bert checkpoint"}, {"deberta-v2", "; take a bert checkpoint"},
        {"swin", WINDOWS}, {"swinv2", WINDOWS},
        {"beit", "; take a vit, deit or dinov2 checkpoint"}, {"siglip2", "; take the siglip checkpoint of that size"},
        {"clip_text_model", "; take the whole clip folder, of which the vision tower is explained"}, {"siglip_text_model", "; take the whole siglip folder, of which the vision tower is explained"},
        {"mt5", "; take a t5 checkpoint"}, {"mbart", "; take a bart checkpoint"}, {"led", "; take a bart checkpoint"}, {"bigbird_pegasus", "; take a pegasus checkpoint"},
    };
    return find(list, sizeof list / sizeof *list, model_type);
}

const char *uvk_other_config(const cJSON *config)
{
    static const other keys[] = {
        {"pretrained_cfg", "; this is timm's: take the transformers version of this checkpoint"},
        {"model_cfg", "; this is open_clip's: take the transformers version of this checkpoint"},
        {"peft_type", "; an adapter without its base model: merge it (peft: merge_and_unload) and save the result with save_pretrained"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (cJSON_HasObjectItem(config, keys[i].name))
            return keys[i].advice;
    return "";
}
