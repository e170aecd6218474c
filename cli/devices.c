/* ultravk devices */
#include "messages.h"
#include "options.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {"discrete", "integrated", "virtual", "cpu", "other"};

static void print_device(const uvk_device_info *d)
{
    char memory[32];
    printf("%3d  %-10s  %-8s  %-10s  %s\n", d->index, kind_names[d->kind], d->api, text_bytes(d->memory, memory), d->name);
    printf("     %s\n", d->usable ? d->driver : d->reason);
    if (d->usable)
        printf("     kernels: %s\n", *d->self_check ? d->self_check : "not checked yet (the first run does it)");
}

static cJSON *describe(const uvk_device_info *d)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "index", d->index);
    cJSON_AddStringToObject(json, "name", d->name);
    cJSON_AddStringToObject(json, "kind", kind_names[d->kind]);
    cJSON_AddStringToObject(json, "driver", d->driver);
    cJSON_AddStringToObject(json, "api", d->api);
    cJSON_AddNumberToObject(json, "memory", (double)d->memory);
    cJSON_AddNumberToObject(json, "available", (double)d->available);
    cJSON_AddNumberToObject(json, "max_storage_range", (double)d->max_storage_range);
    cJSON_AddNumberToObject(json, "max_allocation", (double)d->max_allocation);
    cJSON_AddItemToObject(json, "max_workgroups", cJSON_CreateDoubleArray((double[]){d->max_workgroups[0], d->max_workgroups[1], d->max_workgroups[2]}, 3));
    cJSON_AddNumberToObject(json, "max_invocations", d->max_invocations);
    cJSON_AddNumberToObject(json, "shared_memory", d->shared_memory);
    cJSON_AddNumberToObject(json, "subgroup_size", d->subgroup_size);
    cJSON_AddStringToObject(json, "self_check", d->self_check);
    cJSON_AddBoolToObject(json, "usable", d->usable);
    cJSON_AddStringToObject(json, "reason", d->reason);
    return json;
}

static uvk_status print_list(const uvk_device_info *list, int count, uvk_error *err)
{
    cJSON *json = cJSON_CreateArray();
    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(json, describe(&list[i]));
    return print_json(json, true, err);
}

uvk_status verb_devices(const options *o)
{
    uvk_error err;
    int count = 0, listed;
    if (uvk_devices(NULL, 0, &count, &err) != UVK_OK)
        return complain(&err);
    uvk_device_info *list = text_alloc((size_t)count, sizeof *list);
    uvk_status status = uvk_devices(list, count, &listed, &err);
    if (status != UVK_OK) {
        complain(&err);
        count = 0;
    }
    count = listed < count ? listed : count; /* one may have gone between the two calls */
    if (status == UVK_OK && o->json)
        status = print_list(list, count, &err) == UVK_OK ? UVK_OK : complain(&err);
    else
        for (int i = 0; i < count; i++)
            print_device(&list[i]);
    free(list);
    return status;
}
