#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"

void rig_expect(uvk_status status, const uvk_error *err)
{
    if (status != UVK_OK)
        fail_msg("status %d: %s", (int)status, err->message);
}

void rig_open(rig *r, const fixture_spec *spec)
{
    uvk_error err;
    *r = (rig){.fixture = fixture_create(spec)};
    assert_non_null(r->fixture);
    scratch_create(r->dir);
    if (!fixture_write(r->fixture, r->dir))
        fail_msg("%s: %s", r->dir, strerror(errno));
    rig_expect(uvk_model_load(r->dir, &r->model, &err), &err);
    char path[sizeof r->dir + 16];
    snprintf(path, sizeof path, "%s/input.npy", r->dir);
    rig_expect(uvk_input_load(r->model, path, &r->input, &err), &err);
    rig_reopen(r, 0);
}

static void close_device(rig *r)
{
    uvk_session_free(r->session);
    uvk_context_free(r->context);
    r->session = NULL;
    r->context = NULL;
}

uvk_status rig_try(rig *r, uint64_t memory, uvk_error *err)
{
    close_device(r);
    const uvk_context_params params = {.memory = memory};
    uvk_status status = uvk_context_create(&params, &r->context, err);
    if (!status)
        status = uvk_session_create(r->context, r->model, &r->session, err);
    if (!status)
        status = uvk_forward(r->session, r->input, err);
    return status;
}

void rig_reopen(rig *r, uint64_t memory)
{
    uvk_error err;
    rig_expect(rig_try(r, memory, &err), &err);
}

void rig_close(rig *r)
{
    close_device(r);
    uvk_input_free(r->input);
    uvk_model_free(r->model);
    fixture_free(r->fixture);
    scratch_remove(r->dir);
}
