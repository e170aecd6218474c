#include "joint_model.h"

#include "fixture_numbers.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUCKETS = 8, REACH = 16, OFFSET = 2, MOST_TENSORS = 400 };

typedef struct layer { const float *weight, *bias; } layer; /* [out, in], [out] or NULL; a norm: [d], [d] or NULL */
typedef struct attention { layer query, key, value, out, norm; } attention;

struct joint_block { attention own, cross; layer gate, up, down, norm; };

/* ---- Weights ---------------------------------------------------------------------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *const memory = calloc(count, size);
    if (!memory)
        abort();
    return memory;
}

typedef struct builder { joint_model *m; fixture_random random; } builder;

static const float *add(builder *b, double mean, double std, int rows, int cols, const char *format, ...)
{
    fixture_tensor *const t = &b->m->files.tensors[b->m->files.n_tensors++];
    va_list args;
    va_start(args, format);
    vsnprintf(t->name, sizeof t->name, format, args);
    va_end(args);
    t->rank = rows ? 2 : 1;
    t->shape[0] = rows ? rows : cols;
    t->shape[1] = cols;
    t->count = (size_t)(rows ? rows : 1) * (size_t)cols;
    t->data = allocate(t->count, sizeof *t->data);
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = (float)(mean + std * fixture_normal(&b->random));
    return t->data;
}

static layer linear(builder *b, int out, int in, double std, const char *name)
{
    layer l = {.weight = add(b, 0, std / sqrt(in), out, in, "%s.weight", name)};
    if (!b->m->spec.t5)
        l.bias = add(b, 0, 0.1, 0, out, "%s.bias", name);
    return l;
}

static layer norm(builder *b, const char *name)
{
    layer l = {.weight = add(b, 1, 0.2, 0, b->m->spec.width, "%s.weight", name)};
    if (!b->m->spec.t5)
        l.bias = add(b, 0, 0.2, 0, b->m->spec.width, "%s.bias", name);
    return l;
}

/* Scores that T5 does not scale need smaller queries. */
static attention add_attention(builder *b, const char *module, const char *before, const char *const parts[4])
{
    const int d = b->m->spec.width;
    const double sharp = sqrt(2.0), query = b->m->spec.t5 ? sharp / sqrt((double)d / b->m->spec.heads) : sharp;
    char name[4][120];
    for (int i = 0; i < 4; i++)
        snprintf(name[i], sizeof name[i], "%s.%s", module, parts[i]);
    return (attention){.query = linear(b, d, d, query, name[0]), .key = linear(b, d, d, sharp, name[1]), .value = linear(b, d, d, 1, name[2]), .out = linear(b, d, d, 1, name[3]),
                       .norm = norm(b, before)};
}

static void add_t5_block(builder *b, struct joint_block *w, const char *side, int i, bool decoder)
{
    static const char *const parts[] = {"q", "k", "v", "o"};
    char prefix[40], module[100], before[100];
    snprintf(prefix, sizeof prefix, "%s.block.%d.layer", side, i);
    for (int cross = 0; cross <= decoder; cross++) {
        snprintf(module, sizeof module, "%s.%d.%s", prefix, cross, cross ? "EncDecAttention" : "SelfAttention");
        snprintf(before, sizeof before, "%s.%d.layer_norm", prefix, cross);
        *(cross ? &w->cross : &w->own) = add_attention(b, module, before, parts);
    }
    snprintf(module, sizeof module, "%s.%d.DenseReluDense.wi_0", prefix, decoder + 1);
    w->gate = linear(b, b->m->spec.mlp, b->m->spec.width, 1, module);
    snprintf(module, sizeof module, "%s.%d.DenseReluDense.wi_1", prefix, decoder + 1);
    w->up = linear(b, b->m->spec.mlp, b->m->spec.width, 1, module);
    snprintf(module, sizeof module, "%s.%d.DenseReluDense.wo", prefix, decoder + 1);
    w->down = linear(b, b->m->spec.width, b->m->spec.mlp, 1, module);
    snprintf(before, sizeof before, "%s.%d.layer_norm", prefix, decoder + 1);
    w->norm = norm(b, before);
}

static void add_bart_block(builder *b, struct joint_block *w, const char *side, int i, bool decoder)
{
    static const char *const parts[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    char prefix[40], module[80], before[100];
    snprintf(prefix, sizeof prefix, "model.%s.layers.%d", side, i);
    for (int cross = 0; cross <= decoder; cross++) {
        snprintf(module, sizeof module, "%s.%s", prefix, cross ? "encoder_attn" : "self_attn");
        snprintf(before, sizeof before, "%s_layer_norm", module);
        *(cross ? &w->cross : &w->own) = add_attention(b, module, before, parts);
    }
    snprintf(module, sizeof module, "%s.fc1", prefix);
    w->up = linear(b, b->m->spec.mlp, b->m->spec.width, 1, module);
    snprintf(module, sizeof module, "%s.fc2", prefix);
    w->down = linear(b, b->m->spec.width, b->m->spec.mlp, 1, module);
    snprintf(before, sizeof before, "%s.final_layer_norm", prefix);
    w->norm = norm(b, before);
}

static void add_outside(builder *b)
{
    joint_model *const m = b->m;
    const int d = m->spec.width, v = m->spec.vocabulary;
    m->shared = add(b, 0, 0.7, v, d, m->spec.t5 ? "shared.weight" : "model.shared.weight");
    for (int side = 0; side < 2; side++) {
        const char *const name = side ? "decoder" : "encoder";
        char before[60];
        if (m->spec.t5) {
            m->buckets[side] = add(b, 0, 0.5, BUCKETS, m->spec.heads, "%s.block.0.layer.0.SelfAttention.relative_attention_bias.weight", name);
            snprintf(before, sizeof before, "%s.final_layer_norm", name);
            *(side ? &m->final_norm : &m->memory_norm) = norm(b, before).weight;
            continue;
        }
        m->positions[side] = add(b, 0, 0.5, m->tokens + OFFSET, d, "model.%s.embed_positions.weight", name);
        snprintf(before, sizeof before, "model.%s.layernorm_embedding", name);
        const layer n = norm(b, before);
        m->embedding_norm[side][0] = n.weight;
        m->embedding_norm[side][1] = n.bias;
    }
    m->head = m->spec.t5 ? add(b, 0, 0.5, v, d, "lm_head.weight") : m->shared;
}

joint_model *joint_create(const joint_spec *spec)
{
    joint_model *const m = allocate(1, sizeof *m);
    *m = (joint_model){.spec = *spec, .tokens = spec->encoder + spec->decoder, .blocks = 2 * spec->layers, .files.spec = {.dtype = FIXTURE_F32, .prefix = ""}};
    const size_t n = (size_t)m->tokens, d = (size_t)spec->width, blocks = (size_t)m->blocks;
    m->files.tensors = allocate(MOST_TENSORS, sizeof *m->files.tensors);
    m->weights = allocate(blocks, sizeof *m->weights);
    m->ids = allocate(n, sizeof *m->ids);
    m->z = allocate((blocks + 1) * n * d, sizeof *m->z);
    m->attention = allocate(blocks * (size_t)spec->heads * n * n, sizeof *m->attention);
    m->scratch = allocate(5 * n * d + 2 * d + 2 * (size_t)spec->mlp + (size_t)spec->vocabulary, sizeof *m->scratch);
    builder b = {m, {spec->seed}};
    add_outside(&b);
    for (int i = 0; i < m->blocks; i++)
        (spec->t5 ? add_t5_block : add_bart_block)(&b, &m->weights[i], i < spec->layers ? "encoder" : "decoder", i % spec->layers, i >= spec->layers);
    for (int i = 0; i < m->tokens; i++)
        m->ids[i] = i == spec->encoder ? 0 : (int32_t)(fixture_uniform(&b.random) * spec->vocabulary);
    return m;
}

void joint_free(joint_model *m)
{
    for (int i = 0; i < m->files.n_tensors; i++)
        free(m->files.tensors[i].data);
    free(m->files.tensors);
    free(m->weights);
    free(m->ids);
    free(m->z);
    free(m->attention);
    free(m->scratch);
    free(m);
}

bool joint_write(const joint_model *m, const char *dir)
{
    const joint_spec *const s = &m->spec;
    char path[4200];
    snprintf(path, sizeof path, "%s/config.json", dir);
    if (mkdir(dir, 0777) && errno != EEXIST)
        return false;
    FILE *const out = fopen(path, "w");
    if (!out)
        return false;
    if (s->t5)
        fprintf(out, "{\"model_type\": \"t5\", \"d_kv\": %d, \"d_ff\": %d, \"num_layers\": %d, \"num_heads\": %d, \"feed_forward_proj\": \"gated-gelu\", "
                "\"relative_attention_num_buckets\": %d, \"relative_attention_max_distance\": %d, \"tie_word_embeddings\": false, ",
                s->width / s->heads, s->mlp, s->layers, s->heads, BUCKETS, REACH);
    else
        fprintf(out, "{\"model_type\": \"bart\", \"encoder_layers\": %d, \"decoder_layers\": %d, \"encoder_attention_heads\": %d, \"decoder_attention_heads\": %d, "
                "\"encoder_ffn_dim\": %d, \"decoder_ffn_dim\": %d, \"activation_function\": \"gelu\", \"max_position_embeddings\": %d, ",
                s->layers, s->layers, s->heads, s->heads, s->mlp, s->mlp, m->tokens);
    fprintf(out, "\"d_model\": %d, \"vocab_size\": %d, \"decoder_start_token_id\": 0}\n", s->width, s->vocabulary);
    return fclose(out) == 0 && fixture_write_weights(&m->files, dir);
}

/* ---- The forward pass --------------------------------------------------------------------------------------------------------------- */

static void apply(const layer *l, int out, int in, const double *x, double *y)
{
    for (int o = 0; o < out; o++) {
        y[o] = l->bias ? l->bias[o] : 0;
        for (int i = 0; i < in; i++)
            y[o] += (double)l->weight[o * in + i] * x[i];
    }
}

/* in may be out. */
static void normalize(const joint_model *m, const layer *l, const double *in, double *out)
{
    const int d = m->spec.width;
    double mean = 0, squares = 0;
    for (int k = 0; k < d && !m->spec.t5; k++)
        mean += in[k] / d;
    for (int k = 0; k < d; k++)
        squares += (in[k] - mean) * (in[k] - mean) / d;
    const double scale = 1 / sqrt(squares + (m->spec.t5 ? 1e-6 : 1e-5));
    for (int k = 0; k < d; k++)
        out[k] = (in[k] - mean) * scale * l->weight[k] + (l->bias ? l->bias[k] : 0);
}

static double activate(bool t5, double x)
{
    return t5 ? 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))) : 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double *row_of(joint_model *m, int block, int token)
{
    return m->z + ((size_t)block * (size_t)m->tokens + (size_t)token) * (size_t)m->spec.width;
}

const double *joint_z(const joint_model *m, int block, int token)
{
    return m->z + ((size_t)block * (size_t)m->tokens + (size_t)token) * (size_t)m->spec.width;
}

double *joint_attention(const joint_model *m, int block, int head, int row)
{
    return m->attention + (((size_t)block * (size_t)m->spec.heads + (size_t)head) * (size_t)m->tokens + (size_t)row) * (size_t)m->tokens;
}

/* T5's bucket of a key so far behind (or ahead of) its query; beyond the exact ones they widen as the logarithm of the distance. */
static int bucket_of(int ahead, bool both_ways)
{
    const int n = both_ways ? BUCKETS / 2 : BUCKETS, exact = n / 2, first = both_ways && ahead > 0 ? n : 0, far = both_ways ? abs(ahead) : ahead < 0 ? -ahead : 0;
    if (far < exact)
        return first + far;
    const int wide = exact + (int)(log((double)far / exact) / log((double)REACH / exact) * (n - exact));
    return first + (wide < n - 1 ? wide : n - 1);
}

typedef struct range { int first, end; } range;

static double score(const joint_model *m, int block, int head, int row, int column, bool cross, const double *query, const double *key)
{
    const int size = m->spec.width / m->spec.heads, side = block >= m->spec.layers;
    double sum = 0;
    for (int k = 0; k < size; k++)
        sum += query[head * size + k] * key[head * size + k];
    if (!m->spec.t5)
        return sum / sqrt(size);
    return cross ? sum : sum + m->buckets[side][bucket_of(column - row, !side) * m->spec.heads + head];
}

/* Probabilities of one row over the keys it sees, then the move. */
static void attend(joint_model *m, int block, int head, int row, range keys, bool cross, const double *query, const double *key, const joint_move *move)
{
    double *const a = joint_attention(m, block, head, row), sum = 0;
    for (int j = keys.first; j < keys.end; j++)
        sum += a[j] = exp(score(m, block, head, row, j, cross, query, key + j * m->spec.width));
    for (int j = keys.first; j < keys.end; j++)
        a[j] /= sum;
    if (move && move->block == block && move->head == head && move->row == row && move->column >= keys.first && move->column < keys.end)
        a[move->column] += move->delta;
}

/* One attention of a block: rows of queries over keys of source, both in x; x += what it makes. */
static void run_attention(joint_model *m, int block, const attention *w, bool cross, range queries, double *x, const double *source, range keys, const joint_move *move)
{
    const int d = m->spec.width, size = d / m->spec.heads;
    double *const key = m->scratch, *const value = key + m->tokens * d, *const normed = value + m->tokens * d, *const made = normed + m->tokens * d,
           *const query = made + m->tokens * d, *const mixed = query + d;
    for (int i = queries.first; i < queries.end; i++) {
        memcpy(normed + i * d, x + i * d, (size_t)d * sizeof *x);
        if (m->spec.t5)
            normalize(m, &w->norm, normed + i * d, normed + i * d);
    }
    for (int j = keys.first; j < keys.end; j++) {
        apply(&w->key, d, d, cross ? source + j * d : normed + j * d, key + j * d);
        apply(&w->value, d, d, cross ? source + j * d : normed + j * d, value + j * d);
    }
    for (int i = queries.first; i < queries.end; i++) {
        const bool causal = !cross && block >= m->spec.layers;
        const range seen = {keys.first, causal ? i + 1 : keys.end};
        apply(&w->query, d, d, normed + i * d, query);
        memset(mixed, 0, (size_t)d * sizeof *mixed);
        for (int h = 0; h < m->spec.heads; h++) {
            attend(m, block, h, i, seen, cross, query, key, move);
            for (int j = seen.first; j < seen.end; j++)
                for (int k = h * size; k < (h + 1) * size; k++)
                    mixed[k] += joint_attention(m, block, h, i)[j] * value[j * d + k];
        }
        apply(&w->out, d, d, mixed, made + i * d);
    }
    for (int i = queries.first; i < queries.end; i++) {
        for (int k = 0; k < d; k++)
            x[i * d + k] += made[i * d + k];
        if (!m->spec.t5)
            normalize(m, &w->norm, x + i * d, x + i * d);
    }
}

static void run_mlp(joint_model *m, const struct joint_block *w, double *x)
{
    const int d = m->spec.width, mlp = m->spec.mlp;
    double *const normed = m->scratch, *const made = normed + d, *const inner = made + d, *const gate = inner + mlp;
    memcpy(normed, x, (size_t)d * sizeof *x);
    if (m->spec.t5)
        normalize(m, &w->norm, x, normed);
    apply(&w->up, mlp, d, normed, inner);
    if (m->spec.t5)
        apply(&w->gate, mlp, d, normed, gate);
    for (int k = 0; k < mlp; k++)
        inner[k] = m->spec.t5 ? activate(true, gate[k]) * inner[k] : activate(false, inner[k]);
    apply(&w->down, d, mlp, inner, made);
    for (int k = 0; k < d; k++)
        x[k] += made[k];
    if (!m->spec.t5)
        normalize(m, &w->norm, x, x);
}

static void embed(joint_model *m)
{
    const int d = m->spec.width;
    for (int i = 0; i < m->tokens; i++) {
        const int side = i >= m->spec.encoder, place = side ? i - m->spec.encoder : i;
        double *const z = row_of(m, 0, i);
        for (int k = 0; k < d; k++)
            z[k] = (double)m->shared[m->ids[i] * d + k] + (m->spec.t5 ? 0 : m->positions[side][(place + OFFSET) * d + k]);
        const layer n = {m->embedding_norm[side][0], m->embedding_norm[side][1]};
        if (!m->spec.t5)
            normalize(m, &n, z, z);
    }
}

void joint_run(joint_model *m, const joint_move *move)
{
    const int d = m->spec.width, n = m->tokens;
    const range encoder = {0, m->spec.encoder}, decoder = {m->spec.encoder, n};
    double *const memory = m->scratch + 4 * n * d + 2 * d + 2 * m->spec.mlp + m->spec.vocabulary; /* what no block overwrites */
    memset(m->attention, 0, (size_t)m->blocks * (size_t)m->spec.heads * (size_t)n * (size_t)n * sizeof *m->attention);
    embed(m);
    if (move && move->block < 0)
        row_of(m, 0, move->row)[move->column] += move->delta;
    for (int b = 0; b < m->blocks; b++) {
        const bool side = b >= m->spec.layers;
        const range rows = side ? decoder : encoder;
        double *const x = row_of(m, b + 1, 0);
        if (b == m->spec.layers)
            for (int i = 0; i < m->spec.encoder; i++) {
                const layer final = {m->memory_norm, NULL};
                memcpy(memory + i * d, joint_z(m, b, i), (size_t)d * sizeof *memory);
                if (m->spec.t5)
                    normalize(m, &final, memory + i * d, memory + i * d);
            }
        memcpy(x, joint_z(m, b, 0), (size_t)(n * d) * sizeof *x);
        run_attention(m, b, &m->weights[b].own, false, rows, x, NULL, rows, move);
        if (side)
            run_attention(m, b, &m->weights[b].cross, true, rows, x, memory, encoder, move);
        for (int i = rows.first; i < rows.end; i++)
            run_mlp(m, &m->weights[b], x + i * d);
    }
}

double joint_log_probability(joint_model *m, int token, int32_t id)
{
    const int d = m->spec.width, v = m->spec.vocabulary;
    double *const normed = m->scratch, *const logits = normed + d, sum = 0;
    const layer final = {m->final_norm, NULL}, head = {m->head, NULL};
    memcpy(normed, joint_z(m, m->blocks, token), (size_t)d * sizeof *normed);
    if (m->spec.t5)
        normalize(m, &final, normed, normed);
    apply(&head, v, d, normed, logits);
    for (int i = 0; i < v; i++)
        sum += exp(logits[i]);
    return logits[id] - log(sum);
}
