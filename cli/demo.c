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

static line begin_with(const char *name, const char *argument)
{
    line l = {0};
    add(&l, text_copy("ultravk"));
    add(&l, text_copy(name));
    if (argument)
        add(&l, text_copy(argument));
    return l;
}

/* argument: what evaluate evaluates; NULL: none. */
static line begin(const demo *d, const char *name, const char *argument, const char *model)
{
    line l = begin_with(name, argument);
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

static void add_scenes(line *l, const demo *d, int count)
{
    for (int i = 0; i < count; i++)
        add(l, text_format("%s/scenes/images/%04d.png", d->data, i));
}

static uvk_status explain_scenes(const demo *d)
{
    line l = begin(d, "explain", NULL, "vit");
    add_flag(&l, "--tokens", "all");
    add_scenes(&l, d, DEMO_SCENES);
    return run(&l);
}

/* Of the rows that are there. */
static uvk_status segment_scenes(const demo *d)
{
    line l = begin(d, "segment", NULL, "vit");
    char *masks = text_format("%s/scenes/masks", d->data);
    add_flag(&l, "--masks", masks);
    add_flag(&l, "--clusters", "labels");
    add(&l, text_copy("--baselines"));
    add_scenes(&l, d, DEMO_SCENES);
    free(masks);
    return run(&l);
}

/* A few, since each asks for many forward passes. */
static uvk_status evaluate_scenes(const demo *d)
{
    line l = begin(d, "evaluate", "faithfulness", "vit");
    add_flag(&l, "--sample", "2");
    add_scenes(&l, d, DEMO_SCENES / 2);
    return run(&l);
}

static uvk_status summarize_reports(const demo *d)
{
    line l = begin(d, "summarize", NULL, "lm");
    for (int i = 0; i < DEMO_REPORTS; i++)
        add(&l, text_copy(d->texts[i]));
    return run(&l);
}

static uvk_status attribute_reports(const demo *d)
{
    line l = begin(d, "attribute", NULL, "lm");
    add_flag(&l, "--pairs", d->pairs);
    return run(&l);
}

static uvk_status evaluate_reports(const demo *d)
{
    line l = begin(d, "evaluate", "agreement", "lm");
    add(&l, text_copy(d->pairs));
    return run(&l);
}

static uvk_status make_report(const demo *d)
{
    line l = begin_with("report", d->db);
    add_flag(&l, "--out", d->report);
    if (d->o->quiet)
        add(&l, text_copy("--quiet"));
    return run(&l);
}

/* While the verbs run, their stdout is stderr: the demo's own results are its findings. */
static uvk_status run_verbs(const demo *d)
{
    static uvk_status (*const parts[])(const demo *d) = {explain_scenes, segment_scenes, evaluate_scenes, summarize_reports, attribute_reports, evaluate_reports, make_report};
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
    free(d->report);
    free(d->pairs);
}

uvk_status verb_demo(const options *o)
{
    demo d = {.o = o, .started = seconds_now(), .folder = text_copy(o->dir ? o->dir : "ultravk-demo")};
    uvk_error err;
    d.db = text_join_path(d.folder, "results.db");
    d.report = text_join_path(d.folder, "report.html");
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
