/* What the classes of an image classifier are called: config.json's id2label. */
#ifndef UVK_MODELS_CLASS_NAMES_H
#define UVK_MODELS_CLASS_NAMES_H

#include "error.h"

/* *out[classes] is owned by the caller; a class without a label has NULL. A label longer than a kilobyte, or an id that is none:
 * UVK_BAD_INPUT. */
uvk_status uvk_class_names_load(const char *dir, int classes, char ***out, uvk_error *err);
void uvk_class_names_free(char **labels, int classes); /* NULL is allowed */

#endif
