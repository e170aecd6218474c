/* A folder for the files of one test. */
#ifndef SCRATCH_H
#define SCRATCH_H

/* Makes an empty folder under $TMPDIR (/tmp) and writes its path; aborts when that fails. */
void scratch_create(char path[4096]);
/* Removes the folder and the files in it. */
void scratch_remove(const char *path);

#endif
