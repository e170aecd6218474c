/* A small results database, and everything that ultravk does with one that somebody hands over. */
#ifndef USE_DATABASE_H
#define USE_DATABASE_H

#include "fuzz.h"

/* Writes it to path: an image under two layers, a text with its summary, and numbers of every kind. */
void make_database(const char *path);

/* One of these, as which says: some of the named queries and some SQL; a report; a merge into a new database; and what writes to it:
 * migration, reuse of rows, prune. All of them with every input would be slow. */
void use_database(const char *path, unsigned which);

/* Copies a file of fuzz_folder, and removes a database with what lies beside it. */
void copy_database(const char *from, const char *to);
void remove_database(const char *path);

#endif
