#include "record.h"

#include "approximation.h"
#include "crew.h"
#include "evaluate_show.h"
#include "hash.h"
#include "messages.h"
#include "segmented.h"
#include "text.h"
#include "whole_image.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_warning(void *user, const char *line)
{
    (void)user;
    warn("%s", line);
}

static char *printed(cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL, *copy = text ? text_copy(text) : NULL;
    cJSON_free(text);
    cJSON_Delete(json);
    return copy ? copy : text_copy("{}");
}

/* The same object with its keys in alphabetical order: equal parameters are equal bytes. */
static cJSON *sorted(cJSON *json)
{
    cJSON *out = cJSON_CreateObject();
    while (json && json->child) {
        cJSON *first = json->child, *item;
        cJSON_ArrayForEach(item, json)
            if (strcmp(item->string, first->string) < 0)
                first = item;
        cJSON_AddItemToObject(out, first->string, cJSON_DetachItemViaPointer(json, first));
    }
    cJSON_Delete(json);
    return out;
}

static void add_pair(cJSON *json, const char *key, const number_pair *pair)
{
    if (pair->given)
        cJSON_AddItemToObject(json, key, cJSON_CreateIntArray((int[]){pair->first, pair->second}, 2));
}

static void add_number(cJSON *json, const char *key, int number, bool given)
{
    if (given)
        cJSON_AddNumberToObject(json, key, number);
}

static void add_text(cJSON *json, const char *key, const char *text)
{
    char *clean = text ? text_utf8(text) : NULL;
    if (clean)
        cJSON_AddStringToObject(json, key, clean);
    free(clean);
}

static bool is_probe(const job *j, const char *name)
{
    return strcmp(j->probe, name) == 0;
}

/* What of segments changes the result; the rows do not depend on it. */
static void add_segments(cJSON *json, const job *j)
{
    uvk_segment_params p;
    bool by_labels = false;
    if (segment_params_of(j->o, j->info, &p, &by_labels, NULL) != UVK_OK)
        return;
    cJSON_AddStringToObject(json, "aggregate", aggregate_names[p.raw]);
    cJSON_AddStringToObject(json, "cluster_at", cluster_at_names[p.at_grid]);
    cJSON_AddStringToObject(json, "cluster_scale", cluster_scale_names[p.unscaled]);
    if (p.by != UVK_BY_ZETA)
        cJSON_AddStringToObject(json, "clusters", j->o->clusters ? j->o->clusters : "auto");
    cJSON_AddItemToObject(json, "res", cJSON_CreateIntArray((int[]){p.height, p.width}, 2));
    if (p.by == UVK_BY_ZETA)
        cJSON_AddNumberToObject(json, "zeta", p.zeta);
    if (p.background)
        cJSON_AddBoolToObject(json, "background", true);
    if (j->o->edges)
        cJSON_AddBoolToObject(json, "edges", true);
}

/* What makes an input of a photo, or (text) ids of a text, and ends what is generated. */
static void hash_files(const job *j, bool text, char out[65])
{
    static const char *const names[] = {"preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "generation_config.json"};
    enum { IMAGE = 2, N = sizeof names / sizeof *names };
    char hashes[N][65] = {{0}};
    for (int i = text ? IMAGE : 0; i < (text ? N : IMAGE); i++) {
        char *path = text_format("%s/%s", j->info->path, names[i]);
        if (uvk_sha256_file(path, hashes[i], NULL) != UVK_OK)
            hashes[i][0] = '\0';
        free(path);
    }
    uvk_sha256_bytes(hashes, sizeof hashes, out);
}

/* Everything that changes a result. */
static char *run_params(const job *j)
{
    const options *o = j->o;
    bool explain = is_probe(j, "explain") || (j->evaluation && j->info->modality == UVK_VISION), segment = is_probe(j, "segment");
    bool listed = explain && !o->pixel.given && o->at_word < 0;
    cJSON *json = cJSON_CreateObject();
    if (!explain && !segment)
        cJSON_AddStringToObject(json, "at", at_names[o->at]);
    cJSON *approximation = approximation_json(o);
    if (approximation)
        cJSON_AddItemToObject(json, "approximation", approximation);
    add_pair(json, "at_pixel", &o->pixel);
    add_number(json, "class", j->label, j->label >= 0);
    add_number(json, "at_word", o->at_word, o->at_word >= 0);
    if (j->evaluation)
        cJSON_AddItemToObject(json, "evaluation", evaluate_params(j));
    cJSON_AddStringToObject(json, "files", j->files);
    cJSON_AddNumberToObject(json, "first_block", j->first_block);
    add_pair(json, "image_size", &o->image_size);
    cJSON_AddNumberToObject(json, "layer", j->layer);
    add_number(json, "max_new", max_new_tokens(o), is_probe(j, "summarize"));
    cJSON_AddStringToObject(json, "normalize", normalize_names[j->normalize]);
    cJSON_AddStringToObject(json, "order", order_names[o->order]);
    cJSON_AddStringToObject(json, "own_token", own_token_names[j->own]);
    cJSON_AddStringToObject(json, "precision", job_precision(j));
    add_text(json, "prompt", j->prompt);
    cJSON_AddStringToObject(json, "scalar", scalar_names[o->scalar]);
    add_text(json, "similar_to", o->similar_to);
    if (o->similar_to) {
        char files[65];
        hash_files(j, true, files);
        cJSON_AddStringToObject(json, "similar_to_files", files);
    }
    add_pair(json, "span", &o->span);
    if (listed)
        cJSON_AddStringToObject(json, "tokens", o->tokens ? o->tokens : j->info->modality == UVK_TEXT ? "all" : whole_image_tokens(j));
    cJSON_AddNumberToObject(json, "top", o->top);
    add_number(json, "truncate", o->truncate, o->truncate > 0);
    if (j->projection.weights)
        cJSON_AddStringToObject(json, "weights", j->projection.sha256);
    if (segment)
        add_segments(json, j);
    return printed(sorted(json));
}

static char *photo_params(const job *j, const uvk_input_info *input)
{
    const uvk_model_info *model = j->info;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "files", j->files);
    cJSON_AddItemToObject(json, "grid", cJSON_CreateIntArray((int[]){model->grid_rows, model->grid_cols}, 2));
    cJSON_AddItemToObject(json, "image_size", cJSON_CreateIntArray((int[]){model->image_height, model->image_width}, 2));
    cJSON_AddItemToObject(json, "offset", cJSON_CreateDoubleArray((double[]){input->offset_x, input->offset_y}, 2));
    cJSON_AddNumberToObject(json, "patch", model->patch);
    cJSON_AddItemToObject(json, "scale", cJSON_CreateDoubleArray((double[]){input->scale_x, input->scale_y}, 2));
    cJSON_AddNumberToObject(json, "special", model->special);
    return printed(json);
}

/* A text's sequence is its ids and what each of them is. */
static char *text_params(const job *j, const explained *r)
{
    char sha256[65];
    int32_t *ids = text_alloc(2 * (size_t)r->n, sizeof *ids);
    for (int i = 0; i < r->n; i++) {
        ids[2 * i] = r->tokens[i].id;
        ids[2 * i + 1] = (int32_t)r->tokens[i].role;
    }
    uvk_sha256_bytes(ids, 2 * (size_t)r->n * sizeof *ids, sha256);
    free(ids);
    cJSON *json = cJSON_CreateObject();
    add_text(json, "prompt", j->prompt);
    cJSON_AddStringToObject(json, "sha256", sha256);
    cJSON_AddNumberToObject(json, "tokens", r->n);
    cJSON_AddNumberToObject(json, "truncated", r->info->truncated);
    return printed(json);
}

/* Of all devices of the run. */
static char *joined(const job *j, bool drivers)
{
    char *all = text_copy(drivers ? j->device.driver : j->device.name);
    for (int i = 0; i < j->n_helpers; i++) {
        const uvk_device_info *other = &j->helpers[i].device;
        char *longer = text_format("%s + %s", all, drivers ? other->driver : other->name);
        free(all);
        all = longer;
    }
    return all;
}

static uvk_status start_run(job *j, uvk_error *err)
{
    const options *o = j->o;
    char *devices = joined(j, false), *drivers = joined(j, true);
    char *params = run_params(j);
    char *label = o->label ? text_utf8(o->label) : NULL;
    uvk_db_run run = {
        .label = label, .probe = j->probe, .model_id = j->model_id, .model_sha256 = j->info->sha256,
        .layer = j->layer, .first_block = j->first_block,
        .scalar = scalar_names[o->scalar], .product_order = order_names[o->order], .normalize = normalize_names[j->normalize],
        .own_token = own_token_names[j->own], .precision = job_precision(j), .params = params, .command = o->command,
        .device = devices, .driver = drivers, .version = uvk_version(), .seed = o->seed,
    };
    uvk_status status = uvk_db_start_run(j->db, &run, o->resume, &j->run_id, err);
    free(devices);
    free(drivers);
    free(label);
    free(params);
    return status;
}

uvk_status record_open_database(job *j, uvk_error *err)
{
    if (j->db)
        return UVK_OK;
    hash_files(j, j->info->modality == UVK_TEXT, j->files); /* before any run or row is looked for */
    return uvk_db_open(j->o->db, print_warning, NULL, &j->db, err);
}

uvk_status record_open(job *j, uvk_error *err)
{
    const uvk_model_info *m = j->info;
    uvk_status status = record_open_database(j, err);
    if (status != UVK_OK)
        return status;
    char *name = text_utf8(m->name), *path = text_utf8(m->path);
    uvk_db_model model = {.name = name, .family = m->family, .modality = m->modality == UVK_VISION ? "vision" : "text", .sha256 = m->sha256,
                          .path = path, .layers = m->layers, .heads = m->heads, .width = m->width};
    status = uvk_db_put_model(j->db, &model, &j->model_id, err);
    free(name);
    free(path);
    return status == UVK_OK ? start_run(j, err) : status;
}

/* Of the last call: whoever asks more of a database that failed would hear it again. */
static uvk_status keep_status(job *j, uvk_status status)
{
    job_owner(j)->db_failed = status != UVK_OK;
    return status;
}

/* A file that cannot be read is reported when it is opened. */
static bool find_hash(const explained *r, char out[65])
{
    if (*r->sha256)
        memcpy(out, r->sha256, 65);
    return *r->sha256 || (!r->from_pairs && uvk_sha256_file(r->path, out, NULL) == UVK_OK);
}

uvk_status record_is_done(job *j, explained *r, bool *done, uvk_error *err)
{
    char sha256[65];
    *done = false;
    if (!j->o->resume || !find_hash(r, sha256))
        return UVK_OK;
    crew_lock();
    uvk_status status = keep_status(j, uvk_db_input_done(j->db, j->run_id, sha256, r->name, done, err));
    crew_unlock();
    r->stopped = status != UVK_OK;
    if (status == UVK_OK && *done) {
        note("%s: done before, skipped", r->from_pairs ? r->name : r->path);
        r->status = "skipped";
    }
    return status;
}

static uvk_db_map *maps_of(const explained *r)
{
    size_t n = (size_t)r->n;
    uvk_db_map *maps = text_alloc((size_t)r->targets.count, sizeof *maps);
    for (size_t k = 0; k < (size_t)r->targets.count; k++) {
        uvk_map_stats s = r->stats[k];
        maps[k] = (uvk_db_map){
            .target = r->targets.tokens[k], .output = r->outputs ? r->outputs[k] : -1, .row = r->rows + k * n, .scores = r->scores + k * n,
            .n_sources = s.n_sources, .n_visible = s.n_visible, .score_min = s.score_min, .score_max = s.score_max, .score_sum = s.score_sum,
            .self_score = s.self_score, .special_share = s.special_share, .entropy = s.entropy, .gini = s.gini,
            .effective_tokens = s.effective_tokens, .top10_share = s.top10_share, .locality = s.locality,
        };
    }
    return maps;
}

/* What is known of an input; path and text are owned by the caller. */
static uvk_db_input input_of(const job *j, const explained *r, const char *path, const char *text)
{
    const text_side *side = &r->text.context;
    uvk_db_input input = {.kind = j->info->modality == UVK_VISION ? "image" : "text", .name = r->name, .path = path, .text = text,
                          .sha256 = *r->sha256 ? r->sha256 : NULL};
    if (r->info) {
        input.kind = r->info->kind;
        input.width = r->info->photo_width;
        input.height = r->info->photo_height;
        input.n_chars = side->text ? side->characters[side->length] : 0;
    }
    return input;
}

static char *whole(const text_side *side)
{
    return side->text ? text_view_slice(side, 0, (int)side->length) : NULL;
}

/* What stands for a sequence: how the model saw the input. Owned by the caller, and its hash. */
static char *sequence_params(const job *j, const explained *r, char key[65])
{
    char *params = j->info->modality == UVK_VISION ? photo_params(j, r->info) : text_params(j, r);
    uvk_sha256_bytes(params, strlen(params), key);
    return params;
}

uvk_status record_find_rows(job *j, explained *r, uvk_error *err)
{
    const options *o = j->o;
    char sequence[65], *approximation = approximation_text(o);
    free(sequence_params(j, r, sequence));
    uvk_db_rows_key key = {
        .model_sha256 = j->info->sha256, .input_sha256 = r->sha256, .sequence_key = sequence, .layer = j->layer, .first_block = j->first_block,
        .scalar = scalar_names[o->scalar], .product_order = order_names[o->order], .normalize = normalize_names[j->normalize], .precision = job_precision(j),
        .weights = j->projection.weights ? j->projection.sha256 : NULL, .approximation = approximation,
    };
    crew_lock();
    uvk_status status = keep_status(j, uvk_db_find_rows(j->db, &key, r->targets.tokens, r->targets.count, r->n, r->rows, &r->rows_run, err));
    crew_unlock();
    free(approximation);
    r->stopped = status != UVK_OK;
    if (r->rows_run)
        note("%s: the rows of run %lld are used again", r->path, (long long)r->rows_run);
    return status;
}

uvk_status record_result(job *j, const explained *r, uvk_error *err)
{
    char key[65], *params = sequence_params(j, r, key), *path = text_utf8(r->path), *text = whole(&r->text.context), *text_out = whole(&r->text.summary);
    bool elsewhere = r->rows_run && r->rows_run != j->run_id; /* rows that are there need not be there twice */
    recorded sequence;
    record_tokens(j, r, &sequence);
    uvk_db_map *maps = j->evaluation || elsewhere ? NULL : maps_of(r);
    uvk_db_result result = {
        .run_id = j->run_id, .model_id = j->model_id, .input = input_of(j, r, path, text),
        .sequence = {.key = key, .text_out = text_out, .params = params, .tokens = sequence.tokens, .n_tokens = sequence.n_tokens,
                     .words = sequence.words, .n_words = sequence.n_words},
        .maps = maps, .n_maps = maps ? r->targets.count : 0, .tcs = j->evaluation ? NULL : r->tcs, .tcs_share = r->share,
        .metrics = r->metrics, .n_metrics = r->n_metrics, .top = j->o->top,
        .stats = {.device = r->device->name, .seconds_forward = r->cost.seconds_forward, .seconds_backward = r->cost.seconds_backward,
                  .gflop = r->cost.gflop, .peak_bytes = (int64_t)r->cost.peak},
    };
    const segmented *g = r->segments;
    if (g) {
        result.segments = g->list;
        result.n_segments = g->s.clusters;
        result.token_segments = g->token_segments;
        result.merges = g->merges;
        result.n_merges = g->s.n - 1;
    }
    uvk_status status = keep_status(j, uvk_db_write(j->db, &result, err));
    free(maps);
    record_tokens_free(&sequence);
    free(text_out);
    free(text);
    free(path);
    free(params);
    return status;
}

uvk_status record_failure(job *j, const explained *r, uvk_error *err)
{
    char *path = text_utf8(r->path), *reason = text_utf8(r->error), sha256[65];
    uvk_db_input input = input_of(j, r, path, NULL);
    if (find_hash(r, sha256))
        input.sha256 = sha256;
    uvk_status status = keep_status(j, uvk_db_write_failure(j->db, j->run_id, &input, r->status, reason, r->device ? r->device->name : NULL, err));
    free(reason);
    free(path);
    return status;
}

static bool has_run(const job *j)
{
    return j->db && j->run_id && !j->db_failed;
}

uvk_status record_metrics(job *j, const uvk_db_metric *metrics, int n, uvk_error *err)
{
    return has_run(j) && n ? keep_status(j, uvk_db_write_run_metrics(j->db, j->run_id, metrics, n, err)) : UVK_OK;
}

uvk_status record_means(job *j, uvk_error *err)
{
    return has_run(j) ? keep_status(j, uvk_db_average_metrics(j->db, j->run_id, err)) : UVK_OK;
}

uvk_status record_close(job *j, uvk_status status, uvk_error *err)
{
    if (!j->db)
        return UVK_OK;
    const char *word = status == UVK_OK ? "done" : status == UVK_INTERRUPTED ? "interrupted" : "failed";
    uvk_status finished = j->run_id ? uvk_db_finish_run(j->db, j->run_id, word, err) : UVK_OK;
    uvk_db_close(j->db);
    return finished;
}
