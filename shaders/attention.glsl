// What the kernels of attention agree on: where queries, keys and values stand, who shares them, and what the mask shows.
// Define PUSH_OWN, the kernel's push constants beyond these, before including this.
#define PUSH \
    uint tokens, heads, kv_heads, head_dim; \
    float scale; \
    uint causal, window; \
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

bool visible(uint token, uint key)
{
    return causal == 0 || (key <= token && token - key < window);
}

// Whole tiles of keys that tokens first_token .. last_token see some of: begin and end.
uvec2 keys_seen(uint first_token, uint last_token)
{
    if (causal == 0)
        return uvec2(0, tokens);
    uint begin = first_token >= window ? first_token - window + 1 : 0;
    return uvec2(begin / TILE * TILE, min(last_token + 1, tokens));
}
