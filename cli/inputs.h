/* INPUT...: files, folders, patterns and lists become one list of paths. */
#ifndef UVK_CLI_INPUTS_H
#define UVK_CLI_INPUTS_H

#include "error.h"

typedef struct input_list {
    char **paths;
    int count, capacity;
    bool bad; /* something named held no input: it was reported, the rest goes on */
} input_list;

/* A folder gives its photos in the order of their names; a pattern that the shell left alone is expanded; @FILE gives its lines.
 * A file that does not exist stays in the list: whoever opens it reports it. */
void inputs_expand(const char *const *arguments, int n, input_list *out);
void inputs_free(input_list *list);

/* UVK_USAGE when two inputs would write files of the same name (the last component without its extension). */
uvk_status inputs_check_stems(const input_list *list, uvk_error *err);

#endif
