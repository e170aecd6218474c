#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>

/* The tokens of a piece count from its first byte; the encoding's from the text's. */
static uvk_status run_piece(const uvk_tokenizer *t, const uvk_pieces *p, const uvk_piece *piece, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err)
{
    size_t length = piece->to - piece->from, first = out->count;
    uvk_status status = UVK_OK;
    if (piece->id >= 0)
        uvk_found_add(out, (uvk_found){.id = piece->id, .end = (uint32_t)length, .text = p->bytes + piece->from, .length = (uint32_t)length});
    else
        status = uvk_token_model_run(&t->model, p->bytes + piece->from, length, scratch, out, err);
    for (size_t i = first; i < out->count; i++) {
        uvk_span origin = uvk_pieces_origin(p, piece, out->items[i].start, out->items[i].end);
        out->items[i].start = origin.start;
        out->items[i].end = origin.end;
    }
    return status;
}

static uvk_status run_pieces(const uvk_tokenizer *t, const uvk_pieces *p, uvk_found_list *out, uvk_error *err)
{
    uvk_scratch scratch = {0};
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < p->count && status == UVK_OK && !out->no_memory; i++)
        status = run_piece(t, p, &p->items[i], &scratch, out, err);
    free(scratch.bytes);
    if (status == UVK_OK && out->no_memory)
        return uvk_fail_memory(err, out->count * sizeof(uvk_found), "tokens");
    return status;
}

static uvk_status finish(const uvk_found_list *tokens, uvk_encoding *out, uvk_error *err)
{
    out->tokens = malloc((tokens->count + 1) * sizeof *out->tokens);
    if (!out->tokens)
        return uvk_fail_memory(err, tokens->count * sizeof *out->tokens, "tokens");
    out->count = tokens->count;
    for (size_t i = 0; i < tokens->count; i++) {
        const uvk_found *token = &tokens->items[i];
        out->tokens[i] = (uvk_encoded){token->id, token->start, token->end, token->special};
    }
    return UVK_OK;
}

static uvk_status cut(const uvk_tokenizer *t, uvk_pieces *p, uvk_error *err)
{
    uvk_status status = uvk_added_cut(&t->added, true, p, err);
    if (status == UVK_OK)
        status = uvk_normalizers_run(&t->normalizers, p, err);
    if (status == UVK_OK)
        status = uvk_added_cut(&t->added, false, p, err);
    return status == UVK_OK ? uvk_pretokenizers_run(&t->pretokenizers, p, err) : status;
}

uvk_status uvk_tokenizer_encode(const uvk_tokenizer *t, const char *text, size_t length, bool add_special, uvk_encoding *out, uvk_error *err)
{
    *out = (uvk_encoding){0};
    size_t valid = uvk_utf8_check(text, length);
    if (valid < length)
        return uvk_fail(err, UVK_BAD_INPUT, "the text is not UTF-8 (bad byte at offset %zu)", valid);
    uvk_pieces p;
    uvk_found_list tokens = {0};
    uvk_status status = uvk_pieces_init(&p, text, length, err);
    if (status != UVK_OK)
        return status;
    status = cut(t, &p, err);
    if (status == UVK_OK)
        status = run_pieces(t, &p, &tokens, err);
    if (status == UVK_OK)
        status = uvk_postprocess(&t->postprocessors, text, length, add_special, &tokens, err);
    if (status == UVK_OK)
        status = finish(&tokens, out, err);
    free(tokens.items);
    uvk_pieces_free(&p);
    return status;
}

void uvk_encoding_free(uvk_encoding *encoding)
{
    free(encoding->tokens);
    *encoding = (uvk_encoding){0};
}
