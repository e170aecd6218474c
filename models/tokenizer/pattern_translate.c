#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sets that mean something else in PCRE2 ----------------------------------------------------------------------------------
 *
 * Oniguruma's \s is White_Space; PCRE2's has U+180E as well. Its \w has marks and all connectors. Its tables are of Unicode 16,
 * those of PCRE2 10.42 of 14: what came between is added to the categories that patterns use. */

#define SPACE "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                                                                \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}" \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

static const char letters[] =
    "\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}\\x{10d6f}-\\x{10d85}"
    "\\x{10ec2}-\\x{10ec4}\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}"
    "\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}"
    "\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}"
    "\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";
static const char numbers[] =
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}"
    "\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{1e5fa}";
static const char digits[] =
    "\\p{Nd}\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}"
    "\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{1e5fa}";
static const char marks[] =
    "\\x{897}\\x{cf3}\\x{ece}\\x{10d69}-\\x{10d6d}\\x{10efc}-\\x{10eff}\\x{11241}\\x{113b8}-\\x{113c0}\\x{113c2}\\x{113c5}"
    "\\x{113c7}-\\x{113ca}\\x{113cc}-\\x{113d0}\\x{113d2}\\x{113e1}-\\x{113e2}\\x{11f00}-\\x{11f01}\\x{11f03}\\x{11f34}-\\x{11f3a}"
    "\\x{11f3e}-\\x{11f42}\\x{11f5a}\\x{13440}\\x{13447}-\\x{13455}\\x{1611e}-\\x{1612f}\\x{1e08f}\\x{1e4ec}-\\x{1e4ef}"
    "\\x{1e5ee}-\\x{1e5ef}";
static const char punctuation[] =
    "\\x{1b4e}-\\x{1b4f}\\x{1b7f}\\x{10d6e}\\x{113d4}-\\x{113d5}\\x{113d7}-\\x{113d8}\\x{11b00}-\\x{11b09}\\x{11be1}"
    "\\x{11f43}-\\x{11f4f}\\x{16d6d}-\\x{16d6f}\\x{1e5ff}";
static const char symbols[] =
    "\\x{2427}-\\x{2429}\\x{2ffc}-\\x{2fff}\\x{31e4}-\\x{31e5}\\x{31ef}\\x{10d8e}-\\x{10d8f}\\x{1cc00}-\\x{1ccef}"
    "\\x{1cd00}-\\x{1ceb3}\\x{1f6dc}\\x{1f774}-\\x{1f776}\\x{1f77b}-\\x{1f77f}\\x{1f7d9}\\x{1f8b2}-\\x{1f8bb}\\x{1f8c0}-\\x{1f8c1}"
    "\\x{1fa75}-\\x{1fa77}\\x{1fa87}-\\x{1fa89}\\x{1fa8f}\\x{1faad}-\\x{1faaf}\\x{1fabb}-\\x{1fabf}\\x{1fac6}\\x{1face}-\\x{1facf}"
    "\\x{1fada}-\\x{1fadc}\\x{1fadf}\\x{1fae8}-\\x{1fae9}\\x{1faf7}-\\x{1faf8}\\x{1fbcb}-\\x{1fbef}";
static const char word[] =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
    "\\x{897}\\x{cf3}\\x{ece}\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}\\x{10d40}-\\x{10d65}"
    "\\x{10d69}-\\x{10d6d}\\x{10d6f}-\\x{10d85}\\x{10ec2}-\\x{10ec4}\\x{10efc}-\\x{10eff}\\x{1123f}-\\x{11241}"
    "\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}-\\x{113c0}\\x{113c2}\\x{113c5}\\x{113c7}-\\x{113ca}"
    "\\x{113cc}-\\x{113d3}\\x{113e1}-\\x{113e2}\\x{116d0}-\\x{116e3}\\x{11bc0}-\\x{11be0}\\x{11bf0}-\\x{11bf9}"
    "\\x{11f00}-\\x{11f10}\\x{11f12}-\\x{11f3a}\\x{11f3e}-\\x{11f42}\\x{11f50}-\\x{11f5a}\\x{1342f}\\x{13440}-\\x{13455}"
    "\\x{13460}-\\x{143fa}\\x{16100}-\\x{16139}\\x{16d40}-\\x{16d6c}\\x{16d70}-\\x{16d79}\\x{18cff}\\x{1b132}\\x{1b155}"
    "\\x{1ccf0}-\\x{1ccf9}\\x{1df25}-\\x{1df2a}\\x{1e030}-\\x{1e06d}\\x{1e08f}\\x{1e4d0}-\\x{1e4f9}\\x{1e5d0}-\\x{1e5fa}\\x{2b739}"
    "\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";

static const struct {
    const char *name, *added;
} categories[] = {{"L", letters}, {"N", numbers}, {"M", marks}, {"P", punctuation}, {"S", symbols}};

/* ---- Output ----------------------------------------------------------------------------------------------------------------- */

enum { MAX_GROUPS = 200 };

typedef struct translation {
    const char *at; /* the rest of the expression */
    char *out;
    size_t length, room;
    size_t groups[MAX_GROUPS]; /* where the open ones began in out */
    size_t depth;
    size_t atom; /* where the last thing that can be repeated began in out; SIZE_MAX: nowhere */
    const char *why;
} translation;

static bool refuse(translation *t, const char *why)
{
    t->why = why;
    return false;
}

static bool put_bytes(translation *t, const char *bytes, size_t n)
{
    if (t->length + n + 1 > t->room) {
        size_t room = t->room * 2 + n + 64;
        char *out = realloc(t->out, room);
        if (!out)
            return refuse(t, NULL);
        t->out = out;
        t->room = room;
    }
    memcpy(t->out + t->length, bytes, n);
    t->length += n;
    t->out[t->length] = '\0';
    return true;
}

static bool put(translation *t, const char *text)
{
    return put_bytes(t, text, strlen(text));
}

static bool copy(translation *t, size_t n)
{
    const char *from = t->at;
    t->at += n;
    return put_bytes(t, from, n);
}

/* ---- Escapes ---------------------------------------------------------------------------------------------------------------- */

/* A set given by what belongs to it: bare within a class, bracketed outside. */
static bool put_set(translation *t, bool in_class, bool negated, const char *members)
{
    return in_class ? put(t, members) : put(t, negated ? "[^" : "[") && put(t, members) && put(t, "]");
}

/* \p{L}, with what newer tables add; other properties as they are. */
static bool property(translation *t, bool in_class)
{
    const char *close = t->at[2] == '{' ? strchr(t->at, '}') : NULL;
    if (!close)
        return refuse(t, "a property without braces");
    bool negated = t->at[1] == 'P' || t->at[3] == '^';
    const char *name = t->at + (t->at[3] == '^' ? 4 : 3);
    size_t length = (size_t)(close - name), whole = (size_t)(close + 1 - t->at);
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
        char set[1024];
        if (length != 1 || name[0] != categories[i].name[0] || (negated && in_class))
            continue;
        snprintf(set, sizeof set, "\\p{%s}%s", categories[i].name, categories[i].added);
        t->at += whole;
        return put_set(t, in_class, negated, set);
    }
    return copy(t, whole);
}

static bool hexadecimal(translation *t)
{
    char text[16];
    if (strspn(t->at + 2, "0123456789abcdefABCDEF") < 4)
        return refuse(t, "\\u without four digits");
    snprintf(text, sizeof text, "\\x{%.4s}", t->at + 2);
    t->at += 6;
    return put(t, text);
}

static bool replace_escape(translation *t, bool in_class, bool negated, const char *members)
{
    t->at += 2;
    return put_set(t, in_class, negated, members);
}

static bool negated_set(translation *t, bool in_class, const char *members)
{
    return in_class ? refuse(t, "a negated set within a class") : replace_escape(t, false, true, members);
}

static bool boundary(translation *t, bool negated)
{
    t->at += 2;
    return put(t, "(?:(?<=[") && put(t, word) && put(t, negated ? "])(?=[" : "])(?![") && put(t, word) && put(t, "])|(?<![") && put(t, word) &&
           put(t, negated ? "])(?![" : "])(?=[") && put(t, word) && put(t, "]))");
}

static bool escape(translation *t, bool in_class)
{
    switch (t->at[1]) {
    case '\0': return refuse(t, "it ends in a backslash");
    case 's': return replace_escape(t, in_class, false, SPACE);
    case 'S': return replace_escape(t, in_class, false, NOT_SPACE);
    case 'd': return replace_escape(t, in_class, false, digits);
    case 'h': return replace_escape(t, in_class, false, "0-9a-fA-F");
    case 'w': return replace_escape(t, in_class, false, word);
    case 'W': return negated_set(t, in_class, word);
    case 'D': return negated_set(t, in_class, digits);
    case 'H': return negated_set(t, in_class, "0-9a-fA-F");
    case 'v': return replace_escape(t, true, false, "\\x{b}");
    case 'p':
    case 'P': return property(t, in_class);
    case 'u': return hexadecimal(t);
    case 'b':
    case 'B': return in_class ? copy(t, 2) : boundary(t, t->at[1] == 'B');
    case 'K':
    case 'Q':
    case 'E':
    case 'C': return refuse(t, "an escape that is not supported");
    default: return copy(t, 2);
    }
}

/* ---- Classes ---------------------------------------------------------------------------------------------------------------- */

/* What is between the brackets. A class within it, which PCRE2 does not have, is poured into it: the union is the same. */
static bool members(translation *t, int depth)
{
    for (bool first = true; *t->at != ']' || first; first = false) {
        bool ok;
        if (*t->at == '\0' || depth > 20)
            return refuse(t, "an open class");
        if (*t->at == '\\') {
            ok = escape(t, true);
        } else if (t->at[0] == '&' && t->at[1] == '&') {
            return refuse(t, "an intersection of classes");
        } else if (t->at[0] == '[' && t->at[1] == ':' && strstr(t->at, ":]")) {
            ok = copy(t, (size_t)(strstr(t->at, ":]") + 2 - t->at));
        } else if (t->at[0] == '[' && t->at[1] == '^') {
            return refuse(t, "a negated set within a class");
        } else if (*t->at == '[') {
            t->at++;
            ok = members(t, depth + 1);
            t->at += ok;
        } else if (*t->at == ']') { /* the first of a class stands for itself */
            t->at++;
            ok = put(t, "\\]");
        } else {
            ok = copy(t, 1);
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool class(translation *t)
{
    t->at++;
    bool negated = *t->at == '^';
    t->at += negated;
    if (!put(t, negated ? "[^" : "[") || !members(t, 0))
        return false;
    t->at++;
    return put(t, "]");
}

/* ---- Groups and repetition -------------------------------------------------------------------------------------------------- */

/* (?m) lets a dot match \n: PCRE2 calls it s. */
static bool flags(translation *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!put_bytes(t, t->at[i] == 'm' ? "s" : t->at + i, 1))
            return false;
    t->at += n;
    return true;
}

static bool open_group(translation *t)
{
    if (t->depth == MAX_GROUPS)
        return refuse(t, "groups nested too deep");
    t->groups[t->depth++] = t->length;
    t->atom = SIZE_MAX;
    if (!copy(t, 1))
        return false;
    if (t->at[0] == '*')
        return refuse(t, "a verb");
    if (t->at[0] != '?')
        return true;
    if (!copy(t, 1))
        return false;
    if (strchr("CPR&0123456789+(|~", t->at[0]) && t->at[0])
        return refuse(t, "a kind of group that is not supported");
    size_t n = strspn(t->at, "imx-");
    return n == 0 || (t->at[n] != ':' && t->at[n] != ')') || flags(t, n);
}

static bool close_group(translation *t)
{
    if (t->depth == 0)
        return refuse(t, "a group closed that was not open");
    t->atom = t->groups[--t->depth];
    return copy(t, 1);
}

/* {n,m}: its size, 0 when the brace stands for itself. */
static size_t interval(const char *at)
{
    size_t low = strspn(at + 1, "0123456789"), comma = at[1 + low] == ',';
    size_t high = comma ? strspn(at + 2 + low, "0123456789") : 0;
    return low + high > 0 && at[1 + low + comma + high] == '}' ? low + comma + high + 2 : 0;
}

static bool wrap(translation *t)
{
    size_t from = t->atom, moved = t->length - from;
    if (!put(t, "(?:)"))
        return false;
    memmove(t->out + from + 3, t->out + from, moved);
    memcpy(t->out + from, "(?:", 3);
    t->out[t->length - 1] = ')';
    return true;
}

/* {,m} begins at 0, and a + behind an interval repeats it where PCRE2 would make it possessive. */
static bool repeat(translation *t, size_t n)
{
    if (t->at[1] == ',') {
        t->at++;
        n--;
        if (!put(t, "{0"))
            return false;
    }
    return copy(t, n) && (*t->at != '+' || t->atom == SIZE_MAX || wrap(t));
}

static bool one(translation *t)
{
    size_t n = *t->at == '{' ? interval(t->at) : 0;
    if (n > 0)
        return repeat(t, n);
    if (strchr("*+?|", *t->at))
        return copy(t, 1);
    if (*t->at == ')')
        return close_group(t);
    if (*t->at == '(')
        return open_group(t);
    t->atom = t->length;
    if (*t->at == '\\')
        return escape(t, false);
    if (*t->at == '[')
        return class(t);
    if (*t->at == '{' || *t->at == '}') {
        t->at++;
        return put_bytes(t, "\\", 1) && put_bytes(t, t->at - 1, 1);
    }
    size_t size = 1;
    while (((unsigned char)t->at[size] & 0xC0) == 0x80)
        size++;
    return copy(t, size);
}

char *uvk_pattern_translate(const char *regex, const char **why)
{
    translation t = {.at = regex, .atom = SIZE_MAX};
    bool ok = put(&t, "");
    while (ok && *t.at)
        ok = one(&t);
    if (ok)
        return t.out;
    free(t.out);
    *why = t.why;
    return NULL;
}
