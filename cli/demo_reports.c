/* The reports of the demo: their files, and the facts that a summary states. */
#include "demo.h"

#include "file.h"
#include "folder.h"
#include "json.h"
#include "pairs.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *demo_report_id(const cJSON *report)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(report, "id"));
}

static const char *string_of(const cJSON *report, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(report, key));
}

/* ---- Files ------------------------------------------------------------------------------------------------------------- */

static uvk_status write_file(const char *path, const char *text, uvk_error *err)
{
    uvk_file_writer w;
    uvk_status status = uvk_file_writer_open(&w, path, err);
    if (status != UVK_OK)
        return status;
    fputs(text, w.stream);
    return uvk_file_writer_commit(&w, err);
}

/* The next line of the file as JSON and, in *lines, as text. */
static uvk_status take_report(pairs *file, cJSON **out, FILE *lines, uvk_error *err)
{
    if (!pairs_next(file))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: ends after line %ld (expected %d reports)", file->path, file->line, DEMO_REPORTS);
    uvk_status status = uvk_json_parse(file->text, file->length, file->path, out, err);
    if (status == UVK_OK && (!string_of(*out, "id") || !string_of(*out, "document") || !string_of(*out, "summary")))
        return uvk_fail(err, UVK_BAD_INPUT, "%s:%ld: has no id, document or summary", file->path, file->line);
    fprintf(lines, "%.*s\n", (int)file->length, file->text);
    return status;
}

static uvk_status write_documents(demo *d, pairs *file, uvk_error *err)
{
    uvk_file_writer w;
    uvk_status status = uvk_file_writer_open(&w, d->pairs, err);
    if (status != UVK_OK)
        return status;
    for (int i = 0; i < DEMO_REPORTS && status == UVK_OK; i++) {
        status = take_report(file, &d->reports[i], w.stream, err);
        if (status != UVK_OK)
            break;
        d->texts[i] = text_format("%s/reports/%s.txt", d->folder, demo_report_id(d->reports[i]));
        status = write_file(d->texts[i], string_of(d->reports[i], "document"), err);
    }
    if (status == UVK_OK)
        return uvk_file_writer_commit(&w, err);
    uvk_file_writer_abandon(&w);
    return status;
}

uvk_status demo_write_reports(demo *d, uvk_error *err)
{
    char *shipped = text_join_path(d->data, "reports.jsonl"), *folder = text_join_path(d->folder, "reports");
    pairs file = {0};
    d->pairs = text_join_path(d->folder, "reports.jsonl");
    uvk_status status = folder_make(folder, err);
    if (status == UVK_OK)
        status = pairs_open(shipped, &file, err);
    if (status == UVK_OK)
        status = write_documents(d, &file, err);
    pairs_close(&file);
    free(folder);
    free(shipped);
    return status;
}

/* ---- Facts ------------------------------------------------------------------------------------------------------------- */

static int span_edge(const cJSON *fact, int edge)
{
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetArrayItem(fact, 0), edge);
    return item ? item->valueint : 0;
}

/* The reference summary is fixed words around facts. Another summary has its form when the same words stand in it, in order; what
 * is between them are its facts. The reports are ASCII: characters are bytes. */
int demo_facts_right(const cJSON *report, const char *summary, int *facts)
{
    const char *reference = string_of(report, "summary"), *at = summary;
    const cJSON *spans = cJSON_GetObjectItemCaseSensitive(report, "summary_rationales");
    int right = 0;
    *facts = cJSON_GetArraySize(spans);
    for (const cJSON *fact = spans ? spans->child : NULL; fact; fact = fact->next) {
        int start = span_edge(fact, 0), end = span_edge(fact, 1);
        int until = fact->next ? span_edge(fact->next, 0) : (int)strlen(reference);
        char *words = text_format("%.*s", until - end, reference + end);
        const char *stop = *words ? strstr(at, words) : at + strlen(at);
        if (stop && stop - at == end - start && strncmp(at, reference + start, (size_t)(end - start)) == 0)
            right++;
        at = stop ? stop + strlen(words) : NULL;
        free(words);
        if (!at)
            return 0;
    }
    return right;
}
