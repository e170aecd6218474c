/* ultravk query, merge and prune: databases, no device. */
#include "db.h"
#include "messages.h"
#include "options.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void list_named(bool json)
{
    int n;
    const uvk_db_named *named = uvk_db_named_queries(&n);
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", named[i].name);
        cJSON_AddStringToObject(one, "description", named[i].description);
        cJSON_AddStringToObject(one, "parameters", named[i].parameters);
        cJSON_AddStringToObject(one, "sql", named[i].sql);
        cJSON_AddItemToArray(list, one);
        if (!json)
            printf("%-18s %-32s %s\n", named[i].name, named[i].parameters, named[i].description);
    }
    char *text = json ? cJSON_Print(list) : NULL;
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(list);
}

static uvk_status check_query(const options *o, uvk_error *err)
{
    int rest = o->n_arguments - 1;
    if (rest < 0 && !o->list)
        return uvk_fail(err, UVK_USAGE, "query: no database given");
    if (o->list + (o->named != NULL) > 1)
        return uvk_fail(err, UVK_USAGE, "query: --list and --named exclude each other");
    if (!o->named && !o->list && rest == 0)
        return uvk_fail(err, UVK_USAGE, "query: no SQL given (in quotes; or --named NAME, or --list)");
    if (!o->named && rest > 1)
        return uvk_fail(err, UVK_USAGE, "query: unexpected argument %s (the SQL is one argument, in quotes)", o->arguments[2]);
    if (o->list && rest > 0)
        return uvk_fail(err, UVK_USAGE, "query: unexpected argument %s (--list takes none)", o->arguments[1]);
    return UVK_OK;
}

uvk_status verb_query(const options *o)
{
    uvk_error err;
    uvk_db_format format = o->json ? UVK_DB_JSON : (uvk_db_format)o->format;
    uvk_status status = check_query(o, &err);
    if (status == UVK_OK && o->list)
        list_named(format == UVK_DB_JSON || format == UVK_DB_JSONL);
    else if (status == UVK_OK && o->named)
        status = uvk_db_query_named(o->arguments[0], o->named, o->arguments + 1, o->n_arguments - 1, format, stdout, &err);
    else if (status == UVK_OK)
        status = uvk_db_query(o->arguments[0], o->arguments[1], format, stdout, &err);
    return status == UVK_OK ? UVK_OK : complain(&err);
}

static void print_warning(void *user, const char *line)
{
    (void)user;
    warn("%s", line);
}

static uvk_status merge_one(const char *out, const char *from)
{
    uvk_error err;
    uvk_db_merged done;
    uvk_status status = uvk_db_merge(out, from, print_warning, NULL, &done, &err);
    if (status != UVK_OK)
        return complain(&err);
    note("%s: %lld new run%s, %lld input%s taken over, %lld known", from, (long long)done.runs, done.runs == 1 ? "" : "s", (long long)done.inputs,
         done.inputs == 1 ? "" : "s", (long long)done.known);
    if (done.dropped)
        warn("%s: %lld figure%s over a whole run no longer hold%s, now that it has more inputs (evaluate again)", out, (long long)done.dropped,
             done.dropped == 1 ? "" : "s", done.dropped == 1 ? "s" : "");
    return UVK_OK;
}

/* A bad file is reported and the others are taken; when the database itself fails, no other would fare better. */
uvk_status verb_merge(const options *o)
{
    uvk_status status = UVK_OK;
    for (int i = 1; i < o->n_arguments && (status == UVK_OK || status == UVK_BAD_INPUT); i++)
        status = worse_status(status, merge_one(o->arguments[0], o->arguments[i]));
    return status;
}

uvk_status verb_prune(const options *o)
{
    uvk_error err;
    uvk_db *db = NULL;
    const char *path = o->arguments[0];
    uvk_status status = UVK_OK;
    struct stat info;
    if (stat(path, &info) != 0) /* opening would make one, */
        status = uvk_fail(&err, UVK_BAD_INPUT, "%s: no such database", path);
    else if (info.st_size == 0) /* also of an empty file */
        status = uvk_fail(&err, UVK_BAD_INPUT, "%s: not an ultravk database (it is empty)", path);
    if (status == UVK_OK)
        status = uvk_db_open(path, print_warning, NULL, &db, &err);
    if (status == UVK_OK)
        status = uvk_db_prune(db, o->run, &err);
    uvk_db_close(db);
    if (status != UVK_OK)
        return complain(&err);
    note("run %lld is deleted from %s", (long long)o->run, path);
    return UVK_OK;
}
