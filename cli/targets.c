#include "targets.h"

#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int token_row(const uvk_model_info *model, int token)
{
    return (token - model->special) / model->grid_cols;
}

int token_column(const uvk_model_info *model, int token)
{
    return (token - model->special) % model->grid_cols;
}

/* "7" or "7-12": false when it is neither. */
static bool read_range(const char *item, long *first, long *last)
{
    char *end;
    if (!isdigit((unsigned char)*item))
        return false;
    *first = *last = strtol(item, &end, 10);
    if (*end == '-' && isdigit((unsigned char)end[1]))
        *last = strtol(end + 1, &end, 10);
    return *end == '\0';
}

static uvk_status item_range(const char *item, const uvk_model_info *model, int n, long *first, long *last, bool *listed, uvk_error *err)
{
    bool patches = strcmp(item, "patches") == 0, cls = strcmp(item, "cls") == 0, all = strcmp(item, "all") == 0;
    *listed = false;
    if ((patches || cls) && model->modality == UVK_TEXT)
        return uvk_fail(err, UVK_USAGE, "--tokens %s: a text has no %s (expected all, an index or a range such as 40-49; --at-word N names a word)", item,
                        patches ? "patches" : "CLS token");
    if (patches || all) {
        *first = patches ? model->special : 0;
        *last = n - 1;
        return UVK_OK;
    }
    *listed = true;
    if (cls) {
        *first = *last = 0;
        return model->special > 0 ? UVK_OK : uvk_fail(err, UVK_USAGE, "--tokens cls: this model has no CLS token");
    }
    if (!read_range(item, first, last))
        return uvk_fail(err, UVK_USAGE, "--tokens: \"%s\" is no token (expected %sall, an index or a range such as 40-49)", item,
                       model->modality == UVK_TEXT ? "" : "patches, cls, ");
    if (*first > *last)
        return uvk_fail(err, UVK_USAGE, "--tokens %s: the range runs backwards", item);
    if (*last >= n)
        return uvk_fail(err, UVK_USAGE, "--tokens %s: out of range (the sequence has tokens 0 to %d)", item, n - 1);
    return UVK_OK;
}

static uvk_status add_range(long first, long last, bool *seen, target_list *out, uvk_error *err)
{
    for (long token = first; token <= last; token++) {
        if (seen[token])
            return uvk_fail(err, UVK_USAGE, "--tokens: token %ld is named twice", token);
        seen[token] = true;
        out->tokens[out->count++] = (int32_t)token;
    }
    return UVK_OK;
}

uvk_status targets_parse(const char *spec, const uvk_model_info *model, int n, target_list *out, uvk_error *err)
{
    *out = (target_list){.tokens = text_alloc((size_t)n, sizeof *out->tokens), .listed = true};
    bool *seen = text_alloc((size_t)n, sizeof *seen);
    char *items = text_copy(spec), *rest = items, *item;
    uvk_status status = UVK_OK;
    while (status == UVK_OK && (item = strsep(&rest, ","))) {
        long first = 0, last = 0;
        bool listed;
        status = item_range(item, model, n, &first, &last, &listed, err);
        if (status == UVK_OK)
            status = add_range(first, last, seen, out, err);
        out->listed = out->listed && listed;
    }
    free(items);
    free(seen);
    return status;
}

uvk_status targets_at_pixel(int x, int y, const uvk_model_info *model, const uvk_input_info *input, target_list *out, uvk_error *err)
{
    int width = input->photo_width ? input->photo_width : model->image_width;
    int height = input->photo_height ? input->photo_height : model->image_height;
    if (x < 0 || y < 0 || x >= width || y >= height)
        return uvk_fail(err, UVK_USAGE, "%s: --at-pixel %d,%d is outside the photo (%dx%d)", input->path, x, y, width, height);
    /* the middle of the pixel, in patches */
    double column = floor((x + 0.5 - input->offset_x) / input->scale_x / model->patch);
    double row = floor((y + 0.5 - input->offset_y) / input->scale_y / model->patch);
    if (column < 0 || row < 0 || column >= model->grid_cols || row >= model->grid_rows)
        return uvk_fail(err, UVK_USAGE, "%s: --at-pixel %d,%d is outside what the model sees (x from %.0f to %.0f, y from %.0f to %.0f)", input->path, x, y,
                        ceil(input->offset_x), input->offset_x + input->scale_x * model->grid_cols * model->patch - 1,
                        ceil(input->offset_y), input->offset_y + input->scale_y * model->grid_rows * model->patch - 1);
    *out = (target_list){.tokens = text_alloc(1, sizeof *out->tokens), .count = 1, .listed = true};
    out->tokens[0] = model->special + (int)row * model->grid_cols + (int)column;
    return UVK_OK;
}

/* Whether index is one of side places spread evenly over size. */
static bool is_spread(int index, int size, int side)
{
    for (int k = 0; k < side; k++)
        if (index == (2 * k + 1) * size / (2 * side))
            return true;
    return false;
}

void targets_spread(const target_list *all, const uvk_model_info *model, int side, target_list *out)
{
    *out = (target_list){.tokens = text_alloc((size_t)all->count, sizeof *out->tokens), .listed = all->listed};
    for (int i = 0; i < all->count; i++) {
        int token = all->tokens[i];
        if (token < model->special ||
            (is_spread(token_row(model, token), model->grid_rows, side) && is_spread(token_column(model, token), model->grid_cols, side)))
            out->tokens[out->count++] = token;
    }
}

void targets_thin(const target_list *all, int some, target_list *out)
{
    *out = (target_list){.tokens = text_alloc((size_t)all->count, sizeof *out->tokens), .listed = all->listed};
    for (int i = 0; i < all->count; i++)
        if (all->count <= some || is_spread(i, all->count, some))
            out->tokens[out->count++] = all->tokens[i];
}

void targets_free(target_list *list)
{
    free(list->tokens);
    *list = (target_list){0};
}
