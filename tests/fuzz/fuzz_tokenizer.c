/* tokenizer.json, a NUL byte, a text: the file, the text to ids, and the ids back to text. */
#include "fuzz.h"

#include "encode_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_part rest = {data, size};
    fuzz_write("tokenizer.json", fuzz_next(&rest));
    encode_text(rest);
    return 0;
}
