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
    uvk_precision precision; /* of a device that is opened anew */
} rig;

/* Writes the model, loads it and its input, and runs forward on a device that such rigs share. */
void rig_open(rig *r, const fixture_spec *spec);
/* A device of the rig's own, opened anew, with a budget of so many bytes (0: the default), and the model on it; its kernels are not
 * compiled before they run. Failing is no failure of the test. */
uvk_status rig_device(rig *r, uint64_t memory, uvk_error *err);
/* The same, and the forward pass; neither may fail. */
void rig_reopen(rig *r, uint64_t memory);
void rig_close(rig *r);

/* Closes the device that rigs share, as the teardown of the group. Not at exit: by then validation layers have taken themselves down. */
int rig_end(void **state);

/* Another text for the same model, exactly these ids. Owned by the caller. */
uvk_input *rig_text(const rig *r, const int32_t *ids, int n);

/* Fails the test unless status is UVK_OK. */
void rig_expect(uvk_status status, const uvk_error *err);

#endif
