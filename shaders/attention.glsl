// What the kernels of attention agree on: where queries, keys and values stand, who shares them, and what the mask shows.
// Define PUSH_OWN, the kernel's push constants beyond these, before including this; PUSH_BEFORE, the addresses of bindings, where it
// is told any; and, where scores may have a bias, BIAS_BINDING
// and BIAS_CONSTANT.
#ifndef PUSH_BEFORE
#define PUSH_BEFORE
#endif
#define PUSH \
    PUSH_BEFORE \
    uint tokens, heads, kv_heads, head_dim; \
    float scale; \
    uint causal, window; \
    uint first_key, keys; \
    uint bias_reach; \
    PUSH_OWN
#include "grid.glsl"

const uint TILE = 32; // rows or columns of a workgroup

uint kv_head_of(uint head)
{
    return head / (heads / kv_heads);
}

// Words of one row of queries, keys and values, and where those of a head begin.
uint qkv_width()
{
    return (heads + 2 * kv_heads) * head_dim;
}

uint query_at(uint token, uint head)
{
    return token * qkv_width() + head * head_dim;
}

uint key_at(uint token, uint kv_head)
{
    return token * qkv_width() + (heads + kv_head) * head_dim;
}

uint value_at(uint token, uint kv_head)
{
    return key_at(token, kv_head + kv_heads);
}

// One past the last row of the sequence that is a key.
uint end_of_keys()
{
    return keys == 0 ? tokens : first_key + keys;
}

// What a score has beside scale q.k: by the distance of key and token, the same for all far ones.
#ifdef BIAS_BINDING
layout(constant_id = BIAS_CONSTANT) const bool BIASED = false;
layout(binding = BIAS_BINDING) readonly buffer Bias { float bias_table[]; }; // [heads, 2 bias_reach + 1]

float bias(uint token, uint key, uint head)
{
    int reach = int(bias_reach);
    return BIASED ? bias_table[int(head) * (2 * reach + 1) + reach + clamp(int(key) - int(token), -reach, reach)] : 0.0;
}
#else
float bias(uint token, uint key, uint head)
{
    return 0.0;
}
#endif

bool visible(uint token, uint key)
{
    return causal == 0 || (key <= token && token - key < window);
}

// Whole tiles of keys that tokens first_token .. last_token see some of: begin and end.
uvec2 keys_seen(uint first_token, uint last_token)
{
    if (causal == 0)
        return uvec2(first_key, end_of_keys());
    uint begin = first_token >= window ? first_token - window + 1 : 0;
    return uvec2(max(begin / TILE * TILE, first_key), min(last_token + 1, end_of_keys()));
}
