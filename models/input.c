#include "file.h"
#include "hash.h"
#include "input.h"
#include "npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    return n >= m && !strcasecmp(path + n - m, extension);
}

static uvk_status load_array(const uvk_model *model, uvk_input *in, uvk_error *err)
{
    const uvk_arch *a = &model->arch;
    uvk_npy npy;
    uvk_status status = uvk_npy_load(in->path, &npy, err);
    if (status)
        return status;
    bool fits = npy.dtype == UVK_F32 && npy.rank == 3 && npy.shape[0] == 3 && npy.shape[1] == (uint64_t)a->image_height && npy.shape[2] == (uint64_t)a->image_width;
    if (!fits) {
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: not an input of this model (found %s of rank %d, first sizes %llu %llu %llu; expected F32 [3, %d, %d])", in->path,
                          uvk_dtype_name(npy.dtype), npy.rank, (unsigned long long)(npy.rank > 0 ? npy.shape[0] : 0), (unsigned long long)(npy.rank > 1 ? npy.shape[1] : 0),
                          (unsigned long long)(npy.rank > 2 ? npy.shape[2] : 0), a->image_height, a->image_width);
        uvk_npy_free(&npy);
        return status;
    }
    in->pixels = npy.data;
    in->info.kind = "array";
    in->info.scale_x = in->info.scale_y = 1;
    return UVK_OK;
}

static uvk_status load_photo(const uvk_model *model, uvk_input *in, uvk_error *err)
{
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

static uvk_status check_finite(const uvk_model *model, const uvk_input *in, uvk_error *err)
{
    size_t count = (size_t)3 * (size_t)model->arch.image_width * (size_t)model->arch.image_height;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(in->pixels[i]))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: element %zu is not a finite number", in->path, i);
    return UVK_OK;
}

uvk_status uvk_input_load(const uvk_model *model, const char *path, uvk_input **out, uvk_error *err)
{
    uvk_input *in = calloc(1, sizeof *in);
    if (!in || !(in->path = strdup(path))) {
        free(in);
        return uvk_fail_memory(err, sizeof *in, "an input");
    }
    in->info.path = in->path;
    in->height = model->arch.image_height;
    in->width = model->arch.image_width;
    uvk_status status = has_extension(path, ".npy") ? load_array(model, in, err) : load_photo(model, in, err);
    if (status == UVK_OK)
        status = check_finite(model, in, err);
    if (status == UVK_OK)
        status = uvk_sha256_file(path, in->info.sha256, err);
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
    free(in->path);
    free(in);
}

const uvk_input_info *uvk_input_get_info(const uvk_input *in)
{
    return &in->info;
}

const uint8_t *uvk_input_photo(const uvk_input *in)
{
    return in->photo.rgb;
}

const float *uvk_input_pixels(const uvk_input *in)
{
    return in->pixels;
}
