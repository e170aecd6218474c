/* Help, from the tables of options.c. */
#include "options.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN = 30 };

static int print_argument(const flag *f)
{
    if (!f->choices)
        return f->argument ? printf(" %s", f->argument) : 0;
    int printed = 0;
    for (int i = 0; f->choices[i]; i++)
        printed += printf("%c%s", i ? '|' : ' ', f->choices[i]);
    return printed;
}

static void print_flag(const flag *f)
{
    int printed = printf("  --%s", f->name) + print_argument(f);
    if (printed > COLUMN - 2)
        printed = printf("\n") - 1;
    printf("%*s%s", COLUMN - printed, "", f->help);
    if (f->fallback)
        printf(" [%s]", f->fallback);
    putchar('\n');
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
