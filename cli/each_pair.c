#include "each_pair.h"

#include "crew.h"
#include "messages.h"
#include "progress.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The lines of a file as a supply. */
typedef struct reading {
    pairs *file;
    void *user;
    double before; /* bytes of the file that were read when the last line began */
    int place;     /* of the next line among all */
} reading;

static bool skip_to_shard(reading *from, const number_pair *shard)
{
    do {
        from->before = from->file->read;
        if (!pairs_next(from->file))
            return false;
    } while (!in_shard(shard, from->place++));
    return true;
}

static bool next_pair(job *j, explained *r, void **out, void *user)
{
    reading *from = user;
    pairs *file = from->file;
    if (!skip_to_shard(from, &j->o->shard))
        return false;
    pair *p = *out = text_alloc(1, sizeof *p);
    char *id;
    p->user = from->user;
    p->where = text_format("%s:%ld", file->path, file->line);
    p->status = pairs_read(file, &p->text, &id, &p->err);
    p->text.name = p->where;
    *r = (explained){.path = file->path, .name = id ? id : text_utf8(text_base_name(p->where)), .from_pairs = true, .index = job_owner(j)->inputs++, .summary_logprob = NAN};
    j->inputs = job_owner(j)->inputs;
    j->targets_done = job_owner(j)->targets_done;
    j->from = from->before / file->size;
    j->to = file->read < file->size ? file->read / file->size : 1;
    return true;
}

static void release_pair(void *of)
{
    pair *p = of;
    source_free(&p->text);
    free(p->where);
    free(p);
}

uvk_status each_pair(job *j, pairs *file, const steps *s, void *user, bool *stop)
{
    reading from = {.file = file, .user = user};
    uvk_error err;
    progress_start("targets", j->o->quiet);
    uvk_status status = crew_run(j, &(supply){next_pair, release_pair, &from}, s, stop);
    progress_end();
    if (status == UVK_INTERRUPTED)
        return status;
    if (ferror(file->stream) && uvk_fail(&err, UVK_BAD_INPUT, "%s: cannot be read (%s)", file->path, strerror(errno)))
        return complain(&err);
    if (from.place == 0 && uvk_fail(&err, UVK_BAD_INPUT, "%s: holds no pairs (expected one JSON object a line)", file->path))
        return complain(&err);
    return status;
}
