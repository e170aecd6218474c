#include "pipeline.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

uvk_status uvk_behavior_load(const cJSON *component, const char *file, uvk_behavior *out, uvk_error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *name = NULL;
    uvk_status status = uvk_json_string(component, "behavior", file, &name, err);
    if (status != UVK_OK || !name)
        return status;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (uvk_behavior)i;
            return UVK_OK;
        }
    }
    return uvk_fail(err, UVK_BAD_INPUT, "%s: behavior %.100s is not supported", file, name);
}

static void find_characters(const uvk_splitter *by, const char *text, size_t length, uvk_matches *out)
{
    size_t done = 0;
    for (size_t at = 0; at < length;) {
        uint32_t character;
        size_t size = uvk_utf8_get(text + at, &character);
        if (by->is(character, by->with)) {
            if (done < at)
                uvk_matches_add(out, done, at, false);
            uvk_matches_add(out, at, at + size, true);
            done = at + size;
        }
        at += size;
    }
    if (done < length)
        uvk_matches_add(out, done, length, false);
}

/* ---- What becomes of the matches: pieces from..to, in order ---------------------------------------------------------------------- */

/* Matches in place of m[i] that are of one piece: i+1 is joined to i. The library's rules, which look at pairs only. */
static bool joins(const uvk_matches *m, size_t i, uvk_behavior behavior)
{
    bool here = m->items[i].is_match, next = m->items[i + 1].is_match;
    switch (behavior) {
    case UVK_SPLIT_CONTIGUOUS: return here == next;
    case UVK_SPLIT_PREVIOUS: return next && !here;
    case UVK_SPLIT_NEXT: return here && !next;
    default: return false;
    }
}

static void cut(uvk_pieces *p, uvk_piece of, const uvk_matches *m, uvk_behavior behavior)
{
    for (size_t i = 0; i < m->count;) {
        size_t last = i;
        while (last + 1 < m->count && joins(m, last, behavior))
            last++;
        if (behavior != UVK_SPLIT_REMOVED || !m->items[i].is_match)
            uvk_pieces_cut(p, of, of.from + m->items[i].from, of.from + m->items[last].to);
        i = last + 1;
    }
}

static uvk_status split_one(uvk_pieces *p, uvk_piece piece, const uvk_splitter *by, uvk_matches *m, uvk_error *err)
{
    uvk_status status = UVK_OK;
    m->count = 0;
    if (by->pattern)
        status = uvk_pattern_find(by->pattern, p->bytes + piece.from, piece.to - piece.from, m, err);
    else
        find_characters(by, p->bytes + piece.from, piece.to - piece.from, m);
    if (status == UVK_OK && m->no_memory)
        return uvk_fail_memory(err, piece.to - piece.from, "matches");
    for (size_t i = 0; i < m->count; i++)
        m->items[i].is_match ^= by->invert;
    if (status == UVK_OK)
        cut(p, piece, m, by->behavior);
    return status;
}

uvk_status uvk_pieces_split(uvk_pieces *p, const uvk_splitter *by, uvk_error *err)
{
    uvk_cuts old = uvk_pieces_recut(p);
    uvk_matches m = {0};
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < old.count && status == UVK_OK; i++) {
        if (old.items[i].id >= 0)
            uvk_pieces_keep(p, old.items[i]);
        else
            status = split_one(p, old.items[i], by, &m, err);
    }
    free(old.items);
    uvk_matches_free(&m);
    if (status == UVK_OK && p->no_memory)
        return uvk_fail_memory(err, p->length, "pieces");
    return status;
}
