/* One image or text as one model sees it. */
#ifndef UVK_MODELS_INPUT_H
#define UVK_MODELS_INPUT_H

#include "model.h"
#include "text_file.h"

struct uvk_input {
    const uvk_model *model; /* that it was loaded for; not owned */
    char *path;
    uvk_input_info info;
    uvk_token *tokens;
    int count;
    int encoder_count;      /* of these the encoder's, the first ones; 0: the model has none */
    bool given;             /* the decoder's sequence is as the caller gave it, its start among it */
    /* vision */
    int height, width;      /* of pixels */
    uvk_image photo;        /* empty for an array */
    float *pixels;          /* [3, height, width], owned */
    /* text */
    char *text, *summary;   /* UTF-8 and a NUL; NULL: none */
    size_t text_length, summary_length;
};

/* An input that holds nothing but its name; freed by uvk_input_free. */
uvk_status uvk_input_begin(const uvk_model *model, const char *name, uvk_input **out, uvk_error *err);

/* Fills in an input that uvk_input_begin made (text_input.c). text: its tokens with the tokenizer's special ones around them.
 * ids: exactly as given, each within the vocabulary. name of the input in every message. */
uvk_status uvk_input_fill_text(uvk_input *in, const char *text, size_t length, uvk_error *err);
uvk_status uvk_input_fill_ids(uvk_input *in, const int32_t *ids, int count, uvk_error *err);

/* The text of ids and where in it each token's part stands: ranges[2k]..ranges[2k+1], bytes. Ids that are special or not in the
 * vocabulary are no part of it and get -1, -1; one that is only a part of a character gets all of it. *out is owned by the
 * caller, free(). */
uvk_status uvk_decode_ranges(const uvk_tokenizer *t, const int32_t *ids, int count, char **out, int32_t *ranges, uvk_error *err);

/* Whether an id is one of a model's markers (BOS, EOS, CLS, <|im_start|>...) rather than text. */
bool uvk_is_marker(const uvk_tokenizer *t, int32_t id);

#endif
