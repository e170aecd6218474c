/* A forward pass in plain double precision, with one number of it moved by hand.
 *
 * There is no backward pass here: what the library derives is checked against differences of this forward pass, so that
 * the check shares no derivation with it. Blocks, layers and z(l) are numbered as in ultravk.h, from 1. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "model_fixture.h"

typedef struct reference reference;

/* Runs the fixture's model over the fixture's input. f must outlive the reference. NULL: no memory. */
reference *reference_create(const fixture *f);
/* The same over other token ids. */
reference *reference_create_text(const fixture *f, const int32_t *ids, int tokens);
void reference_free(reference *r); /* NULL is allowed */

/* z(layer) as [n, d], layer in 1..L+1, and the probabilities A(block, head) as [n, n], head from 0. */
const double *reference_hidden(const reference *r, int layer);
const double *reference_attention(const reference *r, int block, int head);
/* Of a model with a head: the vocabulary's logits at a position, and log p of each id there. */
void reference_logits(const reference *r, int position, double *out);
void reference_log_softmax(double *logits, int count);
/* The first of the largest. */
int reference_argmax(const double *x, int count);

/* What is moved, and by how much: A(block, head)[row, column] after the softmax or, for block 0, z(1)[row, column]. */
typedef struct reference_move {
    int block, head, row, column;
    double delta;
} reference_move;

/* Runs the forward pass from the move on. */
void reference_run_moved(reference *r, const reference_move *move);
/* From now on, moved runs leave what each MLP makes of each token as it was: differences are then of a model whose MLPs are
 * constants. false: no memory. */
bool reference_hold_mlps(reference *r);
/* z(layer) of the last moved run; layer above the move's block. */
const double *reference_moved(const reference *r, int layer);

/* The scalars f of token i at layer l: the sum of z_i(l), its length, and log p of the next token (of the likeliest at the end),
 * which stands at layer L+1 of a model with a head. c is left out: it is a constant that a difference must not move. */
enum { REFERENCE_SUM, REFERENCE_ENERGY, REFERENCE_LOGPROB, REFERENCE_SCALARS };

/* Central differences of every scalar of the model at once, d f / d (the number `where` names; its delta is ignored):
 * out[reference_scalar(...)]. Zero for layers that the number cannot reach. */
void reference_difference(reference *r, const reference_move *where, double *out);
size_t reference_scalar(const reference *r, int scalar, int layer, int token);
size_t reference_scalars(const reference *r); /* in out */
/* c_i of METHOD: |z_i(layer)|, or 1 for log p. */
double reference_constant(const reference *r, int scalar, int layer, int token);

#endif
