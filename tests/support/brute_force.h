/* Explanation rows by their definition: every gradient a central difference, every C(b) a matrix, the product multiplied
 * out. For models of a few tokens. */
#ifndef BRUTE_FORCE_H
#define BRUTE_FORCE_H

#include "reference.h"

typedef struct brute_force brute_force;

/* Takes the differences: 4 L H n^2 forward passes. r must outlive the result. NULL: no memory. */
brute_force *brute_force_create(reference *r, const fixture_spec *spec);
void brute_force_free(brute_force *b); /* NULL is allowed */

typedef struct brute_row {
    int scalar; /* REFERENCE_SUM... */
    int layer, first_block;
    bool formula, normalized;
} brute_row;

/* row[n] of the target. */
void brute_force_row(const brute_force *b, const brute_row *what, int target, double *row);

#endif
