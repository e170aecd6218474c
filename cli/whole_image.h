/* Scalars of a whole image: log p of a class (--class), the similarity with a text (--similar-to). */
#ifndef UVK_CLI_WHOLE_IMAGE_H
#define UVK_CLI_WHOLE_IMAGE_H

#include "explained.h"

#include <cjson/cJSON.h>

/* Whether the run is about one. */
bool whole_image_asked(const job *j);
/* Holds the flags against the model, and finds the class. */
uvk_status whole_image_check(job *j, uvk_error *err);
/* The text's embedding, before the model takes its place on the device. */
uvk_status whole_image_open(job *j, uvk_error *err);
/* The tokens that are explained unless --tokens says otherwise. */
const char *whole_image_tokens(const job *j);

/* What the model says of the image of the last forward. */
uvk_status whole_image_measure(const job *j, explained *r, uvk_error *err);
/* That as a line, and as members of an object. */
void whole_image_print(const job *j, const explained *r);
void whole_image_describe(const job *j, const explained *r, cJSON *json);

#endif
