/* One byte that says what is done, then a results database, byte by byte. */
#include "fuzz.h"

#include "use_database.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_path("hostile.db");
    remove_database(path);
    if (size == 0)
        return 0;
    fuzz_write("hostile.db", (fuzz_part){data + 1, size - 1});
    use_database(path, *data);
    return 0;
}
