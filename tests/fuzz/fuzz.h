/* What the fuzz targets share. Each target is one file with the function that libFuzzer calls with bytes; without libFuzzer replay.c
 * calls it with the files of the corpus. A parser takes a path, so the bytes become a file of a folder in memory. */
#ifndef FUZZ_H
#define FUZZ_H

#include "error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct fuzz_part {
    const uint8_t *data; /* NULL: there is none */
    size_t size;
} fuzz_part;

/* What stands before the first NUL byte; rest is then what stands behind it. */
fuzz_part fuzz_next(fuzz_part *rest);

/* A folder of this process's own, removed when it ends. */
const char *fuzz_folder(void);
/* The path of a file in it; good for the next eight calls. */
const char *fuzz_path(const char *name);
/* Makes the part the contents of a file in it; removes that file when there is none. Returns its path. */
const char *fuzz_write(const char *name, fuzz_part part);

/* Aborts unless a failure is what a bad file has to be: UVK_BAD_INPUT and one line of text. */
void fuzz_check(uvk_status status, const uvk_error *err);

#endif
