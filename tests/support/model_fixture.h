/* Random models in the Hugging Face layout. Nothing of the library is used here, so that a bug in a reader cannot cancel the same
 * bug in a writer. The weights stay in memory for the reference to read. */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { FIXTURE_F32, FIXTURE_F16, FIXTURE_BF16 } fixture_dtype;

typedef struct fixture_spec {
    const char *family; /* config.json's model_type: vit, dinov2_with_registers, clip_vision_model, gpt2, llama, mistral, qwen2, qwen3, bert;
                           NULL: vit */
    int layers, width, heads, mlp;
    int kv_heads;       /* 0: heads */
    int head_dim;       /* 0: width / heads */
    uint64_t seed;
    fixture_dtype dtype;
    uint64_t shard;     /* a new file is begun rather than let one hold more bytes than this; 0: one file */
    const char *prefix; /* before the tensors' names: "" as a bare model is saved, "vit.", "transformer." or "model." as with a head */
    const char *act;    /* config.json's hidden_act */
    double eps;         /* of the norms */
    bool recent;        /* config.json as transformers 5 writes it, not 4 */
    /* vit */
    int patch, image;
    /* text */
    int tokens;         /* of input.npy */
    int vocabulary, context;
    bool untied, headless; /* the output head is not the embedding; and is not in the files */
    bool bias;          /* of what may have one: llama's attention and MLP, qwen3's attention */
    bool by_block;      /* gpt2: scale_attn_by_inverse_layer_idx */
    double theta;
    const char *rope;   /* default, linear, llama3; NULL: not mentioned */
    int window;         /* 0: none */
    int window_from;    /* qwen: the first block, from 0, that has it */
} fixture_spec;

/* What make_model makes when nothing else is asked for, a vit. */
fixture_spec fixture_default(void);
/* The same in another shape. */
fixture_spec fixture_shape(int layers, int width, int heads, int mlp, int patch, int image);
/* A language model; its other fields are for the caller to change. */
fixture_spec fixture_text(const char *family, int layers, int width, int heads, int kv_heads, int head_dim, int mlp, int tokens);

/* What rope_scaling says, in a model of few tokens. */
#define FIXTURE_ROPE_FACTOR 4.0
#define FIXTURE_ROPE_LOW 1.0
#define FIXTURE_ROPE_HIGH 4.0
#define FIXTURE_ROPE_CONTEXT 40

/* What the families differ in, beside names. */
typedef struct fixture_traits {
    bool text, causal;
    bool rms, gated, rotary, post_norm;
    int special, registers; /* tokens before the first patch, and how many of them, the last ones, have no position */
} fixture_traits;
fixture_traits fixture_traits_of(const fixture_spec *spec);

/* The modules of a block, and those outside. */
typedef enum {
    FIXTURE_NORM1, FIXTURE_QUERY, FIXTURE_KEY, FIXTURE_VALUE, FIXTURE_QUERY_NORM, FIXTURE_KEY_NORM, FIXTURE_OUT, FIXTURE_NORM2,
    FIXTURE_GATE, FIXTURE_UP, FIXTURE_DOWN,
    FIXTURE_OUT_SCALE, FIXTURE_DOWN_SCALE, /* layer scale: vectors that what OUT and DOWN make is multiplied by */
    FIXTURE_BLOCK_PARTS,
    FIXTURE_FINAL_NORM = FIXTURE_BLOCK_PARTS, FIXTURE_EMBEDDING_NORM, FIXTURE_EMBEDDING, FIXTURE_HEAD,
    FIXTURE_PARTS
} fixture_part;

/* One module's weights: a linear layer's from input i to output o is weight[o * out_step + i * in_step]; a norm has as many
 * outputs as elements and no inputs. bias: NULL where there is none. */
typedef struct fixture_weights {
    const float *weight, *bias;
    int in, out;
    size_t in_step, out_step;
} fixture_weights;

typedef struct fixture_tensor {
    char name[96]; /* as in the file */
    int rank, shape[4];
    size_t count;
    float *data; /* as a reader of the file gets it: already rounded to the dtype */
} fixture_tensor;

typedef struct fixture {
    fixture_spec spec;
    int n_tensors;
    fixture_tensor *tensors;
    float *pixels;    /* vit: [3, image, image] */
    int32_t *ids;     /* text: [tokens] */
} fixture;

/* NULL when the shape is impossible or memory runs out. */
fixture *fixture_create(const fixture_spec *spec);
void fixture_free(fixture *f); /* NULL is allowed */

/* Tokens of the input. */
int fixture_tokens(const fixture_spec *spec);
/* How far back a token sees in a block, from 0, itself counted; the context or all tokens where there is no window. */
int fixture_reach(const fixture_spec *spec, int block);

/* weight is NULL when the model has no such module. */
fixture_weights fixture_module(const fixture *f, int block, fixture_part part);
/* What z(1) is made of, beside the token embedding; NULL where the family has no such thing. */
typedef struct fixture_embeddings {
    const float *cls, *registers, *positions, *segments, *patch_weight, *patch_bias;
} fixture_embeddings;
fixture_embeddings fixture_embeddings_of(const fixture *f);

/* Writes config.json, preprocessor_config.json (vit), the weights and input.npy into dir, which is made when it is not there.
 * False, with errno set, when that fails. */
bool fixture_write(const fixture *f, const char *dir);
/* The tensors alone. */
bool fixture_write_weights(const fixture *f, const char *dir);

/* The same numbers on every machine, up to the last digit of its libm. */
typedef struct fixture_random {
    uint64_t state;
} fixture_random;
double fixture_uniform(fixture_random *r); /* in (0, 1) */
double fixture_normal(fixture_random *r);

#endif
