#include "input.h"

#include "file.h"
#include "hash.h"
#include "text_file.h"

#include <math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- What a name says ------------------------------------------------------------------------------------------------ */

typedef enum kind { KIND_UNKNOWN, KIND_ARRAY, KIND_IMAGE, KIND_TEXT } kind;

static bool has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    return n >= m && !strcasecmp(path + n - m, extension);
}

static kind kind_of_name(const char *path)
{
    static const struct { const char *extension; kind kind; } known[] = {
        {".npy", KIND_ARRAY}, {".jpg", KIND_IMAGE}, {".jpeg", KIND_IMAGE}, {".png", KIND_IMAGE}, {".webp", KIND_IMAGE}, {".txt", KIND_TEXT},
    };
    if (strcmp(path, "-") == 0)
        return KIND_TEXT;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_extension(path, known[i].extension))
            return known[i].kind;
    return KIND_UNKNOWN;
}

/* An image or an array by its first bytes; what is neither may be a text. */
static uvk_status sniff(const char *path, kind *out, uvk_error *err)
{
    unsigned char bytes[16];
    int fd;
    uint64_t size;
    uvk_status status = uvk_file_open(path, &fd, &size, err);
    if (status)
        return status;
    size_t n = size < sizeof bytes ? (size_t)size : sizeof bytes;
    status = uvk_file_read_exact(fd, path, bytes, n, err);
    close(fd);
    if (!status)
        *out = uvk_image_sniff(bytes, n) ? KIND_IMAGE : n >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0 ? KIND_ARRAY : KIND_TEXT;
    return status;
}

/* ---- Images ------------------------------------------------------------------------------------------------------------ */

static uvk_status fail_array(const uvk_input *in, const uvk_npy *npy, uvk_error *err)
{
    const uvk_arch *a = &in->model->arch;
    return uvk_fail(err, UVK_BAD_INPUT, "%s: not an input of this model (found %s of rank %d, first sizes %llu %llu %llu; expected F32 [3, %d, %d])", in->path,
                    uvk_dtype_name(npy->dtype), npy->rank, (unsigned long long)(npy->rank > 0 ? npy->shape[0] : 0),
                    (unsigned long long)(npy->rank > 1 ? npy->shape[1] : 0), (unsigned long long)(npy->rank > 2 ? npy->shape[2] : 0), a->image_height, a->image_width);
}

/* Takes the data of npy when it is pixels for this model. */
static uvk_status take_pixels(uvk_input *in, uvk_npy *npy, uvk_error *err)
{
    const uvk_arch *a = &in->model->arch;
    bool fits = npy->dtype == UVK_F32 && npy->rank == 3 && npy->shape[0] == 3 && npy->shape[1] == (uint64_t)a->image_height && npy->shape[2] == (uint64_t)a->image_width;
    if (!fits)
        return fail_array(in, npy, err);
    in->pixels = npy->data;
    npy->data = NULL;
    in->info.scale_x = in->info.scale_y = 1;
    return UVK_OK;
}

static uvk_status load_photo(uvk_input *in, uvk_error *err)
{
    const uvk_model *model = in->model;
    const uvk_arch *a = &model->arch;
    int width, height;
    uvk_geometry geometry;
    uvk_status status = uvk_image_load(in->path, &in->photo, err);
    if (status)
        return status;
    if (in->photo.width < 2 || in->photo.height < 2)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: holds nothing to explain (found %dx%d pixels, expected a photo)", in->path, in->photo.width, in->photo.height);
    uvk_preprocess_size(&model->preprocess, in->photo.width, in->photo.height, &width, &height);
    if (width != a->image_width || height != a->image_height)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: preprocessor_config.json makes it %dx%d (width x height), the model was built for %dx%d", in->path, width, height, a->image_width, a->image_height);
    size_t bytes = (size_t)3 * (size_t)width * (size_t)height * sizeof(float);
    in->pixels = malloc(bytes);
    if (!in->pixels)
        return uvk_fail_memory(err, bytes, "an image");
    status = uvk_preprocess_run(&model->preprocess, &in->photo, in->path, in->pixels, &geometry, err);
    in->info.kind = "image";
    in->info.photo_width = in->photo.width;
    in->info.photo_height = in->photo.height;
    in->info.scale_x = geometry.scale_x;
    in->info.scale_y = geometry.scale_y;
    in->info.offset_x = geometry.offset_x;
    in->info.offset_y = geometry.offset_y;
    return status;
}

static uvk_status check_finite(const uvk_input *in, uvk_error *err)
{
    size_t count = (size_t)3 * (size_t)in->width * (size_t)in->height;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(in->pixels[i]))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: element %zu is not a finite number", in->path, i);
    return UVK_OK;
}

/* The special ones first, then the patches. */
static uvk_status list_patches(uvk_input *in, uvk_error *err)
{
    const uvk_arch *a = &in->model->arch;
    in->count = uvk_arch_tokens(a);
    in->tokens = malloc((size_t)in->count * sizeof *in->tokens);
    if (!in->tokens)
        return uvk_fail_memory(err, (size_t)in->count * sizeof *in->tokens, "tokens");
    for (int i = 0; i < in->count; i++)
        in->tokens[i] = (uvk_token){.id = -1, .role = i < a->special ? UVK_ROLE_SPECIAL : UVK_ROLE_IMAGE, .special = i < a->special, .start = -1, .end = -1};
    return UVK_OK;
}

static uvk_status finish_image(uvk_input *in, uvk_error *err)
{
    uvk_status status = check_finite(in, err);
    return status ? status : list_patches(in, err);
}

/* ---- Texts ------------------------------------------------------------------------------------------------------------- */

static uvk_status load_text(uvk_input *in, uvk_error *err)
{
    char *text;
    size_t size;
    uvk_status status = uvk_text_file_read(in->path, &text, &size, err);
    if (status)
        return status;
    size_t mark = uvk_text_mark_size(text, size);
    uvk_sha256_bytes(text, size, in->info.sha256);
    status = uvk_input_fill_text(in, text + mark, size - mark, err);
    free(text);
    return status;
}

static uvk_status take_ids(uvk_input *in, const uvk_npy *npy, uvk_error *err)
{
    int32_t *ids;
    int n;
    uvk_status status = uvk_npy_ids(in->path, npy, &ids, &n, err);
    if (status)
        return status;
    if (n > in->model->arch.context) /* before any is decoded: a file may be large */
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: longer than the model's context (found %d tokens, expected at most %d)", in->path, n, in->model->arch.context);
    else
        status = uvk_input_fill_ids(in, ids, n, err);
    free(ids);
    return status;
}

/* ---- Loading ----------------------------------------------------------------------------------------------------------- */

static uvk_status load_array(uvk_input *in, uvk_error *err)
{
    uvk_npy npy;
    uvk_status status = uvk_npy_load(in->path, &npy, err);
    if (status)
        return status;
    status = in->model->arch.modality == UVK_VISION ? take_pixels(in, &npy, err) : take_ids(in, &npy, err);
    uvk_npy_free(&npy);
    in->info.kind = "array";
    return status;
}

static uvk_status refuse(const uvk_input *in, const char *found, const char *expected, uvk_error *err)
{
    return uvk_fail(err, UVK_BAD_INPUT, "%s: not an input of this model (found %s, expected %s)", in->path, found, expected);
}

static uvk_status load_for_vision(uvk_input *in, uvk_error *err)
{
    kind k = kind_of_name(in->path);
    if (k == KIND_TEXT)
        return refuse(in, "a text", "an image or a .npy of pixels: it is a vision model", err);
    uvk_status status = UVK_OK;
    if (k == KIND_UNKNOWN)
        status = sniff(in->path, &k, err);
    if (!status) /* what is no image either is described by whoever reads images */
        status = k == KIND_ARRAY ? load_array(in, err) : load_photo(in, err);
    if (!status)
        status = finish_image(in, err);
    return status ? status : uvk_sha256_file(in->path, in->info.sha256, err);
}

static uvk_status load_for_language(uvk_input *in, uvk_error *err)
{
    kind k = kind_of_name(in->path), found = KIND_UNKNOWN;
    uvk_status status = k == KIND_UNKNOWN || k == KIND_IMAGE ? sniff(in->path, &found, err) : UVK_OK;
    if (status)
        return status;
    if (k == KIND_IMAGE || found == KIND_IMAGE)
        return refuse(in, "an image", "a text or a .npy of token ids: it is a language model", err);
    if (k != KIND_ARRAY && found != KIND_ARRAY)
        return load_text(in, err);
    status = load_array(in, err);
    return status ? status : uvk_sha256_file(in->path, in->info.sha256, err);
}

uvk_status uvk_input_begin(const uvk_model *model, const char *name, uvk_input **out, uvk_error *err)
{
    uvk_input *in = calloc(1, sizeof *in);
    if (!in || !(in->path = strdup(name))) {
        free(in);
        return uvk_fail_memory(err, sizeof *in, "an input");
    }
    in->model = model;
    in->info.path = in->path;
    in->height = model->arch.image_height;
    in->width = model->arch.image_width;
    *out = in;
    return UVK_OK;
}

uvk_status uvk_input_load(const uvk_model *model, const char *path, uvk_input **out, uvk_error *err)
{
    uvk_input *in;
    uvk_status status = uvk_input_begin(model, path, &in, err);
    if (status)
        return status;
    status = model->arch.modality == UVK_VISION ? load_for_vision(in, err) : load_for_language(in, err);
    if (status) {
        uvk_input_free(in);
        return status;
    }
    *out = in;
    return UVK_OK;
}

void uvk_input_free(uvk_input *in)
{
    if (!in)
        return;
    uvk_image_free(&in->photo);
    free(in->pixels);
    free(in->tokens);
    free(in->text);
    free(in->summary);
    free(in->path);
    free(in);
}

/* ---- Looking at it ------------------------------------------------------------------------------------------------------- */

const uvk_input_info *uvk_input_get_info(const uvk_input *in)
{
    return &in->info;
}

const uvk_token *uvk_input_tokens(const uvk_input *in, int *count)
{
    if (count)
        *count = in->count;
    return in->tokens;
}

int uvk_input_encoder_tokens(const uvk_input *in)
{
    return in->encoder_count;
}

const uint8_t *uvk_input_photo(const uvk_input *in)
{
    return in->photo.rgb;
}

const float *uvk_input_pixels(const uvk_input *in)
{
    return in->pixels;
}

void uvk_input_colours(const uvk_input *in, float *colours)
{
    const uvk_preprocess *p = &in->model->preprocess;
    size_t plane = (size_t)in->height * (size_t)in->width;
    float whole = p->rescale ? (float)(255 * p->rescale_factor) : 255;
    for (size_t i = 0; i < 3 * plane; i++) {
        float value = p->normalize ? in->pixels[i] * p->std[i / plane] + p->mean[i / plane] : in->pixels[i];
        colours[i] = fminf(fmaxf(value / whole, 0), 1);
    }
}

static const char *look_at(const char *text, size_t size, size_t *length)
{
    if (length)
        *length = text ? size : 0;
    return text;
}

const char *uvk_input_text(const uvk_input *in, size_t *length)
{
    return look_at(in->text, in->text_length, length);
}

const char *uvk_input_summary(const uvk_input *in, size_t *length)
{
    return look_at(in->summary, in->summary_length, length);
}

/* Every token of the decoder's, as given; the last predicts none that is there. */
static int given_targets(const uvk_input *in, int ahead, int32_t *targets, int32_t *outputs)
{
    int n = in->count - in->encoder_count;
    for (int k = 0; k < n; k++) {
        if (targets)
            targets[k] = in->encoder_count + k;
        if (outputs)
            outputs[k] = in->encoder_count + (k + ahead < n ? k + ahead : k);
    }
    return n;
}

int uvk_summary_targets(const uvk_input *in, uvk_at at, int32_t *targets, int32_t *outputs)
{
    int n = 0, before = at == UVK_AT_PREDICT ? 1 : 0;
    if (in->given)
        return given_targets(in, before, targets, outputs);
    for (int i = before; i < in->count; i++) {
        if (in->tokens[i].role != UVK_ROLE_SUMMARY)
            continue;
        if (targets)
            targets[n] = i - before;
        if (outputs)
            outputs[n] = i;
        n++;
    }
    return n;
}

uvk_layout uvk_layout_of(const uvk_model *model, const uvk_input *in)
{
    return (uvk_layout){.tokens = in->count, .list = in->tokens, .grid_cols = model->arch.modality == UVK_VISION ? uvk_arch_grid_cols(&model->arch) : 0,
                        .causal = model->arch.causal, .encoder_tokens = in->encoder_count};
}
