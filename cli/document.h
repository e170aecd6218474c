/* The man page and the completions of shells, written from the tables of options.c when the program is built. */
#ifndef UVK_CLI_DOCUMENT_H
#define UVK_CLI_DOCUMENT_H

/* On stdout. kind: a name of document_names. */
void document_print(int kind);
extern const char *const document_names[]; /* NULL ends it */

#endif
