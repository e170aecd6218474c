#include "rows_file.h"

#include "approximation.h"
#include "explained.h"
#include "messages.h"
#include "npy.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct rows_entry {
    int index;          /* K of input_K */
    char *path;         /* UTF-8 */
    float *rows;
    int n;              /* their columns */
    target_list targets;
} rows_entry;

uvk_status output_check(const char *path, uvk_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return uvk_fail(err, UVK_FAILED, "%s: cannot be written (a folder)", path);
        return access(path, W_OK) == 0 ? UVK_OK : uvk_fail(err, UVK_FAILED, "%s: cannot be written (%s)", path, strerror(errno));
    }
    char *folder = text_copy(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    bool good = access(slash ? folder : ".", W_OK | X_OK) == 0;
    free(folder);
    return good ? UVK_OK : uvk_fail(err, UVK_FAILED, "%s: cannot be written (its folder: %s)", path, strerror(errno));
}

static uvk_status check_name(const char *name, const char *path, bool npy_too, int n_inputs, uvk_error *err)
{
    bool npy = npy_too && text_has_extension(path, ".npy");
    if (!npy && !text_has_extension(path, ".safetensors"))
        return uvk_fail(err, UVK_USAGE, "--%s %s: expected a name that ends in %s.safetensors", name, path, npy_too ? ".npy or " : "");
    if ((npy || !npy_too) && n_inputs > 1)
        return uvk_fail(err, UVK_USAGE, "--%s %s takes one input (found %d%s)", name, path, n_inputs, npy ? "; .safetensors holds any number" : "");
    return output_check(path, err);
}

uvk_status rows_file_check(const options *o, int inputs, uvk_error *err)
{
    uvk_status status = o->out ? check_name("out", o->out, true, inputs, err) : UVK_OK;
    if (status == UVK_OK && o->dump_hidden)
        status = check_name("dump-hidden", o->dump_hidden, false, inputs, err);
    return status;
}

uvk_status rows_file_add(job *j, explained *r, uvk_error *err)
{
    rows_file *file = &j->rows;
    if (text_has_extension(j->o->out, ".npy")) {
        uint64_t shape[2] = {(uint64_t)r->targets.count, (uint64_t)r->n};
        return uvk_npy_save_f32(j->o->out, r->rows, 2, shape, err);
    }
    if (file->count == file->capacity) {
        file->capacity = file->capacity ? 2 * file->capacity : 16;
        file->entries = text_grow(file->entries, (size_t)file->capacity, sizeof *file->entries);
    }
    rows_entry *entry = &file->entries[file->count++];
    *entry = (rows_entry){.index = r->index, .path = text_utf8(r->from_pairs ? r->name : r->path), .rows = r->rows, .n = r->n, .targets = r->targets};
    entry->targets.tokens = text_alloc((size_t)r->targets.count, sizeof *entry->targets.tokens);
    memcpy(entry->targets.tokens, r->targets.tokens, (size_t)r->targets.count * sizeof *entry->targets.tokens);
    r->rows = NULL;
    return UVK_OK;
}

/* Key and value pairs that are freed together. */
typedef struct metadata {
    char **text;
    size_t pairs;
} metadata;

static void add_pair(metadata *m, char *key, char *value)
{
    m->text = text_grow(m->text, 2 * (m->pairs + 1), sizeof *m->text);
    m->text[2 * m->pairs] = key;
    m->text[2 * m->pairs + 1] = value;
    m->pairs++;
}

static metadata describe(const job *j)
{
    const options *o = j->o;
    metadata m = {0};
    add_pair(&m, text_copy("producer"), text_format("ultravk %s", uvk_version()));
    add_pair(&m, text_copy("model"), text_utf8(j->info->name));
    add_pair(&m, text_copy("model_sha256"), text_copy(j->info->sha256));
    add_pair(&m, text_copy("layer"), text_format("%d", j->layer));
    add_pair(&m, text_copy("first_block"), text_format("%d", j->first_block));
    add_pair(&m, text_copy("scalar"), text_copy(scalar_names[o->scalar]));
    add_pair(&m, text_copy("order"), text_copy(order_names[o->order]));
    char *approximation = approximation_text(o);
    if (approximation)
        add_pair(&m, text_copy("approximation"), approximation);
    add_pair(&m, text_copy("normalize"), text_copy(normalize_names[j->normalize]));
    add_pair(&m, text_copy("precision"), text_copy(job_precision(j)));
    for (int i = 0; i < j->rows.count; i++)
        add_pair(&m, text_format("input_%d", j->rows.entries[i].index), text_copy(j->rows.entries[i].path));
    return m;
}

static void metadata_free(metadata *m)
{
    for (size_t i = 0; i < 2 * m->pairs; i++)
        free(m->text[i]);
    free(m->text);
}

static void tensors_free(uvk_tensor_out *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)tensors[i].name);
    free(tensors);
}

uvk_status rows_file_finish(job *j, uvk_error *err)
{
    const rows_file *file = &j->rows;
    if (!file->count)
        return UVK_OK;
    size_t n = 2 * (size_t)file->count;
    uvk_tensor_out *tensors = text_alloc(n, sizeof *tensors);
    for (int i = 0; i < file->count; i++) {
        const rows_entry *e = &file->entries[i];
        uint64_t count = (uint64_t)e->targets.count;
        tensors[2 * i] = (uvk_tensor_out){.name = text_format("input_%d.rows", e->index), .dtype = UVK_F32, .rank = 2,
                                          .shape = {count, (uint64_t)e->n}, .data = e->rows};
        tensors[2 * i + 1] = (uvk_tensor_out){.name = text_format("input_%d.targets", e->index), .dtype = UVK_I32, .rank = 1,
                                              .shape = {count}, .data = e->targets.tokens};
    }
    metadata m = describe(j);
    uvk_status status = uvk_safetensors_write(j->o->out, tensors, n, (const char *const *)m.text, m.pairs, err);
    metadata_free(&m);
    tensors_free(tensors, n);
    return status;
}

void rows_file_free(rows_file *file)
{
    for (int i = 0; i < file->count; i++) {
        free(file->entries[i].path);
        free(file->entries[i].rows);
        targets_free(&file->entries[i].targets);
    }
    free(file->entries);
}

/* The tensors of --dump-hidden as they are fetched. */
typedef struct dump {
    uvk_tensor_out *tensors;
    size_t count;
} dump;

static uvk_status add_tensor(dump *d, char *name, uint64_t rows, uint64_t columns, float **out, uvk_error *err)
{
    size_t bytes = (size_t)rows * (size_t)columns * sizeof(float);
    *out = malloc(bytes);
    if (!*out) {
        free(name);
        return uvk_fail_memory(err, bytes, "--dump-hidden");
    }
    d->tensors[d->count++] = (uvk_tensor_out){.name = name, .dtype = UVK_F32, .rank = 2, .shape = {rows, columns}, .data = *out};
    return UVK_OK;
}

static uvk_status fetch_hidden(const job *j, const explained *r, dump *d, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int l = 1; l <= j->info->layers + 1 && status == UVK_OK; l++) {
        float *hidden;
        status = add_tensor(d, text_format("z%d", l), (uint64_t)(r->n - uvk_input_encoder_tokens(r->input)), (uint64_t)j->info->width, &hidden, err);
        if (status == UVK_OK)
            status = uvk_hidden(j->session, l, hidden, err);
    }
    return status;
}

/* A model without a head has none; that is no failure. */
static uvk_status fetch_logits(const job *j, const explained *r, dump *d, uvk_error *err)
{
    float *logits;
    int first = uvk_input_encoder_tokens(r->input);
    uvk_status status = add_tensor(d, text_copy("logits"), (uint64_t)(r->n - first), (uint64_t)j->info->vocabulary, &logits, err);
    if (status != UVK_OK)
        return status;
    status = uvk_logits(j->session, first, r->n - first, logits, err);
    if (status != UVK_BAD_INPUT)
        return status;
    d->count--;
    free((char *)d->tensors[d->count].name);
    free(logits);
    note("%s: no logits, as the model has no head", j->o->dump_hidden);
    return UVK_OK;
}

uvk_status hidden_file_write(const job *j, const explained *r, uvk_error *err)
{
    dump d = {.tensors = text_alloc((size_t)j->info->layers + 2, sizeof *d.tensors)};
    uvk_status status = fetch_hidden(j, r, &d, err);
    if (status == UVK_OK && j->info->modality == UVK_TEXT && j->info->causal)
        status = fetch_logits(j, r, &d, err);
    const char *pairs[] = {"model_sha256", j->info->sha256};
    if (status == UVK_OK)
        status = uvk_safetensors_write(j->o->dump_hidden, d.tensors, d.count, pairs, 1, err);
    for (size_t i = 0; i < d.count; i++)
        free((void *)d.tensors[i].data);
    tensors_free(d.tensors, d.count);
    return status;
}
