/* --pairs: a .jsonl file, one text and its summary a line. */
#ifndef UVK_CLI_PAIRS_H
#define UVK_CLI_PAIRS_H

#include "source.h"

#include <stdio.h>

typedef struct pairs {
    const char *path;
    FILE *stream;
    double size, read;  /* bytes of the file, and of it those that were read */
    long line;          /* of the last one read, from 1 */
    char *text;         /* of that line */
    size_t length, capacity;
} pairs;

uvk_status pairs_open(const char *path, pairs *out, uvk_error *err);
void pairs_close(pairs *p);
/* Moves to the next line that is not blank; false at the end of the file or when reading fails (ferror of the stream). */
bool pairs_next(pairs *p);
/* How many lines are not blank, from here on; goes back to the start. */
int pairs_count(pairs *p);
/* What the line holds: *id is owned, NULL where it has none, and there as soon as it could be read. Not JSON, keys that are missing
 * or of a wrong type, spans outside the document: UVK_BAD_INPUT, with file and line. Release out with source_free in any case. */
uvk_status pairs_read(const pairs *p, source *out, char **id, uvk_error *err);

#endif
