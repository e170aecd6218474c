#include "pattern.h"

#include "utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* Either a string, or code. */
struct uvk_pattern {
    char *string;
    size_t length;
    pcre2_code *code;
    pcre2_match_context *limits;
};

/* ---- Compiling -------------------------------------------------------------------------------------------------------------- */

uvk_status uvk_pattern_string(const char *string, uvk_pattern **out, uvk_error *err)
{
    uvk_pattern *p = calloc(1, sizeof *p);
    if (p)
        p->string = strdup(string);
    if (!p || !p->string) {
        uvk_pattern_free(p);
        return uvk_fail_memory(err, strlen(string), "a pattern");
    }
    p->length = strlen(string);
    *out = p;
    return UVK_OK;
}

/* A line ends at \n alone, and ^ and $ stand at every line, as Oniguruma has it. */
static pcre2_code *compile(const char *regex, int *error)
{
    size_t where;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        *error = PCRE2_ERROR_HEAP_FAILED;
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 200);
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options, error, &where, context);
    pcre2_compile_context_free(context);
    return code;
}

/* One search may take so many steps: real patterns take a few for each character. */
static pcre2_match_context *make_limits(void)
{
    enum { STEPS = 10 * 1000 * 1000, HEAP_KIB = 256 * 1024 };
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (limits) {
        pcre2_set_match_limit(limits, STEPS);
        pcre2_set_heap_limit(limits, HEAP_KIB);
    }
    return limits;
}

uvk_status uvk_pattern_regex(const char *regex, const char *file, uvk_pattern **out, uvk_error *err)
{
    const char *why;
    char *translated = uvk_pattern_translate(regex, &why);
    if (!translated && !why)
        return uvk_fail_memory(err, strlen(regex), "a pattern");
    if (!translated)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: pattern \"%.200s\" is not supported (%s)", file, regex, why);
    int error = 0;
    uvk_pattern *p = calloc(1, sizeof *p);
    if (p) {
        p->code = compile(translated, &error);
        p->limits = make_limits();
    }
    free(translated);
    if (p && p->code && p->limits) {
        pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without, it is slower and the same */
        *out = p;
        return UVK_OK;
    }
    unsigned char message[128] = "";
    pcre2_get_error_message(error, message, sizeof message);
    bool no_memory = !p || !p->limits || error == PCRE2_ERROR_HEAP_FAILED;
    uvk_pattern_free(p);
    if (no_memory)
        return uvk_fail_memory(err, strlen(regex), "a pattern");
    return uvk_fail(err, UVK_BAD_INPUT, "%s: pattern \"%.200s\" is not supported (%s)", file, regex, (const char *)message);
}

void uvk_pattern_free(uvk_pattern *p)
{
    if (!p)
        return;
    free(p->string);
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    free(p);
}

/* ---- Finding ---------------------------------------------------------------------------------------------------------------- */

void uvk_matches_add(uvk_matches *m, size_t from, size_t to, bool is_match)
{
    if (m->count == m->room) {
        size_t room = m->room * 2 + 16;
        uvk_match *items = realloc(m->items, room * sizeof *items);
        if (!items) {
            m->no_memory = true;
            return;
        }
        m->items = items;
        m->room = room;
    }
    m->items[m->count++] = (uvk_match){(uint32_t)from, (uint32_t)to, is_match};
}

void uvk_matches_free(uvk_matches *m)
{
    free(m->items);
    *m = (uvk_matches){0};
}

/* JIT code has a small stack; what does not fit goes through the interpreter. */
static int match_once(const uvk_pattern *p, const char *text, size_t length, size_t at, pcre2_match_data *data)
{
    int found = pcre2_match(p->code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK, data, p->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(p->code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, p->limits);
    return found;
}

/* The next match from *at on, never an empty one where the last ended: 1 found, 0 none, below 0 an error. */
static int next_regex(const uvk_pattern *p, const char *text, size_t length, size_t *at, size_t last_end, pcre2_match_data *data)
{
    while (*at <= length) {
        int found = match_once(p, text, length, *at, data);
        if (found == PCRE2_ERROR_NOMATCH)
            return 0;
        if (found < 0)
            return found;
        const size_t *where = pcre2_get_ovector_pointer(data);
        if (where[0] > where[1]) /* \K in a lookahead */
            return PCRE2_ERROR_BADOFFSET;
        if (where[0] < where[1] || where[1] != last_end)
            return 1;
        uint32_t character;
        *at += *at < length ? uvk_utf8_get(text + *at, &character) : 1;
    }
    return 0;
}

static int find_regex(const uvk_pattern *p, const char *text, size_t length, uvk_matches *out, pcre2_match_data *data)
{
    size_t done = 0, at = 0, last_end = SIZE_MAX;
    int found;
    while ((found = next_regex(p, text, length, &at, last_end, data)) > 0 && !out->no_memory) {
        const size_t *where = pcre2_get_ovector_pointer(data);
        if (where[0] < done) /* \K in a lookbehind */
            return PCRE2_ERROR_BADOFFSET;
        if (done < where[0])
            uvk_matches_add(out, done, where[0], false);
        uvk_matches_add(out, where[0], where[1], true);
        done = at = last_end = where[1];
    }
    if (found == 0 && done < length)
        uvk_matches_add(out, done, length, false);
    return found;
}

static const char *search(const char *text, size_t length, const char *what, size_t size)
{
    const char *at = text;
    while (length - (size_t)(at - text) >= size) {
        at = memchr(at, what[0], length - (size_t)(at - text) - size + 1);
        if (!at || memcmp(at, what, size) == 0)
            return at;
        at++;
    }
    return NULL;
}

static void find_string(const uvk_pattern *p, const char *text, size_t length, uvk_matches *out)
{
    size_t done = 0;
    const char *at;
    while (p->length > 0 && (at = search(text + done, length - done, p->string, p->length)) != NULL) {
        size_t from = (size_t)(at - text);
        if (done < from)
            uvk_matches_add(out, done, from, false);
        uvk_matches_add(out, from, from + p->length, true);
        done = from + p->length;
    }
    if (done < length)
        uvk_matches_add(out, done, length, false);
}

uvk_status uvk_pattern_find(const uvk_pattern *p, const char *text, size_t length, uvk_matches *out, uvk_error *err)
{
    int found = 0;
    if (p->string) {
        find_string(p, text, length, out);
    } else {
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        if (!data)
            return uvk_fail_memory(err, length, "matches");
        found = find_regex(p, text, length, out, data);
        pcre2_match_data_free(data);
    }
    if (out->no_memory)
        return uvk_fail_memory(err, length, "matches");
    if (found < 0)
        return uvk_fail(err, UVK_BAD_INPUT, "a pattern of the tokenizer does not get done with the text (PCRE2 error %d)", found);
    return UVK_OK;
}
