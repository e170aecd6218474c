// Y[M,N] = X[M,K] . W[K,N], or Y += ..., from half-precision factors (half.glsl), by the device's own product of small matrices. A workgroup
// makes one TILE_M x TILE_N tile of Y, each of its subgroups SUB_M x SUB_N of that, in matrices of PART_M x PART_N. Every element is one sum
// in ascending order of k, PART_K at a time.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint PART_M = 16;
layout(constant_id = 2) const uint PART_N = 16;
layout(constant_id = 3) const uint PART_K = 16;
layout(constant_id = 4) const uint TILE_M = 64;
layout(constant_id = 5) const uint TILE_N = 64;
layout(constant_id = 6) const uint SUB_M = 32;
layout(constant_id = 7) const uint SUB_N = 32;
const uint TILE_K = 32;
#define THREADS gl_WorkGroupSize.x
#include "half.glsl"

const uint SUBS_N = TILE_N / SUB_N, SUBS = TILE_M / SUB_M * SUBS_N, PARTS_M = SUB_M / PART_M, PARTS_N = SUB_N / PART_N;
shared float sums[SUBS * PART_M * PART_N]; // of one matrix a subgroup, on its way to Y

#define FACTOR(USE, ROWS, COLS) coopmat<float16_t, gl_ScopeSubgroup, ROWS, COLS, USE>
#define SUM coopmat<float, gl_ScopeSubgroup, PART_M, PART_N, gl_MatrixUseAccumulator>

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles_n = (N + TILE_N - 1) / TILE_N, row0 = group / tiles_n * TILE_M, col0 = group % tiles_n * TILE_N;
    uint sub_row = gl_SubgroupID / SUBS_N * SUB_M, sub_col = gl_SubgroupID % SUBS_N * SUB_N;
    SUM sum[PARTS_M * PARTS_N];
    [[unroll]] for (uint i = 0; i < PARTS_M * PARTS_N; i++)
        sum[i] = SUM(0.0);
    find_largest(row0);
    for (uint k0 = 0; k0 < K; k0 += TILE_K) {
        barrier();
        load_tiles(row0, col0, k0);
        barrier();
        for (uint k = 0; k < TILE_K; k += PART_K) {
            FACTOR(gl_MatrixUseA, PART_M, PART_K) a[PARTS_M];
            [[unroll]] for (uint m = 0; m < PARTS_M; m++)
                coopMatLoad(a[m], tile_x, (sub_row + m * PART_M) * X_STRIDE + k, X_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint n = 0; n < PARTS_N; n++) {
                FACTOR(gl_MatrixUseB, PART_K, PART_N) b;
                coopMatLoad(b, tile_w, k * W_STRIDE + sub_col + n * PART_N, W_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint m = 0; m < PARTS_M; m++)
                    sum[m * PARTS_N + n] = coopMatMulAdd(a[m], b, sum[m * PARTS_N + n]);
            }
        }
    }
    uint mine = gl_SubgroupID * PART_M * PART_N;
    [[unroll]] for (uint m = 0; m < PARTS_M; m++)
        [[unroll]] for (uint n = 0; n < PARTS_N; n++) {
            barrier();
            coopMatStore(sum[m * PARTS_N + n], sums, mine, PART_N, gl_CooperativeMatrixLayoutRowMajor);
            barrier();
            for (uint i = gl_SubgroupInvocationID; i < PART_M * PART_N; i += gl_SubgroupSize)
                store(row0, col0, sub_row + m * PART_M + i / PART_N, sub_col + n * PART_N + i % PART_N, sums[mine + i]);
        }
}
