/* The compute kernels: one a file of shaders/, embedded as SPIR-V. What each computes, and the meaning of its bindings, constants
 * and push constants, stands at the top of its shader. */
#ifndef UVK_RUNTIME_KERNELS_H
#define UVK_RUNTIME_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum uvk_kernel {
    UVK_MATMUL,
    UVK_MATMUL_DIRECT,
    UVK_MATMUL_WIDE,
    UVK_MATMUL_HALF,
    UVK_MATMUL_COOPERATIVE,
    UVK_MATVEC,
    UVK_MATVEC_DIRECT,
    UVK_NORM_FORWARD,
    UVK_NORM_BACKWARD,
    UVK_ACTIVATION,
    UVK_ACTIVATION_BACKWARD,
    UVK_HEAD_NORM,
    UVK_HEAD_NORM_BACKWARD,
    UVK_ROTATE,
    UVK_ATTENTION_FORWARD,
    UVK_ATTENTION_FORWARD_DIRECT,
    UVK_ATTENTION_FORWARD_WIDE,
    UVK_ATTENTION_DELTA,
    UVK_ATTENTION_COLUMNS,
    UVK_ATTENTION_COLUMNS_DIRECT,
    UVK_ATTENTION_COLUMNS_WIDE,
    UVK_ATTENTION_ROWS,
    UVK_ATTENTION_ROWS_DIRECT,
    UVK_ATTENTION_ROWS_WIDE,
    UVK_ATTENTION_RELEVANCE,
    UVK_ATTENTION_GRADIENT,
    UVK_ATTENTION_MEAN,
    UVK_ROLLOUT_STEP,
    UVK_ROW_TIMES_MAP,
    UVK_PEAK,
    UVK_KERNEL_COUNT
} uvk_kernel;

typedef struct uvk_kernel_info {
    const char *name;
    const uint32_t *code; /* one word of 0: the compiler of this build knows too little for it */
    size_t size;         /* bytes of code */
    uint32_t bindings;
    uint32_t constants;  /* specialization constants */
    uint32_t addresses;  /* bindings, from the first on, whose addresses the kernel is told as well */
    bool whole_subgroups; /* its workgroups are made of subgroups of uvk_limits.lanes threads */
    uint32_t weight;     /* how much longer an operation takes than one of a matrix product, roughly: sizes the submissions */
} uvk_kernel_info;

extern const uvk_kernel_info uvk_kernel_list[UVK_KERNEL_COUNT];

#endif
