#include "fixture_numbers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The families ------------------------------------------------------------------------------------------------------- */

#define ALL ~0u
#define BIT(part) (1u << (part))
#define QKV (BIT(FIXTURE_QUERY) | BIT(FIXTURE_KEY) | BIT(FIXTURE_VALUE))

typedef struct family {
    const char *name;
    fixture_traits traits;
    bool transposed;           /* linear layers lie as [inputs, outputs] */
    unsigned biased, optional; /* linear layers that have a bias; that have one where the spec says so */
    const char *block;
    const char *parts[FIXTURE_PARTS];
    const char *cls, *registers, *positions, *segments, *patch; /* tensors, of the patches a module */
    bool bare;                 /* these tensors have no dimensions of one, and the patches no bias: CLIP */
} family;

#define LLAMA_PARTS \
    [FIXTURE_NORM1] = "input_layernorm", [FIXTURE_QUERY] = "self_attn.q_proj", [FIXTURE_KEY] = "self_attn.k_proj", [FIXTURE_VALUE] = "self_attn.v_proj", \
    [FIXTURE_OUT] = "self_attn.o_proj", [FIXTURE_NORM2] = "post_attention_layernorm", [FIXTURE_GATE] = "mlp.gate_proj", [FIXTURE_UP] = "mlp.up_proj", \
    [FIXTURE_DOWN] = "mlp.down_proj", [FIXTURE_FINAL_NORM] = "norm", [FIXTURE_EMBEDDING] = "embed_tokens", [FIXTURE_HEAD] = "lm_head"

#define ATTENTION_PARTS \
    [FIXTURE_QUERY] = "attention.attention.query", [FIXTURE_KEY] = "attention.attention.key", [FIXTURE_VALUE] = "attention.attention.value", \
    [FIXTURE_OUT] = "attention.output.dense"
#define VIT_EMBEDDINGS .cls = "embeddings.cls_token", .positions = "embeddings.position_embeddings", .patch = "embeddings.patch_embeddings.projection"

#define LLAMA_TRAITS {.text = true, .causal = true, .rms = true, .gated = true, .rotary = true}

static const family *find_family(const char *name)
{
    static const family families[] = {
        {.name = "vit", .traits = {.special = 1}, .biased = ALL, .block = "encoder.layer.%d.", VIT_EMBEDDINGS,
         .parts = {ATTENTION_PARTS, [FIXTURE_NORM1] = "layernorm_before", [FIXTURE_NORM2] = "layernorm_after", [FIXTURE_UP] = "intermediate.dense",
                   [FIXTURE_DOWN] = "output.dense", [FIXTURE_FINAL_NORM] = "layernorm"}},
        {.name = "dinov2_with_registers", .traits = {.gated = true, .special = 3, .registers = 2}, .biased = ALL, .block = "encoder.layer.%d.", VIT_EMBEDDINGS,
         .registers = "embeddings.register_tokens",
         .parts = {ATTENTION_PARTS, [FIXTURE_NORM1] = "norm1", [FIXTURE_NORM2] = "norm2", [FIXTURE_GATE] = "mlp.weights_in", [FIXTURE_UP] = "mlp.weights_in",
                   [FIXTURE_DOWN] = "mlp.weights_out", [FIXTURE_OUT_SCALE] = "layer_scale1.lambda1", [FIXTURE_DOWN_SCALE] = "layer_scale2.lambda1",
                   [FIXTURE_FINAL_NORM] = "layernorm"}},
        {.name = "clip_vision_model", .traits = {.special = 1}, .biased = ALL, .block = "encoder.layers.%d.", .bare = true, .cls = "embeddings.class_embedding",
         .positions = "embeddings.position_embedding.weight", .patch = "embeddings.patch_embedding",
         .parts = {[FIXTURE_NORM1] = "layer_norm1", [FIXTURE_QUERY] = "self_attn.q_proj", [FIXTURE_KEY] = "self_attn.k_proj", [FIXTURE_VALUE] = "self_attn.v_proj",
                   [FIXTURE_OUT] = "self_attn.out_proj", [FIXTURE_NORM2] = "layer_norm2", [FIXTURE_UP] = "mlp.fc1", [FIXTURE_DOWN] = "mlp.fc2",
                   [FIXTURE_EMBEDDING_NORM] = "pre_layrnorm", [FIXTURE_FINAL_NORM] = "post_layernorm"}},
        {.name = "bert", .traits = {.text = true, .post_norm = true}, .biased = ALL, .block = "encoder.layer.%d.",
         .positions = "embeddings.position_embeddings.weight", .segments = "embeddings.token_type_embeddings.weight",
         .parts = {[FIXTURE_QUERY] = "attention.self.query", [FIXTURE_KEY] = "attention.self.key", [FIXTURE_VALUE] = "attention.self.value",
                   [FIXTURE_OUT] = "attention.output.dense", [FIXTURE_NORM1] = "attention.output.LayerNorm", [FIXTURE_UP] = "intermediate.dense",
                   [FIXTURE_DOWN] = "output.dense", [FIXTURE_NORM2] = "output.LayerNorm", [FIXTURE_EMBEDDING_NORM] = "embeddings.LayerNorm",
                   [FIXTURE_EMBEDDING] = "embeddings.word_embeddings"}},
        {.name = "gpt2", .traits = {.text = true, .causal = true}, .transposed = true, .biased = ALL, .block = "h.%d.", .positions = "wpe.weight",
         .parts = {[FIXTURE_NORM1] = "ln_1", [FIXTURE_QUERY] = "attn.c_attn", [FIXTURE_KEY] = "attn.c_attn", [FIXTURE_VALUE] = "attn.c_attn",
                   [FIXTURE_OUT] = "attn.c_proj", [FIXTURE_NORM2] = "ln_2", [FIXTURE_UP] = "mlp.c_fc", [FIXTURE_DOWN] = "mlp.c_proj",
                   [FIXTURE_FINAL_NORM] = "ln_f", [FIXTURE_EMBEDDING] = "wte", [FIXTURE_HEAD] = "lm_head"}},
        {.name = "llama", .traits = LLAMA_TRAITS, .optional = ALL, .block = "layers.%d.", .parts = {LLAMA_PARTS}},
        {.name = "mistral", .traits = LLAMA_TRAITS, .block = "layers.%d.", .parts = {LLAMA_PARTS}},
        {.name = "qwen2", .traits = LLAMA_TRAITS, .biased = QKV, .block = "layers.%d.", .parts = {LLAMA_PARTS}},
        {.name = "qwen3", .traits = LLAMA_TRAITS, .optional = QKV | BIT(FIXTURE_OUT), .block = "layers.%d.",
         .parts = {LLAMA_PARTS, [FIXTURE_QUERY_NORM] = "self_attn.q_norm", [FIXTURE_KEY_NORM] = "self_attn.k_norm"}},
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcmp(families[i].name, name ? name : "vit"))
            return &families[i];
    return NULL;
}

fixture_traits fixture_traits_of(const fixture_spec *spec)
{
    return find_family(spec->family)->traits;
}

/* ---- Shapes --------------------------------------------------------------------------------------------------------------- */

fixture_spec fixture_default(void)
{
    return fixture_shape(2, 24, 3, 40, 4, 12);
}

fixture_spec fixture_shape(int layers, int width, int heads, int mlp, int patch, int image)
{
    return (fixture_spec){.layers = layers, .width = width, .heads = heads, .mlp = mlp, .patch = patch, .image = image,
                          .seed = 1, .dtype = FIXTURE_F32, .prefix = "", .act = "gelu", .eps = 1e-12};
}

fixture_spec fixture_text(const char *name, int layers, int width, int heads, int kv_heads, int head_dim, int mlp, int tokens)
{
    return (fixture_spec){.family = name, .layers = layers, .width = width, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .mlp = mlp,
                          .tokens = tokens, .vocabulary = 29, .context = tokens, .theta = 10000,
                          .seed = 1, .dtype = FIXTURE_F32, .prefix = "", .act = strcmp(name, "gpt2") ? "silu" : "gelu_new", .eps = 1e-5};
}

int fixture_tokens(const fixture_spec *s)
{
    if (fixture_traits_of(s).text)
        return s->tokens;
    const int side = s->image / s->patch;
    return side * side + fixture_traits_of(s).special;
}

int fixture_reach(const fixture_spec *s, int block)
{
    const bool slides = s->window && (!strcmp(s->family, "mistral") || block >= s->window_from);
    return slides ? s->window : INT32_MAX;
}

/* Zeros that stand for something else. */
static fixture_spec made_definite(fixture_spec s)
{
    s.family = s.family ? s.family : "vit";
    s.kv_heads = s.kv_heads ? s.kv_heads : s.heads;
    s.head_dim = s.head_dim || s.heads < 1 ? s.head_dim : s.width / s.heads;
    return s;
}

static bool possible(const fixture_spec *s)
{
    if (!find_family(s->family) || s->layers < 1 || s->heads < 1 || s->kv_heads < 1 || s->width < 1 || s->head_dim < 1 || s->mlp < 1)
        return false;
    const fixture_traits t = fixture_traits_of(s);
    if (t.text)
        return s->tokens >= 1 && s->context >= s->tokens && s->vocabulary >= 1 && s->heads % s->kv_heads == 0 && (!t.rotary || s->head_dim % 2 == 0);
    return s->width == s->heads * s->head_dim && s->patch >= 1 && s->image >= s->patch && s->image % s->patch == 0;
}

/* ---- The tensors ------------------------------------------------------------------------------------------------------------ */

typedef struct builder {
    fixture *f;
    const family *family;
    fixture_random random;
    bool failed;
} builder;

static bool is_norm(fixture_part part)
{
    return part == FIXTURE_NORM1 || part == FIXTURE_NORM2 || part == FIXTURE_QUERY_NORM || part == FIXTURE_KEY_NORM || part == FIXTURE_FINAL_NORM ||
           part == FIXTURE_EMBEDDING_NORM;
}

static bool is_scale(fixture_part part)
{
    return part == FIXTURE_OUT_SCALE || part == FIXTURE_DOWN_SCALE;
}

static bool is_vector(fixture_part part)
{
    return is_norm(part) || is_scale(part);
}

/* Inputs and outputs of a linear layer; a norm and a scale have outputs only. */
static void part_size(const fixture_spec *s, fixture_part part, int *in, int *out)
{
    const int d = s->width, query = s->heads * s->head_dim, key = s->kv_heads * s->head_dim;
    const int sizes[FIXTURE_PARTS][2] = {
        [FIXTURE_NORM1] = {0, d}, [FIXTURE_NORM2] = {0, d}, [FIXTURE_FINAL_NORM] = {0, d}, [FIXTURE_EMBEDDING_NORM] = {0, d},
        [FIXTURE_OUT_SCALE] = {0, d}, [FIXTURE_DOWN_SCALE] = {0, d}, [FIXTURE_QUERY_NORM] = {0, s->head_dim}, [FIXTURE_KEY_NORM] = {0, s->head_dim},
        [FIXTURE_QUERY] = {d, query}, [FIXTURE_KEY] = {d, key}, [FIXTURE_VALUE] = {d, key}, [FIXTURE_OUT] = {query, d},
        [FIXTURE_GATE] = {d, s->mlp}, [FIXTURE_UP] = {d, s->mlp}, [FIXTURE_DOWN] = {s->mlp, d},
        [FIXTURE_EMBEDDING] = {d, s->vocabulary}, [FIXTURE_HEAD] = {d, s->vocabulary},
    };
    *in = sizes[part][0];
    *out = sizes[part][1];
}

/* Query, key and value may be one tensor, and gate and up: the outputs of all of it, and how many of those stand before this part's. */
static void fused_size(const fixture_spec *s, const family *f, fixture_part part, int *all, int *before)
{
    int in;
    const bool attention = part >= FIXTURE_QUERY && part <= FIXTURE_VALUE, mlp = part >= FIXTURE_GATE && part <= FIXTURE_UP;
    const fixture_part first = attention ? FIXTURE_QUERY : FIXTURE_GATE, last = attention ? FIXTURE_VALUE : FIXTURE_UP;
    part_size(s, part, &in, all);
    *before = 0;
    if (!(attention || mlp) || !f->parts[first] || strcmp(f->parts[first], f->parts[first + 1]))
        return;
    *all = 0;
    for (fixture_part p = first; p <= last; p++) {
        int out;
        part_size(s, p, &in, &out);
        *before += p < part ? out : 0;
        *all += out;
    }
}

static bool is_biased(const fixture_spec *s, const family *f, fixture_part part)
{
    if (is_norm(part))
        return !fixture_traits_of(s).rms;
    return part < FIXTURE_BLOCK_PARTS && !is_scale(part) && (f->biased | (s->bias ? f->optional : 0)) & BIT(part);
}

static void draw(builder *b, fixture_tensor *t, double mean, double std)
{
    t->data = malloc(t->count * sizeof *t->data);
    b->failed |= !t->data;
    for (size_t i = 0; t->data && i < t->count; i++)
        t->data[i] = fixture_rounded((float)(mean + std * fixture_normal(&b->random)), b->f->spec.dtype);
}

/* Adds a tensor of mean + std * normal; its shape follows, rank ints. */
static void add(builder *b, double mean, double std, const char *prefix, const char *name, int rank, ...)
{
    fixture_tensor *const t = &b->f->tensors[b->f->n_tensors++];
    *t = (fixture_tensor){.rank = rank, .count = 1};
    snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
    va_list shape;
    va_start(shape, rank);
    for (int i = 0; i < rank; i++)
        t->count *= (size_t)(t->shape[i] = va_arg(shape, int));
    va_end(shape);
    draw(b, t, mean, std);
}

/* The tensor of a module: block.MODULE.KIND. */
static void part_name(char *out, size_t size, const family *f, int block, fixture_part part, const char *kind)
{
    int used = 0;
    if (part < FIXTURE_BLOCK_PARTS)
        used = snprintf(out, size, f->block, block);
    snprintf(out + used, size - (size_t)used, is_scale(part) ? "%s" : "%s.%s", f->parts[part], kind);
}

/* Explanations of uniform attention would test nothing: queries and keys are larger. */
static double mean_of(fixture_part part)
{
    return part == FIXTURE_QUERY_NORM || part == FIXTURE_KEY_NORM ? sqrt(2.0) : is_vector(part) ? 1 : 0;
}

static double std_of(fixture_part part, int in)
{
    if (is_vector(part))
        return 0.2;
    if (part == FIXTURE_EMBEDDING)
        return 0.5;
    return (part == FIXTURE_QUERY || part == FIXTURE_KEY ? sqrt(2.0) : 1) / sqrt(in);
}

static void add_part(builder *b, int block, fixture_part part)
{
    const fixture_spec *const s = &b->f->spec;
    const char *const prefix = part == FIXTURE_HEAD ? "" : s->prefix;
    int in, out, before;
    char name[96];
    if (!b->family->parts[part])
        return;
    part_size(s, part, &in, &out);
    fused_size(s, b->family, part, &out, &before);
    if (before)
        return; /* the tensor is there */
    part_name(name, sizeof name, b->family, block, part, "weight");
    const bool turned = b->family->transposed && part < FIXTURE_BLOCK_PARTS;
    if (is_vector(part))
        add(b, mean_of(part), std_of(part, in), prefix, name, 1, out);
    else
        add(b, 0, std_of(part, in), prefix, name, 2, turned ? in : out, turned ? out : in);
    part_name(name, sizeof name, b->family, block, part, "bias");
    if (is_biased(s, b->family, part))
        add(b, 0, is_norm(part) ? 0.2 : 0.1, prefix, name, 1, out);
}

/* Dimensions of one stand before the others, but not in CLIP. */
static void add_table(builder *b, double std, const char *name, int leading, int rows)
{
    const fixture_spec *const s = &b->f->spec;
    if (name && leading == 0 && rows == 1)
        add(b, 0, std, s->prefix, name, 1, s->width);
    else if (name && leading == 0)
        add(b, 0, std, s->prefix, name, 2, rows, s->width);
    else if (name)
        add(b, 0, std, s->prefix, name, 3, 1, rows, s->width);
}

static void add_image_embedding(builder *b)
{
    const fixture_spec *const s = &b->f->spec;
    const family *const f = b->family;
    char name[96];
    add_table(b, 1, f->cls, !f->bare, 1);
    add_table(b, 1, f->registers, 1, f->traits.registers);
    add_table(b, 0.5, f->positions, !f->bare, fixture_tokens(s) - f->traits.registers);
    snprintf(name, sizeof name, "%s.weight", f->patch);
    add(b, 0, 1.0 / s->patch, s->prefix, name, 4, s->width, 3, s->patch, s->patch);
    snprintf(name, sizeof name, "%s.bias", f->patch);
    if (!f->bare)
        add(b, 0, 0.1, s->prefix, name, 1, s->width);
}

static void add_text_embedding(builder *b)
{
    const fixture_spec *const s = &b->f->spec;
    add_part(b, 0, FIXTURE_EMBEDDING);
    if (b->family->positions)
        add(b, 0, 0.5, s->prefix, b->family->positions, 2, s->context, s->width);
    if (b->family->segments)
        add(b, 0, 0.5, s->prefix, b->family->segments, 2, 2, s->width);
}

static void draw_input(builder *b)
{
    const fixture_spec *const s = &b->f->spec;
    if (fixture_traits_of(s).text) {
        b->f->ids = malloc((size_t)s->tokens * sizeof *b->f->ids);
        for (int i = 0; b->f->ids && i < s->tokens; i++)
            b->f->ids[i] = (int32_t)(fixture_uniform(&b->random) * s->vocabulary);
        b->failed |= !b->f->ids;
        return;
    }
    const size_t pixels = (size_t)3 * (size_t)s->image * (size_t)s->image;
    b->f->pixels = malloc(pixels * sizeof *b->f->pixels);
    for (size_t i = 0; b->f->pixels && i < pixels; i++)
        b->f->pixels[i] = (float)fixture_normal(&b->random);
    b->failed |= !b->f->pixels;
}

enum { OTHER_TENSORS = 10 };

static void build(builder *b)
{
    const fixture_spec *const s = &b->f->spec;
    (fixture_traits_of(s).text ? add_text_embedding : add_image_embedding)(b);
    for (int block = 0; block < s->layers; block++)
        for (fixture_part part = 0; part < FIXTURE_BLOCK_PARTS; part++)
            add_part(b, block, part);
    add_part(b, 0, FIXTURE_EMBEDDING_NORM);
    add_part(b, 0, FIXTURE_FINAL_NORM);
    if (s->untied && !s->headless)
        add_part(b, 0, FIXTURE_HEAD);
    draw_input(b);
}

fixture *fixture_create(const fixture_spec *spec)
{
    const fixture_spec s = made_definite(*spec);
    if (!possible(&s))
        return NULL;
    fixture *const f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->spec = s;
    f->tensors = calloc((size_t)(2 * FIXTURE_BLOCK_PARTS * s.layers + OTHER_TENSORS), sizeof *f->tensors);
    builder b = {.f = f, .family = find_family(s.family), .random = {s.seed}};
    if (f->tensors)
        build(&b);
    if (!f->tensors || b.failed) {
        fixture_free(f);
        return NULL;
    }
    return f;
}

void fixture_free(fixture *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->n_tensors; i++)
        free(f->tensors[i].data);
    free(f->tensors);
    free(f->pixels);
    free(f->ids);
    free(f);
}

/* ---- Access ------------------------------------------------------------------------------------------------------------------ */

static const float *find_data(const fixture *f, const char *name)
{
    const size_t prefix = strlen(f->spec.prefix);
    for (int i = 0; i < f->n_tensors; i++) {
        const char *const full = f->tensors[i].name;
        if (!strcmp(full, name) || (!strncmp(full, f->spec.prefix, prefix) && !strcmp(full + prefix, name)))
            return f->tensors[i].data;
    }
    return NULL;
}

fixture_weights fixture_module(const fixture *f, int block, fixture_part part)
{
    const family *const own = find_family(f->spec.family);
    fixture_weights w = {0};
    int all, before;
    char name[96];
    if (!own->parts[part])
        return w;
    part_size(&f->spec, part, &w.in, &w.out);
    fused_size(&f->spec, own, part, &all, &before);
    const bool turned = own->transposed && part < FIXTURE_BLOCK_PARTS;
    w.in_step = turned ? (size_t)all : 1;
    w.out_step = turned || is_vector(part) ? 1 : (size_t)w.in;
    part_name(name, sizeof name, own, block, part, "weight");
    if ((w.weight = find_data(f, name)))
        w.weight += (size_t)before * w.out_step;
    part_name(name, sizeof name, own, block, part, "bias");
    if ((w.bias = find_data(f, name)))
        w.bias += before;
    return w;
}

fixture_embeddings fixture_embeddings_of(const fixture *f)
{
    const family *const own = find_family(f->spec.family);
    char weight[96], bias[96];
    snprintf(weight, sizeof weight, "%s.weight", own->patch ? own->patch : "");
    snprintf(bias, sizeof bias, "%s.bias", own->patch ? own->patch : "");
    return (fixture_embeddings){
        .cls = own->cls ? find_data(f, own->cls) : NULL, .registers = own->registers ? find_data(f, own->registers) : NULL,
        .positions = own->positions ? find_data(f, own->positions) : NULL, .segments = own->segments ? find_data(f, own->segments) : NULL,
        .patch_weight = find_data(f, weight), .patch_bias = find_data(f, bias),
    };
}
