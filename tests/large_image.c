/* A vision model whose weights exceed the memory budget: what is planned, and what the device is truly asked for.
 *
 *   large_image             three blocks of ViT-L/14's width, 65 tokens, under 128 MiB: seconds
 *   large_image --full      the shape of CLIP ViT-L/14@336, 577 tokens and 1.2 GB of weights, under 512 MiB; minutes without a GPU
 *
 * 16 targets on a CPU, all on a GPU. The weights are random. Exits with 1 when the true peak exceeds the plan or the budget, or when a row
 * is not finite. */
#include "large_run.h"
#include "model_fixture.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_model(const char *dir, int layers, int image)
{
    fixture_spec spec = fixture_shape(layers, 1024, 16, 4096, 14, image);
    spec.family = "clip_vision_model";
    spec.act = "quick_gelu";
    fixture *f = fixture_create(&spec);
    bool written = f && fixture_write(f, dir);
    fixture_free(f);
    return written;
}

static bool run(const char *dir, const large_job *job)
{
    char path[4200];
    uvk_error err;
    uvk_model *model = NULL;
    uvk_input *input = NULL;
    snprintf(path, sizeof path, "%s/input.npy", dir);
    uvk_status status = uvk_model_load(dir, &model, &err);
    if (status == UVK_OK)
        status = uvk_input_load(model, path, &input, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    bool sound = status == UVK_OK && large_run(model, input, job);
    uvk_input_free(input);
    uvk_model_free(model);
    return sound;
}

int main(int argc, char **argv)
{
    bool full = argc > 1 && !strcmp(argv[1], "--full");
    const large_job job = {.memory = full ? 512 << 20 : 128 << 20, .targets_cpu = full ? 16 : 2};
    char dir[4096];
    scratch_create(dir);
    bool sound = write_model(dir, full ? 24 : 3, full ? 336 : 112);
    if (!sound)
        perror(dir);
    else
        sound = run(dir, &job);
    scratch_remove(dir);
    return sound ? 0 : 1;
}
