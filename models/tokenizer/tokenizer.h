/* Tokenizers as Hugging Face writes them: text to token ids and back, as the `tokenizers` library does it.
 *
 * The pipeline, each step a file of this folder: added tokens are found in the raw text -> what lies between them is normalized
 * -> cut into pieces (pre-tokenizer) -> each piece becomes ids (model) -> special tokens are put around (post-processor).
 * Every id keeps the bytes of the original text that it came from. Immutable once loaded: any number of threads may use one.
 *
 * The same ids, ranges and text as that library, on every code point: where its Unicode tables are older or newer than ours they are
 * followed (unicode_tables.h). Different on purpose: decoding leaves out special tokens that are looked for in normalized text too; an
 * added token has the id that the file says; ids that nothing has are refused. truncation and padding of the file are not applied. */
#ifndef UVK_MODELS_TOKENIZER_H
#define UVK_MODELS_TOKENIZER_H

#include "error.h"

typedef struct uvk_tokenizer uvk_tokenizer;

/* Reads dir/tokenizer.json, else dir/vocab.json + merges.txt (byte-level BPE), else dir/vocab.txt (WordPiece). No such file, one
 * that is truncated, nested too deep or inconsistent (a merge of pieces that the vocabulary lacks, an id given twice), or a
 * component that is not supported, by its name: UVK_BAD_INPUT. Owned by the caller. */
uvk_status uvk_tokenizer_load(const char *dir, uvk_tokenizer **out, uvk_error *err);
void uvk_tokenizer_free(uvk_tokenizer *t); /* NULL is allowed */
/* Whether dir holds any of these files. */
bool uvk_tokenizer_exists(const char *dir);

/* Where in the text a token came from: bytes start..end-1; an empty range for what the text does not hold. */
typedef struct uvk_encoded {
    int32_t id;
    uint32_t start, end;
    bool special;    /* put there by the post-processor: nothing of the text */
} uvk_encoded;

typedef struct uvk_encoding {
    uvk_encoded *tokens; /* owned; uvk_encoding_free */
    size_t count;
} uvk_encoding;

/* Encodes length bytes. add_special: the post-processor's own tokens around it. Text that is not UTF-8: UVK_BAD_INPUT with the
 * offset of the first bad byte. Near-linear in length. */
uvk_status uvk_tokenizer_encode(const uvk_tokenizer *t, const char *text, size_t length, bool add_special, uvk_encoding *out, uvk_error *err);
void uvk_encoding_free(uvk_encoding *encoding);

/* The text of ids, by the file's decoder; ids that the vocabulary lacks are UVK_BAD_INPUT. skip_special leaves out added tokens
 * marked special. *out is owned by the caller, free(); UTF-8, a NUL after its end (a NUL among the tokens ends it early for strlen). */
uvk_status uvk_tokenizer_decode(const uvk_tokenizer *t, const int32_t *ids, size_t count, bool skip_special, char **out, uvk_error *err);

/* One more than the largest id. */
int32_t uvk_tokenizer_size(const uvk_tokenizer *t);
/* The same without tokens that were added to the vocabulary; a model may have no embedding for these. */
int32_t uvk_tokenizer_vocabulary(const uvk_tokenizer *t);
/* A token as the vocabulary writes it ("Ġworld"), or NULL. Lives as long as the tokenizer. */
const char *uvk_tokenizer_piece(const uvk_tokenizer *t, int32_t id);
/* The id of a vocabulary entry or an added token, or -1. */
int32_t uvk_tokenizer_find(const uvk_tokenizer *t, const char *piece);
/* Whether id is an added token marked special. */
bool uvk_tokenizer_is_special(const uvk_tokenizer *t, int32_t id);

#endif
