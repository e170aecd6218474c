// Bindings and rows of the kernels of the attention gradient, tiled and direct. Gradients are kept only where they can differ from
// zero: for target t, dO has the `rows` rows of the sequence from first[t] on, and the gradients of queries, keys and values
// the rows_below rows from first_below[t] on, which hold them and all that they see. Both numbers are push constants.
layout(binding = 0) readonly buffer QKV { float qkv[]; };       // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 1) readonly buffer Stats { vec2 stats[]; };    // [n, heads]: maximum, 1 / sum
layout(binding = 2) readonly buffer DO { float d_o[]; };        // [T, rows, heads, head_dim]
layout(binding = 3) readonly buffer First { uint first[]; };    // [T]

// Word of dO of a row of the window.
uint do_at(uint target, uint row, uint head)
{
    return ((target * rows + row) * heads + head) * head_dim;
}

// Rows of the window that see any of the TILE columns from col0 on: begin, a whole number of tiles, and end.
uvec2 rows_that_see(uint target, uint col0)
{
    if (causal == 0)
        return uvec2(0, rows);
    uint token0 = first[target], beyond = col0 + TILE - 1 + min(window, tokens);
    uint begin = col0 > token0 ? (col0 - token0) / TILE * TILE : 0;
    return uvec2(begin, beyond > token0 ? min(rows, beyond - token0) : 0);
}
