/* model.safetensors.index.json, beside two shards that are as they should be. */
#include "fuzz.h"

#include "safetensors.h"

#include <stdlib.h>

static void write_shard(const char *name, const char *first, const char *second)
{
    static const float numbers[] = {1, 2, 3, 4, 5, 6};
    uvk_tensor_out tensors[] = {{first, UVK_F32, 2, {2, 3}, numbers}, {second, UVK_F32, 1, {6}, numbers}};
    if (uvk_safetensors_write(fuzz_path(name), tensors, 2, NULL, 0, NULL) != UVK_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    uvk_tensor_file *file = NULL;
    uvk_error err;
    if (!ready) {
        write_shard("a.safetensors", "w", "x");
        write_shard("b.safetensors", "y", "z");
        ready = true;
    }
    fuzz_write("model.safetensors.index.json", (fuzz_part){data, size});
    fuzz_check(uvk_tensor_file_open(fuzz_folder(), &file, &err), &err);
    uvk_tensor_file_free(file);
    return 0;
}
