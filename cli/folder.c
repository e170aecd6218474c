#include "folder.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uvk_status folder_make(const char *path, uvk_error *err)
{
    char *part = text_copy(path);
    int failure = 0;
    for (char *c = part + 1;; c++) {
        if (*c && *c != '/')
            continue;
        char end = *c;
        *c = '\0';
        failure = mkdir(part, 0777) == 0 || errno == EEXIST ? 0 : errno;
        *c = end;
        if (!end || failure)
            break;
    }
    free(part);
    return failure ? uvk_fail(err, UVK_FAILED, "%s: cannot be made (%s)", path, strerror(failure)) : UVK_OK;
}
