/* JPEG, PNG and WebP, as photos and as masks. */
#include "fuzz.h"

#include "image_codec.h"

/* Reads every pixel that there should be. */
static void look_at(const uint8_t *bytes, size_t size)
{
    static volatile uint8_t seen;
    for (size_t i = 0; i < size; i++)
        seen = bytes[i];
    (void)seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uvk_image photo = {0};
    uvk_labels mask = {0};
    uvk_error err;
    uvk_status status = uvk_image_decode(data, size, "photo", &photo, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK)
        look_at(photo.rgb, (size_t)photo.width * (size_t)photo.height * 3);
    uvk_image_free(&photo);
    status = uvk_labels_load(fuzz_write("mask.png", (fuzz_part){data, size}), &mask, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK)
        look_at(mask.values, (size_t)mask.width * (size_t)mask.height);
    uvk_labels_free(&mask);
    return 0;
}
