/* The steps of a tokenizer, as tokenizer.json lists them. A Sequence is flattened into the list it stands in. */
#ifndef UVK_TOKENIZER_PIPELINE_H
#define UVK_TOKENIZER_PIPELINE_H

#include "json.h"
#include "pattern.h"
#include "pieces.h"
#include "tokenizer.h"
#include "trie.h"

/* ---- Reading the file ------------------------------------------------------------------------------------------------------- */

/* "FILE: WHAT NAME is not supported", or that a component has no type. */
uvk_status uvk_component_refuse(const char *file, const char *what, const cJSON *component, uvk_error *err);
/* The type of a component, "" where there is none. */
const char *uvk_component_type(const cJSON *component);
/* A required string, copied; *out is freed by the caller. */
uvk_status uvk_component_string(const cJSON *component, const char *key, const char *file, char **out, uvk_error *err);
/* "pattern": a string, {"String": ...} or {"Regex": ...}. */
uvk_status uvk_component_pattern(const cJSON *component, const char *file, uvk_pattern **out, uvk_error *err);
/* Calls add for the component, or for each that a Sequence of it lists under key. */
typedef uvk_status uvk_component_add(void *list, const cJSON *component, const char *file, uvk_error *err);
uvk_status uvk_component_flatten(const cJSON *component, const char *key, const char *file, uvk_component_add *add, void *list, uvk_error *err);
/* Room for one more of count items, zeroed; NULL when memory ran out. *items is reallocated. */
void *uvk_list_add(void **items, size_t *count, size_t size);

/* ---- Normalizers ------------------------------------------------------------------------------------------------------------ */

typedef struct uvk_normalizer uvk_normalizer;
typedef struct uvk_charsmap uvk_charsmap;

typedef struct uvk_normalizers {
    uvk_normalizer *items;
    size_t count;
} uvk_normalizers;

uvk_status uvk_normalizers_load(uvk_normalizers *list, const cJSON *component, const char *file, uvk_error *err);
void uvk_normalizers_free(uvk_normalizers *list);
uvk_status uvk_normalizers_run(const uvk_normalizers *list, uvk_pieces *p, uvk_error *err);

/* NFD, NFC, NFKD, NFKC of a piece; false when memory ran out. */
bool uvk_edit_normal_form(uvk_edit *e, bool compose, bool compatibly);

/* The table of replacements that SentencePiece compiles: base64 of a double array and of the strings it leads to. */
uvk_status uvk_charsmap_load(const char *base64, const char *file, uvk_charsmap **out, uvk_error *err);
void uvk_charsmap_free(uvk_charsmap *map); /* NULL is allowed */
bool uvk_edit_charsmap(uvk_edit *e, const uvk_charsmap *map);

/* Pieces rewritten one after the other; pieces that are added tokens are left alone. edit returns false when memory ran out. */
typedef bool uvk_rewrite(uvk_edit *e, const void *with);
uvk_status uvk_pieces_rewrite(uvk_pieces *p, uvk_rewrite *edit, const void *with, uvk_error *err);
/* In front of the first character, which keeps what it stands for. */
void uvk_edit_prepend(uvk_edit *e, const char *bytes, size_t n);
uvk_status uvk_pieces_substitute(uvk_pieces *p, const uvk_pattern *pattern, const char *with, size_t n, uvk_error *err);
/* Each byte as the character that stands for it in byte-level vocabularies. */
bool uvk_edit_byte_level(uvk_edit *e, const void *unused);
/* That character, and back: -1 for characters that stand for no byte. */
uint32_t uvk_byte_character(unsigned char byte);
int uvk_character_byte(uint32_t character);

/* ---- Pre-tokenizers --------------------------------------------------------------------------------------------------------- */

typedef struct uvk_pretokenizer uvk_pretokenizer;

typedef struct uvk_pretokenizers {
    uvk_pretokenizer *items;
    size_t count;
} uvk_pretokenizers;

uvk_status uvk_pretokenizers_load(uvk_pretokenizers *list, const cJSON *component, const char *file, uvk_error *err);
void uvk_pretokenizers_free(uvk_pretokenizers *list);
uvk_status uvk_pretokenizers_run(const uvk_pretokenizers *list, uvk_pieces *p, uvk_error *err);

typedef enum { UVK_SPLIT_REMOVED, UVK_SPLIT_ISOLATED, UVK_SPLIT_PREVIOUS, UVK_SPLIT_NEXT, UVK_SPLIT_CONTIGUOUS } uvk_behavior;

/* What pieces are cut by: a pattern, or characters. */
typedef struct uvk_splitter {
    const uvk_pattern *pattern;
    bool (*is)(uint32_t character, uint32_t with);
    uint32_t with;
    uvk_behavior behavior;
    bool invert;
} uvk_splitter;

uvk_status uvk_pieces_split(uvk_pieces *p, const uvk_splitter *by, uvk_error *err);
/* "Removed", "Isolated"...; absent: leaves *out. */
uvk_status uvk_behavior_load(const cJSON *component, const char *file, uvk_behavior *out, uvk_error *err);
/* A required string of one character. */
uvk_status uvk_component_character(const cJSON *component, const char *key, const char *file, uint32_t *out, uvk_error *err);

/* Metaspace, which is a decoder as well. */
typedef struct uvk_metaspace {
    uint32_t replacement;
    enum { UVK_PREPEND_ALWAYS, UVK_PREPEND_FIRST, UVK_PREPEND_NEVER } prepend;
    bool split;
} uvk_metaspace;

uvk_status uvk_metaspace_load(uvk_metaspace *m, const cJSON *component, const char *file, uvk_error *err);

/* ---- Vocabulary and models -------------------------------------------------------------------------------------------------- */

enum { UVK_MAX_ID = (1 << 24) - 1 };

/* The model's pieces, without the added tokens. */
typedef struct uvk_vocabulary {
    char **pieces;  /* by id; NULL where there is none */
    size_t size;    /* one more than the largest id */
    uvk_trie *ids;
} uvk_vocabulary;

/* Adds a piece. An id that another has, or one out of range: UVK_BAD_INPUT. */
uvk_status uvk_vocabulary_add(uvk_vocabulary *v, const char *piece, int64_t id, const char *file, uvk_error *err);
/* Makes the pieces known to find. Of a piece that stands twice the last id counts, as some vocab.txt need it. */
uvk_status uvk_vocabulary_index(uvk_vocabulary *v, uvk_error *err);
/* An object {"piece": id}, indexed. */
uvk_status uvk_vocabulary_load(uvk_vocabulary *v, const cJSON *object, const char *file, uvk_error *err);
void uvk_vocabulary_free(uvk_vocabulary *v);
int32_t uvk_vocabulary_find(const uvk_vocabulary *v, const char *piece, size_t length); /* -1: none */
const char *uvk_vocabulary_piece(const uvk_vocabulary *v, int64_t id);                  /* NULL: none */
/* The ids of <0x00> to <0xFF>, -1 for those that are missing. */
void uvk_vocabulary_bytes(const uvk_vocabulary *v, int32_t ids[256]);

/* Tokens as they are found: the bytes of the piece, later of the text. */
typedef struct uvk_found {
    int32_t id;
    uint32_t start, end;
    const char *text; /* what the library calls its value; lives as long as the tokenizer or the pieces */
    uint32_t length;
    bool special;
} uvk_found;

typedef struct uvk_found_list {
    uvk_found *items;
    size_t count, room;
    bool no_memory; /* sticky */
} uvk_found_list;

void uvk_found_add(uvk_found_list *t, uvk_found token);

typedef struct uvk_model_bpe uvk_model_bpe;
typedef struct uvk_model_unigram uvk_model_unigram;

/* One of them; its own tables are in the first two. */
typedef struct uvk_token_model {
    enum { UVK_MODEL_BPE, UVK_MODEL_UNIGRAM, UVK_MODEL_WORDPIECE, UVK_MODEL_WORDLEVEL } kind;
    uvk_vocabulary vocabulary;
    uvk_model_bpe *bpe;
    uvk_model_unigram *unigram;
    char *unknown; /* WordPiece and WordLevel: the piece for what is not known, and its id or -1 */
    int32_t unknown_id;
    char *prefix;  /* WordPiece: of pieces within a word */
    int64_t most_characters;
} uvk_token_model;

uvk_status uvk_token_model_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
void uvk_token_model_free(uvk_token_model *m);
/* Room that calls share; NULL when memory ran out. */
typedef struct uvk_scratch {
    void *bytes;
    size_t size;
} uvk_scratch;
void *uvk_scratch_get(uvk_scratch *s, size_t size);
/* Appends the tokens of a piece, start and end counted from its first byte. */
uvk_status uvk_token_model_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err);

uvk_status uvk_bpe_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
void uvk_bpe_free(uvk_model_bpe *bpe);
uvk_status uvk_bpe_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err);
uvk_status uvk_unigram_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
void uvk_unigram_free(uvk_model_unigram *unigram);
uvk_status uvk_unigram_run(const uvk_token_model *m, const char *text, size_t length, uvk_scratch *scratch, uvk_found_list *out, uvk_error *err);
uvk_status uvk_wordpiece_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
uvk_status uvk_wordpiece_run(const uvk_token_model *m, const char *text, size_t length, uvk_found_list *out, uvk_error *err);
uvk_status uvk_wordlevel_load(uvk_token_model *m, const cJSON *component, const char *file, uvk_error *err);
uvk_status uvk_wordlevel_run(const uvk_token_model *m, const char *text, size_t length, uvk_found_list *out, uvk_error *err);

/* ---- Added tokens ----------------------------------------------------------------------------------------------------------- */

typedef struct uvk_added_token {
    int32_t id;
    char *content;
    char *normalized_content; /* what the normalizer makes of it, where it is matched in normalized text; else NULL */
    bool single_word, lstrip, rstrip, normalized, special;
} uvk_added_token;

typedef struct uvk_added {
    uvk_added_token *items; /* by id, ascending */
    size_t count;
    uvk_trie *raw, *normalized; /* to indices of items; NULL where there is none */
} uvk_added;

uvk_status uvk_added_load(uvk_added *a, const cJSON *list, const uvk_vocabulary *vocabulary, const uvk_normalizers *normalizers, const char *file,
                          uvk_error *err);
void uvk_added_free(uvk_added *a);
const uvk_added_token *uvk_added_at(const uvk_added *a, int64_t id); /* NULL: none */
/* Cuts the pieces at the tokens that are looked for before (raw) or after normalization. */
uvk_status uvk_added_cut(const uvk_added *a, bool raw, uvk_pieces *p, uvk_error *err);

/* ---- Post-processors -------------------------------------------------------------------------------------------------------- */

typedef struct uvk_postprocessor uvk_postprocessor;

typedef struct uvk_postprocessors {
    uvk_postprocessor *items;
    size_t count;
} uvk_postprocessors;

uvk_status uvk_postprocessors_load(uvk_postprocessors *list, const cJSON *component, const char *file, uvk_error *err);
void uvk_postprocessors_free(uvk_postprocessors *list);
/* Every id it may put is one of known's. */
typedef bool uvk_knows_id(const void *tokenizer, int64_t id);
uvk_status uvk_postprocessors_check(const uvk_postprocessors *list, uvk_knows_id *knows, const void *tokenizer, const char *file, uvk_error *err);
/* Rewrites the tokens of a text. */
uvk_status uvk_postprocess(const uvk_postprocessors *list, const char *text, size_t length, bool add_special, uvk_found_list *tokens, uvk_error *err);

/* ---- Decoders --------------------------------------------------------------------------------------------------------------- */

typedef struct uvk_decoder uvk_decoder;

typedef struct uvk_decoders {
    uvk_decoder *items;
    size_t count;
} uvk_decoders;

/* Strings one after the other. */
typedef struct uvk_strings {
    char *bytes;
    size_t length, room;
    size_t *ends;
    size_t count, end_room;
    bool no_memory, too_long; /* sticky */
} uvk_strings;

void uvk_strings_put(uvk_strings *s, const char *bytes, size_t n); /* to the last string */
void uvk_strings_end(uvk_strings *s);                               /* ends it */
uvk_status uvk_strings_check(const uvk_strings *s, uvk_error *err);  /* all of it is there */
void uvk_strings_free(uvk_strings *s);

uvk_status uvk_decoders_load(uvk_decoders *list, const cJSON *component, const char *file, uvk_error *err);
void uvk_decoders_free(uvk_decoders *list);
uvk_status uvk_decode_strings(const uvk_decoders *list, uvk_strings *strings, uvk_error *err);

/* ---- The tokenizer ---------------------------------------------------------------------------------------------------------- */

struct uvk_tokenizer {
    uvk_normalizers normalizers;
    uvk_pretokenizers pretokenizers;
    uvk_token_model model;
    uvk_added added;
    uvk_postprocessors postprocessors;
    uvk_decoders decoders; /* none: pieces are joined by spaces */
};

/* From a document that has the members of tokenizer.json. */
uvk_status uvk_tokenizer_from_json(uvk_tokenizer *t, const cJSON *document, const char *file, uvk_error *err);
/* tokenizer.json's document for a folder that has only vocabulary files; freed by cJSON_Delete. */
uvk_status uvk_vocabulary_files_document(const char *dir, cJSON **out, char **file, uvk_error *err);

#endif
