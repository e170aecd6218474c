// Bindings and order of work of the forward kernels of attention, tiled and direct:
//   O = softmax(scale Q K^T) V, and per token and head the maximum and the reciprocal of the sum, from which the gradient rebuilds
// the probabilities (the logarithm of the sum would lose digits). No n x n matrix is stored: tiles of keys pass by, and what was
// summed is scaled down whenever a tile raises the maximum. The queries of a workgroup are those of all heads that share
// a key head, token by token, so that they share its keys, too. What a query gets does not depend on the others.
layout(binding = 0) readonly buffer QKV { float qkv[]; };        // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 1) OUTPUT buffer O { float o[]; };              // [n, heads, head_dim]
layout(binding = 2) writeonly buffer Stats { vec2 stats[]; };    // [n, heads]: maximum, 1 / sum

const float NO_MAXIMUM = -3.4e38; // of a row that saw no key yet

// Queries of a key head are numbered token by token.
uint token_of(uint index)
{
    return first_row + index / (heads / kv_heads);
}

uint head_of(uint index, uint kv_head)
{
    return kv_head * (heads / kv_heads) + index % (heads / kv_heads);
}

float bias_of(uint index, uint kv_head, uint key)
{
    return bias(token_of(index), key, head_of(index, kv_head));
}
