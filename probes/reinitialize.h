/* Weights drawn anew, so that maps can be checked to depend on what a model has learned (sanity, METHOD section 6). */
#ifndef UVK_PROBES_REINITIALIZE_H
#define UVK_PROBES_REINITIALIZE_H

#include "session.h"

/* Block 1..L, of an encoder-decoder the encoder's first, as before training: every matrix normal, mean 0, with the deviation that it has; biases 0; norms 1 and 0. The model's own
 * weights come back by uvk_restore_weights. Either way what the last forward left is no longer this model's, and a new one is needed. */
uvk_status uvk_reinitialize_block(uvk_session *session, int block, int64_t seed, uvk_error *err);
uvk_status uvk_restore_weights(uvk_session *session, uvk_error *err);

#endif
