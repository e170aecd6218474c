#include "rope.h"

#include <math.h>
#include <string.h>

static uvk_status read_positive(const cJSON *object, const char *key, const char *file, double *out, uvk_error *err)
{
    uvk_status status = uvk_json_double(object, key, file, out, err);
    if (status == UVK_OK && !(*out > 0 && *out < 1e15))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s of the rotary positions must be a positive number (found %g)", file, key, *out);
    return status;
}

static uvk_status read_scaling(const cJSON *object, const char *file, const char *kind, uvk_rope *out, uvk_error *err)
{
    if (!strcmp(kind, "default"))
        return UVK_OK;
    if (strcmp(kind, "linear") && strcmp(kind, "llama3"))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: rotary positions of type %.100s are not supported (default, linear, llama3 are)", file, kind);
    out->kind = !strcmp(kind, "linear") ? UVK_ROPE_LINEAR : UVK_ROPE_LLAMA3;
    const struct { const char *key; double *value; } needed[] = {
        {"factor", &out->factor}, {"low_freq_factor", &out->low_freq_factor}, {"high_freq_factor", &out->high_freq_factor},
    };
    int count = out->kind == UVK_ROPE_LINEAR ? 1 : 3;
    for (int i = 0; i < count; i++) {
        if (!cJSON_HasObjectItem(object, needed[i].key))
            return uvk_fail(err, UVK_BAD_INPUT, "%s: rotary positions of type %s lack %s", file, kind, needed[i].key);
        uvk_status status = read_positive(object, needed[i].key, file, needed[i].value, err);
        if (status)
            return status;
    }
    uvk_status status = read_positive(object, "original_max_position_embeddings", file, &out->original_context, err);
    if (status)
        return status;
    if (out->kind == UVK_ROPE_LLAMA3 && !(out->high_freq_factor > out->low_freq_factor))
        return uvk_fail(err, UVK_BAD_INPUT, "%s: high_freq_factor %g of the rotary positions must exceed low_freq_factor %g", file, out->high_freq_factor, out->low_freq_factor);
    return UVK_OK;
}

uvk_status uvk_rope_read(const cJSON *config, const char *file, int context, uvk_rope *out, uvk_error *err)
{
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(config, "rope_scaling");
    if (!cJSON_IsObject(parameters))
        parameters = cJSON_GetObjectItemCaseSensitive(config, "rope_parameters");
    const char *kind = "default";
    double rotated = 1;
    *out = (uvk_rope){.theta = 10000, .factor = 1, .original_context = context};
    uvk_status status = read_positive(config, "rope_theta", file, &out->theta, err);
    if (status == UVK_OK)
        status = uvk_json_double(config, "partial_rotary_factor", file, &rotated, err);
    if (status == UVK_OK && cJSON_IsObject(parameters)) {
        if ((status = read_positive(parameters, "rope_theta", file, &out->theta, err)) || (status = uvk_json_double(parameters, "partial_rotary_factor", file, &rotated, err)) ||
            (status = uvk_json_string(parameters, "type", file, &kind, err)) || (status = uvk_json_string(parameters, "rope_type", file, &kind, err)))
            return status;
        status = read_scaling(parameters, file, kind, out, err);
    }
    if (status == UVK_OK && rotated != 1)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: partial_rotary_factor %g is not supported (1 is)", file, rotated);
    return status;
}

/* The scaling of Llama 3.1: long wavelengths are stretched, short ones kept, those between blended. */
static float stretch(const uvk_rope *r, float inverse)
{
    float wavelength = (float)(2 * 3.14159265358979323846) / inverse, original = (float)r->original_context;
    float low = (float)r->low_freq_factor, high = (float)r->high_freq_factor, factor = (float)r->factor;
    if (wavelength > original / low)
        return inverse / factor;
    if (wavelength < original / high)
        return inverse;
    float smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) * inverse / factor + smooth * inverse;
}

void uvk_rope_table(const uvk_rope *rope, int tokens, int head_dim, float *table)
{
    int half = head_dim / 2;
    for (int k = 0; k < half; k++) {
        float inverse = 1 / (float)pow(rope->theta, (double)((float)(2 * k) / (float)head_dim));
        if (rope->kind == UVK_ROPE_LINEAR)
            inverse /= (float)rope->factor;
        else if (rope->kind == UVK_ROPE_LLAMA3)
            inverse = stretch(rope, inverse);
        for (int position = 0; position < tokens; position++) {
            float angle = (float)position * inverse;
            table[(size_t)position * (size_t)head_dim + (size_t)k] = (float)cos(angle);
            table[(size_t)position * (size_t)head_dim + (size_t)(half + k)] = (float)sin(angle);
        }
    }
}
