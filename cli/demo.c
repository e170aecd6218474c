/* ultravk demo: the shipped models explain the shipped scenes and reports. It runs the verbs as a user would and then asks the
 * database what came out. */
#include "demo.h"

#include "folder.h"
#include "messages.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Chosen on data of another seed, as was the last layer, the default: see models/demo/README.md. */
#define SCALAR "energy"

/* ---- Models and data --------------------------------------------------------------------------------------------------- */

/* Where an installed program finds them: beside itself, wherever that is. */
static char *installed_data(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0 || (size_t)length == sizeof path)
        return NULL;
    path[length] = '\0';
    return text_format("%.*s%s", (int)(text_base_name(path) - path), path, ULTRAVK_INSTALLED_DEMO);
}

static uvk_status find_data(demo *d, uvk_error *err)
{
    const char *named = getenv("ULTRAVK_DEMO");
    char *places[] = {named ? text_copy(named) : installed_data(), named ? NULL : text_copy(ULTRAVK_SOURCE_DEMO)};
    uvk_status status = UVK_OK;
    for (int i = 0; i < 2 && !d->data; i++) {
        char *reports = places[i] ? text_join_path(places[i], "reports.jsonl") : NULL;
        if (reports && access(reports, R_OK) == 0)
            d->data = text_copy(places[i]);
        free(reports);
    }
    if (!d->data)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: holds no models and data of the demo (installed beside the program; $ULTRAVK_DEMO names another folder)",
                          named ? named : places[1]);
    free(places[0]);
    free(places[1]);
    return status;
}

/* ---- The verbs --------------------------------------------------------------------------------------------------------- */

enum { MOST_WORDS = 32 };

/* A command line under construction; the words are owned. */
typedef struct line { char *words[MOST_WORDS]; int count; } line;

static void add(line *l, char *word)
{
    l->words[l->count++] = word;
}

static void add_flag(line *l, const char *name, const char *value)
{
    add(l, text_copy(name));
    add(l, text_copy(value));
}

static line begin(const demo *d, const char *name, const char *model)
{
    line l = {0};
    add(&l, text_copy("ultravk"));
    add(&l, text_copy(name));
    add(&l, text_copy("--model"));
    add(&l, text_join_path(d->data, model));
    add_flag(&l, "--scalar", SCALAR);
    add_flag(&l, "--label", "demo");
    add_flag(&l, "--db", d->db);
    if (d->o->device)
        add_flag(&l, "--device", d->o->device);
    if (d->o->memory) {
        add(&l, text_copy("--memory"));
        add(&l, text_format("%llu", (unsigned long long)d->o->memory));
    }
    if (d->o->quiet)
        add(&l, text_copy("--quiet"));
    return l;
}

/* What the verb prints is progress here. Releases the line. */
static uvk_status run(line *l)
{
    options o;
    uvk_error err;
    uvk_status status = options_parse(l->count, l->words, &o, &err);
    if (status == UVK_OK) {
        note("%s", o.command);
        status = o.verb->run(&o);
        fflush(stdout);
    } else {
        complain(&err);
    }
    options_free(&o);
    for (int i = 0; i < l->count; i++)
        free(l->words[i]);
    return status;
}

static uvk_status explain_scenes(const demo *d)
{
    line l = begin(d, "explain", "vit");
    add_flag(&l, "--tokens", "all");
    for (int i = 0; i < DEMO_SCENES; i++)
        add(&l, text_format("%s/scenes/images/%04d.png", d->data, i));
    return run(&l);
}

static uvk_status summarize_reports(const demo *d)
{
    line l = begin(d, "summarize", "lm");
    for (int i = 0; i < DEMO_REPORTS; i++)
        add(&l, text_copy(d->texts[i]));
    return run(&l);
}

static uvk_status attribute_reports(const demo *d)
{
    line l = begin(d, "attribute", "lm");
    add_flag(&l, "--pairs", d->pairs);
    return run(&l);
}

static uvk_status report_results(const demo *d)
{
    line l = {0};
    add(&l, text_copy("ultravk"));
    add(&l, text_copy("report"));
    add(&l, text_copy(d->db));
    add_flag(&l, "--out", d->page);
    if (d->o->quiet)
        add(&l, text_copy("--quiet"));
    return run(&l);
}

/* While the verbs run, their stdout is stderr: the demo's own results are its findings. */
static uvk_status run_verbs(const demo *d)
{
    static uvk_status (*const parts[])(const demo *d) = {explain_scenes, summarize_reports, attribute_reports, report_results};
    int results = dup(STDOUT_FILENO);
    uvk_status status = UVK_OK;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == UVK_OK; i++)
        status = parts[i](d);
    if (results >= 0) {
        dup2(results, STDOUT_FILENO);
        close(results);
    } else {
        close(STDOUT_FILENO);
    }
    return status;
}

/* ---- The demo ---------------------------------------------------------------------------------------------------------- */

static uvk_status prepare(demo *d, uvk_error *err)
{
    uvk_status status = find_data(d, err);
    if (status == UVK_OK)
        status = folder_make(d->folder, err);
    return status == UVK_OK ? demo_write_reports(d, err) : status;
}

static void release(demo *d)
{
    for (int i = 0; i < DEMO_REPORTS; i++) {
        cJSON_Delete(d->reports[i]);
        free(d->texts[i]);
    }
    free(d->data);
    free(d->folder);
    free(d->db);
    free(d->page);
    free(d->pairs);
}

uvk_status verb_demo(const options *o)
{
    demo d = {.o = o, .started = seconds_now(), .folder = text_copy(o->dir ? o->dir : "ultravk-demo")};
    uvk_error err;
    d.db = text_join_path(d.folder, "results.db");
    d.page = text_join_path(d.folder, "report.html");
    signals_defer();
    uvk_status status = prepare(&d, &err);
    if (status != UVK_OK) {
        complain(&err);
    } else {
        status = run_verbs(&d);
        if (status == UVK_OK && (status = demo_print_findings(&d, &err)) != UVK_OK)
            complain(&err);
    }
    release(&d);
    return status;
}
