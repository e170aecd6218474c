#include "encode_text.h"

#include "input.h"

#include <stdlib.h>

/* Every range lies within the text, and ids that came of it stand for a text again. */
static void check_encoding(const uvk_tokenizer *t, const uvk_encoding *e, size_t length)
{
    int32_t *ids = malloc((e->count + 1) * sizeof *ids), *ranges = malloc((2 * e->count + 1) * sizeof *ranges);
    char *text = NULL;
    uvk_error err;
    if (!ids || !ranges)
        abort();
    for (size_t i = 0; i < e->count; i++) {
        ids[i] = e->tokens[i].id;
        if (e->tokens[i].start > e->tokens[i].end || e->tokens[i].end > length || ids[i] < 0 || ids[i] >= uvk_tokenizer_size(t) || !uvk_tokenizer_piece(t, ids[i]))
            abort();
    }
    fuzz_check(uvk_tokenizer_decode(t, ids, e->count, true, &text, &err), &err);
    free(text);
    text = NULL;
    fuzz_check(uvk_decode_ranges(t, ids, (int)e->count, &text, ranges, &err), &err);
    free(text);
    free(ids);
    free(ranges);
}

void encode_text(fuzz_part text)
{
    uvk_tokenizer *t = NULL;
    uvk_encoding e = {0};
    uvk_error err;
    uvk_status status = uvk_tokenizer_load(fuzz_folder(), &t, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK && text.data) {
        status = uvk_tokenizer_encode(t, (const char *)text.data, text.size, true, &e, &err);
        fuzz_check(status, &err);
        if (status == UVK_OK)
            check_encoding(t, &e, text.size);
        uvk_encoding_free(&e);
    }
    uvk_tokenizer_free(t);
}
