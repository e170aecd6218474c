/* A text and its summary as the user hands them over: files, standard input, arrays of ids, lines of JSON. */
#ifndef UVK_CLI_SOURCE_H
#define UVK_CLI_SOURCE_H

#include "char_span.h"
#include "error.h"

/* Text or, when ids is not NULL, ids. All owned. */
typedef struct source_part {
    char *text;
    size_t length;
    int32_t *ids;
    int n_ids;
} source_part;

typedef struct source {
    const char *name, *summary_name; /* for messages; not owned. summary_name NULL: name */
    source_part context, summary;
    source_part paraphrase;  /* of the context; text NULL: none */
    char_span *rationales;   /* of the context, what a person found the summary to rest on; owned */
    int n_rationales;
    span_list summary_spans, context_spans; /* what is asked about; empty: all of it. Owned */
} source;

/* A file; .npy holds ids, "-" is standard input. */
uvk_status source_read(const char *path, source_part *out, uvk_error *err);
void source_free(source *s);

#endif
