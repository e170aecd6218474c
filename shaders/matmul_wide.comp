// matmul.comp for lavapipe since it knows which values are the same in all threads: a load from one address for all of them is an
// operand of the multiplication then, and costs nothing; one from as many addresses as there are threads is dear. So a thread
// keeps UNROLL words of its row in registers (of W, or, where W is [K,N], of X), and TILE rows (columns) of the other pass by. It
// reads two words at a time, and all is read by address (buffer_reference), as bindings are checked against their size word by word.
// Same push constants as matmul.comp, K >= UNROLL; every element of Y is one sum in ascending order of k.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "wide.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool W_IS_NK = true;
layout(constant_id = 2) const uint TILE = 64;

#define PUSH \
    Word x_at, w_at, y_at, bias_at; \
    uint M, N, K; \
    uint x_offset, x_stride, w_offset, w_stride, y_offset, y_stride; \
    uint use_bias, bias_offset, accumulate;
#include "grid.glsl"

const uint UNROLL = 16, BAND = W_IS_NK ? 6 : 2;
const uint LINE = 16, STEPS = 8; // words of a line of the cache; rows of them

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint lanes = gl_WorkGroupSize.x, own_count = W_IS_NK ? N : M, other_count = W_IS_NK ? M : N, tiles = (other_count + TILE - 1) / TILE;
    // In bands of tiles that the cache holds; in each, all that owners see, one after the other.
    uint per_band = BAND * ((own_count + lanes - 1) / lanes), band0 = group / per_band * BAND, band = min(BAND, tiles - band0), place = group % per_band;
    uint own = place / band * lanes + gl_LocalInvocationIndex, own_row = min(own, own_count - 1);
    // The last tile of columns begins earlier, so that it ends with them, and stores only what the one before lacks.
    uint begin = (band0 + place % band) * TILE, other0 = W_IS_NK ? begin : min(begin, N - TILE);
    Word own_at = W_IS_NK ? w_at + (w_offset + own_row * w_stride) : x_at + (x_offset + own_row * x_stride);
    Word other_at = W_IS_NK ? x_at + (x_offset + other0 * x_stride) : w_at + (w_offset + other0);
    Word row_at[TILE]; // rows past the end are computed and not stored
    float sum[TILE];
    [[unroll]] for (uint r = 0; r < TILE; r++) {
        row_at[r] = W_IS_NK ? other_at + min(r, M - 1 - other0) * x_stride : other_at + r;
        sum[r] = 0.0;
    }
    // The driver runs a loop once more than asked, with every thread asleep, but loads for all threads at once do not sleep: hence min.
    uint next = 0;
    for (; next + UNROLL <= K; next += UNROLL) {
        uint k = min(next, K - UNROLL);
        float mine[UNROLL];
        Word step_at[UNROLL];
        [[unroll]] for (uint i = 0; i < UNROLL; i += 2) {
            vec2 two = two_words(own_at + (k + i));
            mine[i] = two.x;
            mine[i + 1] = two.y;
        }
        [[unroll]] for (uint i = 0; i < UNROLL; i++)
            step_at[i] = other_at + (k + i) * w_stride;
        // Of W's rows no more at a time than a set of the cache has lines: they may lie a multiple of its size apart.
        [[unroll]] for (uint line = 0; line < TILE; line += LINE)
            [[unroll]] for (uint part = 0; part < UNROLL; part += STEPS)
                [[unroll]] for (uint r = line; r < line + LINE; r++)
                    [[unroll]] for (uint i = part; i < part + STEPS; i++)
                        sum[r] = fma(W_IS_NK ? (row_at[r] + (k + i)).word : (step_at[i] + r).word, mine[i], sum[r]);
    }
    for (; next < K; next++) {
        uint k = min(next, K - 1);
        float mine = (own_at + k).word;
        [[unroll]] for (uint r = 0; r < TILE; r++)
            sum[r] = fma(W_IS_NK ? (row_at[r] + k).word : (row_at[r] + k * w_stride).word, mine, sum[r]);
    }

    if (own >= own_count)
        return;
    float added = use_bias != 0 ? (bias_at + (bias_offset + own)).word : 0.0;
    [[unroll]] for (uint r = 0; r < TILE; r++) {
        uint other = other0 + r;
        if (other < begin || other >= other_count)
            continue;
        Word at = y_at + (y_offset + (W_IS_NK ? other * y_stride + own : own * y_stride + other));
        at.word = accumulate != 0 ? at.word + (sum[r] + added) : sum[r] + added;
    }
}
