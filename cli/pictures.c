/* --png: which pictures an input gets. With many targets one sheet shows them all, and a few get a picture of their own. */
#include "pictures.h"
#include "folder.h"
#include "heatmap.h"
#include "messages.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 16, SIDE = 4 };

/* The targets that get a picture of their own; owned by the caller. */
static target_list chosen(const target_list *all, const uvk_model_info *model)
{
    target_list out;
    if (!all->listed && all->count > MANY) {
        targets_spread(all, model, SIDE, &out);
        return out;
    }
    out = *all;
    out.tokens = text_alloc((size_t)all->count, sizeof *out.tokens);
    memcpy(out.tokens, all->tokens, (size_t)all->count * sizeof *out.tokens);
    return out;
}

uvk_status pictures_prepare(const job *j, const target_list *targets, uvk_error *err)
{
    target_list some = chosen(targets, j->info);
    if (some.count < targets->count)
        note("--png: the sheet shows every patch, %d of %d targets get a picture of their own; --tokens chooses others", some.count, targets->count);
    targets_free(&some);
    return folder_make(j->o->png, err);
}

/* S of target k over the patches. */
static const float *patch_scores(const job *j, const explained *r, int k)
{
    return r->scores + (size_t)k * (size_t)r->n + j->info->special;
}

static uvk_status write_sheet(const job *j, const explained *r, const backdrop *b, const char *stem, uvk_error *err)
{
    int special = j->info->special;
    const float **maps = text_alloc((size_t)(r->n - special), sizeof *maps);
    for (int k = 0; k < r->targets.count; k++)
        if (r->targets.tokens[k] >= special)
            maps[r->targets.tokens[k] - special] = patch_scores(j, r, k);
    char *name = text_format("%s.sheet.png", stem), *path = text_join_path(j->o->png, name);
    uvk_status status = sheet_write(path, b, maps, err);
    free(path);
    free(name);
    free(maps);
    return status;
}

static uvk_status write_overlays(const job *j, const explained *r, const backdrop *b, const char *stem, uvk_error *err)
{
    target_list some = chosen(&r->targets, j->info);
    uvk_status status = UVK_OK;
    for (int k = 0, next = 0; next < some.count && status == UVK_OK; k++) {
        int target = r->targets.tokens[k];
        if (target != some.tokens[next]) /* some is in the order of all */
            continue;
        char *name = text_format("%s.tok%d.png", stem, target), *path = text_join_path(j->o->png, name);
        int place = target < j->info->special ? -1 : target - j->info->special;
        status = heatmap_write(path, b, patch_scores(j, r, k), place, err);
        free(path);
        free(name);
        next++;
    }
    targets_free(&some);
    return status;
}

uvk_status pictures_write(const job *j, const explained *r, uvk_error *err)
{
    char *stem = text_stem(r->path);
    backdrop b;
    uvk_status status = backdrop_open(j->info, r->input, &b, err);
    if (status == UVK_OK && r->targets.count > MANY)
        status = write_sheet(j, r, &b, stem, err);
    if (status == UVK_OK)
        status = write_overlays(j, r, &b, stem, err);
    backdrop_close(&b);
    free(stem);
    return status;
}
