/* Folders for results. */
#ifndef UVK_CLI_FOLDER_H
#define UVK_CLI_FOLDER_H

#include "error.h"

/* mkdir -p */
uvk_status folder_make(const char *path, uvk_error *err);

#endif
