/* What is put around a text so that a model summarizes it. */
#ifndef UVK_MODELS_PROMPT_H
#define UVK_MODELS_PROMPT_H

#include "error.h"

typedef struct uvk_prompt {
    char *before, *after; /* owned; uvk_prompt_free */
} uvk_prompt;

/* template holds {text} once, else UVK_USAGE. NULL: the form of the folder's chat template, where it is one of those known
 * here, with the request to summarize; "{text}\nTL;DR:" where it is another or there is none. Templates are programs, which are
 * recognised by their markers and not run. */
uvk_status uvk_prompt_make(const char *dir, const char *template, uvk_prompt *out, uvk_error *err);
void uvk_prompt_free(uvk_prompt *prompt);

/* The folder's "bos_token", "eos_token"... of tokenizer_config.json, else of special_tokens_map.json: *out is owned by the
 * caller, free(), NULL where neither file names one. */
uvk_status uvk_prompt_piece(const char *dir, const char *key, char **out, uvk_error *err);

#endif
