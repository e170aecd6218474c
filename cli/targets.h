/* Which tokens are explained. */
#ifndef UVK_CLI_TARGETS_H
#define UVK_CLI_TARGETS_H

#include "error.h"

typedef struct target_list {
    int32_t *tokens; /* owned */
    int count;
    bool listed;     /* each was named by its index: none of them is to be left out of any output */
} target_list;

/* "patches", "all", "cls", indices and ranges a-b, joined by commas, in a sequence of n tokens. UVK_USAGE for what the model does
 * not have and for a token named twice. */
uvk_status targets_parse(const char *spec, const uvk_model_info *model, int n, target_list *out, uvk_error *err);
/* The patch token under the pixel x,y of the photo; UVK_USAGE when the model does not see that pixel. */
uvk_status targets_at_pixel(int x, int y, const uvk_model_info *model, const uvk_input_info *input, target_list *out, uvk_error *err);
/* Of all: the special tokens, and patches spread over the grid, side by side of them. Never more than all has. */
void targets_spread(const target_list *all, const uvk_model_info *model, int side, target_list *out);
/* Of all: some, evenly spread. */
void targets_thin(const target_list *all, int some, target_list *out);
void targets_free(target_list *list);

/* Row and column of a patch token. */
int token_row(const uvk_model_info *model, int token);
int token_column(const uvk_model_info *model, int token);

#endif
