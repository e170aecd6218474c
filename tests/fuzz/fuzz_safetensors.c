/* model.safetensors: its header, and every number that it claims to hold. */
#include "fuzz.h"

#include "safetensors.h"

#include <stdlib.h>

static void read_all(const uvk_tensor_view *view)
{
    enum { PART = 256 };
    float numbers[PART];
    if (view->dtype != UVK_F32 && view->dtype != UVK_F16 && view->dtype != UVK_BF16)
        return;
    for (uint64_t first = 0; first < view->count; first += PART)
        uvk_tensor_to_f32(view, first, view->count - first < PART ? view->count - first : PART, numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uvk_tensor_file *file = NULL;
    uvk_error err;
    fuzz_write("model.safetensors", (fuzz_part){data, size});
    uvk_status status = uvk_tensor_file_open(fuzz_folder(), &file, &err);
    fuzz_check(status, &err);
    if (status != UVK_OK)
        return 0;
    for (size_t i = 0; i < uvk_tensor_file_count(file); i++) {
        const uvk_tensor_view *view = uvk_tensor_file_at(file, i);
        if (uvk_tensor_file_find(file, view->name) != view)
            abort();
        read_all(view);
    }
    uvk_tensor_file_free(file);
    return 0;
}
