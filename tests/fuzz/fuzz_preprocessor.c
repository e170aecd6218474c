/* preprocessor_config.json and processor_config.json, a NUL byte between; a small photo goes through what they say. */
#include "fuzz.h"

#include "preprocess.h"

#include <stdlib.h>

enum { WIDTH = 9, HEIGHT = 7, MOST_PIXELS = 200 * 200 };

static void run(const uvk_preprocess *p)
{
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    static float pixels[3 * MOST_PIXELS];
    const uvk_image photo = {WIDTH, HEIGHT, rgb};
    uvk_geometry geometry;
    uvk_error err;
    int width, height;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 37);
    uvk_preprocess_size(p, WIDTH, HEIGHT, &width, &height);
    if (width < 1 || height < 1)
        abort();
    /* Also what is resized before it is cropped has to be small. */
    int64_t edge = p->shortest_edge > 0 ? p->shortest_edge : p->resize_height > p->resize_width ? p->resize_height : p->resize_width;
    if ((int64_t)width * height <= MOST_PIXELS && (!p->resize || edge <= 256))
        fuzz_check(uvk_preprocess_run(p, &photo, "photo", pixels, &geometry, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uvk_preprocess p;
    uvk_error err;
    fuzz_part rest = {data, size};
    fuzz_write("preprocessor_config.json", fuzz_next(&rest));
    fuzz_write("processor_config.json", fuzz_next(&rest));
    uvk_status status = uvk_preprocess_load(fuzz_folder(), 32, 32, &p, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK) {
        run(&p);
        uvk_preprocess_resize(&p, 48, 32);
        run(&p);
    }
    return 0;
}
