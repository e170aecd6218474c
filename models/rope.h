/* Rotary positions (RoFormer, arXiv 2104.09864), with the rescalings that config.json may name. */
#ifndef UVK_MODELS_ROPE_H
#define UVK_MODELS_ROPE_H

#include "json.h"

typedef enum uvk_rope_kind { UVK_ROPE_DEFAULT, UVK_ROPE_LINEAR, UVK_ROPE_LLAMA3 } uvk_rope_kind;

typedef struct uvk_rope {
    uvk_rope_kind kind;
    double theta, factor;
    double low_freq_factor, high_freq_factor, original_context; /* llama3 */
} uvk_rope;

/* From config.json as transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters) write it; context is the model's longest
 * sequence. A scaling that is not supported is refused by name. */
uvk_status uvk_rope_read(const cJSON *config, const char *file, int context, uvk_rope *out, uvk_error *err);

/* table[tokens, head_dim]: the cosines of a position's angles, then their sines. In float32, as the published models compute
 * their angles: at a large position another rounding is another angle. */
void uvk_rope_table(const uvk_rope *rope, int tokens, int head_dim, float *table);

#endif
