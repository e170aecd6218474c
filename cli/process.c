/* One input: computed, then delivered; what goes wrong is reported and the batch goes on where that makes sense. */
#include "explained.h"

#include "messages.h"
#include "progress.h"
#include "record.h"
#include "signals.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static uvk_status run_steps(job *j, explained *r, const steps *s, void *source, bool *stop)
{
    uvk_error err;
    double started = seconds_now();
    uvk_status status = name_input(j, r, s->compute(j, r, source, &err), &err);
    *stop = status == UVK_NO_DEVICE || status == UVK_INTERRUPTED || interrupted();
    if (status == UVK_INTERRUPTED)
        return status;
    if (r->stopped) {
        *stop = true;
        return complain(&err);
    }
    if (status == UVK_USAGE && (j->inputs > 1 || r->from_pairs))
        err.status = UVK_BAD_INPUT; /* flags that other inputs of the batch go with */
    if (status != UVK_OK)
        status = report_failure(j, r, &err);
    bool deliver = status == UVK_OK && strcmp(r->status, "done") == 0;
    r->seconds_total = seconds_now() - started;
    if (deliver && s->deliver(j, r, &err) != UVK_OK) {
        *stop = true;
        return complain(&err);
    }
    r->seconds_total = seconds_now() - started;
    if (j->o->json && s->show(j, r, &err) != UVK_OK) {
        *stop = true;
        return complain(&err);
    }
    return status;
}

uvk_status process_input(job *j, explained *r, const steps *s, void *source, bool *stop)
{
    r->status = "done";
    uvk_status status = run_steps(j, r, s, source, stop);
    j->targets_done += r->targets.count;
    j->inputs_done += status == UVK_OK;
    explained_free(r);
    return status;
}

uvk_status process_inputs(job *j, const input_list *inputs, const steps *s, void *source)
{
    uvk_status status = inputs->bad ? UVK_BAD_INPUT : UVK_OK;
    bool stop = false;
    j->inputs = inputs->count;
    progress_start("targets", j->o->quiet);
    for (int i = 0; i < inputs->count && !stop && !interrupted(); i++) {
        explained r = {.path = inputs->paths[i], .name = text_utf8(text_base_name(inputs->paths[i])), .index = i, .summary_logprob = NAN};
        j->from = (double)i / inputs->count;
        j->to = (double)(i + 1) / inputs->count;
        uvk_status one = process_input(j, &r, s, source, &stop);
        status = stop ? one : worse_status(status, one);
    }
    progress_end();
    return interrupted() ? UVK_INTERRUPTED : status;
}
