#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"

void rig_expect(uvk_status status, const uvk_error *err)
{
    if (status != UVK_OK)
        fail_msg("status %d: %s", (int)status, err->message);
}

/* Compiling kernels takes longer than most tests: models that ask for nothing special share one device. */
static uvk_context *shared;

int rig_end(void **state)
{
    (void)state;
    uvk_context_free(shared);
    shared = NULL;
    return 0;
}

static uvk_context *shared_context(void)
{
    uvk_error err;
    if (!shared)
        rig_expect(uvk_context_create(NULL, &shared, &err), &err);
    return shared;
}

static uvk_status start(rig *r, uvk_error *err)
{
    uvk_status status = uvk_session_create(r->context, r->model, &r->session, err);
    return status ? status : uvk_forward(r->session, r->input, err);
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
    r->context = shared_context();
    rig_expect(start(r, &err), &err);
}

static void close_device(rig *r)
{
    uvk_session_free(r->session);
    if (r->context != shared)
        uvk_context_free(r->context);
    r->session = NULL;
    r->context = NULL;
}

uvk_status rig_device(rig *r, uint64_t memory, uvk_error *err)
{
    close_device(r);
    const uvk_context_params params = {.memory = memory, .precision = r->precision};
    uvk_status status = uvk_context_create(&params, &r->context, err);
    return status ? status : uvk_session_create(r->context, r->model, &r->session, err);
}

void rig_reopen(rig *r, uint64_t memory)
{
    uvk_error err;
    rig_expect(rig_device(r, memory, &err), &err);
    rig_expect(uvk_forward(r->session, r->input, &err), &err);
}

void rig_close(rig *r)
{
    close_device(r);
    uvk_input_free(r->input);
    uvk_model_free(r->model);
    fixture_free(r->fixture);
    scratch_remove(r->dir);
}

uvk_input *rig_text(const rig *r, const int32_t *ids, int n)
{
    uvk_error err;
    uvk_input *input = NULL;
    const uvk_text_params params = {.name = "ids", .context_ids = ids, .n_context_ids = n};
    rig_expect(uvk_input_create_text(r->model, &params, &input, &err), &err);
    return input;
}
