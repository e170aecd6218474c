#include "model.h"
#include "hash.h"
#include "image_head.h"
#include "class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Finding the tensors ---------------------------------------------------------------------------------------------- */

static uint64_t resolve(const uvk_arch *a, uvk_dim dim)
{
    switch (dim) {
    case UVK_DIM_WIDTH: return (uint64_t)a->width;
    case UVK_DIM_MLP: return (uint64_t)a->mlp_width;
    case UVK_DIM_GATE_AND_UP: return 2 * (uint64_t)a->mlp_width;
    case UVK_DIM_POSITIONS: return (uint64_t)(a->special - a->registers) + (uint64_t)a->trained_rows * (uint64_t)a->trained_cols;
    case UVK_DIM_REGISTERS: return (uint64_t)a->registers;
    case UVK_DIM_SEGMENTS: return (uint64_t)a->segments;
    case UVK_DIM_CHANNELS: return (uint64_t)a->channels;
    case UVK_DIM_PATCH: return (uint64_t)a->patch;
    case UVK_DIM_QUERY: return (uint64_t)a->heads * (uint64_t)a->head_dim;
    case UVK_DIM_KEY: return (uint64_t)a->kv_heads * (uint64_t)a->head_dim;
    case UVK_DIM_QKV: return ((uint64_t)a->heads + 2 * (uint64_t)a->kv_heads) * (uint64_t)a->head_dim;
    case UVK_DIM_HEAD: return (uint64_t)a->head_dim;
    case UVK_DIM_VOCABULARY: return (uint64_t)a->vocabulary;
    case UVK_DIM_CONTEXT: return (uint64_t)a->context + (uint64_t)a->position_offset;
    case UVK_DIM_BUCKETS: return (uint64_t)a->relative_buckets;
    case UVK_DIM_HEADS: return (uint64_t)a->heads;
    case UVK_DIM_CLASSES: return (uint64_t)a->classes;
    case UVK_DIM_POOLED: return (uint64_t)a->width * (a->pooling == UVK_POOL_BOTH ? 2 : 1);
    case UVK_DIM_PROJECTION: return (uint64_t)a->projection;
    default: return 1;
    }
}

static void print_shape(char *out, size_t size, const uint64_t *shape, int rank)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

static uvk_status check_tensor(const uvk_arch *a, const uvk_tensor_view *view, const uvk_dim *dims, uvk_error *err)
{
    bool packed = view->dtype == UVK_I8 || view->dtype == UVK_U8; /* their shapes say nothing */
    if (view->dtype != UVK_F32 && view->dtype != UVK_F16 && view->dtype != UVK_BF16)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor %s has a wrong dtype (found %s, expected F32, F16 or BF16)%s", view->file, view->name, uvk_dtype_name(view->dtype),
                        packed ? "; a quantized checkpoint: take the one it was made from" : "");
    uint64_t expected[UVK_MAX_RANK];
    int rank = 0;
    for (; dims[rank] != UVK_DIM_END; rank++)
        expected[rank] = resolve(a, dims[rank]);
    if (view->rank != rank || memcmp(view->shape, expected, (size_t)rank * sizeof *expected)) {
        char found_text[128], expected_text[128];
        print_shape(found_text, sizeof found_text, view->shape, view->rank);
        print_shape(expected_text, sizeof expected_text, expected, rank);
        return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor %s has a wrong shape (found %s, expected %s)", view->file, view->name, found_text, expected_text);
    }
    return UVK_OK;
}

/* The name of a slot in this checkpoint; the pattern holds at most one %d. */
static void slot_name(char *out, size_t size, const char *prefix, const char *pattern, int block)
{
    const char *number = strstr(pattern, "%d");
    if (number)
        snprintf(out, size, "%s%.*s%d%s", prefix, (int)(number - pattern), pattern, block, number + 2);
    else
        snprintf(out, size, "%s%s", prefix, pattern);
}

/* What to do about the names of another library, after "; "; or nothing. */
static const char *foreign_names(const uvk_model *m)
{
    if (uvk_tensor_file_find(m->file, "blocks.0.attn.qkv.weight"))
        return "; these are timm's names: take the transformers version of this checkpoint";
    if (uvk_tensor_file_find(m->file, "visual.conv1.weight"))
        return "; these are open_clip's names: take the transformers version of this checkpoint";
    if (uvk_tensor_file_find(m->file, "model.layers.0.self_attn.q_proj.qweight"))
        return "; a quantized checkpoint: take the one it was made from";
    return "";
}

/* Whether a model of this shape has that tensor. */
static bool is_present(const uvk_arch *a, const uvk_tensor_name *t)
{
    switch (t->presence) {
    case UVK_WITH_QKV_BIAS: return a->qkv_bias;
    case UVK_WITH_OUT_BIAS: return a->out_bias;
    case UVK_WITH_MLP_BIAS: return a->mlp_bias;
    case UVK_WITH_HEAD_NORM: return a->head_norm;
    case UVK_WITH_REGISTERS: return a->registers > 0;
    case UVK_FOR_LOGITS: return !a->tied;
    default: return true;
    }
}

static uvk_status find_tensor(uvk_model *m, const char *prefix, uvk_slot slot, int block, const uvk_tensor_view **out, uvk_error *err)
{
    const uvk_tensor_name *t = uvk_model_slot(m, block, slot);
    char name[256];
    *out = NULL;
    if (!t->name || !is_present(&m->arch, t))
        return UVK_OK;
    int number = uvk_arch_encodes(&m->arch, block + 1) ? block : block - m->arch.encoder_layers; /* in its own stack */
    slot_name(name, sizeof name, t->unprefixed ? "" : prefix, t->name, number);
    *out = uvk_tensor_file_find(m->file, name);
    if (!*out && t->old_name) {
        char old_name[256];
        slot_name(old_name, sizeof old_name, t->unprefixed ? "" : prefix, t->old_name, number);
        *out = uvk_tensor_file_find(m->file, old_name);
    }
    if (*out)
        return check_tensor(&m->arch, *out, t->shape, err);
    if (t->presence == UVK_FOR_LOGITS || t->presence == UVK_IF_THERE) /* explanations need none; whoever asks for logits is told */
        return UVK_OK;
    return uvk_fail(err, UVK_BAD_INPUT, "%s: tensor %s is missing (a %s model needs it)%s", m->path, name, m->arch.family, foreign_names(m));
}

/* The prefix under which the embedding is found. */
static const char *find_prefix(const uvk_model *m)
{
    char name[256];
    uvk_slot known = m->arch.modality == UVK_VISION ? UVK_PATCH_WEIGHT : UVK_TOKEN_EMBEDDING;
    for (const char *const *prefix = m->family->prefixes; *prefix; prefix++) {
        slot_name(name, sizeof name, *prefix, uvk_model_slot(m, 0, known)->name, 0);
        if (uvk_tensor_file_find(m->file, name))
            return *prefix;
    }
    return m->family->prefixes[0];
}

static uvk_status find_tensors(uvk_model *m, uvk_error *err)
{
    const char *prefix = find_prefix(m);
    uvk_status status = UVK_OK;
    m->blocks = calloc((size_t)uvk_arch_blocks(&m->arch) * UVK_BLOCK_SLOTS, sizeof *m->blocks);
    if (!m->blocks)
        return uvk_fail_memory(err, (size_t)uvk_arch_blocks(&m->arch) * UVK_BLOCK_SLOTS * sizeof *m->blocks, "tensor names");
    for (int slot = UVK_BLOCK_SLOTS; slot < UVK_SLOTS && status == UVK_OK; slot++)
        status = find_tensor(m, prefix, (uvk_slot)slot, 0, &m->outside[slot - UVK_BLOCK_SLOTS], err);
    for (int block = 0; block < uvk_arch_blocks(&m->arch) && status == UVK_OK; block++)
        for (int slot = 0; slot < UVK_BLOCK_SLOTS && status == UVK_OK; slot++)
            status = find_tensor(m, prefix, (uvk_slot)slot, block, &m->blocks[block * UVK_BLOCK_SLOTS + slot], err);
    return status;
}

const uvk_tensor_name *uvk_model_slot(const uvk_model *m, int block, uvk_slot slot)
{
    return uvk_family_tensor(m->family, &m->arch, block + 1, slot);
}

void uvk_model_slot_size(const uvk_model *m, int block, uvk_slot slot, uint64_t *rows, uint64_t *cols)
{
    const uvk_tensor_name *t = uvk_model_slot(m, block, slot);
    *rows = *cols = 0;
    if (!uvk_model_tensor(m, block, slot))
        return;
    uint64_t parts = t->parts ? (uint64_t)t->parts : 1, first = resolve(&m->arch, t->shape[0]), rest = 1;
    for (int i = 1; t->shape[i] != UVK_DIM_END; i++)
        rest *= resolve(&m->arch, t->shape[i]);
    bool vector = t->shape[1] == UVK_DIM_END;
    *rows = vector ? 1 : (t->transposed ? rest : first) / parts;
    *cols = vector ? first / parts : t->transposed ? first : rest;
}

const uvk_tensor_view *uvk_model_tensor(const uvk_model *m, int block, uvk_slot slot)
{
    return slot < UVK_BLOCK_SLOTS ? m->blocks[block * UVK_BLOCK_SLOTS + (int)slot] : m->outside[slot - UVK_BLOCK_SLOTS];
}

/* ---- Information ---------------------------------------------------------------------------------------------------------- */

static int compare_views(const void *a, const void *b)
{
    const uvk_tensor_view *x = *(const uvk_tensor_view *const *)a, *y = *(const uvk_tensor_view *const *)b;
    return (x > y) - (x < y);
}

/* Counts the parameters that are used and lists the tensors that are not. */
static uvk_status take_stock(uvk_model *m, uvk_error *err)
{
    size_t n_slots = (size_t)uvk_arch_blocks(&m->arch) * UVK_BLOCK_SLOTS + UVK_SLOTS - UVK_BLOCK_SLOTS, n_used = 0, total = uvk_tensor_file_count(m->file);
    const uvk_tensor_view **used = malloc(n_slots * sizeof *used);
    m->unused = malloc((total ? total : 1) * sizeof *m->unused);
    if (!used || !m->unused) {
        free(used);
        return uvk_fail_memory(err, (n_slots + total) * sizeof *used, "tensor names");
    }
    for (size_t i = 0; i < n_slots; i++) {
        size_t in_blocks = (size_t)uvk_arch_blocks(&m->arch) * UVK_BLOCK_SLOTS;
        const uvk_tensor_view *view = i < in_blocks ? m->blocks[i] : m->outside[i - in_blocks];
        if (!view)
            continue;
        used[n_used++] = view;
    }
    qsort(used, n_used, sizeof *used, compare_views);
    for (size_t i = 0; i < n_used; i++) /* several slots may be parts of one tensor */
        if (i == 0 || used[i] != used[i - 1])
            m->info.parameters += used[i]->count;
    for (size_t i = 0; i < total; i++) {
        const uvk_tensor_view *view = uvk_tensor_file_at(m->file, i);
        if (!bsearch(&view, used, n_used, sizeof *used, compare_views))
            m->unused[m->info.n_unused++] = view->name;
    }
    m->info.unused = m->unused;
    free(used);
    return UVK_OK;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void fill_info(uvk_model *m)
{
    const uvk_arch *a = &m->arch;
    m->info.path = m->path;
    m->info.name = last_component(m->resolved ? m->resolved : m->path);
    m->info.family = a->family;
    m->info.modality = a->modality;
    m->info.causal = a->causal;
    m->info.layers = a->layers;
    m->info.encoder_layers = a->encoder_layers;
    m->info.heads = a->heads;
    m->info.kv_heads = a->kv_heads;
    m->info.width = a->width;
    m->info.head_dim = a->head_dim;
    m->info.mlp_width = a->mlp_width;
    m->info.vocabulary = a->vocabulary;
    m->info.context = a->context;
    m->info.sliding_window = a->window;
    m->info.tokens = uvk_arch_tokens(a);
    m->info.special = a->special;
    m->info.grid_rows = uvk_arch_grid_rows(a);
    m->info.grid_cols = uvk_arch_grid_cols(a);
    m->info.patch = a->patch;
    m->info.image_height = a->image_height;
    m->info.image_width = a->image_width;
    m->info.classes = a->modality == UVK_VISION ? uvk_image_head_size(m, UVK_CLASS_LOGITS) : 0;
    m->info.ignored = m->arch.modality == UVK_TEXT && *m->decoding.ignored ? m->decoding.ignored : NULL;
    m->info.labels = (const char *const *)m->labels;
    m->info.embedding = m->family->text_tower ? uvk_image_head_size(m, UVK_EMBEDDING) : 0;
}

static uvk_status hash_model(uvk_model *m, uvk_error *err)
{
    char config[4096];
    const char *const *weights;
    size_t n = uvk_tensor_file_paths(m->file, &weights);
    const char **paths = malloc((n + 1) * sizeof *paths);
    if (!paths)
        return uvk_fail_memory(err, (n + 1) * sizeof *paths, "file names");
    snprintf(config, sizeof config, "%s/config.json", m->path);
    paths[0] = config;
    memcpy(paths + 1, weights, n * sizeof *paths);
    uvk_status status = uvk_sha256_files(paths, n + 1, m->info.sha256, err);
    free(paths);
    return status;
}

/* ---- Loading ---------------------------------------------------------------------------------------------------------------- */

/* A broken tokenizer does not keep ids from being explained: what is wrong is said when a text comes. */
static uvk_status load_text(uvk_model *m, uvk_error *err)
{
    if (uvk_tokenizer_exists(m->path))
        uvk_tokenizer_load(m->path, &m->tokenizer, &m->tokenizer_error);
    uvk_status status = uvk_decoding_load(m->path, m->arch.vocabulary, &m->decoding, err);
    if (status == UVK_OK && m->decoding.start >= 0)
        m->arch.decoder_start = m->decoding.start;
    return status;
}

/* Images come in the size that is asked for, or that the preprocessor makes where the family takes any. */
static uvk_status load_vision(uvk_model *m, int height, int width, uvk_error *err)
{
    uvk_arch *a = &m->arch;
    uvk_status status = uvk_preprocess_load(m->path, a->image_height, a->image_width, &m->preprocess, err);
    if (status)
        return status;
    if (uvk_image_head_size(m, UVK_CLASS_LOGITS) && (status = uvk_class_names_load(m->path, a->classes, &m->labels, err)))
        return status;
    if (height) {
        uvk_preprocess_resize(&m->preprocess, height, width);
        return uvk_arch_resize(a, height, width, err);
    }
    if (!m->family->any_size || !uvk_preprocess_fixed_size(&m->preprocess, &width, &height))
        return UVK_OK;
    status = uvk_arch_resize(a, height, width, err);
    return status != UVK_USAGE ? status : uvk_fail(err, UVK_BAD_INPUT, "%s: its preparation of photos makes images of %dx%d pixels, which the model cannot take", m->path, width, height);
}

static uvk_status load_content(uvk_model *m, int height, int width, uvk_error *err)
{
    if (m->arch.modality == UVK_VISION)
        return load_vision(m, height, width, err);
    return height ? uvk_arch_resize(&m->arch, height, width, err) : load_text(m, err);
}

static uvk_status load(uvk_model *m, int height, int width, uvk_error *err)
{
    bool tower = m->family != NULL; /* the whole model names and hashes both */
    uvk_status status;
    if ((status = uvk_arch_load(m->path, &m->arch, &m->family, err)) || (status = uvk_tensor_file_open(m->path, &m->file, err)) || (status = find_tensors(m, err)) ||
        (status = load_content(m, height, width, err)) || (status = take_stock(m, err)))
        return status;
    m->resolved = realpath(m->path, NULL); /* "--model ." has a name too */
    fill_info(m);
    return tower ? UVK_OK : hash_model(m, err);
}

uvk_status uvk_model_load(const char *dir, uvk_model **out, uvk_error *err)
{
    return uvk_model_load_sized(dir, 0, 0, out, err);
}

static uvk_status load_folder(const char *dir, const uvk_family *family, int height, int width, uvk_model **out, uvk_error *err)
{
    uvk_model *m = calloc(1, sizeof *m);
    if (!m || !(m->path = strdup(dir))) {
        free(m);
        return uvk_fail_memory(err, sizeof *m, "a model");
    }
    m->family = family;
    uvk_status status = load(m, height, width, err);
    if (status) {
        uvk_model_free(m);
        return status;
    }
    *out = m;
    return UVK_OK;
}

uvk_status uvk_model_load_sized(const char *dir, int height, int width, uvk_model **out, uvk_error *err)
{
    return load_folder(dir, NULL, height, width, out, err);
}

uvk_status uvk_model_load_text_tower(const uvk_model *whole, uvk_model **out, uvk_error *err)
{
    if (!whole->info.embedding)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: does not compare images with texts (expected a whole CLIP or SigLIP model)", whole->path);
    return load_folder(whole->path, whole->family->text_tower, 0, 0, out, err);
}

void uvk_model_free(uvk_model *m)
{
    if (!m)
        return;
    uvk_tokenizer_free(m->tokenizer);
    uvk_decoding_free(&m->decoding);
    uvk_class_names_free(m->labels, m->arch.classes);
    uvk_tensor_file_free(m->file);
    free(m->blocks);
    free(m->unused);
    free(m->resolved);
    free(m->path);
    free(m);
}

const uvk_model_info *uvk_model_get_info(const uvk_model *m)
{
    return &m->info;
}
