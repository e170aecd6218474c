#include "model_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Random numbers: splitmix64, Box-Muller ------------------------------------------------------------------------- */

static uint64_t next(fixture_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double fixture_uniform(fixture_random *r)
{
    return ((double)(next(r) >> 11) + 0.5) * 0x1p-53;
}

double fixture_normal(fixture_random *r)
{
    const double radius = sqrt(-2.0 * log(fixture_uniform(r)));
    return radius * cos(6.283185307179586 * fixture_uniform(r));
}

/* ---- 16-bit floats, rounded to nearest even --------------------------------------------------------------------------- */

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* value / 2^shift, to nearest even. */
static uint32_t shift_rounded(uint32_t value, int shift)
{
    const uint32_t half = 1u << (shift - 1), low = value & ((1u << shift) - 1), high = value >> shift;
    return high + (low > half || (low == half && (high & 1)));
}

/* Finite numbers below the largest half only: no weight of a fixture is anything else. */
static uint16_t to_f16(float x)
{
    const uint32_t bits = float_bits(x), sign = (bits >> 16) & 0x8000u;
    const int exponent = (int)((bits >> 23) & 0xff) - 127 + 15;
    const uint32_t mantissa = (bits & 0x7fffffu) | 0x800000u;
    if (exponent < -10)
        return (uint16_t)sign;
    if (exponent < 1)
        return (uint16_t)(sign | shift_rounded(mantissa, 14 - exponent));
    /* A carry out of the mantissa raises the exponent, as it should. */
    return (uint16_t)(sign | (((uint32_t)(exponent - 1) << 10) + shift_rounded(mantissa, 13)));
}

static float from_f16(uint16_t h)
{
    const int exponent = (h >> 10) & 31, mantissa = h & 1023;
    const double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return (float)(h & 0x8000 ? -magnitude : magnitude);
}

static uint16_t to_bf16(float x)
{
    return (uint16_t)shift_rounded(float_bits(x), 16);
}

static float from_bf16(uint16_t h)
{
    return bits_float((uint32_t)h << 16);
}

static float rounded(float x, fixture_dtype dtype)
{
    switch (dtype) {
    case FIXTURE_F16: return from_f16(to_f16(x));
    case FIXTURE_BF16: return from_bf16(to_bf16(x));
    default: return x;
    }
}

/* ---- The tensors ------------------------------------------------------------------------------------------------------ */

fixture_spec fixture_default(void)
{
    return fixture_shape(2, 24, 3, 40, 4, 12);
}

fixture_spec fixture_shape(int layers, int width, int heads, int mlp, int patch, int image)
{
    return (fixture_spec){.layers = layers, .width = width, .heads = heads, .mlp = mlp, .patch = patch, .image = image,
                          .seed = 1, .dtype = FIXTURE_F32, .prefix = "", .act = "gelu", .eps = 1e-12};
}

int fixture_tokens(const fixture_spec *spec)
{
    const int side = spec->image / spec->patch;
    return side * side + 1;
}

typedef struct builder {
    fixture *f;
    fixture_random random;
    bool failed;
} builder;

/* Adds a tensor of mean + std * normal; its shape follows, rank ints. */
static void add(builder *b, double mean, double std, const char *name, int rank, ...)
{
    fixture_tensor *const t = &b->f->tensors[b->f->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->rank = rank;
    t->count = 1;
    va_list shape;
    va_start(shape, rank);
    for (int i = 0; i < rank; i++)
        t->count *= (size_t)(t->shape[i] = va_arg(shape, int));
    va_end(shape);
    t->data = malloc(t->count * sizeof *t->data);
    if (!t->data) {
        b->failed = true;
        return;
    }
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = rounded((float)(mean + std * fixture_normal(&b->random)), b->f->spec.dtype);
}

/* One of block `block`'s modules: its name is encoder.layer.BLOCK.MODULE.PART. */
static void add_linear(builder *b, int block, const char *module, int in, int out, double gain)
{
    char name[96];
    snprintf(name, sizeof name, "encoder.layer.%d.%s.weight", block, module);
    add(b, 0, gain / sqrt(in), name, 2, out, in);
    snprintf(name, sizeof name, "encoder.layer.%d.%s.bias", block, module);
    add(b, 0, 0.1, name, 1, out);
}

static void add_norm(builder *b, const char *stem, int width)
{
    char name[96];
    snprintf(name, sizeof name, "%s.weight", stem);
    add(b, 1, 0.2, name, 1, width);
    snprintf(name, sizeof name, "%s.bias", stem);
    add(b, 0, 0.2, name, 1, width);
}

static void add_block(builder *b, int block)
{
    const int d = b->f->spec.width, m = b->f->spec.mlp;
    const double sharp = sqrt(2.0); /* explanations of uniform attention would test nothing */
    char stem[64];
    snprintf(stem, sizeof stem, "encoder.layer.%d.layernorm_before", block);
    add_norm(b, stem, d);
    add_linear(b, block, "attention.attention.query", d, d, sharp);
    add_linear(b, block, "attention.attention.key", d, d, sharp);
    add_linear(b, block, "attention.attention.value", d, d, 1);
    add_linear(b, block, "attention.output.dense", d, d, 1);
    snprintf(stem, sizeof stem, "encoder.layer.%d.layernorm_after", block);
    add_norm(b, stem, d);
    add_linear(b, block, "intermediate.dense", d, m, 1);
    add_linear(b, block, "output.dense", m, d, 1);
}

enum { BLOCK_TENSORS = 16, OTHER_TENSORS = 6 };

static void build(builder *b)
{
    const fixture_spec *const s = &b->f->spec;
    add(b, 0, 1, "embeddings.cls_token", 3, 1, 1, s->width);
    add(b, 0, 0.5, "embeddings.position_embeddings", 3, 1, fixture_tokens(s), s->width);
    add(b, 0, 1.0 / s->patch, "embeddings.patch_embeddings.projection.weight", 4, s->width, 3, s->patch, s->patch);
    add(b, 0, 0.1, "embeddings.patch_embeddings.projection.bias", 1, s->width);
    for (int block = 0; block < s->layers; block++)
        add_block(b, block);
    add_norm(b, "layernorm", s->width);
    const size_t pixels = (size_t)3 * (size_t)s->image * (size_t)s->image;
    b->f->input = malloc(pixels * sizeof *b->f->input);
    for (size_t i = 0; b->f->input && i < pixels; i++)
        b->f->input[i] = (float)fixture_normal(&b->random);
}

static bool possible(const fixture_spec *s)
{
    return s->layers >= 1 && s->heads >= 1 && s->width >= s->heads && s->width % s->heads == 0 && s->mlp >= 1 && s->patch >= 1 &&
           s->image >= s->patch && s->image % s->patch == 0;
}

fixture *fixture_create(const fixture_spec *spec)
{
    if (!possible(spec))
        return NULL;
    fixture *const f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->spec = *spec;
    f->tensors = calloc((size_t)(BLOCK_TENSORS * spec->layers + OTHER_TENSORS), sizeof *f->tensors);
    builder b = {.f = f, .random = {spec->seed}};
    if (f->tensors)
        build(&b);
    if (!f->tensors || !f->input || b.failed) {
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
    free(f->input);
    free(f);
}

const float *fixture_data(const fixture *f, const char *name)
{
    for (int i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return f->tensors[i].data;
    fprintf(stderr, "model_fixture: no tensor %s\n", name);
    abort();
}

/* ---- Files ------------------------------------------------------------------------------------------------------------ */

static FILE *create(const char *dir, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(path, "wb");
}

/* False when a write to f or its closing failed. */
static bool finish(FILE *f)
{
    const bool written = !ferror(f);
    return !fclose(f) && written;
}

/* Little-endian, whatever the machine. */
static void put(FILE *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        putc((int)(value >> (8 * i)) & 0xff, f);
}

static int element_size(fixture_dtype dtype)
{
    return dtype == FIXTURE_F32 ? 4 : 2;
}

static void put_tensor(FILE *f, const fixture_tensor *t, fixture_dtype dtype)
{
    for (size_t i = 0; i < t->count; i++)
        switch (dtype) {
        case FIXTURE_F16: put(f, to_f16(t->data[i]), 2); break;
        case FIXTURE_BF16: put(f, to_bf16(t->data[i]), 2); break;
        default: put(f, float_bits(t->data[i]), 4); break;
        }
}

static uint64_t tensor_bytes(const fixture *f, int i)
{
    return f->tensors[i].count * (uint64_t)element_size(f->spec.dtype);
}

static void put_header_entry(FILE *out, const fixture *f, int i, uint64_t offset)
{
    static const char *const names[] = {"F32", "F16", "BF16"};
    const fixture_tensor *const t = &f->tensors[i];
    fprintf(out, ",\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", f->spec.prefix, t->name, names[f->spec.dtype]);
    for (int k = 0; k < t->rank; k++)
        fprintf(out, "%s%d", k ? "," : "", t->shape[k]);
    fprintf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, offset + tensor_bytes(f, i));
}

/* Tensors first..end-1 as one safetensors file: length of the header, the header as JSON padded to 8 bytes, the data. */
static bool write_safetensors(const fixture *f, const char *dir, const char *name, int first, int end)
{
    FILE *const out = create(dir, name);
    if (!out)
        return false;
    put(out, 0, 8); /* filled in below, when the length is known */
    fputs("{\"__metadata__\":{\"format\":\"pt\"}", out);
    uint64_t offset = 0;
    for (int i = first; i < end; offset += tensor_bytes(f, i++))
        put_header_entry(out, f, i, offset);
    putc('}', out);
    while (ftell(out) % 8)
        putc(' ', out);
    const long header = ftell(out) - 8;
    for (int i = first; i < end; i++)
        put_tensor(out, &f->tensors[i], f->spec.dtype);
    rewind(out);
    put(out, (uint64_t)header, 8);
    return finish(out);
}

/* The tensor after the last one of the shard that begins with `first`. */
static int shard_end(const fixture *f, int first)
{
    uint64_t bytes = tensor_bytes(f, first);
    int end = first + 1;
    while (end < f->n_tensors && (!f->spec.shard || bytes + tensor_bytes(f, end) <= f->spec.shard))
        bytes += tensor_bytes(f, end++);
    return end;
}

static int count_shards(const fixture *f)
{
    int shards = 0;
    for (int i = 0; i < f->n_tensors; i = shard_end(f, i))
        shards++;
    return shards;
}

static void shard_name(char name[64], int shard, int shards)
{
    snprintf(name, 64, "model-%05d-of-%05d.safetensors", shard + 1, shards);
}

static bool write_index(const fixture *f, const char *dir, int shards)
{
    FILE *const out = create(dir, "model.safetensors.index.json");
    if (!out)
        return false;
    uint64_t total = 0;
    for (int i = 0; i < f->n_tensors; i++)
        total += tensor_bytes(f, i);
    fprintf(out, "{\n \"metadata\": {\"total_size\": %" PRIu64 "},\n \"weight_map\": {", total);
    for (int first = 0, shard = 0; shard < shards; shard++) {
        const int end = shard_end(f, first);
        char file[64];
        shard_name(file, shard, shards);
        for (int i = first; i < end; i++)
            fprintf(out, "%s\n  \"%s%s\": \"%s\"", i ? "," : "", f->spec.prefix, f->tensors[i].name, file);
        first = end;
    }
    fputs("\n }\n}\n", out);
    return finish(out);
}

static bool write_weights(const fixture *f, const char *dir)
{
    const int shards = count_shards(f);
    if (shards == 1)
        return write_safetensors(f, dir, "model.safetensors", 0, f->n_tensors);
    for (int first = 0, shard = 0; shard < shards; shard++) {
        const int end = shard_end(f, first);
        char name[64];
        shard_name(name, shard, shards);
        if (!write_safetensors(f, dir, name, first, end))
            return false;
        first = end;
    }
    return write_index(f, dir, shards);
}

static bool write_config(const fixture *f, const char *dir)
{
    const fixture_spec *const s = &f->spec;
    FILE *const out = create(dir, "config.json");
    if (!out)
        return false;
    fprintf(out,
            "{\n \"model_type\": \"vit\",\n \"architectures\": [\"ViTModel\"],\n \"hidden_size\": %d,\n \"num_hidden_layers\": %d,\n"
            " \"num_attention_heads\": %d,\n \"intermediate_size\": %d,\n \"hidden_act\": \"%s\",\n \"layer_norm_eps\": %.17g,\n"
            " \"image_size\": %d,\n \"patch_size\": %d,\n \"num_channels\": 3,\n \"qkv_bias\": true\n}\n",
            s->width, s->layers, s->heads, s->mlp, s->act, s->eps, s->image, s->patch);
    return finish(out);
}

static bool write_preprocessor(const fixture *f, const char *dir)
{
    FILE *const out = create(dir, "preprocessor_config.json");
    if (!out)
        return false;
    fprintf(out,
            "{\n \"image_processor_type\": \"ViTImageProcessor\",\n \"do_resize\": true,\n \"size\": {\"height\": %d, \"width\": %d},\n"
            " \"resample\": 2,\n \"do_rescale\": true,\n \"rescale_factor\": 0.00392156862745098,\n \"do_normalize\": true,\n"
            " \"image_mean\": [0.5, 0.5, 0.5],\n \"image_std\": [0.5, 0.5, 0.5]\n}\n",
            f->spec.image, f->spec.image);
    return finish(out);
}

/* NumPy's format 1.0: magic, version, length of the header, the header padded to 64 bytes in all, the data. */
static bool write_input(const fixture *f, const char *dir)
{
    FILE *const out = create(dir, "input.npy");
    if (!out)
        return false;
    const int side = f->spec.image;
    char header[128 - 10 + 1];
    const int length = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, %d, %d), }", side, side);
    fwrite("\x93NUMPY\x01\x00", 1, 8, out);
    put(out, 128 - 10, 2);
    fprintf(out, "%s%*s\n", header, 128 - 10 - 1 - length, "");
    for (size_t i = 0; i < (size_t)3 * (size_t)side * (size_t)side; i++)
        put(out, float_bits(f->input[i]), 4);
    return finish(out);
}

bool fixture_write(const fixture *f, const char *dir)
{
    if (mkdir(dir, 0777) && errno != EEXIST)
        return false;
    return write_config(f, dir) && write_preprocessor(f, dir) && write_weights(f, dir) && write_input(f, dir);
}
