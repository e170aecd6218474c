#include "pieces.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- Room ------------------------------------------------------------------------------------------------------------------- */

static bool grow_text(uvk_pieces *p, size_t more)
{
    if (p->full || p->no_memory)
        return false;
    if (more > p->limit || p->length > p->limit - more) {
        p->full = true;
        return false;
    }
    if (p->length + more <= p->room)
        return true;
    size_t room = p->room + p->room / 2 + more + 64;
    char *bytes = realloc(p->bytes, room);
    if (bytes)
        p->bytes = bytes;
    uvk_span *align = bytes ? realloc(p->align, room * sizeof *align) : NULL;
    if (align)
        p->align = align;
    p->no_memory = !align;
    if (align)
        p->room = room;
    return align != NULL;
}

static uvk_piece *new_item(uvk_pieces *p)
{
    if (p->count == p->item_room) {
        size_t room = p->item_room * 2 + 16;
        uvk_piece *items = realloc(p->items, room * sizeof *items);
        if (!items) {
            p->no_memory = true;
            return NULL;
        }
        p->items = items;
        p->item_room = room;
    }
    return &p->items[p->count++];
}

static void append(uvk_pieces *p, const char *bytes, size_t n, uvk_span align)
{
    if (!grow_text(p, n))
        return;
    if (n > 0)
        memcpy(p->bytes + p->length, bytes, n);
    for (size_t i = 0; i < n; i++)
        p->align[p->length + i] = align;
    p->length += n;
}

/* ---- Life ------------------------------------------------------------------------------------------------------------------- */

uvk_status uvk_pieces_init(uvk_pieces *p, const char *text, size_t length, uvk_error *err)
{
    enum { MOST = 1 << 30, LEAST_LIMIT = 16 << 20, GROWTH = 64 };
    *p = (uvk_pieces){0};
    if (length > MOST)
        return uvk_fail(err, UVK_BAD_INPUT, "text too long (found %zu bytes, expected at most %d)", length, (int)MOST);
    p->limit = length > MOST / GROWTH ? MOST : length * GROWTH + LEAST_LIMIT;
    for (size_t at = 0; at < length && !p->no_memory;) {
        uint32_t character;
        size_t size = uvk_utf8_get(text + at, &character);
        append(p, text + at, size, (uvk_span){(uint32_t)at, (uint32_t)(at + size)});
        at += size;
    }
    if (length > 0 && !p->no_memory)
        uvk_pieces_cut(p, (uvk_piece){.id = -1}, 0, p->length);
    if (!p->no_memory)
        return UVK_OK;
    uvk_pieces_free(p);
    return uvk_fail_memory(err, length, "a text");
}

void uvk_pieces_free(uvk_pieces *p)
{
    free(p->bytes);
    free(p->align);
    free(p->items);
    *p = (uvk_pieces){0};
}

uvk_pieces uvk_pieces_next(const uvk_pieces *old)
{
    return (uvk_pieces){.limit = old->limit};
}

uvk_status uvk_pieces_replace(uvk_pieces *p, uvk_pieces *next, uvk_error *err)
{
    bool full = next->full, no_memory = next->no_memory;
    size_t limit = p->limit;
    uvk_pieces_free(full || no_memory ? next : p);
    if (full)
        return uvk_fail(err, UVK_BAD_INPUT, "the normalized text is too long (expected at most %zu bytes)", limit);
    if (no_memory)
        return uvk_fail_memory(err, limit, "a normalized text");
    *p = *next;
    return UVK_OK;
}

/* ---- Cutting ---------------------------------------------------------------------------------------------------------------- */

void uvk_pieces_cut(uvk_pieces *p, uvk_piece of, size_t from, size_t to)
{
    uvk_piece *item = from < to ? new_item(p) : NULL;
    if (item)
        *item = (uvk_piece){.from = (uint32_t)from, .to = (uint32_t)to, .start = p->align[from].start, .id = of.id};
}

void uvk_pieces_keep(uvk_pieces *p, uvk_piece piece)
{
    uvk_piece *item = new_item(p);
    if (item)
        *item = piece;
}

uvk_cuts uvk_pieces_recut(uvk_pieces *p)
{
    uvk_cuts old = {p->items, p->count};
    p->items = NULL;
    p->count = p->item_room = 0;
    return old;
}

uvk_span uvk_pieces_origin(const uvk_pieces *p, const uvk_piece *piece, size_t from, size_t to)
{
    size_t length = piece->to - piece->from;
    if (from >= to || to > length) /* as the library has it: the range itself */
        return (uvk_span){piece->start + (uint32_t)from, piece->start + (uint32_t)to};
    return (uvk_span){p->align[piece->from + from].start, p->align[piece->from + to - 1].end};
}

/* ---- Edits ------------------------------------------------------------------------------------------------------------------ */

void uvk_edit_begin_exact(uvk_edit *e, const uvk_pieces *from, uvk_piece source, uvk_pieces *to)
{
    *e = (uvk_edit){.from = from, .to = to, .source = source, .at = source.from, .begun = to->length};
}

void uvk_edit_restart(uvk_edit *e)
{
    e->to->length = e->begun;
    e->at = e->source.from;
}

/* The library replaces what the original text covers: bytes in front that stand for nothing stay. */
void uvk_edit_begin(uvk_edit *e, const uvk_pieces *from, uvk_piece source, uvk_pieces *to)
{
    uvk_edit_begin_exact(e, from, source, to);
    size_t n = 0;
    while (source.from + n < source.to && from->align[source.from + n].start == from->align[source.from + n].end)
        n++;
    uvk_edit_keep(e, n);
}

static uvk_span before(const uvk_edit *e)
{
    return e->at > e->source.from ? e->from->align[e->at - 1] : (uvk_span){e->source.start, e->source.start};
}

static uvk_span next(const uvk_edit *e)
{
    return e->at < e->source.to ? e->from->align[e->at] : before(e);
}

void uvk_edit_drop(uvk_edit *e)
{
    uint32_t character;
    if (e->at < e->source.to)
        e->at += uvk_utf8_get(e->from->bytes + e->at, &character);
}

void uvk_edit_put(uvk_edit *e, uint32_t character, long change)
{
    char bytes[4];
    size_t n = uvk_utf8_put(character, bytes);
    append(e->to, bytes, n, change > 0 ? before(e) : next(e));
    for (; change <= 0 && e->at < e->source.to; change++)
        uvk_edit_drop(e);
}

void uvk_edit_keep(uvk_edit *e, size_t n)
{
    if (n > 0 && grow_text(e->to, n)) {
        memcpy(e->to->bytes + e->to->length, e->from->bytes + e->at, n);
        memcpy(e->to->align + e->to->length, e->from->align + e->at, n * sizeof(uvk_span));
        e->to->length += n;
    }
    e->at += n;
}

void uvk_edit_replace(uvk_edit *e, const char *bytes, size_t n, size_t replaced)
{
    e->at += replaced;
    append(e->to, bytes, n, before(e));
}

void uvk_edit_end(uvk_edit *e)
{
    uvk_piece *item = e->to->length > e->begun ? new_item(e->to) : NULL;
    if (!item)
        return;
    *item = e->source;
    item->from = (uint32_t)e->begun;
    item->to = (uint32_t)e->to->length;
}
