/* ultravk refine: from images, their segments and what perturbing the rest of an image does to a patch, to a learned projection. */
#include "segmented.h"

#include "inputs.h"
#include "messages.h"
#include "perturb.h"
#include "progress.h"
#include "record.h"
#include "refine.h"
#include "rows_file.h"
#include "show.h"
#include "signals.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_SEGMENTS = 5, DEFAULT_STEPS = 200 };
static const double default_delta = 1, default_lambda = 0.1;

typedef enum start { START_SEGMENT, START_RANDOM, START_LAYER } start;

typedef struct refinement {
    job *j;
    uvk_segment_params params;
    start start;
    int start_layer;        /* whose explanations are segmented */
    double delta;
    uvk_differences differences;
    int images;             /* that were learned from */
    long clusters;
} refinement;

/* ---- Flags ---------------------------------------------------------------------------------------------------------------------- */

static uvk_status read_init(const options *o, const job *j, refinement *f, uvk_error *err)
{
    const char *init = o->init ? o->init : "segment";
    char *end;
    f->start_layer = j->layer;
    if (strcmp(init, "segment") == 0)
        return UVK_OK;
    if (strcmp(init, "random") == 0) {
        f->start = START_RANDOM;
        return UVK_OK;
    }
    long layer = strncmp(init, "layer:", 6) == 0 ? strtol(init + 6, &end, 10) : 0;
    if (layer < 2 || layer > j->info->layers + 1 || *end)
        return uvk_fail(err, UVK_USAGE, "--init %s: expected segment, random, or layer:N with N from 2 to %d", init, j->info->layers + 1);
    f->start = START_LAYER;
    f->start_layer = (int)layer;
    return UVK_OK;
}

static uvk_status check_flags(const options *o, uvk_error *err)
{
    if (!text_has_extension(o->out, ".safetensors"))
        return uvk_fail(err, UVK_USAGE, "--out %s: expected a name that ends in .safetensors", o->out);
    return output_check(o->out, err);
}

static uvk_status open_model(job *j, input_list *inputs, refinement *f, uvk_error *err)
{
    uvk_status status = check_flags(j->o, err);
    if (status == UVK_OK)
        status = job_load(j, err);
    if (status == UVK_OK)
        status = segment_params_of(j->o, j->info, &f->params, NULL, err);
    if (status == UVK_OK)
        status = read_init(j->o, j, f, err);
    if (status == UVK_OK)
        inputs_open_folders(inputs, j->info->modality);
    f->delta = isnan(j->o->delta) ? default_delta : j->o->delta;
    return status;
}

static uvk_status open_rest(job *j, refinement *f, uvk_error *err)
{
    target_list all = segment_targets(j->info);
    uvk_status status = job_open_device(j, err);
    if (status == UVK_OK)
        status = job_plan(j, j->info->tokens, 0, &all, err);
    targets_free(&all);
    if (status == UVK_OK && j->o->db)
        status = record_open_database(j, err);
    return status == UVK_OK ? uvk_differences_create(j->info->grid_rows * j->info->grid_cols, j->info->width, &f->differences, err) : status;
}

/* ---- Segments to start from ------------------------------------------------------------------------------------------------------ */

/* Each patch in a cluster drawn for it, as many as --clusters says. */
static uvk_status draw_segments(const refinement *f, int index, uvk_segmentation *s, uvk_error *err)
{
    uvk_random random = uvk_random_start(f->j->o->seed, UINT64_C(0x72616e646f6d0000) + (uint64_t)index);
    int n = f->differences.patches;
    *s = (uvk_segmentation){.n = n, .clusters = f->params.by == UVK_BY_COUNT ? f->params.count : RANDOM_SEGMENTS, .patches = malloc((size_t)n * sizeof *s->patches)};
    if (!s->patches)
        return uvk_fail_memory(err, (size_t)n * sizeof *s->patches, "a segmentation");
    for (int i = 0; i < n; i++)
        s->patches[i] = uvk_random_below(&random, s->clusters);
    return UVK_OK;
}

static uvk_status explain_segments(const refinement *f, explained *r, uvk_segmentation *s, uvk_error *err)
{
    job *j = f->j;
    int layer = j->layer;
    j->layer = f->start_layer;
    uvk_status status = explained_run(j, r, err);
    j->layer = layer;
    if (status)
        return status;
    float *maps = segment_maps(j, r);
    status = uvk_segment(&f->params, maps, s, err);
    free(maps);
    return status;
}

/* ---- Differences ------------------------------------------------------------------------------------------------------------------- */

/* Room for one image: its latents, those of a perturbed one, the perturbed input itself. */
typedef struct workspace {
    float *z, *perturbed;
    bool *changed;
    uvk_input input;    /* borrows all but its pixels */
} workspace;

static uvk_status add_cluster(refinement *f, const explained *r, const uvk_segmentation *s, int cluster, workspace *room, uvk_random *random, uvk_error *err)
{
    job *j = f->j;
    size_t width = (size_t)j->info->width, special = (size_t)j->info->special;
    for (int i = 0; i < s->n; i++)
        room->changed[i] = s->patches[i] != cluster;
    uvk_status status = uvk_perturb(r->input, (uvk_perturbation)j->o->perturb, f->delta, room->changed, random, room->input.pixels, err);
    if (status == UVK_OK)
        status = uvk_forward(j->session, &room->input, err);
    if (status == UVK_OK)
        status = uvk_hidden(j->session, j->layer, room->perturbed, err);
    for (int i = 0; i < s->n && status == UVK_OK; i++)
        if (!room->changed[i])
            status = uvk_differences_add(&f->differences, i, room->z + ((size_t)i + special) * width, room->perturbed + ((size_t)i + special) * width, err);
    return status;
}

static uvk_status add_clusters(refinement *f, const explained *r, const uvk_segmentation *s, int index, workspace *room, uvk_error *err)
{
    job *j = f->j;
    uvk_random random = uvk_random_start(j->o->seed, (uint64_t)index);
    uvk_status status = uvk_forward(j->session, r->input, err);
    if (status == UVK_OK)
        status = uvk_hidden(j->session, j->layer, room->z, err);
    for (int c = 0; c < s->clusters && s->clusters > 1 && status == UVK_OK; c++)
        status = interrupted() ? uvk_fail(err, UVK_INTERRUPTED, "interrupted") : add_cluster(f, r, s, c, room, &random, err);
    f->images += status == UVK_OK;
    f->clusters += s->clusters;
    return status;
}

static uvk_status learn_from(refinement *f, explained *r, uvk_error *err)
{
    job *j = f->j;
    uvk_segmentation s = {0};
    uvk_status status = explained_load(j, r, err);
    if (status == UVK_OK)
        status = f->start == START_RANDOM ? draw_segments(f, r->index, &s, err) : explain_segments(f, r, &s, err);
    if (status)
        return status;
    size_t latents = (size_t)r->n * (size_t)j->info->width, pixels = 3 * (size_t)j->info->image_height * (size_t)j->info->image_width;
    workspace room = {.z = text_alloc(2 * latents, sizeof(float)), .changed = text_alloc((size_t)s.n, 1), .input = *r->input};
    room.perturbed = room.z + latents;
    room.input.pixels = text_alloc(pixels, sizeof(float));
    status = add_clusters(f, r, &s, r->index, &room, err);
    free(room.input.pixels);
    free(room.changed);
    free(room.z);
    uvk_segmentation_free(&s);
    return status;
}

/* A bad image is reported and left out; anything else ends the run, whose result would not be what was asked for. */
static uvk_status learn(refinement *f, const input_list *inputs)
{
    job *j = f->j;
    uvk_status status = inputs->bad ? UVK_BAD_INPUT : UVK_OK;
    j->inputs = inputs->count;
    for (int i = 0; i < inputs->count; i++) {
        uvk_error err;
        explained r = {.path = inputs->paths[i], .name = text_utf8(text_base_name(inputs->paths[i])), .index = i, .targets = segment_targets(j->info)};
        j->from = (double)i / inputs->count;
        j->to = (double)(i + 1) / inputs->count;
        uvk_status one = interrupted() ? uvk_fail(&err, UVK_INTERRUPTED, "interrupted") : learn_from(f, &r, &err);
        j->targets_done += r.targets.count;
        explained_free(&r);
        if (one != UVK_OK && one != UVK_INTERRUPTED)
            complain(&err);
        if (one != UVK_OK && one != UVK_BAD_INPUT)
            return one;
        status = worse_status(status, one);
        j->inputs_done += one == UVK_OK;
    }
    return status;
}

/* ---- The result --------------------------------------------------------------------------------------------------------------------- */

static void show_step(void *user, int step, int of, double objective)
{
    (void)user;
    char name[64];
    snprintf(name, sizeof name, "objective %.6g", objective);
    progress_update((double)step / of, step, name);
}

static bool is_interrupted(void *user)
{
    (void)user;
    return interrupted();
}

static uvk_status save(const refinement *f, const float *weights, uvk_error *err)
{
    const options *o = f->j->o;
    char *delta = text_format("%.9g", f->delta), *lambda = text_format("%.9g", isnan(o->lambda) ? default_lambda : o->lambda), *images = text_format("%d", f->images);
    char *seed = text_format("%lld", (long long)o->seed), *command = text_utf8(o->command);
    const char *more[] = {"init", o->init ? o->init : "segment", "perturb", perturb_names[o->perturb], "solver", solver_names[o->solver], "delta", delta,
                          "lambda", lambda, "images", images, "seed", seed, "command", command};
    uvk_status status = uvk_projection_save(o->out, f->j->info, weights, f->j->layer, more, sizeof more / sizeof *more / 2, err);
    free(command);
    free(seed);
    free(images);
    free(lambda);
    free(delta);
    return status;
}

static const char *plural(long n)
{
    return n == 1 ? "" : "s";
}

static uvk_status show(const refinement *f, const uvk_refine_report *report, uvk_error *err)
{
    const options *o = f->j->o;
    if (report->terms == 0)
        warn("%s: no two segments in any image, so that there was nothing to learn: it is the sum", o->out);
    if (!o->json) {
        printf("%s  layer %d of ", o->out, f->j->layer);
        print_escaped(f->j->info->name);
        printf(", %s, %s\n", perturb_names[o->perturb], solver_names[o->solver]);
        printf("%d image%s, %ld segment%s, %ld difference%s; loss %.6g at the start, %.6g now; objective %.6g; cosine with the start %.4f\n", f->images, plural(f->images),
               f->clusters, plural(f->clusters), report->terms, plural(report->terms), report->loss_before, report->loss_after, report->objective, report->kept);
        return flush_results(err);
    }
    cJSON *json = cJSON_CreateObject();
    show_add_text(json, "out", o->out);
    cJSON_AddNumberToObject(json, "layer", f->j->layer);
    cJSON_AddNumberToObject(json, "images", f->images);
    cJSON_AddNumberToObject(json, "segments", (double)f->clusters);
    cJSON_AddNumberToObject(json, "differences", (double)report->terms);
    cJSON_AddNumberToObject(json, "loss_before", report->loss_before);
    cJSON_AddNumberToObject(json, "loss_after", report->loss_after);
    cJSON_AddNumberToObject(json, "objective", report->objective);
    cJSON_AddNumberToObject(json, "cosine", report->kept);
    return show_line(json, err);
}

static uvk_status solve(refinement *f, uvk_error *err)
{
    const options *o = f->j->o;
    uvk_refine_params params = {.lambda = isnan(o->lambda) ? default_lambda : o->lambda, .closed = o->solver == 1, .steps = o->steps ? o->steps : DEFAULT_STEPS,
                                .progress = show_step, .interrupted = is_interrupted};
    uvk_refine_report report;
    if (f->images == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not written, no image could be learned from", o->out);
    float *weights = text_alloc((size_t)f->differences.patches * (size_t)f->differences.width, sizeof *weights);
    progress_start("steps", o->quiet);
    uvk_status status = uvk_refine(&f->differences, &params, weights, &report, err);
    progress_end();
    if (status == UVK_OK)
        status = save(f, weights, err);
    free(weights);
    return status == UVK_OK ? show(f, &report, err) : status;
}

static uvk_status run(refinement *f, const input_list *inputs)
{
    uvk_error err;
    progress_start("targets", f->j->o->quiet);
    uvk_status status = learn(f, inputs);
    progress_end();
    if (status != UVK_OK && status != UVK_BAD_INPUT)
        return status;
    uvk_status solved = solve(f, &err);
    if (solved != UVK_OK && solved != UVK_INTERRUPTED)
        complain(&err);
    return solved == UVK_INTERRUPTED ? solved : worse_status(status, solved);
}

uvk_status verb_refine(const options *o)
{
    job j = {.o = o, .probe = o->verb->name, .reuse_rows = true};
    refinement f = {.j = &j};
    input_list inputs;
    uvk_error err;
    signals_defer();
    inputs_expand(o->arguments, o->n_arguments, &inputs);
    uvk_status status = inputs.count ? open_model(&j, &inputs, &f, &err) : UVK_OK;
    if (status == UVK_OK && inputs.count)
        status = open_rest(&j, &f, &err);
    if (status != UVK_OK && status != UVK_INTERRUPTED)
        complain(&err);
    if (status == UVK_OK)
        status = run(&f, &inputs);
    uvk_differences_free(&f.differences);
    status = job_close(&j, status);
    inputs_free(&inputs);
    return status;
}
