/* Help, from the tables of options.c. */
#include "options.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN = 30, WIDTH = 100 };

static int print_argument(const flag *f)
{
    if (!f->choices)
        return f->argument ? printf(" %s", f->argument) : 0;
    int printed = 0;
    for (int i = 0; f->choices[i]; i++)
        printed += printf("%c%s", i ? '|' : ' ', f->choices[i]);
    return printed;
}

/* Words from column to WIDTH, on as many lines as they take; at is where the line stands now. */
static void print_words(const char *words, int at, int column)
{
    while (*words) {
        int length = (int)strcspn(words, " ");
        if (at > column && at + 1 + length > WIDTH)
            at = printf("\n") - 1;
        at += printf("%*s%.*s", at < column ? column - at : at > column, "", length, words);
        words += length + (words[length] == ' ');
    }
    putchar('\n');
}

static void print_flag(const flag *f)
{
    int printed = printf("  --%s", f->name) + print_argument(f);
    if (printed > COLUMN - 2)
        printed = printf("\n") - 1;
    char *words = f->fallback ? text_format("%s [%s]", f->help, f->fallback) : text_copy(f->help);
    print_words(words, printed, COLUMN);
    free(words);
}

static void print_program(void)
{
    puts("ultravk: explain every token of a transformer on any Vulkan device\n");
    puts("Usage: ultravk VERB ...\n");
    for (int i = 0; i < n_verbs; i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    puts("\nultravk VERB --help tells more; ultravk --version prints the version.\n\nExamples:");
    for (int i = 0; i < n_verbs; i++)
        printf("%.*s\n", (int)strcspn(verbs[i].examples, "\n"), verbs[i].examples);
    puts("\nExit status: 0 done, 1 failed while running, 2 wrong usage, 3 an input or model file is missing or bad,\n"
         "4 no usable Vulkan device, 5 interrupted. Results go to stdout, everything else to stderr.");
}

void help_print(const verb *v)
{
    if (!v) {
        print_program();
        return;
    }
    printf("ultravk %s: %s\n\nUsage: ultravk %s%s%s\n\n", v->name, v->summary, v->name, *v->arguments ? " " : "", v->arguments);
    if (v->details)
        printf("%s\n\n", v->details);
    puts("Flags [default]:");
    for (int i = 0; i < n_flags; i++)
        if (flags[i].verbs & v->bit)
            print_flag(&flags[i]);
    printf("\nExamples:\n%s", v->examples);
}
