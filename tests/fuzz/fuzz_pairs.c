/* --pairs: JSON lines. */
#include "fuzz.h"

#include "pairs.h"

#include <stdlib.h>

static void check_spans(const char_span *spans, int count)
{
    for (int i = 0; i < count; i++)
        if (spans[i].start < 0 || spans[i].end <= spans[i].start)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pairs p;
    uvk_error err;
    if (pairs_open(fuzz_write("pairs.jsonl", (fuzz_part){data, size}), &p, &err) != UVK_OK)
        abort();
    int lines = pairs_count(&p), read = 0;
    for (; pairs_next(&p); read++) {
        source s;
        char *id = NULL;
        fuzz_check(pairs_read(&p, &s, &id, &err), &err);
        check_spans(s.rationales, s.n_rationales);
        check_spans(s.summary_spans.at, s.summary_spans.count);
        check_spans(s.context_spans.at, s.context_spans.count);
        source_free(&s);
        free(id);
    }
    pairs_close(&p);
    if (read != lines)
        abort();
    return 0;
}
