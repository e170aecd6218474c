/* A fixture's model on a device, for tests of the library. Whatever goes wrong fails the running cmocka test. */
#ifndef RIG_H
#define RIG_H

#include "model_fixture.h"
#include "ultravk.h"

typedef struct rig {
    char dir[4096];
    fixture *fixture;
    uvk_model *model;
    uvk_input *input;
    uvk_context *context;
    uvk_session *session;
} rig;

/* Writes the model, loads it and its input, opens a device for it and runs forward. */
void rig_open(rig *r, const fixture_spec *spec);
/* Opens the device anew, with a budget of so many bytes (0: the default), and runs forward. */
void rig_reopen(rig *r, uint64_t memory);
/* The same, where failing is no failure of the test. */
uvk_status rig_try(rig *r, uint64_t memory, uvk_error *err);
void rig_close(rig *r);

/* Fails the test unless status is UVK_OK. */
void rig_expect(uvk_status status, const uvk_error *err);

#endif
