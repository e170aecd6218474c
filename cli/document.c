#include "document.h"

#include "options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *const document_names[] = {"man", "bash", "zsh", "fish", NULL};

static bool takes(const verb *v, const flag *f)
{
    return f->verbs & v->bit;
}

/* Prints text with before in front of each character of special. */
static void print_escaped(const char *text, const char *special, const char *before)
{
    for (; *text; text++)
        printf("%s%c", strchr(special, *text) ? before : "", *text);
}

static void print_choices(const flag *f, const char *separator)
{
    for (int i = 0; f->choices[i]; i++)
        printf("%s%s", i ? separator : "", f->choices[i]);
}

/* ---- man --------------------------------------------------------------------------------------------------------------- */

/* A line of text: nothing in it is a request, its dashes are those of a command. */
static void print_roff(const char *text, size_t length)
{
    if (length && strchr(".'", *text))
        fputs("\\&", stdout);
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(text[i]);
}

static void print_roff_lines(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        print_roff(text, length);
        putchar('\n');
        text += length + (text[length] == '\n');
    }
}

static void man_flag(const flag *f)
{
    printf(".TP\n\\fB\\-\\-");
    print_roff(f->name, strlen(f->name));
    fputs("\\fR", stdout);
    if (f->choices) {
        fputs(" \\fB", stdout);
        print_choices(f, "\\fR|\\fB");
        fputs("\\fR", stdout);
    } else if (f->argument) {
        fputs(" \\fI", stdout);
        print_roff(f->argument, strlen(f->argument));
        fputs("\\fR", stdout);
    }
    putchar('\n');
    print_roff_lines(f->help);
    if (f->fallback) {
        fputs("[", stdout);
        print_roff(f->fallback, strlen(f->fallback));
        fputs("]\n", stdout);
    }
}

static void man_verb(const verb *v)
{
    printf(".SS ultravk %s ", v->name);
    print_roff(v->arguments, strlen(v->arguments));
    putchar('\n');
    print_roff_lines(v->summary);
    if (v->details) {
        puts(".PP");
        print_roff_lines(v->details);
    }
    for (int i = 0; i < n_flags; i++)
        if (takes(v, &flags[i]))
            man_flag(&flags[i]);
    puts(".PP\n.nf");
    print_roff_lines(v->examples);
    puts(".fi");
}

static void print_man(void)
{
    printf(".TH ULTRAVK 1 \"\" \"ultravk %s\" \"\"\n.SH NAME\nultravk \\- explain every token of a transformer on any Vulkan device\n", uvk_version());
    puts(".SH SYNOPSIS\n\\fBultravk\\fR \\fIVERB\\fR ...\n.SH DESCRIPTION\n"
         "For every latent token of an image, a map of the input tokens that made it what it is; for every word of a summary, the words of\n"
         "the text that it came from. Results go to stdout and into an SQLite database, everything else to stderr.\n.SH VERBS");
    for (int i = 0; i < n_verbs; i++)
        man_verb(&verbs[i]);
    puts(".SH EXIT STATUS\n0 done, 1 failed while running, 2 wrong usage, 3 an input or model file is missing or bad, 4 no usable Vulkan device,\n"
         "5 interrupted, everything finished so far kept.\n.SH ENVIRONMENT\n.TP\n\\fBULTRAVK_DEVICE\\fR\nthe device, as of \\-\\-device");
}

/* ---- bash -------------------------------------------------------------------------------------------------------------- */

static void print_bash(void)
{
    puts("# bash completion of ultravk\n_ultravk() {\n    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "    if [ \"$COMP_CWORD\" = 1 ]; then");
    fputs("        words=\"help", stdout);
    for (int i = 0; i < n_verbs; i++)
        printf(" %s", verbs[i].name);
    puts("\"\n    else\n        case $before in");
    for (int i = 0; i < n_flags; i++)
        if (flags[i].choices) {
            printf("        --%s) words=\"", flags[i].name);
            print_choices(&flags[i], " ");
            puts("\" ;;");
        }
    puts("        *) case $current in -*) case ${COMP_WORDS[1]} in");
    for (int k = 0; k < n_verbs; k++) {
        printf("            %s) words=\"", verbs[k].name);
        for (int i = 0; i < n_flags; i++)
            if (takes(&verbs[k], &flags[i]))
                printf("--%s ", flags[i].name);
        puts("\" ;;");
    }
    puts("            esac ;; esac ;;\n        esac\n    fi\n    if [ -n \"$words\" ]; then\n        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "    else\n        COMPREPLY=($(compgen -f -- \"$current\"))\n    fi\n}\ncomplete -o filenames -F _ultravk ultravk");
}

/* ---- zsh --------------------------------------------------------------------------------------------------------------- */

/* Inside single quotes, in a specification whose colons and brackets mean something. */
static void print_zsh(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            printf("%s%c", strchr("[]:\\", *text) ? "\\" : "", *text);
}

static void zsh_flag(const flag *f)
{
    printf("            '--%s[", f->name);
    print_zsh(f->help);
    putchar(']');
    if (f->choices) {
        printf(":%s:(", f->name);
        print_choices(f, " ");
        putchar(')');
    } else if (f->kind != FLAG_SWITCH) {
        putchar(':');
        print_zsh(f->argument);
        fputs(f->kind == FLAG_TEXT ? ":_files" : ": ", stdout);
    }
    puts("' \\");
}

static void print_zsh_file(void)
{
    puts("#compdef ultravk\n_ultravk() {\n    local -a verbs=(");
    for (int i = 0; i < n_verbs; i++) {
        printf("        '%s:", verbs[i].name);
        print_zsh(verbs[i].summary);
        puts("'");
    }
    puts("    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
         "    case $verb in");
    for (int k = 0; k < n_verbs; k++) {
        printf("    %s)\n        _arguments \\\n", verbs[k].name);
        for (int i = 0; i < n_flags; i++)
            if (takes(&verbs[k], &flags[i]))
                zsh_flag(&flags[i]);
        puts("            '*:file:_files' ;;");
    }
    puts("    esac\n}\n_ultravk \"$@\"");
}

/* ---- fish -------------------------------------------------------------------------------------------------------------- */

static void print_fish(void)
{
    puts("# fish completion of ultravk");
    for (int i = 0; i < n_verbs; i++) {
        printf("complete -c ultravk -f -n __fish_use_subcommand -a %s -d '", verbs[i].name);
        print_escaped(verbs[i].summary, "'\\", "\\");
        puts("'");
    }
    for (int i = 0; i < n_flags; i++) {
        fputs("complete -c ultravk -n '__fish_seen_subcommand_from", stdout);
        for (int k = 0; k < n_verbs; k++)
            if (takes(&verbs[k], &flags[i]))
                printf(" %s", verbs[k].name);
        printf("' -l %s", flags[i].name);
        if (flags[i].choices) {
            fputs(" -x -a '", stdout);
            print_choices(&flags[i], " ");
            putchar('\'');
        } else if (flags[i].kind != FLAG_SWITCH) {
            fputs(flags[i].kind == FLAG_TEXT ? " -r" : " -x", stdout);
        }
        fputs(" -d '", stdout);
        print_escaped(flags[i].help, "'\\", "\\");
        puts("'");
    }
}

void document_print(int kind)
{
    static void (*const printers[])(void) = {print_man, print_bash, print_zsh_file, print_fish};
    printers[kind]();
}
