#include "text_view.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static int32_t *count_characters(const char *text, size_t length)
{
    int32_t *out = text_alloc(length + 1, sizeof *out), count = 0;
    for (size_t i = 0; i < length; i++) {
        out[i] = count;
        count += (text[i + 1] & 0xc0) != 0x80; /* the next byte begins a character, or the text ends */
    }
    out[length] = count;
    return out;
}

static uvk_status open_side(const char *text, size_t length, int32_t covered, text_side *out, uvk_error *err)
{
    *out = (text_side){.text = text, .length = length};
    if (!text)
        return UVK_OK;
    out->characters = count_characters(text, length);
    uvk_status status = uvk_words(text, length, &out->words, &out->n_words, err);
    if (status != UVK_OK)
        return status;
    while (out->n_words && out->words[out->n_words - 1].start >= covered)
        out->n_words--;
    return UVK_OK;
}

/* Bytes of the text that the tokens of that role reach to. */
static int32_t reach(const uvk_token *tokens, int n, uvk_role role)
{
    int32_t end = 0;
    for (int i = 0; i < n; i++)
        if (tokens[i].role == role && tokens[i].end > end)
            end = tokens[i].end;
    return end;
}

uvk_status text_view_open(const uvk_input *input, text_view *out, uvk_error *err)
{
    int n;
    size_t length = 0, summary_length = 0;
    const uvk_token *tokens = uvk_input_tokens(input, &n);
    const char *text = uvk_input_text(input, &length), *summary = uvk_input_summary(input, &summary_length);
    memset(out, 0, sizeof *out);
    uvk_status status = open_side(text, length, reach(tokens, n, UVK_ROLE_CONTEXT), &out->context, err);
    if (status == UVK_OK)
        status = open_side(summary, summary_length, reach(tokens, n, UVK_ROLE_SUMMARY), &out->summary, err);
    return status;
}

void text_view_free(text_view *view)
{
    free(view->context.characters);
    free(view->context.words);
    free(view->summary.characters);
    free(view->summary.words);
    memset(view, 0, sizeof *view);
}

const text_side *text_view_side(const text_view *view, const uvk_token *t)
{
    const text_side *side = t->role == UVK_ROLE_CONTEXT ? &view->context : t->role == UVK_ROLE_SUMMARY ? &view->summary : NULL;
    return side && side->text && t->start >= 0 && t->end >= t->start && (size_t)t->end <= side->length ? side : NULL;
}

bool text_view_characters(const text_view *view, const uvk_token *t, int *start, int *end)
{
    const text_side *side = text_view_side(view, t);
    if (!side)
        return false;
    *start = side->characters[t->start];
    *end = side->characters[t->end];
    return true;
}

/* The first word that reaches past byte start. */
static int first_word(const text_side *side, int32_t start)
{
    int low = 0, high = side->n_words;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (side->words[middle].end > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int text_view_word(const text_view *view, const uvk_token *t)
{
    const text_side *side = text_view_side(view, t);
    if (!side)
        return -1;
    int word = first_word(side, t->start);
    if (word == side->n_words || side->words[word].start >= t->end)
        return -1;
    return side == &view->summary ? view->context.n_words + word : word;
}

char *text_view_slice(const text_side *side, int start, int end)
{
    char *bytes = text_format("%.*s", end - start, side->text + start), *clean = text_utf8(bytes);
    free(bytes);
    return clean;
}

char *text_view_piece(const text_view *view, const uvk_tokenizer *tokenizer, const uvk_token *t)
{
    const text_side *side = text_view_side(view, t);
    char *decoded = NULL;
    if (side && t->end > t->start && !t->special)
        return text_view_slice(side, t->start, t->end);
    if (!tokenizer || t->id < 0)
        return NULL;
    const char *piece = uvk_tokenizer_piece(tokenizer, t->id);
    uvk_status status = t->special ? UVK_BAD_INPUT : uvk_tokenizer_decode(tokenizer, &t->id, 1, false, &decoded, NULL);
    if (status == UVK_FAILED)
        text_no_memory();
    if (status == UVK_OK && *decoded)
        return decoded;
    free(decoded);
    return piece ? text_utf8(piece) : NULL;
}
