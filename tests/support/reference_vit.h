/* A `vit` forward pass in plain double precision, with one number of it moved by hand.
 *
 * There is no backward pass here: what the library derives is checked against differences of this forward pass, so that
 * the check shares no derivation with it. Blocks, layers and z(l) are numbered as in ultravk.h, from 1. */
#ifndef REFERENCE_VIT_H
#define REFERENCE_VIT_H

#include "model_fixture.h"

typedef struct reference reference;

/* Runs the fixture's model over the fixture's input. f must outlive the reference. NULL: no memory. */
reference *reference_create(const fixture *f);
void reference_free(reference *r); /* NULL is allowed */

/* z(layer) as [n, d], layer in 1..L+1, and the probabilities A(block, head) as [n, n], head from 0. */
const double *reference_hidden(const reference *r, int layer);
const double *reference_attention(const reference *r, int block, int head);

/* What is moved, and by how much: A(block, head)[row, column] after the softmax or, for block 0, z(1)[row, column]. */
typedef struct reference_move {
    int block, head, row, column;
    double delta;
} reference_move;

/* Runs the forward pass from the move on. */
void reference_run_moved(reference *r, const reference_move *move);
/* z(layer) of the last moved run; layer above the move's block. */
const double *reference_moved(const reference *r, int layer);

/* Central differences of every scalar of the model at once, d f / d (the number `where` names; its delta is ignored):
 *   out[(energy * L + layer - 2) * n + i], layer in 2..L+1, f the sum of z_i(layer) or, where energy is 1, its length.
 * c is left out: it is a constant that a difference must not move. Zero for layers that the number cannot reach. */
void reference_difference(reference *r, const reference_move *where, double *out);
/* c_i = |z_i(layer)|. */
double reference_length(const reference *r, int layer, int token);

#endif
