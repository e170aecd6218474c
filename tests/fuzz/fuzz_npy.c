/* .npy: header and data, and the token ids that it may hold. */
#include "fuzz.h"

#include "text_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uvk_npy npy;
    uvk_error err;
    const char *path = fuzz_write("input.npy", (fuzz_part){data, size});
    uvk_status status = uvk_npy_load(path, &npy, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK) {
        int32_t *ids = NULL;
        int count;
        fuzz_check(uvk_npy_ids(path, &npy, &ids, &count, &err), &err);
        free(ids);
        uvk_npy_free(&npy);
    }
    return 0;
}
