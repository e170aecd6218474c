/* --png: heat maps over the photo. */
#ifndef UVK_CLI_PICTURES_H
#define UVK_CLI_PICTURES_H

#include "explained.h"

/* Makes the folder of --png; says once what the pictures will not show. */
uvk_status pictures_prepare(const job *j, const target_list *targets, uvk_error *err);
uvk_status pictures_write(const job *j, const explained *r, uvk_error *err);

#endif
