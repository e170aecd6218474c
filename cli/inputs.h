/* INPUT...: files, folders, patterns and lists become one list of paths. */
#ifndef UVK_CLI_INPUTS_H
#define UVK_CLI_INPUTS_H

#include "options.h"

typedef struct input_list {
    char **paths;
    int count, capacity;
    bool folders; /* some of them are folders, which inputs_open_folders has not opened yet */
    number_pair shard;
    bool bad;     /* something named held no input: it was reported, the rest goes on */
} input_list;

/* A pattern that the shell left alone is expanded; @FILE gives its lines. A file that does not exist stays in the list: whoever
 * opens it reports it. */
void inputs_expand(const char *const *arguments, int n, input_list *out);
/* Keeps the inputs of --shard, now or once the folders are open: the I-th of the list and every N-th after it. So an input stays
 * in its shard when others are added behind it. */
void inputs_take_shard(input_list *list, const number_pair *shard);
/* Each folder gives way to the photos or the .txt files in it, in the order of their names. */
void inputs_open_folders(input_list *list, uvk_modality modality);
void inputs_free(input_list *list);

/* UVK_USAGE when two inputs would write files of the same name (the last component without its extension). */
uvk_status inputs_check_stems(const input_list *list, uvk_error *err);

#endif
