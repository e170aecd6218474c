/* ultravk tokenize: the tokenizer of a model folder, without the model. */
#include "messages.h"
#include "options.h"
#include "source.h"
#include "text.h"
#include "tokenizer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uvk_status read_argument(const options *o, source_part *out, uvk_error *err)
{
    const char *argument = o->n_arguments ? o->arguments[0] : "-";
    if (strcmp(argument, "-") == 0)
        return source_read("-", out, err);
    *out = (source_part){.text = text_copy(argument), .length = strlen(argument)};
    return UVK_OK;
}

static const char *piece_of(const uvk_tokenizer *t, int32_t id)
{
    const char *piece = uvk_tokenizer_piece(t, id);
    return piece ? piece : "";
}

static void print_token(const uvk_tokenizer *t, const uvk_encoded *token, size_t i, const char *text)
{
    char *slice = text_format("%.*s", (int)(token->end - token->start), text + token->start);
    char *piece = text_escaped(piece_of(t, token->id)), *readable = text_escaped(slice);
    printf("%5zu %7d %6u-%-6u %-20s", i, (int)token->id, (unsigned)token->start, (unsigned)token->end, piece);
    printf(token->end > token->start ? " \"%s\"\n" : "%s\n", readable);
    free(readable);
    free(piece);
    free(slice);
}

static uvk_status print_object(const uvk_tokenizer *t, const uvk_encoding *encoding, uvk_error *err)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *ids = cJSON_AddArrayToObject(json, "ids"), *pieces = cJSON_AddArrayToObject(json, "pieces"), *offsets = cJSON_AddArrayToObject(json, "offsets");
    for (size_t i = 0; i < encoding->count; i++) {
        const uvk_encoded *token = &encoding->tokens[i];
        char *piece = text_utf8(piece_of(t, token->id));
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(token->id));
        cJSON_AddItemToArray(pieces, cJSON_CreateString(piece));
        cJSON_AddItemToArray(offsets, cJSON_CreateIntArray((int[]){(int)token->start, (int)token->end}, 2));
        free(piece);
    }
    return print_json(json, false, err);
}

static uvk_status tokenize(const options *o, const uvk_tokenizer *t, const source_part *part, uvk_error *err)
{
    uvk_encoding encoding;
    uvk_status status = uvk_tokenizer_encode(t, part->text, part->length, true, &encoding, err);
    if (status != UVK_OK)
        return status;
    if (o->json)
        status = print_object(t, &encoding, err);
    for (size_t i = 0; i < encoding.count && !o->json; i++)
        print_token(t, &encoding.tokens[i], i, part->text);
    uvk_encoding_free(&encoding);
    return status;
}

uvk_status verb_tokenize(const options *o)
{
    uvk_error err;
    uvk_tokenizer *t;
    source_part part = {0};
    if (uvk_tokenizer_load(o->model, &t, &err) != UVK_OK)
        return complain(&err);
    uvk_status status = read_argument(o, &part, &err);
    if (status == UVK_OK)
        status = tokenize(o, t, &part, &err);
    if (status != UVK_OK)
        complain(&err);
    free(part.text);
    uvk_tokenizer_free(t);
    return status;
}
