#include "pipeline.h"
#include "unicode_tables.h"
#include "utf8.h"

#include <stdlib.h>

/* A decomposed character: change says, as in uvk_edit_put, whether it stands for one of the text or came out of the one before. It
 * goes with the character when marks are put in order, as the library has it. */
typedef struct mark {
    uint32_t character;
    long change;
    int class;
} mark;

/* A character of class 0 and what follows it up to the next: one order, one composition. */
typedef struct run {
    mark *items;
    size_t count, room;
} run;

static bool push(run *r, uint32_t character, long change, int class)
{
    if (r->count == r->room) {
        size_t room = r->room * 2 + 32;
        mark *items = realloc(r->items, room * sizeof *items);
        if (!items)
            return false;
        r->items = items;
        r->room = room;
    }
    r->items[r->count++] = (mark){character, change, class};
    return true;
}

/* Stable, and linear in the length for each of the classes: a text of marks alone must not take quadratic time. */
static bool order(run *r, size_t from)
{
    bool sorted = true;
    for (size_t i = from + 1; i < r->count; i++)
        sorted &= r->items[i - 1].class <= r->items[i].class;
    if (sorted)
        return true;
    size_t starts[257] = {0}, n = r->count - from;
    mark *copy = malloc(n * sizeof *copy);
    if (!copy)
        return false;
    for (size_t i = from; i < r->count; i++) {
        copy[i - from] = r->items[i];
        starts[r->items[i].class + 1]++;
    }
    for (int class = 0; class < 256; class++)
        starts[class + 1] += starts[class];
    for (size_t i = 0; i < n; i++)
        r->items[from + starts[copy[i].class]++] = copy[i];
    free(copy);
    return true;
}

/* What is composed so far: marks that did not go into the starter wait behind it. */
typedef struct composition {
    uvk_edit *e;
    mark starter;
    bool has_starter;
    int last_class; /* of the waiting marks; -1: none wait */
    run waiting;
} composition;

static void release(composition *c)
{
    if (c->has_starter)
        uvk_edit_put(c->e, c->starter.character, c->starter.change);
    for (size_t i = 0; i < c->waiting.count; i++)
        uvk_edit_put(c->e, c->waiting.items[i].character, c->waiting.items[i].change);
    c->has_starter = false;
    c->waiting.count = 0;
    c->last_class = -1;
}

static bool compose(composition *c, mark m)
{
    if (!c->has_starter && m.class != 0) {
        uvk_edit_put(c->e, m.character, m.change);
        return true;
    }
    bool blocked = c->last_class >= m.class;
    uint32_t composed = c->has_starter && !blocked ? uvk_compose(c->starter.character, m.character) : 0;
    if (composed) {
        c->starter.character = composed;
        c->starter.change += m.change - 1;
        return true;
    }
    if (m.class == 0) {
        release(c);
        c->starter = m;
        c->has_starter = true;
        return true;
    }
    c->last_class = m.class;
    return push(&c->waiting, m.character, m.change, m.class);
}

static bool flush(composition *c, run *r, bool composing)
{
    bool ok = order(r, 0);
    for (size_t i = 0; ok && i < r->count; i++) {
        if (composing)
            ok = compose(c, r->items[i]);
        else
            uvk_edit_put(c->e, r->items[i].character, r->items[i].change);
    }
    r->count = 0;
    return ok;
}

bool uvk_edit_normal_form(uvk_edit *e, bool composing, bool compatibly)
{
    composition c = {.e = e, .last_class = -1};
    run r = {0};
    bool ok = true;
    for (size_t at = e->source.from; ok && at < e->source.to;) {
        uint32_t character, parts[UVK_MAX_DECOMPOSITION];
        at += uvk_utf8_get(e->from->bytes + at, &character);
        size_t n = uvk_decompose(character, compatibly, parts);
        for (size_t i = 0; ok && i < n; i++) {
            int class = uvk_combining_class(parts[i]);
            if (class == 0)
                ok = flush(&c, &r, composing);
            ok = ok && push(&r, parts[i], i > 0, class);
        }
    }
    ok = ok && flush(&c, &r, composing);
    release(&c);
    free(r.items);
    free(c.waiting.items);
    return ok;
}
