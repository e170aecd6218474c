/* What generation_config.json (where there is none, config.json) asks of greedy decoding: tokens that are forced, forbidden or made less
 * likely before the likeliest is taken. What it asks of sampling or beams is listed as ignored. */
#ifndef UVK_MODELS_DECODING_H
#define UVK_MODELS_DECODING_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UVK_MAX_STOP_IDS = 16 };

/* A sequence of ids that may not appear. */
typedef struct uvk_bad_word { int32_t *ids; int count; } uvk_bad_word;

typedef struct uvk_decoding {
    int32_t stop_ids[UVK_MAX_STOP_IDS]; /* eos_token_id */
    int n_stop_ids;
    int32_t start;                  /* decoder_start_token_id; -1: not mentioned */
    int32_t forced_first, forced_last; /* the token behind the start, and the last one that --max-new allows; -1: none */
    int least, least_new;           /* tokens before a stop token may come: of the whole sequence, and of what is generated */
    int no_repeat, no_repeat_encoder; /* no n-gram of that many tokens twice, or of the encoder's text; 0: any */
    double penalty;                 /* of tokens that were there: of their logits, those above zero are divided by it, the others multiplied */
    int32_t *suppressed, *suppressed_first; /* ids that never come, and that do not come first; owned */
    int n_suppressed, n_suppressed_first;
    uvk_bad_word *bad_words;        /* owned */
    int n_bad_words;
    char ignored[256];              /* "num_beams 4, ..." */
} uvk_decoding;

/* Reads both files of a folder; uvk_decoding_free follows, also after a failure. Ids outside the vocabulary mean "none", as some checkpoints write it. */
uvk_status uvk_decoding_load(const char *dir, int vocabulary, uvk_decoding *out, uvk_error *err);
void uvk_decoding_free(uvk_decoding *d);
bool uvk_decoding_stops(const uvk_decoding *d, int32_t id);

/* A sequence that is being generated: of an encoder-decoder the decoder's side. */
typedef struct uvk_generated {
    const int32_t *ids;     /* [count] so far */
    int count, given, most; /* of these the prompt's, and the most there will be */
    const int32_t *encoder; /* [n_encoder] */
    int n_encoder;
} uvk_generated;

/* Changes the logits[vocabulary] of the next token so that the largest is the one to take. */
void uvk_decoding_apply(const uvk_decoding *d, const uvk_generated *g, float *logits, int vocabulary);

#endif
