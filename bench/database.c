/* What a large results database costs: written by the program's own writer, asked every named query.
 *
 *   bench_database FOLDER [IMAGES] [TOP]      TOP as of --top: a number, or all; 0: the default
 *
 * IMAGES images of 14 x 14 patches, each patch explained (196 maps over 196 sources), with the metrics of an evaluation; beside
 * them a second run and a second model over a tenth of them, and texts with summaries. Prints what writing takes, what an image
 * takes on disk for each --top, and what each query takes. Ends with 1 when a query took a second. */
#include "db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GRID = 14, PATCHES = GRID * GRID, TOKENS = PATCHES + 1, CONTEXT = 240, SUMMARY = 15, TEXT_TOKENS = CONTEXT + SUMMARY, METHODS = 5, CURVE = 9, JUDGED = 8 };

static const char *const methods[METHODS] = {"ultra", "random", "rollout", "gradient_x_input", "leave_one_out"};

static void stop(const char *what)
{
    fprintf(stderr, "bench_database: %s\n", what);
    exit(1);
}

static void check(uvk_status status, const uvk_error *err)
{
    if (status != UVK_OK)
        stop(err->message);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Uniform in 0..1, repeatable. */
static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* ---- One input ----------------------------------------------------------------------------------------------------------- */

typedef struct input {
    uvk_db_token tokens[TEXT_TOKENS];
    uvk_db_word words[TEXT_TOKENS];
    char texts[TEXT_TOKENS][8], name[32], sha256[65];
    float rows[PATCHES][TEXT_TOKENS], tcs[TEXT_TOKENS], share[TEXT_TOKENS];
    uvk_db_map maps[PATCHES];
    uvk_db_metric metrics[JUDGED * METHODS * (2 * CURVE + 3)];
    uvk_db_result result;
} input;

static void make_image_tokens(input *x)
{
    for (int i = 0; i < TOKENS; i++) {
        int row = (i - 1) / GRID, col = (i - 1) % GRID;
        x->tokens[i] = (uvk_db_token){.side = "single", .kind = i ? "patch" : "special", .role = i ? "image" : "special", .word_idx = -1,
                                      .grid_row = i ? row : -1, .grid_col = i ? col : -1, .x0 = i ? col * 16.0 : (double)NAN, .y0 = i ? row * 16.0 : (double)NAN,
                                      .x1 = i ? col * 16.0 + 16 : (double)NAN, .y1 = i ? row * 16.0 + 16 : (double)NAN, .char_start = -1, .char_end = -1};
    }
}

/* A word a token. */
static void make_text_tokens(input *x)
{
    for (int i = 0; i < TEXT_TOKENS; i++) {
        bool summary = i >= CONTEXT;
        int at = summary ? i - CONTEXT : i;
        snprintf(x->texts[i], sizeof x->texts[i], "w%d", at % 100);
        x->tokens[i] = (uvk_db_token){.side = "single", .kind = "text", .role = summary ? "summary" : "context", .text = x->texts[i], .word_idx = i,
                                      .grid_row = -1, .grid_col = -1, .x0 = (double)NAN, .y0 = (double)NAN, .x1 = (double)NAN, .y1 = (double)NAN,
                                      .char_start = at * 4, .char_end = at * 4 + 3};
        x->words[i] = (uvk_db_word){.role = summary ? "summary" : "context", .text = x->texts[i], .sentence = at / 12, .char_start = at * 4, .char_end = at * 4 + 3};
    }
}

static void make_map(input *x, int k, int target, int output, int n, int visible)
{
    for (int j = 0; j < n; j++)
        x->rows[k][j] = j <= target || visible == n - 1 ? (float)(draw() * draw()) : 0;
    x->maps[k] = (uvk_db_map){.target = target, .output = output, .row = x->rows[k], .scores = x->rows[k], .n_sources = n - 1, .n_visible = visible,
                              .score_max = 1, .score_sum = 40, .self_score = 1, .special_share = 0.1 * draw(), .entropy = 0.5 + 0.5 * draw(), .gini = draw(),
                              .effective_tokens = 100 * draw(), .top10_share = draw(), .locality = 0.5 + 0.5 * draw()};
}

static int add_metrics(input *x, int n, int target, bool text, bool faithful)
{
    static const char *const of_image[] = {"auc_positive", "auc_negative", "faithfulness_gap"};
    static const char *const of_text[] = {"aopc_comprehensiveness", "aopc_sufficiency", "auprc"};
    for (int m = 0; m < METHODS; m++) {
        for (int i = 0; i < 2 * CURVE; i++)
            x->metrics[n++] = (uvk_db_metric){target, text ? i % 2 ? "comprehensiveness" : "sufficiency" : i % 2 ? "drift_positive" : "drift_negative",
                                              methods[m], (i / 2 + 1) / 10.0, draw()};
        for (int i = 0; i < 3; i++)
            x->metrics[n++] = (uvk_db_metric){target, text ? of_text[i] : of_image[i], methods[m], (double)NAN, faithful ? draw() : -draw()};
    }
    return n;
}

static void make_image(input *x, bool judged, bool faithful)
{
    int n_metrics = 0;
    make_image_tokens(x);
    for (int k = 0; k < PATCHES; k++)
        make_map(x, k, k + 1, -1, TOKENS, TOKENS - 1);
    for (int i = 0; judged && i < JUDGED; i++)
        n_metrics = add_metrics(x, n_metrics, 1 + i * 20, false, faithful);
    x->result.input.kind = "image";
    x->result.input.width = x->result.input.height = 224;
    x->result.sequence = (uvk_db_sequence){.key = "224x224", .params = "{}", .tokens = x->tokens, .n_tokens = TOKENS};
    x->result.n_maps = PATCHES;
    x->result.n_metrics = n_metrics;
}

static void make_text(input *x)
{
    make_text_tokens(x);
    for (int k = 0; k < SUMMARY; k++)
        make_map(x, k, CONTEXT + k - 1, CONTEXT + k, TEXT_TOKENS, CONTEXT + k);
    for (int j = 0; j < TEXT_TOKENS; j++) {
        x->tcs[j] = (float)draw();
        x->share[j] = x->tcs[j] / (CONTEXT / 2);
    }
    x->result.input.kind = "text";
    x->result.input.text = "w0 w1 w2";
    x->result.sequence = (uvk_db_sequence){.key = "text", .text_out = "w0 w1", .params = "{}", .tokens = x->tokens, .n_tokens = TEXT_TOKENS,
                                           .words = x->words, .n_words = TEXT_TOKENS};
    x->result.n_maps = SUMMARY;
    x->result.n_metrics = add_metrics(x, 0, -1, true, true);
    x->result.tcs = x->tcs;
    x->result.tcs_share = x->share;
}

/* ---- Runs ----------------------------------------------------------------------------------------------------------------- */

typedef struct run_plan { const char *model, *modality; int layer, inputs, top; } run_plan;

static int64_t start(uvk_db *db, const run_plan *plan, int64_t *model)
{
    uvk_error err;
    int64_t run;
    char params[64];
    snprintf(params, sizeof params, "{\"layer\":%d,\"model\":\"%s\"}", plan->layer, plan->model);
    uvk_db_model m = {.name = plan->model, .family = "synthetic", .modality = plan->modality, .sha256 = plan->model, .path = plan->model, .layers = 12, .heads = 3, .width = 192};
    check(uvk_db_put_model(db, &m, model, &err), &err);
    uvk_db_run r = {.probe = "bench", .model_id = *model, .model_sha256 = plan->model, .layer = plan->layer, .first_block = 1, .scalar = "sum",
                    .product_order = "rollout", .normalize = "norm", .own_token = "max", .precision = "f32", .params = params};
    check(uvk_db_start_run(db, &r, false, &run, &err), &err);
    return run;
}

typedef struct timing { double wall, cpu; int rows; } timing;

/* What the writer took, an input. */
static timing write_run(uvk_db *db, const run_plan *plan)
{
    uvk_error err;
    timing t = {0, 0, 0};
    bool text = strcmp(plan->modality, "text") == 0;
    input *x = calloc(1, sizeof *x);
    if (!x)
        stop("out of memory");
    int64_t model, run = start(db, plan, &model);
    for (int i = 0; i < plan->inputs; i++) {
        snprintf(x->name, sizeof x->name, text ? "text%04d.txt" : "image%04d.jpg", i);
        snprintf(x->sha256, sizeof x->sha256, "%064d", i);
        x->result = (uvk_db_result){.run_id = run, .model_id = model, .input = {.name = x->name, .path = x->name, .sha256 = x->sha256}, .maps = x->maps,
                                    .metrics = x->metrics, .top = plan->top, .stats = {.device = "none", .seconds_forward = 0.01, .seconds_backward = 1, .gflop = 100}};
        if (text)
            make_text(x);
        else
            make_image(x, plan->layer == 13, strcmp(plan->model, "vit") == 0);
        double before = now();
        clock_t cpu = clock();
        check(uvk_db_write(db, &x->result, &err), &err);
        t.wall += (now() - before) / plan->inputs;
        t.cpu += (double)(clock() - cpu) / CLOCKS_PER_SEC / plan->inputs;
    }
    check(uvk_db_finish_run(db, run, "done", &err), &err);
    free(x);
    return t;
}

static uvk_db *create(const char *path)
{
    uvk_error err;
    uvk_db *db;
    if (access(path, F_OK) == 0)
        stop("the folder holds results of an earlier run");
    check(uvk_db_open(path, NULL, NULL, &db, &err), &err);
    return db;
}

static void measure_sizes(const char *folder)
{
    static const int tops[] = {-1, 100, 50, 20, 10, 5};
    enum { SAMPLE = 20 };
    puts("--top   KiB an image   ms an image to write   ms of the processor");
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        char path[4096], top[16] = "all";
        struct stat info = {0};
        snprintf(path, sizeof path, "%s/top%d.db", folder, tops[i]);
        uvk_db *db = create(path);
        timing t = write_run(db, &(run_plan){"vit", "vision", 7, SAMPLE, tops[i]});
        uvk_db_close(db);
        if (tops[i] > 0)
            snprintf(top, sizeof top, "%d", tops[i]);
        stat(path, &info);
        printf("%5s   %12.0f   %20.1f   %19.1f\n", top, (double)info.st_size / 1024 / SAMPLE, t.wall * 1e3, t.cpu * 1e3);
        unlink(path);
    }
}

static void fill(const char *path, int images, int top)
{
    int tenth = images / 10 + 2;
    struct stat info = {0};
    uvk_db *db = create(path);
    timing t = write_run(db, &(run_plan){"vit", "vision", 13, images, top});
    write_run(db, &(run_plan){"vit", "vision", 7, tenth, top});
    write_run(db, &(run_plan){"vit-tuned", "vision", 13, tenth, top});
    write_run(db, &(run_plan){"llama", "text", 13, tenth, top});
    write_run(db, &(run_plan){"llama-tuned", "text", 13, tenth, top});
    uvk_db_close(db);
    stat(path, &info);
    printf("\n%d images: %.1f ms an image to write (maps and metrics), %.1f ms of the processor; %.0f MiB with all the rest\n\n", images, t.wall * 1e3, t.cpu * 1e3,
           (double)info.st_size / (1 << 20));
}

/* ---- Queries -------------------------------------------------------------------------------------------------------------- */

static const char *value_of(const char *key, bool of_texts)
{
    static const struct { const char *key, *image, *text; } values[] = {
        {"input", "input=image0001.jpg", "input=text0001.txt"}, {"a", "a=vit", "a=llama"}, {"b", "b=vit-tuned", "b=llama-tuned"}, {"word", "word=w1", "word=w1"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strcmp(values[i].key, key) == 0)
            return of_texts ? values[i].text : values[i].image;
    stop("a query takes a parameter that this program does not know");
    return NULL;
}

static timing time_query(const char *path, const uvk_db_named *query)
{
    timing t;
    const char *params[8];
    char names[128], *text = NULL;
    size_t size;
    int n = 0;
    uvk_error err;
    bool of_texts = strstr(query->name, "words") || strcmp(query->name, "sentences") == 0;
    snprintf(names, sizeof names, "%s", query->parameters);
    for (char *key = strtok(names, " "); key; key = strtok(NULL, " "))
        if (*key != '[' && n < 8)
            params[n++] = value_of(key, of_texts);
    FILE *out = open_memstream(&text, &size);
    double before = now();
    clock_t cpu = clock();
    check(uvk_db_query_named(path, query->name, params, n, UVK_DB_CSV, out, &err), &err);
    t = (timing){now() - before, (double)(clock() - cpu) / CLOCKS_PER_SEC, -1};
    fclose(out);
    for (const char *c = text; *c; c++)
        t.rows += *c == '\n';
    free(text);
    return t;
}

/* False when one took a second. */
static bool time_queries(const char *path)
{
    int n;
    bool quick = true;
    const uvk_db_named *queries = uvk_db_named_queries(&n);
    puts("query          rows    ms  ms of the processor");
    for (int i = 0; i < n; i++) {
        timing t = time_query(path, &queries[i]);
        printf("%-13s %5d %5.0f %20.0f\n", queries[i].name, t.rows, t.wall * 1e3, t.cpu * 1e3);
        quick = quick && t.wall < 1;
        if (t.rows == 0)
            stop("a query found nothing");
    }
    return quick;
}

int main(int argc, char **argv)
{
    char path[4096];
    int images = argc > 2 ? atoi(argv[2]) : 1000, top = argc > 3 ? strcmp(argv[3], "all") == 0 ? -1 : atoi(argv[3]) : 0;
    if (argc < 2 || images < 1)
        stop("usage: bench_database FOLDER [IMAGES] [TOP]");
    measure_sizes(argv[1]);
    snprintf(path, sizeof path, "%s/results.db", argv[1]);
    fill(path, images, top);
    return time_queries(path) ? 0 : 1;
}
