#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef double activation(double x);

typedef struct linear {
    double *weight; /* [in, out]: transposed, so that the inner loop runs over outputs; NULL: the model has no such layer */
    double *bias;   /* zeros where there is none */
    int in, out;
} linear;

typedef struct layer_weights {
    linear parts[FIXTURE_BLOCK_PARTS]; /* a norm has outputs only */
} layer_weights;

struct reference {
    const fixture_spec *spec;
    fixture_traits traits;
    int layers, tokens, width, heads, kv_heads, head_dim, mlp, vocabulary;
    activation *activation;
    layer_weights *blocks;
    linear final_norm, embedding_norm, head;
    int *next;         /* [n] the ids whose log p is a scalar */
    double *cosine, *sine; /* [n, head_dim / 2] rotary positions */
    double *hidden;    /* [L+1, n, d], unmoved */
    double *moved;     /* [L+1, n, d], of the last moved run */
    double *attention; /* [L, H, n, n], unmoved */
    double *keys, *values; /* [L, n, kv_heads head_dim], unmoved */
    double *kept;      /* [L, n, d] what the MLPs made, unmoved; NULL: they run */
    bool held;         /* it is there, and moved runs take it */
    double *key, *value; /* [n, kv_heads head_dim], scratch */
    double *query;     /* [H head_dim], scratch */
    double *normed;    /* [d], scratch */
    double *mixed;     /* [H head_dim], scratch */
    double *made;      /* [d], scratch */
    double *inner, *gate; /* [m], scratch */
    double *logits;    /* [V], scratch */
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

/* LayerNorm, or RMSNorm, which takes no mean away; in may be out. */
static void normalize(const linear *m, bool rms, double eps, const double *in, double *out)
{
    const int width = m->out;
    double mean = 0, variance = 0;
    for (int k = 0; k < width && !rms; k++)
        mean += in[k] / width;
    for (int k = 0; k < width; k++)
        variance += (in[k] - mean) * (in[k] - mean) / width;
    const double scale = 1 / sqrt(variance + eps);
    for (int k = 0; k < width; k++)
        out[k] = (in[k] - mean) * scale * m->weight[k] + m->bias[k];
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
    fprintf(stderr, "reference: no activation %s\n", name);
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

static void norm_of(const reference *r, const linear *m, const double *in, double *out)
{
    normalize(m, r->traits.rms, r->spec->eps, in, out);
}

/* What attention and MLP see of a token: pre-norm, its norm; post-norm, itself. */
static const double *seen(reference *r, const linear *norm, const double *in)
{
    if (r->traits.post_norm)
        return in;
    norm_of(r, norm, in, r->normed);
    return r->normed;
}

/* Adds what a branch made of a token, scaled where there is layer scale, to the token; post-norm has its norm here. */
static void add_branch(const reference *r, const linear *norm, const linear *scale, const double *in, const double *made, double *out)
{
    for (int k = 0; k < r->width; k++)
        out[k] = in[k] + made[k] * (scale->weight ? scale->weight[k] : 1);
    if (r->traits.post_norm)
        norm_of(r, norm, out, out);
}

/* The norm of a query's or key's own, where the family has one, and the turn of its position. */
static void place_head(const reference *r, const linear *norm, int position, double *x)
{
    const int half = r->head_dim / 2;
    if (norm->weight)
        norm_of(r, norm, x, x);
    for (int k = 0; r->traits.rotary && k < half; k++) {
        const double c = r->cosine[position * half + k], s = r->sine[position * half + k], a = x[k], b = x[half + k];
        x[k] = a * c - b * s;
        x[half + k] = b * c + a * s;
    }
}

/* Keys that token i sees in block b, from 1: first..last. */
static void visible(const reference *r, int b, int i, int *first, int *last)
{
    const int reach = r->traits.causal ? fixture_reach(r->spec, b - 1) : r->tokens;
    *first = i >= reach ? i - reach + 1 : 0;
    *last = r->traits.causal ? i : r->tokens - 1;
}

static double attention_scale(const reference *r, int b)
{
    return 1 / sqrt(r->head_dim) / (r->spec->by_block ? b : 1);
}

/* A(b,h) of one token's query into row [n]. */
static void attend(const reference *r, int b, int i, const double *query, const double *key, double *row)
{
    int first, last;
    visible(r, b, i, &first, &last);
    memset(row, 0, (size_t)r->tokens * sizeof *row);
    for (int j = first; j <= last; j++) {
        const double *const k = key + j * r->kv_heads * r->head_dim;
        for (int c = 0; c < r->head_dim; c++)
            row[j] += query[c] * k[c];
        row[j] *= attention_scale(r, b);
    }
    softmax(row + first, last - first + 1);
}

/* Keys, values and A(b,h) of every head, attention [H, n, n], of the tokens from `from` on. */
static void attend_all(reference *r, int b, int from, const double *in, double *attention, double *key, double *value)
{
    const layer_weights *const w = &r->blocks[b - 1];
    const size_t n = (size_t)r->tokens;
    const int dh = r->head_dim, kv = r->kv_heads * dh, group = r->heads / r->kv_heads;
    for (int i = from; i < r->tokens; i++) {
        const double *const x = seen(r, &w->parts[FIXTURE_NORM1], in + i * r->width);
        apply(&w->parts[FIXTURE_KEY], x, key + i * kv);
        apply(&w->parts[FIXTURE_VALUE], x, value + i * kv);
        for (int h = 0; h < r->kv_heads; h++)
            place_head(r, &w->parts[FIXTURE_KEY_NORM], i, key + i * kv + h * dh);
    }
    for (int i = from; i < r->tokens; i++) {
        apply(&w->parts[FIXTURE_QUERY], seen(r, &w->parts[FIXTURE_NORM1], in + i * r->width), r->query);
        for (int h = 0; h < r->heads; h++) {
            place_head(r, &w->parts[FIXTURE_QUERY_NORM], i, r->query + h * dh);
            attend(r, b, i, r->query + h * dh, key + h / group * dh, attention + ((size_t)h * n + (size_t)i) * n);
        }
    }
}

/* What the MLP makes of what it sees of a token. */
static void run_mlp(reference *r, const layer_weights *w, const double *in, double *out)
{
    const bool gated = r->traits.gated;
    apply(&w->parts[FIXTURE_UP], in, r->inner);
    if (gated)
        apply(&w->parts[FIXTURE_GATE], in, r->gate);
    for (int k = 0; k < r->mlp; k++)
        r->inner[k] = gated ? r->activation(r->gate[k]) * r->inner[k] : r->activation(r->inner[k]);
    apply(&w->parts[FIXTURE_DOWN], r->inner, out);
}

/* What token i leaves block b with, given the block's attention and values. Probabilities that were moved count wherever they are. */
static void leave(reference *r, const layer_weights *w, int i, const double *in, const double *attention, const double *value, double *out)
{
    const int n = r->tokens, d = r->width, dh = r->head_dim, kv = r->kv_heads * dh, group = r->heads / r->kv_heads;
    double *const residual = out + i * d;
    memset(r->mixed, 0, (size_t)(r->heads * dh) * sizeof *r->mixed);
    for (int h = 0; h < r->heads; h++)
        for (int j = 0; j < n; j++) {
            const double a = attention[((size_t)h * (size_t)n + (size_t)i) * (size_t)n + (size_t)j];
            for (int c = 0; a != 0 && c < dh; c++)
                r->mixed[h * dh + c] += a * value[j * kv + h / group * dh + c];
        }
    apply(&w->parts[FIXTURE_OUT], r->mixed, r->made);
    add_branch(r, &w->parts[FIXTURE_NORM1], &w->parts[FIXTURE_OUT_SCALE], in + i * d, r->made, residual);
    double *const made = r->kept ? r->kept + ((w - r->blocks) * n + i) * d : r->made;
    if (!r->held)
        run_mlp(r, w, seen(r, &w->parts[FIXTURE_NORM2], residual), made);
    add_branch(r, &w->parts[FIXTURE_NORM2], &w->parts[FIXTURE_DOWN_SCALE], residual, made, residual);
}

static size_t stream(const reference *r)
{
    return (size_t)r->tokens * (size_t)r->width;
}

static size_t block_attention(const reference *r)
{
    return (size_t)r->heads * (size_t)r->tokens * (size_t)r->tokens;
}

static size_t block_keys(const reference *r)
{
    return (size_t)r->tokens * (size_t)(r->kv_heads * r->head_dim);
}

/* Block b, from 1, reads z(b) and writes z(b+1), both in states; its attention, keys and values are written as well. Tokens before
 * `from` are as in the unmoved pass. */
static void run_block(reference *r, int b, int from, double *states, double *attention, double *key, double *value)
{
    const double *const in = states + (size_t)(b - 1) * stream(r);
    attend_all(r, b, from, in, attention, key, value);
    for (int i = from; i < r->tokens; i++)
        leave(r, &r->blocks[b - 1], i, in, attention, value, states + (size_t)b * stream(r));
}

/* The final norm and the head, of one token's z(L+1). */
static void read_out(const reference *r, const double *z, double *logits)
{
    norm_of(r, &r->final_norm, z, r->normed);
    apply(&r->head, r->normed, logits);
}

/* ---- Weights ------------------------------------------------------------------------------------------------------------ */

static double *allocate(reference *r, size_t count)
{
    double *const p = malloc(count * sizeof *p);
    r->failed |= !p;
    return p;
}

static linear load(reference *r, const fixture *f, int block, fixture_part part)
{
    const fixture_weights from = fixture_module(f, block, part);
    const size_t in = from.in ? (size_t)from.in : 1, out = (size_t)from.out;
    if (!from.weight)
        return (linear){0};
    const linear m = {.weight = allocate(r, in * out), .bias = allocate(r, out), .in = from.in, .out = from.out};
    for (size_t i = 0; m.weight && i < in; i++)
        for (size_t o = 0; o < out; o++)
            m.weight[i * out + o] = from.weight[o * from.out_step + i * from.in_step];
    for (size_t o = 0; m.bias && o < out; o++)
        m.bias[o] = from.bias ? from.bias[o] : 0;
    return m;
}

static void load_weights(reference *r, const fixture *f)
{
    r->blocks = calloc((size_t)r->layers, sizeof *r->blocks);
    r->failed |= !r->blocks;
    for (int b = 0; r->blocks && b < r->layers; b++)
        for (fixture_part part = 0; part < FIXTURE_BLOCK_PARTS; part++)
            r->blocks[b].parts[part] = load(r, f, b, part);
    r->final_norm = load(r, f, 0, FIXTURE_FINAL_NORM);
    r->embedding_norm = load(r, f, 0, FIXTURE_EMBEDDING_NORM);
    if (r->traits.causal)
        r->head = load(r, f, 0, f->spec.untied ? FIXTURE_HEAD : FIXTURE_EMBEDDING);
}

/* ---- Positions and embeddings --------------------------------------------------------------------------------------------- */

/* Turns a radian of rotary pair k; scaled as Llama 3.1 does: wavelengths that the first context held several times are kept, those
 * longer than it stretched, and those between in between. */
static double turn_rate(const reference *r, int k)
{
    const double rate = pow(r->spec->theta, -2.0 * k / r->head_dim);
    if (!r->spec->rope || !strcmp(r->spec->rope, "default"))
        return rate;
    if (!strcmp(r->spec->rope, "linear"))
        return rate / FIXTURE_ROPE_FACTOR;
    const double times = FIXTURE_ROPE_CONTEXT * rate / 6.283185307179586, part = (times - FIXTURE_ROPE_LOW) / (FIXTURE_ROPE_HIGH - FIXTURE_ROPE_LOW);
    const double kept = fmin(1, fmax(0, part));
    return kept * rate + (1 - kept) * rate / FIXTURE_ROPE_FACTOR;
}

static void turn_positions(reference *r)
{
    const int half = r->head_dim / 2;
    for (int i = 0; i < r->tokens; i++)
        for (int k = 0; k < half; k++) {
            r->cosine[i * half + k] = cos(i * turn_rate(r, k));
            r->sine[i * half + k] = sin(i * turn_rate(r, k));
        }
}

static void embed_text(reference *r, const fixture *f, const int32_t *ids)
{
    const float *const embedding = fixture_module(f, 0, FIXTURE_EMBEDDING).weight;
    const fixture_embeddings e = fixture_embeddings_of(f);
    const int d = r->width;
    for (int i = 0; i < r->tokens; i++)
        for (int k = 0; k < d; k++)
            r->hidden[i * d + k] = (double)embedding[ids[i] * d + k] + (e.positions ? e.positions[i * d + k] : 0) + (e.segments ? e.segments[k] : 0);
}

/* A strided convolution of the pixels. */
static void embed_patch(const reference *r, const fixture *f, const fixture_embeddings *e, int index, double *out)
{
    const int patch = f->spec.patch, side = f->spec.image, grid = side / patch, area = patch * patch, top = index / grid * patch, left = index % grid * patch;
    for (int k = 0; k < r->width; k++) {
        out[k] = e->patch_bias ? e->patch_bias[k] : 0;
        for (int p = 0; p < 3 * area; p++) {
            const int channel = p / area, y = top + p % area / patch, x = left + p % patch;
            out[k] += (double)e->patch_weight[k * 3 * area + p] * f->pixels[(channel * side + y) * side + x];
        }
    }
}

/* z(1): CLS, registers, which have no position, and patches. */
static void embed_image(reference *r, const fixture *f)
{
    const fixture_embeddings e = fixture_embeddings_of(f);
    const int d = r->width, special = r->traits.special, registers = r->traits.registers;
    for (int i = 0; i < r->tokens; i++) {
        const int place = i < special - registers ? i : i < special ? -1 : i - registers;
        double *const z = r->hidden + i * d;
        if (i >= special)
            embed_patch(r, f, &e, i - special, z);
        for (int k = 0; k < d; k++) {
            z[k] = i == 0 ? e.cls[k] : i < special ? e.registers[(i - 1) * d + k] : z[k];
            z[k] += place >= 0 ? e.positions[place * d + k] : 0;
        }
    }
}

static void allocate_states(reference *r)
{
    const size_t states = (size_t)(r->layers + 1) * stream(r), layers = (size_t)r->layers, n = (size_t)r->tokens, query = (size_t)(r->heads * r->head_dim);
    const struct {
        double **array;
        size_t count;
    } list[] = {
        {&r->cosine, n * (size_t)r->head_dim}, {&r->sine, n * (size_t)r->head_dim}, {&r->hidden, states}, {&r->moved, states},
        {&r->attention, layers * block_attention(r)}, {&r->keys, layers * block_keys(r)}, {&r->values, layers * block_keys(r)},
        {&r->key, block_keys(r)}, {&r->value, block_keys(r)}, {&r->query, query}, {&r->normed, (size_t)r->width},
        {&r->mixed, query}, {&r->made, (size_t)r->width}, {&r->inner, (size_t)r->mlp}, {&r->gate, (size_t)r->mlp},
        {&r->logits, (size_t)r->vocabulary + 1}, {&r->scores, block_attention(r)},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        *list[i].array = allocate(r, list[i].count);
    r->next = malloc(n * sizeof *r->next);
    r->failed |= !r->next;
}

static void choose_next(reference *r, const int32_t *ids)
{
    for (int i = 0; i < r->tokens; i++)
        r->next[i] = ids && i + 1 < r->tokens ? ids[i + 1] : -1;
    if (!r->head.weight)
        return;
    reference_logits(r, r->tokens - 1, r->logits);
    r->next[r->tokens - 1] = reference_argmax(r->logits, r->vocabulary);
}

/* The unmoved pass over all blocks. */
static void run_blocks(reference *r)
{
    for (int b = 1; b <= r->layers; b++)
        run_block(r, b, 0, r->hidden, r->attention + (size_t)(b - 1) * block_attention(r), r->keys + (size_t)(b - 1) * block_keys(r),
                  r->values + (size_t)(b - 1) * block_keys(r));
}

static void run(reference *r, const fixture *f, const int32_t *ids)
{
    turn_positions(r);
    if (ids)
        embed_text(r, f, ids);
    else
        embed_image(r, f);
    for (int i = 0; r->embedding_norm.weight && i < r->tokens; i++)
        norm_of(r, &r->embedding_norm, r->hidden + i * r->width, r->hidden + i * r->width);
    run_blocks(r);
    choose_next(r, ids);
}

bool reference_hold_mlps(reference *r)
{
    r->kept = malloc((size_t)r->layers * stream(r) * sizeof *r->kept);
    if (!r->kept)
        return false;
    run_blocks(r);
    r->held = true;
    return true;
}

reference *reference_create_text(const fixture *f, const int32_t *ids, int tokens)
{
    const fixture_spec *const s = &f->spec;
    reference *const r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (reference){.spec = s, .traits = fixture_traits_of(s), .layers = s->layers, .tokens = tokens, .width = s->width, .heads = s->heads,
                     .kv_heads = s->kv_heads, .head_dim = s->head_dim, .mlp = s->mlp, .vocabulary = s->vocabulary, .activation = find_activation(s->act)};
    load_weights(r, f);
    allocate_states(r);
    if (r->failed) {
        reference_free(r);
        return NULL;
    }
    run(r, f, ids);
    return r;
}

reference *reference_create(const fixture *f)
{
    return reference_create_text(f, f->ids, fixture_tokens(&f->spec));
}

static void free_linear(linear *m)
{
    free(m->weight);
    free(m->bias);
}

void reference_free(reference *r)
{
    if (!r)
        return;
    for (int b = 0; r->blocks && b < r->layers; b++)
        for (fixture_part part = 0; part < FIXTURE_BLOCK_PARTS; part++)
            free_linear(&r->blocks[b].parts[part]);
    free_linear(&r->final_norm);
    free_linear(&r->embedding_norm);
    free_linear(&r->head);
    double *const arrays[] = {r->cosine, r->sine, r->hidden, r->moved, r->attention, r->keys, r->values, r->key, r->value,
                              r->query, r->normed, r->mixed, r->made, r->inner, r->gate, r->logits, r->scores, r->kept};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(r->next);
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

int reference_argmax(const double *x, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

void reference_logits(const reference *r, int position, double *out)
{
    read_out(r, reference_hidden(r, r->layers + 1) + position * r->width, out);
}

void reference_log_softmax(double *logits, int count)
{
    const double largest = logits[reference_argmax(logits, count)];
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += exp(logits[i] - largest);
    for (int i = 0; i < count; i++)
        logits[i] -= largest + log(sum);
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
    *entry += move->delta;
    leave(r, &r->blocks[at], move->row, r->hidden + at * stream(r), attention, r->values + at * block_keys(r), r->moved + (at + 1) * stream(r));
    *entry = unmoved;
}

/* The first token that a move in that row can reach: those before it do not see it where attention is causal. */
static int first_reached(const reference *r, int row)
{
    return r->traits.causal ? row : 0;
}

void reference_run_moved(reference *r, const reference_move *move)
{
    const size_t above = (size_t)move->block * stream(r);
    memcpy(r->moved + above, r->hidden + above, ((size_t)(r->layers + 1) * stream(r) - above) * sizeof *r->moved);
    if (move->block > 0)
        run_moved_block(r, move);
    else
        r->moved[move->row * r->width + move->column] += move->delta;
    for (int b = move->block + 1; b <= r->layers; b++) {
        memcpy(r->key, r->keys + (size_t)(b - 1) * block_keys(r), block_keys(r) * sizeof *r->key);
        memcpy(r->value, r->values + (size_t)(b - 1) * block_keys(r), block_keys(r) * sizeof *r->value);
        run_block(r, b, first_reached(r, move->row), r->moved, r->scores, r->key, r->value);
    }
}

static double length(const reference *r, const double *z)
{
    double sum = 0;
    for (int k = 0; k < r->width; k++)
        sum += z[k] * z[k];
    return sqrt(sum);
}

/* f of token i, whose latent is z. */
static double scalar(reference *r, int which, int i, const double *z)
{
    double sum = 0;
    if (which == REFERENCE_ENERGY)
        return length(r, z);
    if (which == REFERENCE_LOGPROB) {
        read_out(r, z, r->logits);
        reference_log_softmax(r->logits, r->vocabulary);
        return r->logits[r->next[i]];
    }
    for (int k = 0; k < r->width; k++)
        sum += z[k];
    return sum;
}

double reference_constant(const reference *r, int which, int layer, int token)
{
    return which == REFERENCE_LOGPROB ? 1 : length(r, reference_hidden(r, layer) + token * r->width);
}

size_t reference_scalar(const reference *r, int which, int layer, int token)
{
    return ((size_t)which * (size_t)r->layers + (size_t)(layer - 2)) * (size_t)r->tokens + (size_t)token;
}

size_t reference_scalars(const reference *r)
{
    return REFERENCE_SCALARS * (size_t)r->layers * (size_t)r->tokens;
}

/* out += weight * f, of every scalar above the move, with the move applied. */
static void accumulate(reference *r, const reference_move *move, double weight, double *out)
{
    reference_run_moved(r, move);
    for (int which = 0; which < REFERENCE_SCALARS; which++)
        for (int layer = move->block > 0 ? move->block + 1 : 2; layer <= r->layers + 1; layer++)
            for (int i = first_reached(r, move->row); i < r->tokens; i++)
                if (which != REFERENCE_LOGPROB || (layer == r->layers + 1 && r->head.weight))
                    out[reference_scalar(r, which, layer, i)] += weight * scalar(r, which, i, reference_moved(r, layer) + i * r->width);
}

void reference_difference(reference *r, const reference_move *where, double *out)
{
    /* Four points: the error is of the order step^4, and at 1e-3 no larger than that of rounding. Where there are kinks,
     * none may lie between the points. */
    const double step = r->activation == relu ? 1e-6 : 1e-3;
    static const struct {
        double at, weight;
    } points[] = {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}};
    memset(out, 0, reference_scalars(r) * sizeof *out);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        reference_move move = *where;
        move.delta = points[p].at * step;
        accumulate(r, &move, points[p].weight / step, out);
    }
}
