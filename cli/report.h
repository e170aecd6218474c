/* The parts of a report: what a page holds, as JSON, and the page itself. */
#ifndef UVK_CLI_REPORT_H
#define UVK_CLI_REPORT_H

#include "db.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* Limits of a page, so that it opens at once whatever the database holds; what they leave out the page says. */
enum {
    REPORT_INPUTS = 24,          /* images, and as many texts; --inputs says otherwise */
    REPORT_RUNS = 200,
    REPORT_SCORES = 6000000,     /* entries of all maps together, 16 MB of page */
    REPORT_PHOTO_SIDE = 640,     /* pixels that a photo is scaled down to */
};

/* All that the page shows. run 0: every run. path is the database's. */
uvk_status report_data(const char *path, int64_t run, int inputs, cJSON **out, uvk_error *err);

/* "data:image/jpeg;base64,..." of a photo whose file still has that hash, looked for where it was and beside the database; owned.
 * NULL: *why says why, in words for the reader. */
char *report_photo(const char *path, const char *sha256, const char *database, const char **why);

/* Owned; with a NUL. */
char *report_base64(const void *bytes, size_t size);

#endif
