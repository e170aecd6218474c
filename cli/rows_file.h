/* --out and --dump-hidden. */
#ifndef UVK_CLI_ROWS_FILE_H
#define UVK_CLI_ROWS_FILE_H

#include "options.h"

struct job;
struct explained;

/* The inputs of a .safetensors file, collected until all are there: its header comes first and holds every size. */
typedef struct rows_file {
    struct rows_entry *entries;
    int count, capacity;
} rows_file;

/* Cheap checks of the names in the options, before anything is computed. inputs: how many there are, at least. */
uvk_status rows_file_check(const options *o, int inputs, uvk_error *err);
/* --out: a .npy is written now; for a .safetensors the rows are taken over from r. */
uvk_status rows_file_add(struct job *job, struct explained *r, uvk_error *err);
/* Writes the .safetensors of --out with the inputs that came through; nothing when there are none. */
uvk_status rows_file_finish(struct job *job, uvk_error *err);
void rows_file_free(rows_file *file);

/* --dump-hidden, of the last forward, which was that of r. */
uvk_status hidden_file_write(const struct job *job, const struct explained *r, uvk_error *err);

/* UVK_FAILED when path cannot be written: a folder, in no folder, no permission. */
uvk_status output_check(const char *path, uvk_error *err);

#endif
