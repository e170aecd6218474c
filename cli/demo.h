/* What the files of "ultravk demo" share. */
#ifndef UVK_CLI_DEMO_H
#define UVK_CLI_DEMO_H

#include "options.h"

#include <cjson/cJSON.h>

enum { DEMO_SCENES = 8, DEMO_REPORTS = 8 };

typedef struct demo {
    const options *o;
    char *data;                       /* folder of the shipped models and data, owned */
    char *folder, *db, *page;         /* where results go, owned */
    cJSON *reports[DEMO_REPORTS];     /* lines of reports.jsonl, owned */
    char *texts[DEMO_REPORTS];        /* files that hold their documents, owned */
    char *pairs;                      /* file that holds these lines, owned */
    double started;
} demo;

/* demo_reports.c: reads the reports and writes each document and all lines below d->folder, for the verbs to read. */
uvk_status demo_write_reports(demo *d, uvk_error *err);
const char *demo_report_id(const cJSON *report);
/* How many facts of the report a summary states exactly; *facts: how many there are. */
int demo_facts_right(const cJSON *report, const char *summary, int *facts);

/* demo_findings.c: what the database holds now, on stdout. */
uvk_status demo_print_findings(const demo *d, uvk_error *err);

#endif
