/* Random `vit` models in the Hugging Face layout. Nothing of the library is used here, so that a bug in a reader cannot
 * cancel the same bug in a writer. The weights stay in memory for the reference to read. */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { FIXTURE_F32, FIXTURE_F16, FIXTURE_BF16 } fixture_dtype;

typedef struct fixture_spec {
    int layers, width, heads, mlp, patch, image;
    uint64_t seed;
    fixture_dtype dtype;
    uint64_t shard;     /* a new file is begun rather than let one hold more bytes than this; 0: one file */
    const char *prefix; /* before every tensor's name: "" as ViTModel is saved, "vit." as a classifier is */
    const char *act;    /* config.json's hidden_act */
    double eps;         /* config.json's layer_norm_eps */
} fixture_spec;

/* What make_model makes when nothing else is asked for. */
fixture_spec fixture_default(void);
/* The same in another shape. */
fixture_spec fixture_shape(int layers, int width, int heads, int mlp, int patch, int image);

typedef struct fixture_tensor {
    char name[96]; /* without the prefix */
    int rank, shape[4];
    size_t count;
    float *data;   /* as a reader of the file gets it: already rounded to the dtype */
} fixture_tensor;

typedef struct fixture {
    fixture_spec spec;
    int n_tensors;
    fixture_tensor *tensors;
    float *input; /* [3, image, image] */
} fixture;

/* NULL when the shape is impossible or memory runs out. */
fixture *fixture_create(const fixture_spec *spec);
void fixture_free(fixture *f); /* NULL is allowed */

/* n: the CLS token and the patches. */
int fixture_tokens(const fixture_spec *spec);

/* A tensor's values; aborts on a name that is not there, which is a mistake in the caller. */
const float *fixture_data(const fixture *f, const char *name);

/* Writes config.json, preprocessor_config.json, the weights and input.npy into dir, which is made when it is not there.
 * False, with errno set, when that fails. */
bool fixture_write(const fixture *f, const char *dir);

/* The same numbers on every machine, up to the last digit of its libm. */
typedef struct fixture_random {
    uint64_t state;
} fixture_random;
double fixture_uniform(fixture_random *r); /* in (0, 1) */
double fixture_normal(fixture_random *r);

#endif
