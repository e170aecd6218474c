#include "each_pair.h"

#include "messages.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uvk_status run_pair(job *j, const pairs *file, const steps *s, void *user, double before, bool *stop)
{
    pair p = {.user = user};
    char *id, *where = text_format("%s:%ld", file->path, file->line);
    p.status = pairs_read(file, &p.text, &id, &p.err);
    p.text.name = where;
    explained r = {.path = file->path, .name = id ? id : text_utf8(text_base_name(where)), .from_pairs = true, .index = j->inputs++, .summary_logprob = NAN};
    j->from = before / file->size;
    j->to = file->read < file->size ? file->read / file->size : 1;
    uvk_status status = process_input(j, &r, s, &p, stop);
    source_free(&p.text);
    free(where);
    return status;
}

uvk_status each_pair(job *j, pairs *file, const steps *s, void *user)
{
    uvk_status status = UVK_OK;
    uvk_error err;
    bool stop = false;
    double before = 0;
    int inputs = j->inputs;
    progress_start("targets", j->o->quiet);
    for (; !stop && !interrupted() && pairs_next(file); before = file->read) {
        uvk_status one = run_pair(j, file, s, user, before, &stop);
        status = stop ? one : worse_status(status, one);
    }
    progress_end();
    if (interrupted())
        return UVK_INTERRUPTED;
    if (ferror(file->stream) && uvk_fail(&err, UVK_BAD_INPUT, "%s: cannot be read (%s)", file->path, strerror(errno)))
        return complain(&err);
    if (j->inputs == inputs && uvk_fail(&err, UVK_BAD_INPUT, "%s: holds no pairs (expected one JSON object a line)", file->path))
        return complain(&err);
    return status;
}
