/* From a photo to what the model sees: preprocessor_config.json, as transformers' image processors with the PIL backend. */
#ifndef UVK_MODELS_PREPROCESS_H
#define UVK_MODELS_PREPROCESS_H

#include "image.h"

typedef struct uvk_preprocess {
    bool resize;
    int shortest_edge;         /* > 0: that many pixels for the shorter side, aspect kept; 0: resize_height x resize_width */
    int longest_edge;          /* > 0: limit of the longer side (with shortest_edge) */
    int resize_height, resize_width;
    uvk_filter filter;
    bool center_crop;
    int crop_height, crop_width;
    bool rescale;
    double rescale_factor;
    bool normalize;
    float mean[3], std[3];
} uvk_preprocess;

/* Reads "image_processor" of dir/processor_config.json, else dir/preprocessor_config.json; neither there: the defaults of the
 * vit image processor at height x width (exact resize, bilinear, no crop, 1/255, mean and std 0.5). Accepts size as an int,
 * [height, width], {"height","width"} or {"shortest_edge"[,"longest_edge"]}, crop_size as an int, a list or {"height","width"};
 * absent keys take the defaults of the image processor that the file names (ViT, DeiT, CLIP, Bit, Siglip). Wrong types, sizes
 * outside 1..16384, std 0, another image processor: UVK_BAD_INPUT. */
uvk_status uvk_preprocess_load(const char *dir, int height, int width, uvk_preprocess *out, uvk_error *err);

/* Makes the result height x width: the crop where there is one, its resize scaled along so that the crop still fits inside, else the
 * resize. */
void uvk_preprocess_resize(uvk_preprocess *p, int height, int width);
/* The size of the result when it is the same for all photos. */
bool uvk_preprocess_fixed_size(const uvk_preprocess *p, int *width, int *height);

/* Where the result stands in the photo: photo = result * scale + offset, in pixels, x and y. */
typedef struct uvk_geometry {
    double scale_x, scale_y, offset_x, offset_y;
} uvk_geometry;

/* The size of the result for a photo of that size. */
void uvk_preprocess_size(const uvk_preprocess *p, int photo_width, int photo_height, int *width, int *height);
/* pixels: [3, height, width] of uvk_preprocess_size, owned by the caller. name is for messages. A
 * photo so narrow that it would be resized beyond what image.h allows: UVK_BAD_INPUT. */
uvk_status uvk_preprocess_run(const uvk_preprocess *p, const uvk_image *photo, const char *name, float *pixels, uvk_geometry *geometry, uvk_error *err);

#endif
