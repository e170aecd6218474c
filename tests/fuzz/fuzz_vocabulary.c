/* A folder without tokenizer.json: vocab.json, merges.txt and vocab.txt, a NUL byte between, and then a text. */
#include "fuzz.h"

#include "encode_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_part rest = {data, size};
    fuzz_part bpe = fuzz_next(&rest), merges = fuzz_next(&rest), words = fuzz_next(&rest);
    fuzz_write("vocab.json", bpe.size ? bpe : (fuzz_part){0});
    fuzz_write("merges.txt", merges);
    fuzz_write("vocab.txt", words);
    encode_text(rest);
    return 0;
}
