/* ultravk report: one HTML file that shows a database. No device, no model. */
#include "report.h"

#include "file.h"
#include "messages.h"
#include "options.h"
#include "text.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

static const char page[] = {
#include "report.html.inc"
};
static const char style[] = {
#include "report.css.inc"
};
static const char script[] = {
#include "report.js.inc"
};

/* What may run in the page: this script alone. Nothing can be loaded, so nothing leaves the page either. Owned. */
static char *make_policy(void)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, strlen(script), (const uint8_t *)script);
    sha256_digest(&hash, sizeof digest, digest);
    char *text = report_base64(digest, sizeof digest);
    char *policy = text_format("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'", text);
    free(text);
    return policy;
}

/* "<" stands in strings only; escaped, no text can end the element that holds the data. */
static void write_data(FILE *out, const char *json)
{
    for (size_t length; *json; json += length + 1) {
        length = strcspn(json, "<");
        fwrite(json, 1, length, out);
        if (!json[length])
            break;
        fputs("\\u003c", out);
    }
}

static void write_part(FILE *out, const char *name, size_t length, const char *policy, const char *json)
{
    if (strncmp(name, "policy", length) == 0)
        fputs(policy, out);
    else if (strncmp(name, "style", length) == 0)
        fputs(style, out);
    else if (strncmp(name, "data", length) == 0)
        write_data(out, json);
    else
        fputs(script, out);
}

/* The page with {{policy}}, {{style}}, {{data}} and {{script}} filled in; the writer remembers a write that failed. */
static void write_page(FILE *out, const char *policy, const char *json)
{
    const char *at = page, *open;
    while ((open = strstr(at, "{{"))) {
        size_t length = strcspn(open + 2, "}");
        fwrite(at, 1, (size_t)(open - at), out);
        write_part(out, open + 2, length, policy, json);
        at = open + 2 + length + 2;
    }
    fputs(at, out);
}

static uvk_status write_file(const char *path, const char *json, uvk_error *err)
{
    uvk_file_writer writer;
    char *policy = make_policy(); /* before there is a file: the program may end for lack of memory */
    uvk_status status = uvk_file_writer_open(&writer, path, err);
    if (status == UVK_OK) {
        write_page(writer.stream, policy, json);
        status = uvk_file_writer_commit(&writer, err);
    }
    free(policy);
    return status;
}

uvk_status verb_report(const options *o)
{
    uvk_error err;
    cJSON *data = NULL;
    uvk_status status = report_data(o->arguments[0], o->run, o->inputs, &data, &err);
    char *json = data ? cJSON_PrintUnformatted(data) : NULL;
    cJSON_Delete(data);
    if (status == UVK_OK)
        status = json ? write_file(o->out, json, &err) : uvk_fail_memory(&err, 0, "a report");
    cJSON_free(json);
    if (status != UVK_OK)
        return complain(&err);
    note("%s shows %s; open it in a browser", o->out, o->arguments[0]);
    return UVK_OK;
}
