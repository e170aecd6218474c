/* Words and sentences, in one pass over the code points. */
#include "error.h"

#include <stdlib.h>
#include <utf8proc.h>

/* ---- Characters ----------------------------------------------------------------------------------------------------- */

typedef enum kind {
    LETTER,
    DIGIT,     /* also Roman and other numerals, which no point or comma joins */
    IDEOGRAPH,
    MARK,      /* continues what it stands behind, and is no word by itself */
    JOINER,    /* apostrophe, hyphen */
    POINT,     /* point, comma: join digits */
    OTHER
} kind;

static bool is_ideograph(int32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x3005 && c <= 0x3007) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

/* Zero-width joiner and non-joiner shape the letters of a word; a soft hyphen stands within one. */
static bool is_invisible(int32_t c)
{
    return c == 0x200c || c == 0x200d || c == 0xad;
}

static kind kind_of_category(utf8proc_category_t category)
{
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return DIGIT;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return MARK;
    default:
        return OTHER;
    }
}

static kind kind_of(int32_t c)
{
    switch (c) {
    case '\'': case 0x2019: case 0xff07:
    case '-': case 0x2010: case 0x2011:
        return JOINER;
    case '.': case ',': case 0x66b: case 0x66c:
        return POINT;
    default:
        return is_ideograph(c) ? IDEOGRAPH : is_invisible(c) ? MARK : kind_of_category(utf8proc_category(c));
    }
}

static bool is_newline(int32_t c)
{
    return (c >= 0x0a && c <= 0x0d) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool is_space(int32_t c)
{
    return c == '\t' || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

/* Behind these white space decides; the ideographic ones need none. */
static bool ends_with_space(int32_t c)
{
    switch (c) {
    case '.': case '!': case '?': case 0x2026: /* ... */
    case 0x203c: case 0x2047: case 0x2048: case 0x2049: /* !! ?? ?! !? */
    case 0x589: case 0x61f: case 0x6d4: case 0x964: case 0x965: /* Armenian, Arabic, Devanagari */
        return true;
    default:
        return false;
    }
}

static bool ends_at_once(int32_t c)
{
    return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff0e || c == 0xff61;
}

static bool is_closing(int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return c == '"' || c == '\'' || category == UTF8PROC_CATEGORY_PE || category == UTF8PROC_CATEGORY_PF || category == UTF8PROC_CATEGORY_PI;
}

/* ---- The cutter ------------------------------------------------------------------------------------------------------ */

typedef struct cutter {
    uvk_word *words;
    int count, capacity;
    /* The word being read. */
    bool open;
    uvk_word word;
    kind last;         /* its last character, marks aside */
    kind joined_by;    /* what stands behind it and may join; OTHER: nothing */
    int letters;       /* characters of it, marks aside */
    /* The sentence being read. */
    enum { INSIDE, ENDED, SPACED } state; /* behind its end, and white space behind that */
    bool at_once;      /* its end needs no white space */
    bool next;         /* the next word begins a new one */
    int sentence;
} cutter;

static uvk_status close_word(cutter *c, uvk_error *err)
{
    if (!c->open)
        return UVK_OK;
    if (c->count == c->capacity) {
        int capacity = c->capacity ? 2 * c->capacity : 256;
        uvk_word *words = realloc(c->words, (size_t)capacity * sizeof *words);
        if (!words)
            return uvk_fail_memory(err, (size_t)capacity * sizeof *words, "words");
        c->words = words;
        c->capacity = capacity;
    }
    c->words[c->count++] = c->word;
    c->open = false;
    return UVK_OK;
}

static void open_word(cutter *c, int32_t at, int32_t char_at)
{
    if (c->next && c->count > 0)
        c->sentence++;
    c->next = false;
    c->open = true;
    c->letters = 0;
    c->word = (uvk_word){.start = at, .char_start = char_at, .sentence = c->sentence};
}

/* Whether a letter or digit goes on with the open word. */
static bool continues(const cutter *c, kind k)
{
    if (!c->open || k == IDEOGRAPH || c->last == IDEOGRAPH)
        return false;
    return c->joined_by != POINT || (k == DIGIT && c->last == DIGIT);
}

static uvk_status cut_word(cutter *c, kind k, int32_t at, int32_t char_at, int32_t size, uvk_error *err)
{
    if (k == OTHER || ((k == JOINER || k == POINT || k == MARK) && c->joined_by != OTHER)) {
        c->joined_by = OTHER;
        return close_word(c, err);
    }
    if (k == JOINER || k == POINT) {
        c->joined_by = c->open ? k : OTHER;
        return UVK_OK;
    }
    if (k != MARK && !continues(c, k)) {
        uvk_status status = close_word(c, err);
        if (status)
            return status;
        open_word(c, at, char_at);
    }
    if (c->open) {
        c->word.end = at + size;
        c->word.char_end = char_at + 1;
        c->last = k == MARK ? c->last : k;
        c->letters += k != MARK;
    }
    c->joined_by = OTHER;
    return UVK_OK;
}

/* "U." is an initial. */
static bool is_initial(const cutter *c, int32_t point)
{
    return point == '.' && c->open && c->joined_by == OTHER && c->letters == 1 && c->last == LETTER;
}

/* Before the character goes to cut_word, as it decides in which sentence a word stands. */
static void cut_sentence(cutter *c, int32_t point)
{
    if (is_newline(point)) {
        c->next = true;
        c->state = INSIDE;
    } else if (ends_at_once(point) || (ends_with_space(point) && !(c->state == INSIDE && is_initial(c, point)))) {
        c->at_once = ends_at_once(point) || (c->state != INSIDE && c->at_once);
        c->state = ENDED;
    } else if (c->state != INSIDE && is_space(point)) {
        c->state = SPACED;
    } else if (!(c->state == ENDED && is_closing(point))) {
        if (c->state == SPACED || (c->state == ENDED && c->at_once))
            c->next |= c->at_once || utf8proc_category(point) != UTF8PROC_CATEGORY_LL;
        c->state = INSIDE;
    }
}

uvk_status uvk_words(const char *text, size_t length, uvk_word **out, int *count, uvk_error *err)
{
    if (length > INT32_MAX)
        return uvk_fail(err, UVK_USAGE, "a text too long to be cut into words (found %zu bytes, expected at most %d)", length, INT32_MAX);
    cutter c = {.joined_by = OTHER};
    uvk_status status = UVK_OK;
    int32_t char_at = 0;
    for (size_t at = 0; !status && at < length; char_at++) {
        int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate((const uint8_t *)text + at, (utf8proc_ssize_t)(length - at), &point);
        if (size <= 0) {
            status = uvk_fail(err, UVK_BAD_INPUT, "not UTF-8 at byte %zu", at);
            break;
        }
        cut_sentence(&c, point);
        status = cut_word(&c, kind_of(point), (int32_t)at, char_at, (int32_t)size, err);
        at += (size_t)size;
    }
    if (!status)
        status = close_word(&c, err);
    if (status) {
        free(c.words);
        return status;
    }
    *out = c.words;
    *count = c.count;
    return UVK_OK;
}
