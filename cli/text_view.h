/* A text as its tokens see it: which characters and which word each came from, and how it reads. */
#ifndef UVK_CLI_TEXT_VIEW_H
#define UVK_CLI_TEXT_VIEW_H

#include "tokenizer.h"

/* The context or the summary. */
typedef struct text_side {
    const char *text;    /* of the input; NULL: none */
    size_t length;
    int32_t *characters; /* [length + 1]: the code point that each byte belongs to; behind the last, how many there are */
    uvk_word *words;     /* of what the tokens cover: behind a truncation there are none */
    int n_words;
} text_side;

typedef struct text_view { text_side context, summary; } text_view;

/* Empty for an input without text. */
uvk_status text_view_open(const uvk_input *input, text_view *out, uvk_error *err);
void text_view_free(text_view *view);

/* Where token t came from; NULL: from neither. */
const text_side *text_view_side(const text_view *view, const uvk_token *t);
/* The code points *start..*end-1 of that side; false: of none. */
bool text_view_characters(const text_view *view, const uvk_token *t, int *start, int *end);
/* The token's place among the words of the context and, behind them, of the summary; -1: in none. */
int text_view_word(const text_view *view, const uvk_token *t);
/* A copy of one side's bytes start..end-1, UTF-8. */
char *text_view_slice(const text_side *side, int start, int end);

/* How a token reads: its part of the text; of a special token the piece; of a template what it decodes to. Owned; NULL when there
 * is neither text nor tokenizer (which may be NULL). */
char *text_view_piece(const text_view *view, const uvk_tokenizer *tokenizer, const uvk_token *t);

#endif
