#include "reference_vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef double activation(double x);

typedef struct linear {
    double *weight; /* [in, out]: transposed, so that the inner loop runs over outputs */
    double *bias;
    int in, out;
} linear;

typedef struct norm {
    double *gain, *bias;
} norm;

typedef struct layer_weights {
    norm before, after;
    linear query, key, value, output, up, down;
} layer_weights;

struct reference {
    int layers, tokens, width, heads, head_width, mlp;
    double eps;
    activation *activation;
    layer_weights *blocks;
    double *hidden;    /* [L+1, n, d], unmoved */
    double *moved;     /* [L+1, n, d], of the last moved run */
    double *attention; /* [L, H, n, n], unmoved */
    double *values;    /* [L, n, d], unmoved */
    double *query, *key, *value, *normed, *mixed; /* [n, d], scratch */
    double *inner;     /* [m], scratch */
    double *scores;    /* [H, n, n], scratch */
    bool failed;       /* an allocation did */
};

/* ---- Arithmetic --------------------------------------------------------------------------------------------------------- */

static void apply(const linear *m, const double *in, double *out)
{
    memcpy(out, m->bias, (size_t)m->out * sizeof *out);
    for (int i = 0; i < m->in; i++) {
        const double x = in[i], *const w = m->weight + (size_t)i * (size_t)m->out;
        for (int o = 0; o < m->out; o++)
            out[o] += x * w[o];
    }
}

static void normalize(const norm *m, double eps, const double *in, double *out, int width)
{
    double mean = 0, variance = 0;
    for (int k = 0; k < width; k++)
        mean += in[k] / width;
    for (int k = 0; k < width; k++)
        variance += (in[k] - mean) * (in[k] - mean) / width;
    const double scale = 1 / sqrt(variance + eps);
    for (int k = 0; k < width; k++)
        out[k] = (in[k] - mean) * scale * m->gain[k] + m->bias[k];
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double quick_gelu(double x)
{
    return x * sigmoid(1.702 * x);
}

static double silu(double x)
{
    return x * sigmoid(x);
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static activation *find_activation(const char *name)
{
    static const struct {
        const char *name;
        activation *function;
    } known[] = {{"gelu", gelu}, {"gelu_new", gelu_tanh}, {"gelu_pytorch_tanh", gelu_tanh}, {"quick_gelu", quick_gelu}, {"silu", silu}, {"relu", relu}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name))
            return known[i].function;
    fprintf(stderr, "reference_vit: no activation %s\n", name);
    abort();
}

static void softmax(double *x, int n)
{
    double largest = x[0], sum = 0;
    for (int j = 1; j < n; j++)
        largest = fmax(largest, x[j]);
    for (int j = 0; j < n; j++)
        sum += x[j] = exp(x[j] - largest);
    for (int j = 0; j < n; j++)
        x[j] /= sum;
}

/* ---- One block ---------------------------------------------------------------------------------------------------------- */

/* A(b,h) of every head into attention [H, n, n], and the values into value [n, d]. */
static void attend(reference *r, const layer_weights *b, const double *in, double *attention, double *value)
{
    const int n = r->tokens, d = r->width, dh = r->head_width;
    for (int i = 0; i < n; i++) {
        normalize(&b->before, r->eps, in + i * d, r->normed, d);
        apply(&b->query, r->normed, r->query + i * d);
        apply(&b->key, r->normed, r->key + i * d);
        apply(&b->value, r->normed, value + i * d);
    }
    for (int h = 0; h < r->heads; h++)
        for (int i = 0; i < n; i++) {
            double *const row = attention + ((size_t)h * (size_t)n + (size_t)i) * (size_t)n;
            const double *const q = r->query + i * d + h * dh;
            for (int j = 0; j < n; j++) {
                const double *const k = r->key + j * d + h * dh;
                row[j] = 0;
                for (int c = 0; c < dh; c++)
                    row[j] += q[c] * k[c] / sqrt(dh);
            }
            softmax(row, n);
        }
}

/* What token i leaves block b with, given the block's attention and values. */
static void leave(reference *r, const layer_weights *b, int i, const double *in, const double *attention, const double *value, double *out)
{
    const int n = r->tokens, d = r->width, dh = r->head_width;
    double *const mixed = r->mixed, *const normed = r->normed, *const residual = out + i * d;
    memset(mixed, 0, (size_t)d * sizeof *mixed);
    for (int h = 0; h < r->heads; h++)
        for (int j = 0; j < n; j++) {
            const double a = attention[((size_t)h * (size_t)n + (size_t)i) * (size_t)n + (size_t)j];
            for (int c = h * dh; c < (h + 1) * dh; c++)
                mixed[c] += a * value[j * d + c];
        }
    apply(&b->output, mixed, residual);
    for (int k = 0; k < d; k++)
        residual[k] += in[i * d + k];
    normalize(&b->after, r->eps, residual, normed, d);
    apply(&b->up, normed, r->inner);
    for (int k = 0; k < r->mlp; k++)
        r->inner[k] = r->activation(r->inner[k]);
    apply(&b->down, r->inner, mixed);
    for (int k = 0; k < d; k++)
        residual[k] += mixed[k];
}

static size_t stream(const reference *r)
{
    return (size_t)r->tokens * (size_t)r->width;
}

static size_t block_attention(const reference *r)
{
    return (size_t)r->heads * (size_t)r->tokens * (size_t)r->tokens;
}

/* Block b, from 1, reads z(b) and writes z(b+1), both in states; its attention and values are written as well. */
static void run_block(reference *r, int b, double *states, double *attention, double *value)
{
    const double *const in = states + (size_t)(b - 1) * stream(r);
    attend(r, &r->blocks[b - 1], in, attention, value);
    for (int i = 0; i < r->tokens; i++)
        leave(r, &r->blocks[b - 1], i, in, attention, value, states + (size_t)b * stream(r));
}

/* ---- Weights ------------------------------------------------------------------------------------------------------------ */

static double *allocate(reference *r, size_t count)
{
    double *const p = malloc(count * sizeof *p);
    r->failed |= !p;
    return p;
}

static double *widen(reference *r, const float *from, size_t count)
{
    double *const to = allocate(r, count);
    for (size_t i = 0; to && i < count; i++)
        to[i] = from[i];
    return to;
}

/* The tensor of block b, from 0, called encoder.layer.B.MODULE.PART. */
static const float *block_data(const fixture *f, int b, const char *module, const char *part)
{
    char name[96];
    snprintf(name, sizeof name, "encoder.layer.%d.%s.%s", b, module, part);
    return fixture_data(f, name);
}

static norm load_norm(reference *r, const fixture *f, int b, const char *module)
{
    return (norm){widen(r, block_data(f, b, module, "weight"), (size_t)r->width),
                  widen(r, block_data(f, b, module, "bias"), (size_t)r->width)};
}

static linear load_linear(reference *r, const fixture *f, int b, const char *module, int in, int out)
{
    const float *const weight = block_data(f, b, module, "weight"); /* [out, in] */
    linear m = {.weight = allocate(r, (size_t)in * (size_t)out), .bias = widen(r, block_data(f, b, module, "bias"), (size_t)out),
                .in = in, .out = out};
    for (int i = 0; m.weight && i < in; i++)
        for (int o = 0; o < out; o++)
            m.weight[(size_t)i * (size_t)out + (size_t)o] = weight[(size_t)o * (size_t)in + (size_t)i];
    return m;
}

static layer_weights load_block(reference *r, const fixture *f, int b)
{
    const int d = r->width, m = r->mlp;
    return (layer_weights){
        .before = load_norm(r, f, b, "layernorm_before"),
        .after = load_norm(r, f, b, "layernorm_after"),
        .query = load_linear(r, f, b, "attention.attention.query", d, d),
        .key = load_linear(r, f, b, "attention.attention.key", d, d),
        .value = load_linear(r, f, b, "attention.attention.value", d, d),
        .output = load_linear(r, f, b, "attention.output.dense", d, d),
        .up = load_linear(r, f, b, "intermediate.dense", d, m),
        .down = load_linear(r, f, b, "output.dense", m, d),
    };
}

/* z(1): CLS, then a strided convolution of the pixels, plus the positions. */
static void embed(reference *r, const fixture *f)
{
    const int d = r->width, patch = f->spec.patch, side = f->spec.image, grid = side / patch, area = patch * patch;
    const float *const cls = fixture_data(f, "embeddings.cls_token");
    const float *const position = fixture_data(f, "embeddings.position_embeddings");
    const float *const weight = fixture_data(f, "embeddings.patch_embeddings.projection.weight");
    const float *const bias = fixture_data(f, "embeddings.patch_embeddings.projection.bias");
    for (int i = 0; i < r->tokens; i++)
        for (int k = 0; k < d; k++) {
            double sum = i ? bias[k] : cls[k];
            const int top = i ? (i - 1) / grid * patch : 0, left = i ? (i - 1) % grid * patch : 0;
            for (int p = 0; i && p < 3 * area; p++) {
                const int channel = p / area, y = top + p % area / patch, x = left + p % patch;
                sum += (double)weight[k * 3 * area + p] * f->input[(channel * side + y) * side + x];
            }
            r->hidden[i * d + k] = sum + position[i * d + k];
        }
}

static void allocate_states(reference *r)
{
    const size_t states = (size_t)(r->layers + 1) * stream(r);
    r->hidden = allocate(r, states);
    r->moved = allocate(r, states);
    r->attention = allocate(r, (size_t)r->layers * block_attention(r));
    r->values = allocate(r, (size_t)r->layers * stream(r));
    r->query = allocate(r, stream(r));
    r->key = allocate(r, stream(r));
    r->value = allocate(r, stream(r));
    r->normed = allocate(r, (size_t)r->width);
    r->mixed = allocate(r, (size_t)r->width);
    r->inner = allocate(r, (size_t)r->mlp);
    r->scores = allocate(r, block_attention(r));
}

reference *reference_create(const fixture *f)
{
    const fixture_spec *const s = &f->spec;
    reference *const r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (reference){.layers = s->layers, .tokens = fixture_tokens(s), .width = s->width, .heads = s->heads,
                     .head_width = s->width / s->heads, .mlp = s->mlp, .eps = s->eps,
                     .activation = find_activation(s->act)};
    r->blocks = calloc((size_t)s->layers, sizeof *r->blocks);
    r->failed = !r->blocks;
    for (int b = 0; r->blocks && b < s->layers; b++)
        r->blocks[b] = load_block(r, f, b);
    allocate_states(r);
    if (r->failed) {
        reference_free(r);
        return NULL;
    }
    embed(r, f);
    for (int b = 1; b <= r->layers; b++)
        run_block(r, b, r->hidden, r->attention + (size_t)(b - 1) * block_attention(r), r->values + (size_t)(b - 1) * stream(r));
    return r;
}

static void free_linear(linear *m)
{
    free(m->weight);
    free(m->bias);
}

static void free_norm(norm *m)
{
    free(m->gain);
    free(m->bias);
}

static void free_block(layer_weights *b)
{
    free_norm(&b->before);
    free_norm(&b->after);
    free_linear(&b->query);
    free_linear(&b->key);
    free_linear(&b->value);
    free_linear(&b->output);
    free_linear(&b->up);
    free_linear(&b->down);
}

void reference_free(reference *r)
{
    if (!r)
        return;
    for (int b = 0; r->blocks && b < r->layers; b++)
        free_block(&r->blocks[b]);
    double *const arrays[] = {r->hidden, r->moved, r->attention, r->values, r->query, r->key,
                              r->value,  r->normed, r->mixed,    r->inner,  r->scores};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(r->blocks);
    free(r);
}

/* ---- Results ------------------------------------------------------------------------------------------------------------ */

const double *reference_hidden(const reference *r, int layer)
{
    return r->hidden + (size_t)(layer - 1) * stream(r);
}

const double *reference_attention(const reference *r, int block, int head)
{
    return r->attention + (size_t)(block - 1) * block_attention(r) + (size_t)head * (size_t)r->tokens * (size_t)r->tokens;
}

const double *reference_moved(const reference *r, int layer)
{
    return r->moved + (size_t)(layer - 1) * stream(r);
}

/* Moves one probability of block b: of all tokens only the row's own leaves the block differently. */
static void run_moved_block(reference *r, const reference_move *move)
{
    const size_t n = (size_t)r->tokens, at = (size_t)(move->block - 1);
    double *const attention = r->attention + at * block_attention(r);
    double *const entry = attention + ((size_t)move->head * n + (size_t)move->row) * n + move->column;
    const double unmoved = *entry;
    double *const out = r->moved + (at + 1) * stream(r);
    memcpy(out, r->hidden + (at + 1) * stream(r), stream(r) * sizeof *out);
    *entry += move->delta;
    leave(r, &r->blocks[at], move->row, r->hidden + at * stream(r), attention, r->values + at * stream(r), out);
    *entry = unmoved;
}

void reference_run_moved(reference *r, const reference_move *move)
{
    if (move->block > 0) {
        run_moved_block(r, move);
    } else {
        memcpy(r->moved, r->hidden, stream(r) * sizeof *r->moved);
        r->moved[move->row * r->width + move->column] += move->delta;
    }
    for (int b = move->block + 1; b <= r->layers; b++)
        run_block(r, b, r->moved, r->scores, r->value);
}

static double scalar(const reference *r, const double *z, int energy)
{
    double sum = 0;
    for (int k = 0; k < r->width; k++)
        sum += energy ? z[k] * z[k] : z[k];
    return energy ? sqrt(sum) : sum;
}

double reference_length(const reference *r, int layer, int token)
{
    return scalar(r, reference_hidden(r, layer) + token * r->width, 1);
}

/* out += weight * f, of every scalar above the move, with the move applied. */
static void accumulate(reference *r, const reference_move *move, double weight, double *out)
{
    reference_run_moved(r, move);
    for (int energy = 0; energy < 2; energy++)
        for (int layer = move->block > 0 ? move->block + 1 : 2; layer <= r->layers + 1; layer++)
            for (int i = 0; i < r->tokens; i++)
                out[(energy * r->layers + layer - 2) * r->tokens + i] +=
                    weight * scalar(r, reference_moved(r, layer) + i * r->width, energy);
}

void reference_difference(reference *r, const reference_move *where, double *out)
{
    /* Four points: the error is of the order step^4, and at 1e-3 no larger than that of rounding. Where there are kinks,
     * none may lie between the points. */
    const double step = r->activation == relu ? 1e-6 : 1e-3;
    static const struct {
        double at, weight;
    } points[] = {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}};
    memset(out, 0, 2 * (size_t)r->layers * (size_t)r->tokens * sizeof *out);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        reference_move move = *where;
        move.delta = points[p].at * step;
        accumulate(r, &move, points[p].weight / step, out);
    }
}
