#include "pipeline.h"

#include <string.h>

/* The older files say only whether a prefix is added. */
static uvk_status load_prepend(uvk_metaspace *m, const cJSON *component, const char *file, uvk_error *err)
{
    bool add_prefix_space = true;
    const char *scheme = NULL;
    uvk_status status = uvk_json_bool(component, "add_prefix_space", file, &add_prefix_space, err);
    if (status == UVK_OK)
        status = uvk_json_string(component, "prepend_scheme", file, &scheme, err);
    if (status != UVK_OK)
        return status;
    m->prepend = add_prefix_space ? UVK_PREPEND_ALWAYS : UVK_PREPEND_NEVER;
    if (!scheme)
        return UVK_OK;
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "first") != 0 && strcmp(scheme, "never") != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: prepend_scheme %.100s is not supported", file, scheme);
    if (!add_prefix_space && strcmp(scheme, "never") != 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: prepend_scheme %s disagrees with add_prefix_space", file, scheme);
    m->prepend = scheme[0] == 'a' ? UVK_PREPEND_ALWAYS : scheme[0] == 'f' ? UVK_PREPEND_FIRST : UVK_PREPEND_NEVER;
    return UVK_OK;
}

uvk_status uvk_metaspace_load(uvk_metaspace *m, const cJSON *component, const char *file, uvk_error *err)
{
    *m = (uvk_metaspace){.split = true};
    uvk_status status = uvk_component_character(component, "replacement", file, &m->replacement, err);
    if (status == UVK_OK)
        status = uvk_json_bool(component, "split", file, &m->split, err);
    return status == UVK_OK ? load_prepend(m, component, file, err) : status;
}
