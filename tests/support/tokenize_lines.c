/* tokenize_lines DIR <TEXTS >RESULTS: a tokenizer over many texts in one process, for comparing it with the original library.
 *
 * Input: for each text a line "LENGTH [plain]" and so many bytes; plain leaves out the special tokens. Output: for each text a line of
 * "id:start-end" and a line of the decoded text (all tokens, then without the special ones) as hexadecimal; or "error MESSAGE". */
#include "tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_decoded(const uvk_tokenizer *t, const uvk_encoding *encoding, bool skip_special)
{
    int32_t *ids = malloc((encoding->count + 1) * sizeof *ids);
    char *text = NULL;
    uvk_error error;
    for (size_t i = 0; ids && i < encoding->count; i++)
        ids[i] = encoding->tokens[i].id;
    if (!ids || uvk_tokenizer_decode(t, ids, encoding->count, skip_special, &text, &error) != UVK_OK)
        fputs("error", stdout);
    for (const char *c = text; c && *c; c++)
        printf("%02x", (unsigned)(unsigned char)*c);
    free(text);
    free(ids);
}

static void run(const uvk_tokenizer *t, const char *text, size_t length, bool plain)
{
    uvk_encoding encoding;
    uvk_error error;
    if (uvk_tokenizer_encode(t, text, length, !plain, &encoding, &error) != UVK_OK) {
        printf("error %s\n\n", error.message);
        return;
    }
    for (size_t i = 0; i < encoding.count; i++)
        printf("%s%d:%u-%u", i > 0 ? " " : "", (int)encoding.tokens[i].id, (unsigned)encoding.tokens[i].start, (unsigned)encoding.tokens[i].end);
    putchar('\n');
    print_decoded(t, &encoding, false);
    putchar(' ');
    print_decoded(t, &encoding, true);
    putchar('\n');
    uvk_encoding_free(&encoding);
}

int main(int argc, char **argv)
{
    uvk_tokenizer *t = NULL;
    uvk_error error;
    if (argc != 2 || uvk_tokenizer_load(argv[1], &t, &error) != UVK_OK) {
        fprintf(stderr, "%s\n", argc != 2 ? "usage: tokenize_lines DIR <TEXTS" : error.message);
        return 1;
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        size_t length = strtoull(line, NULL, 10);
        char *text = malloc(length + 1);
        if (!text || fread(text, 1, length, stdin) != length || getchar() != '\n')
            return 1;
        run(t, text, length, strstr(line, "plain") != NULL);
        free(text);
    }
    uvk_tokenizer_free(t);
    return 0;
}
