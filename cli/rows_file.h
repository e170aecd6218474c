/* --out and --dump-hidden. */
#ifndef UVK_CLI_ROWS_FILE_H
#define UVK_CLI_ROWS_FILE_H

#include "error.h"

struct explain_job;
struct explained;

/* The inputs of a .safetensors file, collected until all are there: its header comes first and holds every size. */
typedef struct rows_file {
    struct rows_entry *entries;
    int count, capacity;
} rows_file;

/* Cheap checks of the names in the options, before anything is computed. */
uvk_status rows_file_check(const struct explain_job *job, uvk_error *err);
/* --out: a .npy is written now; for a .safetensors the rows are taken over from r. */
uvk_status rows_file_add(struct explain_job *job, struct explained *r, uvk_error *err);
/* Writes the .safetensors of --out with the inputs that came through; nothing when there are none. */
uvk_status rows_file_finish(struct explain_job *job, uvk_error *err);
void rows_file_free(rows_file *file);

/* --dump-hidden, of the last forward. */
uvk_status hidden_file_write(const struct explain_job *job, uvk_error *err);

/* UVK_FAILED when path cannot be written: a folder, in no folder, no permission. */
uvk_status output_check(const char *path, uvk_error *err);

#endif
