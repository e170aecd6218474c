#include "safetensors.h"

#include "file.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

static uint64_t count_of(const uvk_tensor_out *tensor)
{
    uint64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

static uint64_t bytes_of(const uvk_tensor_out *tensor)
{
    return count_of(tensor) * uvk_dtype_size(tensor->dtype);
}

static bool append(cJSON *list, uint64_t value)
{
    cJSON *number = cJSON_CreateNumber((double)value);
    return number && cJSON_AddItemToArray(list, number);
}

static bool add_tensor(cJSON *header, const uvk_tensor_out *tensor, uint64_t begin)
{
    cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
    if (!entry || !cJSON_AddStringToObject(entry, "dtype", uvk_dtype_name(tensor->dtype)))
        return false;
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
    for (int i = 0; shape && i < tensor->rank; i++)
        if (!append(shape, tensor->shape[i]))
            return false;
    cJSON *offsets = shape ? cJSON_AddArrayToObject(entry, "data_offsets") : NULL;
    return offsets && append(offsets, begin) && append(offsets, begin + bytes_of(tensor));
}

static bool add_metadata(cJSON *header, const char *const *metadata, size_t n_pairs)
{
    if (n_pairs == 0)
        return true;
    cJSON *object = cJSON_AddObjectToObject(header, "__metadata__");
    for (size_t i = 0; object && i < n_pairs; i++)
        if (!cJSON_AddStringToObject(object, metadata[2 * i], metadata[2 * i + 1]))
            return false;
    return object != NULL;
}

/* The header as text, freed by cJSON_free; NULL when memory ran out. */
static char *header_text(const uvk_tensor_out *tensors, size_t n, const char *const *metadata, size_t n_pairs)
{
    cJSON *header = cJSON_CreateObject();
    bool ok = header && add_metadata(header, metadata, n_pairs);
    uint64_t begin = 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_tensor(header, &tensors[i], begin);
        begin += bytes_of(&tensors[i]);
    }
    char *text = ok ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    return text;
}

/* Spaces fill the header up to a multiple of 8, so that the data is aligned for those who map the file. */
static void write_header(FILE *stream, const char *text)
{
    uint64_t size = strlen(text), padded = (size + 7) / 8 * 8;
    fwrite(&padded, sizeof padded, 1, stream);
    fwrite(text, 1, size, stream);
    for (uint64_t i = size; i < padded; i++)
        fputc(' ', stream);
}

uvk_status uvk_safetensors_write(const char *path, const uvk_tensor_out *tensors, size_t n, const char *const *metadata, size_t n_pairs, uvk_error *err)
{
    char *text = header_text(tensors, n, metadata, n_pairs);
    if (!text)
        return uvk_fail_memory(err, n * sizeof *tensors, path);
    uvk_file_writer writer;
    uvk_status status = uvk_file_writer_open(&writer, path, err);
    if (status == UVK_OK) {
        write_header(writer.stream, text);
        for (size_t i = 0; i < n; i++)
            fwrite(tensors[i].data, 1, bytes_of(&tensors[i]), writer.stream);
        status = uvk_file_writer_commit(&writer, err);
    }
    cJSON_free(text);
    return status;
}
