/* Random encoder-decoders, T5-like and BART-like, and their forward pass in plain double precision with one number moved by hand: what
 * model_fixture.h and reference.h are for models of one side. Nothing of the library is used.
 *
 * The encoder's tokens are rows 0..encoder-1 of one sequence, the decoder's follow; blocks count from 0, the encoder's first. A row of a
 * decoder block's attention holds attention over the encoder in the encoder's columns, and over its own side in the others. */
#ifndef JOINT_MODEL_H
#define JOINT_MODEL_H

#include "model_fixture.h"

typedef struct joint_spec {
    bool t5;               /* pre-norm RMSNorm, gated MLP, relative positions, scores not scaled; else post-norm, learned positions */
    int layers;            /* of each side */
    int width, heads, mlp, vocabulary, encoder, decoder; /* the last two: tokens */
    uint64_t seed;
} joint_spec;

typedef struct joint_move {
    int block, head, row, column; /* block -1: z(1)[row, column] */
    double delta;
} joint_move;

typedef struct joint_model {
    joint_spec spec;
    int tokens, blocks;
    fixture files;         /* its tensors */
    struct joint_block *weights;
    const float *shared, *positions[2], *embedding_norm[2][2], *buckets[2], *memory_norm, *final_norm, *head;
    int32_t *ids;          /* [tokens]; the decoder's first is its start */
    double *z;             /* [blocks + 1, tokens, width] of the last run */
    double *attention;     /* [blocks, heads, tokens, tokens] likewise */
    double *scratch;
} joint_model;

/* Aborts when memory runs out. */
joint_model *joint_create(const joint_spec *spec);
void joint_free(joint_model *m);
/* config.json and model.safetensors. False, with errno set, when that fails. */
bool joint_write(const joint_model *m, const char *dir);

void joint_run(joint_model *m, const joint_move *move); /* NULL: nothing is moved */
const double *joint_z(const joint_model *m, int block, int token);
double *joint_attention(const joint_model *m, int block, int head, int row);
/* log p of an id behind that token, of the last run. */
double joint_log_probability(joint_model *m, int token, int32_t id);

#endif
