/* ultravk, the program. */
#include "document.h"
#include "messages.h"
#include "options.h"
#include "signals.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static uvk_status run(const options *o)
{
    if (o->document >= 0) {
        document_print(o->document);
        return UVK_OK;
    }
    if (o->help) {
        help_print(o->verb);
        return UVK_OK;
    }
    if (o->version) {
        printf("ultravk %s\n", uvk_version());
        return UVK_OK;
    }
    messages_quiet(o->quiet);
    return o->verb->run(o);
}

/* cJSON leaves out what it has no memory for: what is printed as JSON has to be whole, or not at all. */
static void *allocate(size_t size)
{
    return text_alloc(size, 1);
}

int main(int argc, char **argv)
{
    signals_install();
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
    uvk_error err;
    options o;
    uvk_status status = options_parse(argc, argv, &o, &err);
    status = status == UVK_OK ? run(&o) : complain(&err);
    /* A verb that saw stdout fail has said so. */
    if (status == UVK_OK && flush_results(&err) != UVK_OK)
        status = complain(&err);
    options_free(&o);
    return (int)status;
}
