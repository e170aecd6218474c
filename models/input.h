/* One image as one model sees it. */
#ifndef UVK_MODELS_INPUT_H
#define UVK_MODELS_INPUT_H

#include "model.h"

struct uvk_input {
    char *path;
    int height, width; /* of pixels */
    uvk_input_info info;
    uvk_image photo;   /* empty for an array */
    float *pixels;     /* [3, height, width], owned */
};

#endif
