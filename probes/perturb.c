#include "perturb.h"

#include "fill.h"

#include <stdlib.h>
#include <string.h>

/* Where a patch's corner lies in one channel of the pixels. */
static size_t corner(const uvk_input *in, int patch)
{
    const uvk_arch *a = &in->model->arch;
    int cols = uvk_arch_grid_cols(a);
    return (size_t)(patch / cols * a->patch) * (size_t)in->width + (size_t)(patch % cols * a->patch);
}

/* pixels += delta (y - x) in one patch, y being the patch `from` of the picture other. */
static void mix(const uvk_input *in, int patch, int from, const float *other, double delta, float *pixels)
{
    size_t side = (size_t)in->model->arch.patch, width = (size_t)in->width, plane = (size_t)in->height * width;
    size_t to = corner(in, patch), at = corner(in, from);
    for (size_t c = 0; c < 3; c++)
        for (size_t y = 0; y < side; y++)
            for (size_t x = 0; x < side; x++) {
                size_t k = c * plane + to + y * width + x;
                pixels[k] = (float)(in->pixels[k] + delta * ((double)other[c * plane + at + y * width + x] - in->pixels[k]));
            }
}

static void add_noise(const uvk_input *in, int patch, double delta, uvk_random *random, float *pixels)
{
    size_t side = (size_t)in->model->arch.patch, width = (size_t)in->width, plane = (size_t)in->height * width;
    for (size_t c = 0; c < 3; c++)
        for (size_t y = 0; y < side; y++)
            for (size_t x = 0; x < side; x++)
                pixels[c * plane + corner(in, patch) + y * width + x] += (float)(delta * uvk_random_normal(random));
}

/* order[patches]: of each changed patch the one that comes to its place, drawn among the changed ones (Fisher and Yates). */
static void shuffle(const bool *changed, int patches, uvk_random *random, int *order, int *list)
{
    int count = 0;
    for (int i = 0; i < patches; i++)
        if (changed[i])
            list[count++] = i;
    for (int i = count - 1; i > 0; i--) {
        int k = uvk_random_below(random, i + 1), swap = list[i];
        list[i] = list[k];
        list[k] = swap;
    }
    for (int i = 0, k = 0; i < patches; i++)
        order[i] = changed[i] ? list[k++] : i;
}

static uvk_status mix_shuffled(const uvk_input *in, double delta, const bool *changed, int patches, uvk_random *random, float *pixels, uvk_error *err)
{
    size_t bytes = 2 * (size_t)patches * sizeof(int);
    int *order = malloc(bytes);
    if (!order)
        return uvk_fail_memory(err, bytes, "an order of patches");
    shuffle(changed, patches, random, order, order + patches);
    for (int i = 0; i < patches; i++)
        if (changed[i])
            mix(in, i, order[i], in->pixels, delta, pixels);
    free(order);
    return UVK_OK;
}

static uvk_status mix_filled(const uvk_input *in, uvk_mask mask, double delta, const bool *changed, int patches, float *pixels, uvk_error *err)
{
    size_t bytes = 3 * (size_t)in->height * (size_t)in->width * sizeof(float);
    float *filler = malloc(bytes);
    uvk_status status = filler ? uvk_fill(in, mask, filler, err) : uvk_fail_memory(err, bytes, "a picture");
    for (int i = 0; status == UVK_OK && i < patches; i++)
        if (changed[i])
            mix(in, i, i, filler, delta, pixels);
    free(filler);
    return status;
}

uvk_status uvk_perturb(const uvk_input *in, uvk_perturbation kind, double delta, const bool *changed, uvk_random *random, float *pixels, uvk_error *err)
{
    const uvk_arch *a = &in->model->arch;
    int patches = uvk_arch_grid_rows(a) * uvk_arch_grid_cols(a);
    memcpy(pixels, in->pixels, 3 * (size_t)in->height * (size_t)in->width * sizeof *pixels);
    if (kind == UVK_PERTURB_SHUFFLE)
        return mix_shuffled(in, delta, changed, patches, random, pixels, err);
    if (kind != UVK_PERTURB_NOISE)
        return mix_filled(in, kind == UVK_PERTURB_BLUR ? UVK_MASK_BLUR : UVK_MASK_MEAN, delta, changed, patches, pixels, err);
    for (int i = 0; i < patches; i++)
        if (changed[i])
            add_noise(in, i, delta, random, pixels);
    return UVK_OK;
}
