#include "crew.h"

#include "messages.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;

void crew_lock(void)
{
    pthread_mutex_lock(&shared);
}

void crew_unlock(void)
{
    pthread_mutex_unlock(&shared);
}

typedef struct crew {
    const supply *inputs;
    const steps *s;
    bool stop;         /* nobody begins another input */
    uvk_status status; /* the worst so far, or what ended it all */
} crew;

typedef struct member {
    crew *crew;
    job *j;
    pthread_t thread;
    bool started;
} member;

static bool take(const member *m, explained *r, void **source)
{
    crew_lock();
    bool more = !m->crew->stop && !interrupted() && m->crew->inputs->next(m->j, r, source, m->crew->inputs->user);
    crew_unlock();
    return more;
}

/* One that lost its device leaves; anything else that ends a job ends all. */
static void note_status(const member *m, uvk_status one, bool stop)
{
    crew *c = m->crew;
    crew_lock();
    bool all = stop && !m->j->gone;
    if (!c->stop)
        c->status = all ? one : worse_status(c->status, one);
    c->stop = c->stop || all;
    crew_unlock();
}

static void *work(void *p)
{
    member *m = p;
    explained r;
    void *source;
    bool stop = false;
    while (!stop && take(m, &r, &source)) {
        uvk_status one = process_input(m->j, &r, m->crew->s, source, &stop);
        if (m->crew->inputs->release)
            m->crew->inputs->release(source);
        note_status(m, one, stop);
    }
    return NULL;
}

uvk_status crew_run(job *j, const supply *inputs, const steps *s, bool *stop)
{
    crew c = {.inputs = inputs, .s = s};
    member first = {.crew = &c, .j = j}, *others = text_alloc((size_t)j->n_helpers, sizeof *others);
    for (int i = 0; i < j->n_helpers; i++) {
        job_brief_helper(j, i);
        others[i] = (member){.crew = &c, .j = &j->helpers[i]};
        others[i].started = pthread_create(&others[i].thread, NULL, work, &others[i]) == 0; /* the others do its part */
    }
    work(&first);
    for (int i = 0; i < j->n_helpers; i++)
        if (others[i].started)
            pthread_join(others[i].thread, NULL);
    free(others);
    *stop = c.stop || j->gone || interrupted();
    return interrupted() ? UVK_INTERRUPTED : c.status;
}

/* ---- A list of inputs ------------------------------------------------------------------------------------------------------------- */

typedef struct walk {
    const input_list *inputs;
    void *source; /* of all of them */
    int next;
} walk;

static bool next_of_list(job *j, explained *r, void **source, void *user)
{
    walk *w = user;
    int i = w->next;
    if (i == w->inputs->count)
        return false;
    *r = (explained){.path = w->inputs->paths[i], .name = text_utf8(text_base_name(w->inputs->paths[i])), .index = i, .summary_logprob = NAN};
    *source = w->source;
    j->from = (double)i / w->inputs->count;
    j->to = (double)(i + 1) / w->inputs->count;
    j->targets_done = job_owner(j)->targets_done;
    w->next++;
    return true;
}

uvk_status process_inputs(job *j, const input_list *inputs, const steps *s, void *source)
{
    walk w = {inputs, source, 0};
    bool stop;
    j->inputs = inputs->count;
    progress_start("targets", j->o->quiet);
    uvk_status status = crew_run(j, &(supply){.next = next_of_list, .user = &w}, s, &stop);
    progress_end();
    return status != UVK_INTERRUPTED && inputs->bad ? worse_status(status, UVK_BAD_INPUT) : status;
}
