#include "safetensors_missing.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

typedef struct near_miss {
    const char *pattern, *advice;
} near_miss;

#define CONVERT "load them with transformers and convert them with save_pretrained(DIR, safe_serialization=True)"

#define NAMELESS "if it holds the whole model, name it model.safetensors"

/* In order of what explains the folder best. */
static const near_miss near_misses[] = {
    {"adapter_model.*", "an adapter without its base model: merge it (peft: merge_and_unload) and save the result with save_pretrained(DIR, safe_serialization=True)"},
    {"open_clip_*", "the layout of open_clip: take the transformers version of this checkpoint"},
    {"pytorch_model*.bin", CONVERT},
    {"*.gguf", "GGUF is not supported: take the safetensors folder that it was made from"},
    {"*.safetensors", NAMELESS},
    {"*.bin", CONVERT},
    {"*.pt", CONVERT},
    {"*.pth", CONVERT},
    {"*.h5", CONVERT},
    {"*.msgpack", CONVERT},
};

static bool find_match(DIR *folder, const char *pattern, char *found, size_t size)
{
    rewinddir(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (fnmatch(pattern, entry->d_name, 0) == 0) {
            size_t n = strlen(entry->d_name);
            n = n < size ? n : size - 1;
            memcpy(found, entry->d_name, n);
            found[n] = '\0';
            return true;
        }
    return false;
}

/* What stands in the place of the files that are missed, and what to do; NULL: nothing that is known. */
static uvk_status look_around(const char *dir, char found[256], const char **advice, uvk_error *err)
{
    DIR *folder = opendir(dir);
    *advice = NULL;
    if (!folder && errno == ENOTDIR)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not a folder (expected one with config.json and model.safetensors)", dir);
    if (!folder)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: cannot be opened (%s)", dir, strerror(errno));
    for (size_t i = 0; i < sizeof near_misses / sizeof *near_misses && !*advice; i++)
        if (find_match(folder, near_misses[i].pattern, found, 256))
            *advice = near_misses[i].advice;
    closedir(folder);
    return UVK_OK;
}

uvk_status uvk_fail_no_config(const char *dir, uvk_error *err)
{
    char found[256];
    const char *advice;
    uvk_status status = look_around(dir, found, &advice, err);
    if (status)
        return status;
    bool weights = advice && strcmp(advice, NAMELESS) != 0; /* a config is missed, whatever the weights are called */
    return uvk_fail(err, UVK_BAD_INPUT, "%s: no config.json%s%s%s (expected a model folder of Hugging Face's layout)%s%s", dir, advice ? " (found " : "", advice ? found : "",
                    advice ? ")" : "", weights ? "; " : "", weights ? advice : "");
}

uvk_status uvk_fail_no_weights(const char *dir, uvk_error *err)
{
    char found[256];
    const char *advice;
    uvk_status status = look_around(dir, found, &advice, err);
    return status ? status : uvk_fail(err, UVK_BAD_INPUT, "%s: no weights (found %s, expected model.safetensors or model.safetensors.index.json)%s%s", dir,
                    advice ? found : "neither", advice ? "; " : "", advice ? advice : "");
}
