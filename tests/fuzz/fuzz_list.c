/* @list.txt: names and patterns, one a line, of a folder that holds some files. */
#include "fuzz.h"

#include "inputs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        static const char *const names[] = {"a.png", "b.jpg", "c.txt", "[d].txt", "*.npy"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            fuzz_write(names[i], (fuzz_part){(const uint8_t *)"", 0});
        if (chdir(fuzz_folder()) != 0)
            abort();
        ready = true;
    }
    if (size && memchr(data, '/', size))
        return 0; /* patterns stay in the folder: others are as large as the machine */
    fuzz_write("list", (fuzz_part){data, size});
    input_list list;
    uvk_error err;
    inputs_expand((const char *const[]){"@list"}, 1, &list);
    inputs_take_shard(&list, &(number_pair){.given = true, .first = 1, .second = 2});
    inputs_open_folders(&list, size % 2 ? UVK_VISION : UVK_TEXT);
    if (inputs_check_stems(&list, &err) != UVK_OK && err.status != UVK_USAGE)
        abort();
    inputs_free(&list);
    return 0;
}
