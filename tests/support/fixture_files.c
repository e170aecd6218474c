/* A fixture as a folder: config.json, weights, input.npy. */
#include "fixture_numbers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
        putc_unlocked((int)(value >> (8 * i)) & 0xff, f);
}

static int element_size(fixture_dtype dtype)
{
    return dtype == FIXTURE_F32 ? 4 : 2;
}

static void put_tensor(FILE *f, const fixture_tensor *t, fixture_dtype dtype)
{
    for (size_t i = 0; i < t->count; i++)
        switch (dtype) {
        case FIXTURE_F16: put(f, fixture_f16(t->data[i]), 2); break;
        case FIXTURE_BF16: put(f, fixture_bf16(t->data[i]), 2); break;
        default: put(f, fixture_bits(t->data[i]), 4); break;
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
    fprintf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name, names[f->spec.dtype]);
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
            fprintf(out, "%s\n  \"%s\": \"%s\"", i ? "," : "", f->tensors[i].name, file);
        first = end;
    }
    fputs("\n }\n}\n", out);
    return finish(out);
}

bool fixture_write_weights(const fixture *f, const char *dir)
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

static void put_vit_config(FILE *out, const fixture_spec *s)
{
    const fixture_traits t = fixture_traits_of(s);
    fprintf(out,
            " \"hidden_size\": %d,\n \"num_hidden_layers\": %d,\n"
            " \"num_attention_heads\": %d,\n \"intermediate_size\": %d,\n \"hidden_act\": \"%s\",\n \"layer_norm_eps\": %.17g,\n"
            " \"image_size\": %d,\n \"patch_size\": %d,\n \"num_channels\": 3,\n",
            s->width, s->layers, s->heads, s->mlp, s->act, s->eps, s->image, s->patch);
    if (t.registers)
        fprintf(out, " \"num_register_tokens\": %d,\n \"use_swiglu_ffn\": true,\n \"mlp_ratio\": %.17g,\n", t.registers, 1.5 * s->mlp / s->width);
    fputs(" \"qkv_bias\": true\n", out);
}

static void put_bert_config(FILE *out, const fixture_spec *s)
{
    fprintf(out,
            " \"hidden_size\": %d,\n \"num_hidden_layers\": %d,\n \"num_attention_heads\": %d,\n \"intermediate_size\": %d,\n \"hidden_act\": \"%s\",\n"
            " \"layer_norm_eps\": %.17g,\n \"vocab_size\": %d,\n \"max_position_embeddings\": %d,\n \"type_vocab_size\": 2\n",
            s->width, s->layers, s->heads, s->mlp, s->act, s->eps, s->vocabulary, s->context);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void put_gpt2_config(FILE *out, const fixture_spec *s)
{
    fprintf(out,
            " \"n_embd\": %d,\n \"n_layer\": %d,\n \"n_head\": %d,\n \"n_inner\": %d,\n \"activation_function\": \"%s\",\n"
            " \"layer_norm_epsilon\": %.17g,\n \"vocab_size\": %d,\n \"n_positions\": %d,\n \"n_ctx\": %d,\n"
            " \"scale_attn_by_inverse_layer_idx\": %s,\n \"tie_word_embeddings\": %s\n",
            s->width, s->layers, s->heads, s->mlp, s->act, s->eps, s->vocabulary, s->context, s->context, truth(s->by_block), truth(!s->untied));
}

/* Rescaled rotary positions, as members of the object that describes them. */
static void put_rope(FILE *out, const fixture_spec *s)
{
    fprintf(out, "\"rope_type\": \"%s\"", s->rope ? s->rope : "default");
    if (s->rope && strcmp(s->rope, "default"))
        fprintf(out, ", \"factor\": %g", FIXTURE_ROPE_FACTOR);
    if (s->rope && !strcmp(s->rope, "llama3"))
        fprintf(out, ", \"low_freq_factor\": %g, \"high_freq_factor\": %g, \"original_max_position_embeddings\": %d", FIXTURE_ROPE_LOW, FIXTURE_ROPE_HIGH,
                FIXTURE_ROPE_CONTEXT);
}

static void put_layer_types(FILE *out, const fixture_spec *s)
{
    fputs(" \"layer_types\": [", out);
    for (int block = 0; block < s->layers; block++)
        fprintf(out, "%s\"%s_attention\"", block ? ", " : "", fixture_reach(s, block) < s->context ? "sliding" : "full");
    fputs("],\n", out);
}

static void put_positions(FILE *out, const fixture_spec *s)
{
    const bool by_layer = !strncmp(s->family, "qwen", 4);
    if (s->recent) {
        fprintf(out, " \"rope_parameters\": {\"rope_theta\": %.17g, ", s->theta);
        put_rope(out, s);
        fputs("},\n", out);
    } else {
        fprintf(out, " \"rope_theta\": %.17g,\n", s->theta);
        if (s->rope) {
            fputs(" \"rope_scaling\": {", out);
            put_rope(out, s);
            fputs("},\n", out);
        }
    }
    if (s->window)
        fprintf(out, " \"sliding_window\": %d,\n", s->window);
    else
        fputs(" \"sliding_window\": null,\n", out);
    if (by_layer)
        fprintf(out, " \"use_sliding_window\": %s,\n \"max_window_layers\": %d,\n", truth(s->window > 0), s->window_from);
    if (by_layer && s->recent)
        put_layer_types(out, s);
}

static void put_llama_config(FILE *out, const fixture_spec *s)
{
    fprintf(out,
            " \"hidden_size\": %d,\n \"num_hidden_layers\": %d,\n \"num_attention_heads\": %d,\n \"num_key_value_heads\": %d,\n \"head_dim\": %d,\n"
            " \"intermediate_size\": %d,\n \"hidden_act\": \"%s\",\n \"rms_norm_eps\": %.17g,\n \"vocab_size\": %d,\n"
            " \"max_position_embeddings\": %d,\n",
            s->width, s->layers, s->heads, s->kv_heads, s->head_dim, s->mlp, s->act, s->eps, s->vocabulary, s->context);
    put_positions(out, s);
    fprintf(out, " \"attention_bias\": %s,\n \"mlp_bias\": %s,\n \"tie_word_embeddings\": %s\n", truth(s->bias), truth(s->bias), truth(!s->untied));
}

static bool write_config(const fixture *f, const char *dir)
{
    const fixture_spec *const s = &f->spec;
    const fixture_traits t = fixture_traits_of(s);
    FILE *const out = create(dir, "config.json");
    if (!out)
        return false;
    fprintf(out, "{\n \"model_type\": \"%s\",\n", s->family);
    (!t.text ? put_vit_config : !t.causal ? put_bert_config : t.rotary ? put_llama_config : put_gpt2_config)(out, s);
    fputs("}\n", out);
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
static void put_npy_header(FILE *out, const char *descr, const char *shape)
{
    char header[128 - 10 + 1];
    const int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    fwrite("\x93NUMPY\x01\x00", 1, 8, out);
    put(out, 128 - 10, 2);
    fprintf(out, "%s%*s\n", header, 128 - 10 - 1 - length, "");
}

static bool write_input(const fixture *f, const char *dir)
{
    FILE *const out = create(dir, "input.npy");
    if (!out)
        return false;
    const int side = f->spec.image;
    char shape[64];
    if (f->ids)
        snprintf(shape, sizeof shape, "(%d,)", f->spec.tokens);
    else
        snprintf(shape, sizeof shape, "(3, %d, %d)", side, side);
    put_npy_header(out, f->ids ? "<i8" : "<f4", shape);
    for (int i = 0; f->ids && i < f->spec.tokens; i++)
        put(out, (uint64_t)f->ids[i], 8);
    for (size_t i = 0; f->pixels && i < (size_t)3 * (size_t)side * (size_t)side; i++)
        put(out, fixture_bits(f->pixels[i]), 4);
    return finish(out);
}

bool fixture_write(const fixture *f, const char *dir)
{
    if (mkdir(dir, 0777) && errno != EEXIST)
        return false;
    return write_config(f, dir) && (f->ids || write_preprocessor(f, dir)) && fixture_write_weights(f, dir) && write_input(f, dir);
}
