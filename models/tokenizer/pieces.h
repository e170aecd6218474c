/* A text on its way to tokens: its normalized bytes, where each came from, and the pieces it is cut into.
 *
 * Every normalized byte knows the bytes of the original text that it stands for. A step of the pipeline either cuts pieces (the
 * bytes stay) or rewrites them into a new text by edits. Alignment follows the `tokenizers` library to the byte, also where that
 * is not what one would expect: an inserted character belongs to the character before it, and where there is none to nothing. */
#ifndef UVK_TOKENIZER_PIECES_H
#define UVK_TOKENIZER_PIECES_H

#include "error.h"

typedef struct uvk_span {
    uint32_t start, end; /* bytes of the original text */
} uvk_span;

typedef struct uvk_piece {
    uint32_t from, to; /* its normalized bytes */
    uint32_t start;    /* where it begins in the original text */
    int32_t id;        /* an added token's; -1: for the model */
} uvk_piece;

typedef struct uvk_pieces {
    char *bytes;
    uvk_span *align; /* one a byte */
    size_t length, room;
    uvk_piece *items;
    size_t count, item_room;
    size_t limit;    /* rewriting may not grow the text beyond it: a file may replace each byte by a megabyte */
    bool full, no_memory; /* sticky, so that steps look once */
} uvk_pieces;

/* The text as one piece, of none when it is empty. On failure there is nothing to free. */
uvk_status uvk_pieces_init(uvk_pieces *p, const char *text, size_t length, uvk_error *err);
void uvk_pieces_free(uvk_pieces *p);

/* An empty text with old's limit, to rewrite old into. */
uvk_pieces uvk_pieces_next(const uvk_pieces *old);
/* Takes what was rewritten (or fails), and frees the other. */
uvk_status uvk_pieces_replace(uvk_pieces *p, uvk_pieces *next, uvk_error *err);

/* Appends a piece of p's own bytes from..to (none when it is empty) as a part of `of`. */
void uvk_pieces_cut(uvk_pieces *p, uvk_piece of, size_t from, size_t to);
/* Appends a piece as it is. */
void uvk_pieces_keep(uvk_pieces *p, uvk_piece piece);
/* The pieces cut so far become those of p; items is the array they were put into. */
typedef struct uvk_cuts {
    uvk_piece *items;
    size_t count;
} uvk_cuts;
uvk_cuts uvk_pieces_recut(uvk_pieces *p);

/* What of the original text bytes from..to of the piece stand for; relative to the piece's first byte. */
uvk_span uvk_pieces_origin(const uvk_pieces *p, const uvk_piece *piece, size_t from, size_t to);

/* ---- Rewriting one piece, from its first character to its last --------------------------------------------------------------- */

typedef struct uvk_edit {
    const uvk_pieces *from;
    uvk_pieces *to;
    uvk_piece source;
    size_t at; /* the next byte of the source that is replaced */
    size_t begun;
} uvk_edit;

/* `from` may not be `to`. */
void uvk_edit_begin(uvk_edit *e, const uvk_pieces *from, uvk_piece source, uvk_pieces *to);
/* As begin, for changes of a few characters: the whole piece is replaced, whatever its first bytes stand for. */
void uvk_edit_begin_exact(uvk_edit *e, const uvk_pieces *from, uvk_piece source, uvk_pieces *to);
/* Forgets what was put since begin: from the piece's first byte, whatever it stands for. */
void uvk_edit_restart(uvk_edit *e);
/* A character that replaces the next one (0), was inserted (above 0), or replaces the next one and as many more (below 0). */
void uvk_edit_put(uvk_edit *e, uint32_t character, long change);
void uvk_edit_drop(uvk_edit *e);           /* leaves out the next character */
void uvk_edit_keep(uvk_edit *e, size_t n); /* copies n bytes as they are */
/* n bytes instead of the next `replaced` bytes, all aligned with the last of those. */
void uvk_edit_replace(uvk_edit *e, const char *bytes, size_t n, size_t replaced);
void uvk_edit_end(uvk_edit *e);

#endif
