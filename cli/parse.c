/* From argv to options, by the tables. */
#include "options.h"

#include "document.h"
#include "suggest.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uvk_status bad_value(const flag *f, const char *value, const char *expected, uvk_error *err)
{
    return uvk_fail(err, UVK_USAGE, "--%s %s: expected %s", f->name, value, expected);
}

static bool read_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && *end == '\0' && errno == 0 && !isspace((unsigned char)*text);
}

static uvk_status set_integer(const flag *f, const char *value, void *field, uvk_error *err)
{
    int64_t number;
    if (!read_integer(value, &number))
        return bad_value(f, value, "a whole number", err);
    if (number < f->low || number > f->high)
        return uvk_fail(err, UVK_USAGE, "--%s %s: expected a number from %lld to %lld", f->name, value, (long long)f->low, (long long)f->high);
    if (f->high > INT32_MAX)
        *(int64_t *)field = number;
    else
        *(int *)field = (int)number;
    return UVK_OK;
}

/* Also "auto", -1. */
static uvk_status set_layer(const flag *f, const char *value, int *field, uvk_error *err)
{
    if (strcmp(value, "auto") != 0)
        return set_integer(f, value, field, err);
    *field = -1;
    return UVK_OK;
}

static uvk_status set_real(const flag *f, const char *value, double *field, uvk_error *err)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || isspace((unsigned char)*value))
        return bad_value(f, value, "a number", err);
    if (!(number >= (double)f->low && number <= (double)f->high))
        return uvk_fail(err, UVK_USAGE, "--%s %s: expected a number from %lld to %lld", f->name, value, (long long)f->low, (long long)f->high);
    *field = number;
    return UVK_OK;
}

static uvk_status set_count(const flag *f, const char *value, int *field, uvk_error *err)
{
    int64_t number;
    if (strcmp(value, "all") == 0)
        *field = -1;
    else if (read_integer(value, &number) && number >= 1 && number <= INT32_MAX)
        *field = (int)number;
    else
        return bad_value(f, value, "a number from 1 up, or all", err);
    return UVK_OK;
}

static uvk_status set_bytes(const flag *f, const char *value, uint64_t *field, uvk_error *err)
{
    static const char expected[] = "a number of bytes such as 800M or 2G";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || errno || number == 0)
        return bad_value(f, value, expected, err);
    const char *units = "KMG", *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (*end && (!unit || end[1]))
        return bad_value(f, value, expected, err);
    uint64_t factor = unit ? UINT64_C(1) << (10 * (unit - units + 1)) : 1;
    return uvk_mul(number, factor, field) ? UVK_OK : bad_value(f, value, expected, err);
}

static uvk_status set_choice(const flag *f, const char *value, int *field, uvk_error *err)
{
    suggestion near = {.word = value};
    char hint[80], known[80] = "";
    for (int i = 0; f->choices[i]; i++) {
        if (strcmp(value, f->choices[i]) == 0) {
            *field = i;
            return UVK_OK;
        }
        suggest_offer(&near, f->choices[i]);
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, f->choices[i], sizeof known - strlen(known) - 1);
    }
    return uvk_fail(err, UVK_USAGE, "--%s %s: expected one of %s%s", f->name, value, known, suggest_text(&near, "", hint));
}

/* Two whole numbers with separator between. */
static uvk_status set_pair(const flag *f, const char *value, char separator, const char *expected, number_pair *field, uvk_error *err)
{
    int64_t first = 0, second = 0;
    char *copy = text_copy(value), *middle = strchr(copy, separator);
    if (middle)
        *middle = '\0';
    bool good = middle && read_integer(copy, &first) && read_integer(middle + 1, &second) && first == (int)first && second == (int)second;
    free(copy);
    if (!good)
        return bad_value(f, value, expected, err);
    *field = (number_pair){true, (int)first, (int)second};
    return UVK_OK;
}

static uvk_status set_span(const flag *f, const char *value, number_pair *field, uvk_error *err)
{
    static const char expected[] = "characters as START:END, counted from 0, the end not among them";
    uvk_status status = set_pair(f, value, ':', expected, field, err);
    if (status == UVK_OK && (field->first < 0 || field->second <= field->first))
        return bad_value(f, value, expected, err);
    return status;
}

static uvk_status set_shard(const flag *f, const char *value, number_pair *field, uvk_error *err)
{
    static const char expected[] = "I/N, such as 1/4: the first of four shards";
    uvk_status status = set_pair(f, value, '/', expected, field, err);
    if (status == UVK_OK && (field->first < 1 || field->first > field->second))
        return bad_value(f, value, expected, err);
    return status;
}

/* One number is a square. */
static uvk_status set_size(const flag *f, const char *value, number_pair *field, uvk_error *err)
{
    static const char expected[] = "pixels as N or HEIGHTxWIDTH";
    int64_t side;
    uvk_status status = UVK_OK;
    if (!read_integer(value, &side) || side != (int)side)
        status = set_pair(f, value, 'x', expected, field, err);
    else
        *field = (number_pair){true, (int)side, (int)side};
    return status == UVK_OK && (field->first < 1 || field->second < 1) ? bad_value(f, value, expected, err) : status;
}

static uvk_status set_value(const flag *f, const char *value, options *o, uvk_error *err)
{
    void *field = (char *)o + f->offset;
    switch (f->kind) {
    case FLAG_SWITCH:
        *(bool *)field = true;
        return UVK_OK;
    case FLAG_TEXT:
        if (!*value)
            return uvk_fail(err, UVK_USAGE, "--%s: the value is empty (expected %s)", f->name, f->argument);
        *(const char **)field = value;
        return UVK_OK;
    case FLAG_INTEGER: return set_integer(f, value, field, err);
    case FLAG_LAYER: return set_layer(f, value, field, err);
    case FLAG_REAL: return set_real(f, value, field, err);
    case FLAG_COUNT: return set_count(f, value, field, err);
    case FLAG_BYTES: return set_bytes(f, value, field, err);
    case FLAG_CHOICE: return set_choice(f, value, field, err);
    case FLAG_PIXEL: return set_pair(f, value, ',', "a pixel as X,Y", field, err);
    case FLAG_SPAN: return set_span(f, value, field, err);
    case FLAG_SHARD: return set_shard(f, value, field, err);
    case FLAG_SIZE: return set_size(f, value, field, err);
    }
    return UVK_OK;
}

/* A name may mean something else to another verb; one that this verb does not take is found as well. */
static const flag *find_flag(const char *name, size_t length, const verb *v)
{
    const flag *found = NULL;
    for (int i = 0; i < n_flags; i++)
        if (strlen(flags[i].name) == length && strncmp(flags[i].name, name, length) == 0 && (!found || flags[i].verbs & v->bit))
            found = &flags[i];
    return found;
}

static uvk_status unknown_flag(const char *argument, const verb *v, uvk_error *err)
{
    char hint[80], *word = text_copy(argument + strspn(argument, "-"));
    word[strcspn(word, "=")] = '\0';
    suggestion near = {.word = word};
    for (int i = 0; i < n_flags; i++)
        if (flags[i].verbs & v->bit)
            suggest_offer(&near, flags[i].name);
    if (!near.best)
        snprintf(hint, sizeof hint, " (see ultravk %s --help)", v->name);
    else
        suggest_text(&near, "--", hint);
    uvk_status status = uvk_fail(err, UVK_USAGE, "%.*s: unknown flag%s", (int)strcspn(argument, "="), argument, hint);
    free(word);
    return status;
}

static const char *whole_name(const char *argument)
{
    return strcmp(argument, "-h") == 0 ? "--help" : strcmp(argument, "-o") == 0 ? "--out" : argument;
}

/* A flag at argv[*i]; moves *i past a value that stands on its own. */
static uvk_status parse_flag(int argc, char **argv, int *i, options *o, bool *given, uvk_error *err)
{
    const char *argument = whole_name(argv[*i]);
    size_t length = strcspn(argument, "=");
    const flag *f = strncmp(argument, "--", 2) == 0 ? find_flag(argument + 2, length - 2, o->verb) : NULL;
    if (!f)
        return unknown_flag(argument, o->verb, err);
    if (!(f->verbs & o->verb->bit))
        return uvk_fail(err, UVK_USAGE, "--%s is not a flag of %s (see ultravk %s --help)", f->name, o->verb->name, o->verb->name);
    const char *value = argument[length] ? argument + length + 1 : NULL;
    if (f->kind == FLAG_SWITCH && value)
        return uvk_fail(err, UVK_USAGE, "--%s takes no value (found %s)", f->name, value);
    if (f->kind != FLAG_SWITCH && !value) {
        if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0)
            return uvk_fail(err, UVK_USAGE, "--%s needs a value (%s)", f->name, f->argument ? f->argument : f->choices[0]);
        value = argv[++*i];
    }
    given[f - flags] = true;
    return set_value(f, value, o, err);
}

/* "-" is standard input and "-5" a number, not a flag. */
static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] && !isdigit((unsigned char)argument[1]);
}

static uvk_status find_verb(const char *name, options *o, uvk_error *err)
{
    suggestion near = {.word = name};
    char hint[80];
    for (int i = 0; i < n_verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            o->verb = &verbs[i];
            return UVK_OK;
        }
        suggest_offer(&near, verbs[i].name);
    }
    if (is_flag(name))
        return uvk_fail(err, UVK_USAGE, "%s: the verb comes first (see ultravk --help)", name);
    if (!near.best)
        return uvk_fail(err, UVK_USAGE, "%s: unknown verb (see ultravk --help)", name);
    return uvk_fail(err, UVK_USAGE, "%s: unknown verb%s", name, suggest_text(&near, "", hint));
}

static uvk_status check_complete(const options *o, const bool *given, uvk_error *err)
{
    const verb *v = o->verb;
    for (int i = 0; i < n_flags; i++)
        if ((flags[i].required & v->bit) && !given[i])
            return uvk_fail(err, UVK_USAGE, "%s needs --%s %s", v->name, flags[i].name, flags[i].argument);
    if (o->n_arguments < v->least)
        return uvk_fail(err, UVK_USAGE, "%s: %s", v->name, v->missing);
    if (v->most >= 0 && o->n_arguments > v->most)
        return uvk_fail(err, UVK_USAGE, "%s: unexpected argument %s (usage: ultravk %s %s)", v->name, o->arguments[v->most], v->name, v->arguments);
    return UVK_OK;
}

/* One argument as a shell takes it back. */
static char *quoted(const char *argument)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%";
    if (*argument && strspn(argument, plain) == strlen(argument))
        return text_copy(argument);
    char *out = text_alloc(strlen(argument) * 4 + 3, 1), *end = out;
    *end++ = '\'';
    for (const char *c = argument; *c; c++) {
        size_t length = *c == '\'' ? 4 : 1;
        memcpy(end, *c == '\'' ? "'\\''" : c, length);
        end += length;
    }
    *end = '\'';
    return out;
}

static char *command_line(int argc, char **argv)
{
    char *line = text_copy("ultravk");
    for (int i = 1; i < argc; i++) {
        char *argument = quoted(argv[i]), *longer = text_format("%s %s", line, argument);
        free(argument);
        free(line);
        line = longer;
    }
    char *clean = text_utf8(line);
    free(line);
    return clean;
}

/* "help VERB", or what the build asks for: "help --man". */
static uvk_status find_help(const char *topic, options *o, uvk_error *err)
{
    for (int i = 0; document_names[i]; i++)
        if (strncmp(topic, "--", 2) == 0 && strcmp(topic + 2, document_names[i]) == 0) {
            o->document = i;
            return UVK_OK;
        }
    return find_verb(topic, o, err);
}

uvk_status options_parse(int argc, char **argv, options *out, uvk_error *err)
{
    *out = (options){.program = argc ? argv[0] : "ultravk", .document = -1, .own_token = -1, .at_word = -1, .zeta = NAN, .delta = NAN, .lambda = NAN};
    if (argc < 2)
        return uvk_fail(err, UVK_USAGE, "no verb given (see ultravk --help)");
    out->help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    out->version = strcmp(argv[1], "--version") == 0;
    if (out->help || out->version)
        return argc > 2 && strcmp(argv[1], "help") == 0 ? find_help(argv[2], out, err) : UVK_OK;

    uvk_status status = find_verb(argv[1], out, err);
    bool *given = text_alloc((size_t)n_flags, sizeof *given);
    bool flags_ended = false;
    out->arguments = text_alloc((size_t)argc, sizeof *out->arguments);
    out->command = command_line(argc, argv);
    for (int i = 2; i < argc && status == UVK_OK; i++) {
        if (!flags_ended && strcmp(argv[i], "--") == 0)
            flags_ended = true;
        else if (!flags_ended && is_flag(argv[i]))
            status = parse_flag(argc, argv, &i, out, given, err);
        else
            out->arguments[out->n_arguments++] = argv[i];
    }
    if (out->similar_to && out->scalar == UVK_SUM)
        out->scalar = UVK_SIMILARITY; /* what else */
    if (status == UVK_OK && !out->help && !out->version)
        status = check_complete(out, given, err);
    free(given);
    return status;
}

void options_free(options *o)
{
    free(o->arguments);
    free(o->command);
}
