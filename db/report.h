/* The queries of a report. Private to db/. */
#ifndef UVK_DB_REPORT_H
#define UVK_DB_REPORT_H

#include "db.h"

/* ?1 is the run (NULL: every run), ?2 the sequence, ?3 how many at most. */
const char *uvk_report_sql(uvk_db_part part);

#endif
