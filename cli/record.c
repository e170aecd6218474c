/* One run in the database: model, parameters, then every input in one transaction. */
#include "explain.h"
#include "hash.h"
#include "messages.h"
#include "text.h"

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

/* Everything that changes a result, keys in alphabetical order: equal parameters are equal bytes. */
static char *run_params(const explain_job *job)
{
    const options *o = job->o;
    cJSON *json = cJSON_CreateObject();
    if (o->has_pixel)
        cJSON_AddItemToObject(json, "at_pixel", cJSON_CreateIntArray((int[]){o->pixel_x, o->pixel_y}, 2));
    cJSON_AddNumberToObject(json, "first_block", job->first_block);
    cJSON_AddNumberToObject(json, "layer", job->layer);
    cJSON_AddStringToObject(json, "normalize", normalize_names[o->normalize]);
    cJSON_AddStringToObject(json, "order", order_names[o->order]);
    cJSON_AddStringToObject(json, "own_token", own_token_names[o->own_token]);
    cJSON_AddStringToObject(json, "precision", "f32");
    cJSON_AddStringToObject(json, "scalar", scalar_names[o->scalar]);
    if (!o->has_pixel)
        cJSON_AddStringToObject(json, "tokens", o->tokens ? o->tokens : "patches");
    cJSON_AddNumberToObject(json, "top", o->top);
    return printed(json);
}

/* How the model saw the input: what the boxes of the tokens follow from. */
static char *sequence_params(const uvk_model_info *model, const uvk_input_info *input)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "grid", cJSON_CreateIntArray((int[]){model->grid_rows, model->grid_cols}, 2));
    cJSON_AddItemToObject(json, "image_size", cJSON_CreateIntArray((int[]){model->image_height, model->image_width}, 2));
    cJSON_AddItemToObject(json, "offset", cJSON_CreateDoubleArray((double[]){input->offset_x, input->offset_y}, 2));
    cJSON_AddNumberToObject(json, "patch", model->patch);
    cJSON_AddItemToObject(json, "scale", cJSON_CreateDoubleArray((double[]){input->scale_x, input->scale_y}, 2));
    cJSON_AddNumberToObject(json, "special", model->special);
    return printed(json);
}

static uvk_status start_run(explain_job *job, uvk_error *err)
{
    const options *o = job->o;
    char *params = run_params(job);
    char *label = o->label ? text_utf8(o->label) : NULL;
    uvk_db_run run = {
        .label = label, .probe = "explain", .model_id = job->model_id, .model_sha256 = job->info->sha256,
        .layer = job->layer, .first_block = job->first_block,
        .scalar = scalar_names[o->scalar], .product_order = order_names[o->order], .normalize = normalize_names[o->normalize],
        .own_token = own_token_names[o->own_token], .precision = "f32", .params = params, .command = o->command,
        .device = job->device->name, .driver = job->device->driver, .version = uvk_version(), .seed = o->seed,
    };
    uvk_status status = uvk_db_start_run(job->db, &run, o->resume, &job->run_id, err);
    free(label);
    free(params);
    return status;
}

uvk_status record_open(explain_job *job, uvk_error *err)
{
    const uvk_model_info *m = job->info;
    uvk_status status = uvk_db_open(job->o->db, print_warning, NULL, &job->db, err);
    if (status != UVK_OK)
        return status;
    char *name = text_utf8(m->name), *path = text_utf8(m->path);
    uvk_db_model model = {.name = name, .family = m->family, .modality = m->modality == UVK_VISION ? "vision" : "text", .sha256 = m->sha256,
                          .path = path, .layers = m->layers, .heads = m->heads, .width = m->width};
    status = uvk_db_put_model(job->db, &model, &job->model_id, err);
    free(name);
    free(path);
    return status == UVK_OK ? start_run(job, err) : status;
}

uvk_status record_is_done(explain_job *job, const char *path, bool *done, uvk_error *err)
{
    char sha256[65], *name = text_utf8(text_base_name(path));
    *done = false;
    uvk_status status = UVK_OK;
    if (uvk_sha256_file(path, sha256, NULL) == UVK_OK) /* a file that cannot be read is reported when it is opened */
        status = uvk_db_input_done(job->db, job->run_id, sha256, name, done, err);
    free(name);
    return status;
}

static double clamp(double value, double high)
{
    return fmin(fmax(value, 0), high);
}

/* The part of the photo under a patch; an array has no photo. */
static void set_box(uvk_db_token *token, const uvk_model_info *model, const uvk_input_info *input)
{
    double column = token->grid_col * model->patch, row = token->grid_row * model->patch;
    if (!input->photo_width)
        return;
    token->x0 = clamp(column * input->scale_x + input->offset_x, input->photo_width);
    token->x1 = clamp((column + model->patch) * input->scale_x + input->offset_x, input->photo_width);
    token->y0 = clamp(row * input->scale_y + input->offset_y, input->photo_height);
    token->y1 = clamp((row + model->patch) * input->scale_y + input->offset_y, input->photo_height);
}

static uvk_db_token *tokens_of(const uvk_model_info *model, const uvk_input_info *input)
{
    uvk_db_token *tokens = text_alloc((size_t)model->tokens, sizeof *tokens);
    for (int i = 0; i < model->tokens; i++) {
        bool special = i < model->special;
        tokens[i] = (uvk_db_token){
            .side = "single", .kind = special ? "special" : "patch", .role = special ? "special" : "image", .text = special && i == 0 ? "[CLS]" : NULL,
            .word_idx = -1, .grid_row = special ? -1 : token_row(model, i), .grid_col = special ? -1 : token_column(model, i),
            .x0 = NAN, .y0 = NAN, .x1 = NAN, .y1 = NAN, .char_start = -1, .char_end = -1,
        };
        if (!special)
            set_box(&tokens[i], model, input);
    }
    return tokens;
}

static uvk_db_map *maps_of(const explain_job *job, const explained *r)
{
    size_t n = (size_t)job->info->tokens, n_scores = patch_count(job->info);
    uvk_db_map *maps = text_alloc((size_t)r->targets.count, sizeof *maps);
    for (size_t k = 0; k < (size_t)r->targets.count; k++) {
        uvk_map_stats s = r->stats[k];
        maps[k] = (uvk_db_map){
            .target = r->targets.tokens[k], .row = r->rows + k * n,
            .scores = r->scores + k * n_scores, .first_source = job->info->special, .n_scores = (int)n_scores,
            .n_sources = s.n_sources, .n_visible = s.n_visible, .score_min = s.score_min, .score_max = s.score_max, .score_sum = s.score_sum,
            .self_score = s.self_score, .special_share = s.special_share, .entropy = s.entropy, .gini = s.gini,
            .effective_tokens = s.effective_tokens, .top10_share = s.top10_share, .locality = s.locality,
        };
    }
    return maps;
}

/* What is known of an input; name and path are owned by the caller. */
static uvk_db_input input_of(const explained *r, const char *name, const char *path)
{
    uvk_db_input input = {.kind = "image", .name = name, .path = path};
    if (r->info) {
        input.kind = r->info->kind;
        input.sha256 = r->info->sha256;
        input.width = r->info->photo_width;
        input.height = r->info->photo_height;
    }
    return input;
}

uvk_status record_result(explain_job *job, const explained *r, uvk_error *err)
{
    const uvk_model_info *model = job->info;
    char *name = text_utf8(text_base_name(r->path)), *path = text_utf8(r->path), *params = sequence_params(model, r->info), key[65];
    uvk_sha256_bytes(params, strlen(params), key);
    uvk_db_token *tokens = tokens_of(model, r->info);
    uvk_db_map *maps = maps_of(job, r);
    uvk_db_result result = {
        .run_id = job->run_id, .model_id = job->model_id, .input = input_of(r, name, path),
        .sequence = {.key = key, .params = params, .tokens = tokens, .n_tokens = model->tokens},
        .maps = maps, .n_maps = r->targets.count, .top = job->o->top,
        .stats = {.device = job->device->name, .seconds_forward = r->cost.seconds_forward, .seconds_backward = r->cost.seconds_backward,
                  .gflop = r->cost.gflop, .peak_bytes = (int64_t)r->cost.peak},
    };
    uvk_status status = uvk_db_write(job->db, &result, err);
    free(maps);
    free(tokens);
    free(params);
    free(path);
    free(name);
    return status;
}

uvk_status record_failure(explain_job *job, const explained *r, uvk_error *err)
{
    char *name = text_utf8(text_base_name(r->path)), *path = text_utf8(r->path), *reason = text_utf8(r->error), sha256[65];
    uvk_db_input input = input_of(r, name, path);
    if (!input.sha256 && uvk_sha256_file(r->path, sha256, NULL) == UVK_OK)
        input.sha256 = sha256;
    uvk_status status = uvk_db_write_failure(job->db, job->run_id, &input, r->status, reason, err);
    free(reason);
    free(path);
    free(name);
    return status;
}

uvk_status record_close(explain_job *job, uvk_status status, uvk_error *err)
{
    if (!job->db)
        return UVK_OK;
    const char *word = status == UVK_OK ? "done" : status == UVK_INTERRUPTED ? "interrupted" : "failed";
    uvk_status finished = job->run_id ? uvk_db_finish_run(job->db, job->run_id, word, err) : UVK_OK;
    uvk_db_close(job->db);
    return finished;
}
