#include "brute_force.h"

#include <stdlib.h>
#include <string.h>

struct brute_force {
    int layers, heads, tokens;
    const reference *reference;
    double *mixing; /* [scalars of a reference, L blocks, n, n]: mean over the heads of relu(G) * A, c left out */
};

static double *mixing_of(const brute_force *b, size_t scalar, int block)
{
    return b->mixing + (scalar * (size_t)b->layers + (size_t)(block - 1)) * (size_t)b->tokens * (size_t)b->tokens;
}

/* Adds one probability's part to the mixing of every scalar that it reaches. */
static void add_entry(brute_force *b, const reference_move *entry, double probability, const double *gradients)
{
    for (size_t scalar = 0; scalar < reference_scalars(b->reference); scalar++)
        if (gradients[scalar] > 0)
            mixing_of(b, scalar, entry->block)[entry->row * b->tokens + entry->column] += gradients[scalar] * probability / b->heads;
}

static void add_head(brute_force *b, reference *r, int block, int head, double *gradients)
{
    const double *const attention = reference_attention(r, block, head);
    for (int row = 0; row < b->tokens; row++)
        for (int column = 0; column < b->tokens; column++) {
            const reference_move entry = {.block = block, .head = head, .row = row, .column = column};
            if (attention[row * b->tokens + column] == 0)
                continue; /* masked: whatever the gradient is, the product is zero */
            reference_difference(r, &entry, gradients);
            add_entry(b, &entry, attention[row * b->tokens + column], gradients);
        }
}

brute_force *brute_force_create(reference *r, const fixture_spec *spec)
{
    const int layers = spec->layers, n = fixture_tokens(spec);
    const size_t scalars = reference_scalars(r);
    brute_force *const b = calloc(1, sizeof *b);
    double *const gradients = malloc(scalars * sizeof *gradients);
    if (b) {
        *b = (brute_force){.layers = layers, .heads = spec->heads, .tokens = n, .reference = r};
        b->mixing = calloc(scalars * (size_t)layers * (size_t)n * (size_t)n, sizeof *b->mixing);
    }
    if (!b || !gradients || !b->mixing) {
        free(gradients);
        brute_force_free(b);
        return NULL;
    }
    for (int block = 1; block <= layers; block++)
        for (int head = 0; head < spec->heads; head++)
            add_head(b, r, block, head, gradients);
    free(gradients);
    return b;
}

void brute_force_free(brute_force *b)
{
    if (!b)
        return;
    free(b->mixing);
    free(b);
}

/* row <- row . (I + mixing / c) */
static void multiply(const double *mixing, double c, int n, double *row, double *product)
{
    memcpy(product, row, (size_t)n * sizeof *row);
    for (int r = 0; r < n; r++)
        for (int j = 0; j < n; j++)
            product[j] += row[r] * mixing[r * n + j] / c;
    memcpy(row, product, (size_t)n * sizeof *row);
}

void brute_force_row(const brute_force *b, const brute_row *what, int target, double *row)
{
    const int n = b->tokens, blocks = what->layer - what->first_block;
    const size_t scalar = reference_scalar(b->reference, what->scalar, what->layer, target);
    const double c = what->normalized ? reference_constant(b->reference, what->scalar, what->layer, target) : 1;
    double product[1024]; /* more tokens than brute force can do */
    for (int j = 0; j < n; j++)
        row[j] = j == target;
    for (int k = 0; k < blocks; k++) {
        const int block = what->formula ? what->first_block + k : what->layer - 1 - k;
        multiply(mixing_of(b, scalar, block), c, n, row, product);
    }
}
