#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>

uvk_status uvk_pieces_rewrite(uvk_pieces *p, uvk_rewrite *edit, const void *with, uvk_error *err)
{
    uvk_pieces next = uvk_pieces_next(p);
    for (size_t i = 0; i < p->count; i++) {
        uvk_edit e;
        if (p->items[i].id >= 0) {
            uvk_edit_begin_exact(&e, p, p->items[i], &next);
            uvk_edit_keep(&e, p->items[i].to - p->items[i].from);
        } else {
            uvk_edit_begin(&e, p, p->items[i], &next);
            next.no_memory |= !edit(&e, with);
        }
        uvk_edit_end(&e);
    }
    return uvk_pieces_replace(p, &next, err);
}

void uvk_edit_prepend(uvk_edit *e, const char *bytes, size_t n)
{
    uint32_t first, character;
    size_t size = uvk_utf8_get(e->from->bytes + e->source.from, &first);
    uvk_edit_restart(e);
    for (size_t at = 0; at < n;) {
        size_t step = uvk_utf8_get(bytes + at, &character);
        uvk_edit_put(e, character, at > 0);
        at += step;
    }
    uvk_edit_put(e, first, 1);
    e->at = e->source.from + size;
    uvk_edit_keep(e, e->source.to - e->at);
}

static void substitute(uvk_edit *e, const uvk_matches *found, const char *with, size_t n)
{
    for (size_t i = 0; i < found->count; i++) {
        uvk_match m = found->items[i];
        if (m.is_match)
            uvk_edit_replace(e, with, n, m.to - m.from);
        else
            uvk_edit_keep(e, m.to - m.from);
    }
}

uvk_status uvk_pieces_substitute(uvk_pieces *p, const uvk_pattern *pattern, const char *with, size_t n, uvk_error *err)
{
    uvk_pieces next = uvk_pieces_next(p);
    uvk_matches found = {0};
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < p->count && status == UVK_OK; i++) {
        uvk_piece piece = p->items[i];
        uvk_edit e;
        uvk_edit_begin_exact(&e, p, piece, &next);
        found.count = 0;
        if (piece.id >= 0)
            uvk_edit_keep(&e, piece.to - piece.from);
        else if ((status = uvk_pattern_find(pattern, p->bytes + piece.from, piece.to - piece.from, &found, err)) == UVK_OK)
            substitute(&e, &found, with, n);
        uvk_edit_end(&e);
    }
    uvk_matches_free(&found);
    if (status == UVK_OK)
        return uvk_pieces_replace(p, &next, err);
    uvk_pieces_free(&next);
    return status;
}
