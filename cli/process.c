/* One input: computed, then delivered; what goes wrong is reported and the batch goes on where that makes sense. */
#include "crew.h"

#include "messages.h"
#include "progress.h"
#include "record.h"
#include "signals.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { LOSSES = 3 }; /* inputs in a row that lose the device twice: then it is not them */

static bool begins_with(const char *message, const char *name)
{
    return name && strncmp(message, name, strlen(name)) == 0;
}

/* The library speaks of tensors and tokens; the user wants to know which input. */
static uvk_status name_input(const job *j, const explained *r, uvk_status status, uvk_error *err)
{
    if (status == UVK_OK || begins_with(err->message, r->path) || begins_with(err->message, r->name) || begins_with(err->message, j->o->summary))
        return status;
    char *reason = text_copy(err->message);
    uvk_fail(err, status, "%s: %s", r->from_pairs ? r->name : r->path, reason);
    free(reason);
    return status;
}

static uvk_status report_failure(job *j, explained *r, uvk_error *err)
{
    uvk_error second;
    uvk_status status = complain(err);
    r->status = "failed";
    r->error = err->message;
    if (j->db && record_failure(j, r, &second) != UVK_OK)
        return complain(&second);
    return status;
}

/* One try. A device that failed meanwhile is dropped. */
static uvk_status try_to_compute(job *j, explained *r, const steps *s, void *source, uvk_error *err)
{
    uvk_status status = job_need_device(j, err);
    if (status == UVK_OK)
        status = s->compute(j, r, source, err);
    if (status == UVK_OK || err->device)
        r->device = &j->device;
    if (status != UVK_OK && err->device)
        job_drop_device(j);
    return status;
}

/* Twice where the device failed: on one opened anew, with half the budget, the input may well go through, and so may those behind it.
 * It is gone when it cannot be opened any more, or fails input after input. */
static uvk_status compute(job *j, explained *r, const steps *s, void *source, uvk_error *err)
{
    const explained blank = *r;
    uvk_status status = try_to_compute(j, r, s, source, err);
    if (status != UVK_OK && err->device && !interrupted()) {
        warn("%s: %s; once more on the device opened anew", r->from_pairs ? r->name : r->path, err->message);
        explained_clear(r);
        *r = blank;
        status = try_to_compute(j, r, s, source, err);
    }
    j->losses = status == UVK_NO_DEVICE ? j->losses + 1 : status == UVK_OK ? 0 : j->losses;
    j->gone = status == UVK_NO_DEVICE && (!err->device || j->losses == LOSSES);
    if (status == UVK_NO_DEVICE && !j->gone)
        err->status = status = UVK_FAILED;
    return status;
}

/* What was computed reaches the database, files and standard output, or what went wrong the database and the user. */
static uvk_status settle(job *j, explained *r, const steps *s, uvk_status status, double started, bool *stop, uvk_error *err)
{
    if (r->stopped) {
        *stop = true;
        return complain(err);
    }
    if (status == UVK_USAGE && (j->inputs > 1 || r->from_pairs))
        err->status = UVK_BAD_INPUT; /* flags that other inputs of the batch go with */
    if (status != UVK_OK)
        status = report_failure(j, r, err);
    bool deliver = status == UVK_OK && strcmp(r->status, "done") == 0;
    r->seconds_total = seconds_now() - started;
    if (deliver && s->deliver(j, r, err) != UVK_OK) {
        *stop = true;
        return complain(err);
    }
    r->seconds_total = seconds_now() - started;
    if (j->o->json && s->show(j, r, err) != UVK_OK) {
        *stop = true;
        return complain(err);
    }
    return status;
}

uvk_status process_input(job *j, explained *r, const steps *s, void *source, bool *stop)
{
    uvk_error err = {0}; /* an interruption may come without words */
    job *owner = job_owner(j);
    double started = seconds_now();
    r->status = "done";
    uvk_status status = name_input(j, r, compute(j, r, s, source, &err), &err);
    *stop = j->gone || status == UVK_INTERRUPTED || interrupted();
    crew_lock();
    if (status != UVK_INTERRUPTED)
        status = settle(owner, r, s, status, started, stop, &err);
    owner->targets_done += r->targets.count;
    owner->inputs_done += status == UVK_OK;
    crew_unlock();
    explained_free(r);
    return status;
}
