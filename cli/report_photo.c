#include "report.h"

#include "hash.h"
#include "image.h"
#include "text.h"

#include <math.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *report_base64(const void *bytes, size_t size)
{
    char *out = text_alloc(BASE64_ENCODE_RAW_LENGTH(size) + 1, 1);
    base64_encode_raw(out, size, bytes);
    return out;
}

/* A path that is not absolute was so from the folder that the program ran in. */
static char *find_file(const char *path, const char *database)
{
    const char *base = text_base_name(database);
    char *folder = text_format("%.*s", (int)(base - database), database), *beside = text_format("%s%s", folder, path);
    free(folder);
    if (*path != '/' && access(path, R_OK) != 0 && access(beside, R_OK) == 0)
        return beside;
    free(beside);
    return text_copy(path);
}

static uvk_status shrink(uvk_image *image, uvk_error *err)
{
    int longer = image->width > image->height ? image->width : image->height;
    if (longer <= REPORT_PHOTO_SIDE)
        return UVK_OK;
    uvk_image small;
    double scale = (double)REPORT_PHOTO_SIDE / longer;
    uvk_status status = uvk_image_resize(image, (int)fmax(1, rint(image->width * scale)), (int)fmax(1, rint(image->height * scale)), UVK_BICUBIC, &small, err);
    if (status != UVK_OK)
        return status;
    uvk_image_free(image);
    *image = small;
    return UVK_OK;
}

static char *encode(const char *file)
{
    uvk_image image = {0};
    unsigned char *bytes = NULL;
    size_t size;
    char *out = NULL;
    if (uvk_image_load(file, &image, NULL) == UVK_OK && shrink(&image, NULL) == UVK_OK && uvk_image_encode_jpeg(&image, 82, &bytes, &size, NULL) == UVK_OK) {
        char *text = report_base64(bytes, size);
        out = text_format("data:image/jpeg;base64,%s", text);
        free(text);
    }
    free(bytes);
    uvk_image_free(&image);
    return out;
}

char *report_photo(const char *path, const char *sha256, const char *database, const char **why)
{
    char *file = find_file(path, database), hash[65], *out = NULL;
    if (uvk_sha256_file(file, hash, NULL) != UVK_OK)
        *why = "the photo is no longer where it was";
    else if (strcmp(hash, sha256) != 0)
        *why = "the photo's file has changed since it was explained";
    else if (!(out = encode(file)))
        *why = "the photo cannot be read";
    free(file);
    return out;
}
