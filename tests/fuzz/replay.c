/* Where there is no libFuzzer: runs a target once with each file named. */
#include "fuzz.h"

#include "file.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        void *bytes;
        size_t size;
        uvk_error err;
        if (uvk_file_read(argv[i], 1 << 26, &bytes, &size, &err) != UVK_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 2;
        }
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    printf("%d files\n", argc - 1);
    return argc > 1 ? 0 : 2;
}
