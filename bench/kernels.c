/* What the kernels that take the time achieve, in the shapes in which they occur. A line of JSON each.
 *
 *   bench_kernels [PART]      PART: a name, or the beginning of one, of what is to run; everything otherwise
 *
 * Seconds are of the process (user and system), over all of its threads, so that another load on the machine counts little:
 * gflops is what a core does, and "cores" times that what the machine would. On a GPU they are the device's own. "share" is of the peak, which is
 * measured first: multiply-adds of float32 in registers and nothing else. */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_TENSORS = 16 };

static uvk_context *ctx;
static uvk_pool *pool;
static const char *wanted = "";
static double peak; /* GFLOP/s */

static void check(uvk_status status, const uvk_error *err)
{
    if (status == UVK_OK)
        return;
    fprintf(stderr, "bench_kernels: %s\n", err->message);
    exit(1);
}

static double process_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double clock_now(void)
{
    return uvk_context_is_cpu(ctx) ? process_seconds() : uvk_device_seconds(ctx);
}

/* ---- Tensors ------------------------------------------------------------------------------------------------------------- */

typedef struct room {
    uvk_tensor tensors[MAX_TENSORS];
    int count;
} room;

static uvk_tensor *add(room *r, uint64_t rows, uint64_t cols)
{
    uvk_error err;
    uvk_tensor *tensor = &r->tensors[r->count++];
    check(uvk_pool_add(pool, tensor, rows, cols, true, &err), &err);
    return tensor;
}

/* As models hold them. */
static uvk_tensor *add_weights(room *r, uint64_t rows, uint64_t cols)
{
    uvk_error err;
    uvk_tensor *tensor = &r->tensors[r->count++];
    check(uvk_pool_add_weights(pool, tensor, rows, cols, &err), &err);
    return tensor;
}

static void open_room(void)
{
    uvk_error err;
    check(uvk_pool_create(ctx, "a measurement", &pool, &err), &err);
}

/* Small numbers: nothing overflows, and nothing is denormal. */
static void fill(room *r)
{
    uvk_error err;
    check(uvk_pool_commit(pool, &err), &err);
    uint32_t state = 1;
    for (int i = 0; i < r->count; i++) {
        size_t n = (size_t)(r->tensors[i].rows * r->tensors[i].cols);
        float *values = malloc(n * sizeof *values);
        if (!values)
            exit(1);
        for (size_t k = 0; k < n; k++) {
            state = state * 1664525u + 1013904223u;
            values[k] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
        }
        check(uvk_upload(ctx, &r->tensors[i], 0, r->tensors[i].rows, values, &err), &err);
        free(values);
    }
}

static void close_room(void)
{
    uvk_pool_free(pool);
    pool = NULL;
}

/* ---- Measuring ------------------------------------------------------------------------------------------------------------- */

typedef uvk_status run_once(const void *what, uvk_error *err);

/* Once for the pipelines, then for about half a second; the fastest of three such rounds. Returns GFLOP/s. */
static double measure(const char *name, const char *shape, run_once *run, const void *what)
{
    uvk_error err;
    check(run(what, &err), &err);
    check(uvk_flush(ctx, &err), &err);
    double best = 0, flop = 0;
    for (int round = 0, repeats = 1; round < 3;) {
        double started = clock_now(), before = uvk_recorded_flop(ctx);
        for (int i = 0; i < repeats; i++)
            check(run(what, &err), &err);
        check(uvk_flush(ctx, &err), &err);
        double seconds = clock_now() - started;
        if (seconds < 0.3 && repeats < 1 << 20) {
            repeats *= 2;
            continue;
        }
        flop = (uvk_recorded_flop(ctx) - before) / repeats;
        if (best == 0 || seconds / repeats < best)
            best = seconds / repeats;
        round++;
    }
    double gflops = flop / best * 1e-9;
    printf("{\"kernel\":\"%s\",\"shape\":\"%s\",\"gflop\":%.4f,\"seconds\":%.6f,\"gflops\":%.2f,\"share\":%.3f,\"cores\":%ld}\n", name, shape, flop * 1e-9, best, gflops,
           peak > 0 ? gflops / peak : 1, uvk_context_is_cpu(ctx) ? sysconf(_SC_NPROCESSORS_ONLN) : 1);
    fflush(stdout);
    return gflops;
}

static bool asked(const char *name)
{
    return !strncmp(name, wanted, strlen(wanted));
}

/* ---- The peak ------------------------------------------------------------------------------------------------------------------ */

static uvk_status run_peak(const void *what, uvk_error *err)
{
    enum { CHAINS = 8, UNROLL = 32, THREADS = 64, STEPS = 128, GROUPS = 4096 }; /* of shaders/peak.comp */
    const uvk_tensor *y = what;
    struct { uint32_t steps; float factor, term; } push = {STEPS, 0.75f, 0.125f};
    uvk_dispatch d = {.kernel = UVK_PEAK, .bindings = {y->parts[0]}, .push = &push, .push_size = sizeof push, .groups = GROUPS,
                      .flop = 2.0 * CHAINS * UNROLL * THREADS * STEPS * GROUPS};
    return uvk_dispatch_record(ctx, &d, err);
}

static void measure_peak(void)
{
    room r = {.count = 0};
    open_room();
    const uvk_tensor *y = add(&r, 1, 64);
    fill(&r);
    peak = measure("peak", "float32", run_peak, y);
    close_room();
}

/* ---- Matrix products --------------------------------------------------------------------------------------------------------- */

typedef struct product {
    const uvk_tensor *x, *w, *y;
} product;

static uvk_status run_forward(const void *what, uvk_error *err)
{
    const product *p = what;
    return uvk_linear(ctx, p->x, 0, p->x->rows, p->w, NULL, p->y, 0, false, err);
}

static uvk_status run_backward(const void *what, uvk_error *err)
{
    const product *p = what;
    return uvk_linear_backward(ctx, p->y, p->y->rows, p->w, p->x, err);
}

static const struct { const char *name; uvk_tier tier; } half[] = {{"product_backward_half", UVK_HALF}, {"product_backward_cooperative", UVK_COOPERATIVE}};

static void measure_product(uint64_t rows, uint64_t in, uint64_t out, const char *where)
{
    char shape[96];
    room r = {.count = 0};
    snprintf(shape, sizeof shape, "%s: %llu rows, %llu to %llu", where, (unsigned long long)rows, (unsigned long long)in, (unsigned long long)out);
    open_room();
    uvk_tensor *w = add_weights(&r, out, in);
    product p = {.x = add(&r, rows, in), .w = w, .y = add(&r, rows, out)};
    fill(&r);
    if (asked("product_forward"))
        measure("product_forward", shape, run_forward, &p);
    if (asked("product_backward"))
        measure("product_backward", shape, run_backward, &p);
    w->largest = 0.5f; /* which half precision has to know */
    for (int i = 0; i < 2; i++)
        if (asked(half[i].name) && uvk_tier_applies(ctx, half[i].tier)) {
            uvk_tier_use(ctx, half[i].tier);
            measure(half[i].name, shape, run_backward, &p);
        }
    close_room();
}

static void measure_products(void)
{
    if (strncmp(wanted, "product", strlen(wanted) < 7 ? strlen(wanted) : 7) != 0)
        return;
    measure_product(50, 768, 3072, "ViT-B/32 forward, up");
    measure_product(2000, 768, 3072, "ViT-B/32, up");
    measure_product(2000, 3072, 768, "ViT-B/32, down");
    measure_product(2000, 768, 2304, "ViT-B/32, qkv");
    measure_product(1570, 384, 1536, "ViT-S/8, up");
    measure_product(1570, 1536, 384, "ViT-S/8, down");
    measure_product(1570, 384, 384, "ViT-S/8, out");
    measure_product(1731, 1024, 4096, "ViT-L/14, up");
    measure_product(2048, 2048, 8192, "1B decoder, up");
}

/* ---- Attention ----------------------------------------------------------------------------------------------------------------- */

typedef struct attention {
    uvk_attention_shape shape;
    uvk_attention_gradient gradient;
    const uvk_tensor *qkv, *o, *stats, *s, *relevance;
    uvk_tensor *d_qkv;
} attention;

static uvk_status run_attention(const void *what, uvk_error *err)
{
    const attention *a = what;
    return uvk_attention(ctx, &a->shape, a->qkv, NULL, (uvk_range){0, a->shape.tokens}, a->o, a->stats, err);
}

static uvk_status run_columns(const void *what, uvk_error *err)
{
    const attention *a = what;
    return uvk_attention_columns(ctx, &a->gradient, a->s, a->relevance, a->d_qkv, err);
}

static uvk_status run_rows(const void *what, uvk_error *err)
{
    const attention *a = what;
    return uvk_attention_rows(ctx, &a->gradient, a->d_qkv, err);
}

static void measure_one_attention(uint32_t tokens, uint32_t heads, uint32_t head_dim, uint32_t targets, bool causal, const char *where)
{
    char text[96];
    room r = {.count = 0};
    uvk_error err;
    attention a = {.shape = {.tokens = tokens, .heads = heads, .kv_heads = heads, .head_dim = head_dim, .scale = 0.125f, .causal = causal, .window = UINT32_MAX}};
    uint64_t width = (uint64_t)heads * head_dim, rows = (uint64_t)targets * tokens;
    snprintf(text, sizeof text, "%s: %u tokens, %u heads of %u, %u targets", where, tokens, heads, head_dim, targets);
    open_room();
    a.qkv = add(&r, tokens, 3 * width);
    a.o = add(&r, tokens, width);
    a.stats = add(&r, tokens, 2 * (uint64_t)heads);
    a.s = add(&r, targets, tokens);
    a.relevance = add(&r, targets, (uint64_t)heads * tokens);
    a.d_qkv = add(&r, rows, 3 * width);
    const uvk_tensor *d_o = add(&r, rows, width), *delta = add(&r, rows, heads), *first = add(&r, targets, 1);
    fill(&r);
    uint32_t *zero = calloc(targets, sizeof *zero);
    if (!zero)
        exit(1);
    check(uvk_upload(ctx, first, 0, targets, zero, &err), &err);
    free(zero);
    uvk_window window = {.first = first, .rows = tokens};
    a.gradient = (uvk_attention_gradient){.shape = &a.shape, .qkv = a.qkv, .o = a.o, .stats = a.stats, .d_o = d_o, .delta = delta, .targets = targets, .window = window, .below = window};
    if (asked("attention_forward"))
        measure("attention_forward", text, run_attention, &a);
    if (asked("attention_columns"))
        measure("attention_columns", text, run_columns, &a);
    if (asked("attention_rows"))
        measure("attention_rows", text, run_rows, &a);
    close_room();
}

static void measure_attention(void)
{
    if (!asked("attention_forward") && !asked("attention_columns") && !asked("attention_rows"))
        return;
    measure_one_attention(50, 12, 64, 40, false, "ViT-B/32");
    measure_one_attention(197, 12, 64, 10, false, "ViT-B/16");
    measure_one_attention(577, 16, 64, 3, false, "ViT-L/14@336");
    measure_one_attention(785, 6, 64, 2, false, "ViT-S/8");
    measure_one_attention(512, 32, 64, 4, true, "1B decoder");
}

int main(int argc, char **argv)
{
    uvk_error err;
    wanted = argc > 1 ? argv[1] : "";
    check(uvk_context_create(&(uvk_context_params){.precision = UVK_PRECISION_AUTO}, &ctx, &err), &err);
    const uvk_device_info *device = uvk_context_device(ctx);
    fprintf(stderr, "%s, %s\n", device->name, device->driver);
    measure_peak();
    measure_products();
    measure_attention();
    uvk_context_free(ctx);
    return 0;
}
