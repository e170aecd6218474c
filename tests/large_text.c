/* A language model of real size within a memory budget: what is planned, and what the device is truly asked for.
 *
 *   large_text              two blocks of that model, 256 tokens: seconds
 *   large_text --full       the shape of a model of half a billion parameters, 2,048 tokens, under 3 GiB: minutes without a GPU
 *
 * The weights are random. Exits with 1 when the true peak exceeds the plan or the budget, or when a row is not finite. */
#include "file.h"
#include "large_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 896, HEADS = 14, KV_HEADS = 2, HEAD_DIM = 64, MLP = 4864, MAX_TENSORS = 512, BLOCK_OF_NOISE = 1 << 22 };

typedef struct shape {
    int layers, tokens, vocabulary;
    large_job job;
} shape;

/* ---- The model -------------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    char name[96];
    uint64_t rows, cols; /* rows 0: a vector */
} listing;

static int add(listing *list, int n, uint64_t rows, uint64_t cols, const char *name, int block)
{
    if (block < 0)
        snprintf(list[n].name, sizeof list[n].name, "model.%s.weight", name);
    else
        snprintf(list[n].name, sizeof list[n].name, "model.layers.%d.%s", block, name);
    list[n].rows = rows;
    list[n].cols = cols;
    return n + 1;
}

static int list_tensors(const shape *s, listing *list)
{
    int n = add(list, 0, (uint64_t)s->vocabulary, WIDTH, "embed_tokens", -1);
    n = add(list, n, 0, WIDTH, "norm", -1);
    for (int b = 0; b < s->layers; b++) {
        n = add(list, n, 0, WIDTH, "input_layernorm.weight", b);
        n = add(list, n, HEADS * HEAD_DIM, WIDTH, "self_attn.q_proj.weight", b);
        n = add(list, n, 0, HEADS * HEAD_DIM, "self_attn.q_proj.bias", b);
        n = add(list, n, KV_HEADS * HEAD_DIM, WIDTH, "self_attn.k_proj.weight", b);
        n = add(list, n, 0, KV_HEADS * HEAD_DIM, "self_attn.k_proj.bias", b);
        n = add(list, n, KV_HEADS * HEAD_DIM, WIDTH, "self_attn.v_proj.weight", b);
        n = add(list, n, 0, KV_HEADS * HEAD_DIM, "self_attn.v_proj.bias", b);
        n = add(list, n, WIDTH, HEADS * HEAD_DIM, "self_attn.o_proj.weight", b);
        n = add(list, n, 0, WIDTH, "post_attention_layernorm.weight", b);
        n = add(list, n, MLP, WIDTH, "mlp.gate_proj.weight", b);
        n = add(list, n, MLP, WIDTH, "mlp.up_proj.weight", b);
        n = add(list, n, WIDTH, MLP, "mlp.down_proj.weight", b);
    }
    return n;
}

static uint64_t elements(const listing *t)
{
    return (t->rows ? t->rows : 1) * t->cols;
}

static void write_header(FILE *out, const listing *list, int n)
{
    size_t capacity = (size_t)n * 256, used = 0;
    char *header = malloc(capacity);
    uint64_t at = 0;
    if (!header)
        abort();
    for (int i = 0; i < n; i++) {
        char dims[64];
        uint64_t bytes = 2 * elements(&list[i]);
        snprintf(dims, sizeof dims, list[i].rows ? "%llu,%llu" : "%.0llu%llu", (unsigned long long)list[i].rows, (unsigned long long)list[i].cols);
        used += (size_t)snprintf(header + used, capacity - used, "%c\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}", i ? ',' : '{', list[i].name, dims,
                                 (unsigned long long)at, (unsigned long long)(at + bytes));
        at += bytes;
    }
    header[used++] = '}';
    uint64_t length = used;
    fwrite(&length, sizeof length, 1, out);
    fwrite(header, 1, used, out);
    free(header);
}

/* Uniform in +-1.7 gain: variance gain^2, as BF16. */
static void make_noise(uint16_t *noise, float gain)
{
    uint64_t state = 88172645463325252ULL;
    for (size_t i = 0; i < BLOCK_OF_NOISE; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        float value = gain * 1.7f * ((float)(state >> 40) / (float)(1 << 23) - 1);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        noise[i] = (uint16_t)(bits >> 16);
    }
}

static void write_weights(FILE *out, const listing *list, int n)
{
    uint16_t *noise = malloc(BLOCK_OF_NOISE * sizeof *noise);
    if (!noise)
        abort();
    float made_for = 0;
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        float gain = list[i].rows ? 1 / sqrtf((float)list[i].cols) : 1;
        if (gain != made_for)
            make_noise(noise, made_for = gain);
        for (uint64_t left = elements(&list[i]); left > 0;) {
            size_t count = left < BLOCK_OF_NOISE - at ? (size_t)left : BLOCK_OF_NOISE - at;
            fwrite(noise + at, sizeof *noise, count, out);
            at = (at + count) % BLOCK_OF_NOISE;
            left -= count;
        }
    }
    free(noise);
}

static void write_config(const char *dir, const shape *s)
{
    char *path = uvk_file_join(dir, "config.json");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out)
        abort();
    fprintf(out, "{\"model_type\":\"qwen2\",\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
            "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,\"rope_theta\":1e6,\"tie_word_embeddings\":true}\n",
            WIDTH, s->layers, HEADS, KV_HEADS, MLP, s->vocabulary, 2 * s->tokens);
    fclose(out);
    free(path);
}

static bool write_model(const char *dir, const shape *s)
{
    listing *list = malloc(MAX_TENSORS * sizeof *list);
    char *path = uvk_file_join(dir, "model.safetensors");
    FILE *out = path ? fopen(path, "wb") : NULL;
    bool sound = false;
    if (list && out) {
        int n = list_tensors(s, list);
        write_header(out, list, n);
        write_weights(out, list, n);
        sound = fclose(out) == 0;
    }
    write_config(dir, s);
    free(path);
    free(list);
    return sound;
}

static void remove_model(const char *dir)
{
    static const char *const names[] = {"config.json", "model.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *path = uvk_file_join(dir, names[i]);
        if (path)
            unlink(path);
        free(path);
    }
    rmdir(dir);
}

/* ---- The run ---------------------------------------------------------------------------------------------------------------- */

static uvk_status make_input(const uvk_model *model, const shape *s, uvk_input **input, uvk_error *err)
{
    int32_t *ids = malloc((size_t)s->tokens * sizeof *ids);
    if (!ids)
        abort();
    for (int i = 0; i < s->tokens; i++)
        ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)s->vocabulary);
    uvk_text_params params = {.name = "ids", .context_ids = ids, .n_context_ids = s->tokens};
    uvk_status status = uvk_input_create_text(model, &params, input, err);
    free(ids);
    return status;
}

static bool run(const char *dir, const shape *s)
{
    uvk_error err;
    uvk_model *model = NULL;
    uvk_input *input = NULL;
    uvk_status status = uvk_model_load(dir, &model, &err);
    if (status == UVK_OK)
        status = make_input(model, s, &input, &err);
    if (status)
        fprintf(stderr, "large_text: %s\n", err.message);
    bool sound = status == UVK_OK && large_run(model, input, &s->job);
    uvk_input_free(input);
    uvk_model_free(model);
    return sound;
}

int main(int argc, char **argv)
{
    static const shape small = {2, 256, 5000, {192 << 20, 2, 64}}, full = {24, 2048, 151936, {3ULL << 30, 2, 64}};
    const shape *s = argc > 1 && !strcmp(argv[1], "--full") ? &full : &small;
    const char *parent = getenv("TMPDIR");
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/large_text.XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(dir) || !write_model(dir, s)) {
        perror(dir);
        return 1;
    }
    bool sound = run(dir, s);
    remove_model(dir);
    return sound ? 0 : 1;
}
