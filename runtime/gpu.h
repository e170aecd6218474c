/* One Vulkan device: memory, kernels, dispatches. Knows no model.
 *
 * The flow: declare tensors in a pool and commit it; upload; record dispatches; flush; download. Dispatches run in the order
 * in which they were recorded, each seeing what those before it wrote. */
#ifndef UVK_RUNTIME_GPU_H
#define UVK_RUNTIME_GPU_H

#include "error.h"
#include "kernels.h"

#include <volk.h>

/* ---- Limits --------------------------------------------------------------------------------------------------------- */

/* What the products of the backward pass multiply. They add float32. */
typedef enum uvk_products { UVK_FLOAT_PRODUCTS, UVK_HALF_PRODUCTS, UVK_COOPERATIVE_PRODUCTS } uvk_products;

/* What the device allows, lowered by $ULTRAVK_LIMITS ("range=16M,allocation=64M,groups=64,kernels=tiled,products=half"), so that tests can
 * play another device than they have. */
typedef struct uvk_limits {
    uint64_t range;      /* bytes that one binding sees */
    uint64_t allocation; /* bytes of one allocation */
    uint32_t groups[3];  /* workgroups of one dispatch */
    uint64_t alignment;  /* of a binding's offset */
    bool direct;         /* take the *_direct kernels, made for lavapipe, instead of the tiled ones */
    bool wide;           /* and the *_wide ones, for lavapipe of today, instead of those */
    bool addresses;      /* buffers have addresses, as the *_wide kernels need */
    uint32_t lanes;      /* threads that the device runs in step: its subgroup */
    bool half;           /* shaders compute in half precision, and may */
    uint32_t matrix[3];  /* M, N, K of a product of matrices of that precision that a subgroup makes, with sums in float32, and may; 0: none */
    bool forced;         /* half precision is taken where it is slow as well */
    uint32_t fill;       /* workgroups that fill the device: where there are as many, products may take larger tiles */
    uvk_products products;
} uvk_limits;

/* ---- Tiers ----------------------------------------------------------------------------------------------------------- */

/* Kernels that compute the same in ways of their own; of float32 the best first, the last runs everywhere. Then those for products in half
 * precision, the best first; a device may take none of them. */
typedef enum uvk_tier { UVK_WIDE, UVK_DIRECT, UVK_TILED, UVK_COOPERATIVE, UVK_HALF, UVK_TIERS } uvk_tier;

/* What the self-check (models/self_check.h) found. */
typedef enum uvk_outcome { UVK_UNCHECKED, UVK_PASSED, UVK_SLOW, UVK_WRONG } uvk_outcome; /* slow: right, and no gain */
typedef struct uvk_verdict {
    uvk_outcome outcome;
    char what[96]; /* was wrong; or how fast it is. May be empty where it passed */
} uvk_verdict;

/* Whether the device takes that tier; and from now on does. */
bool uvk_tier_applies(const uvk_context *ctx, uvk_tier tier);
void uvk_tier_use(uvk_context *ctx, uvk_tier tier);
/* Products are of float32 again. */
void uvk_products_of_float(uvk_context *ctx);
/* Whether what products multiply is decided, as it is once in a context's life; and that it is now. */
bool uvk_products_settled(const uvk_context *ctx);
void uvk_products_settle(uvk_context *ctx);
/* For the self-check of large tiles: so many workgroups fill the device. 0: as many as ever. */
void uvk_products_fill(uvk_context *ctx, uint32_t groups);
/* Warns that a tier is wrong and not taken. */
void uvk_tier_drop(uvk_context *ctx, uvk_tier tier, const char *what);
/* Found by this context or an earlier one, of the same device, driver and kernels. */
uvk_verdict uvk_verdict_of(const uvk_context *ctx, uvk_tier tier);
void uvk_verdict_keep(uvk_context *ctx, uvk_tier tier, const uvk_verdict *verdict);

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

/* What one binding sees. */
typedef struct uvk_span {
    VkBuffer buffer;
    VkDeviceSize offset, size;
    VkDeviceAddress address; /* where the device has addresses */
    char *mapped;            /* where the host writes it; NULL: it cannot */
} uvk_span;

/* A matrix of float32 (or int32) words, C-order. When it exceeds what one binding sees or one allocation holds, it is cut
 * between rows into parts of part_rows (the last may be shorter). */
typedef struct uvk_tensor {
    uint64_t rows, cols;
    uint64_t stride; /* words from a row to the next: cols, or more of weights */
    uint64_t part_rows;
    uint32_t n_parts;
    uvk_span *parts; /* owned by the pool */
    float largest;   /* of the weights of a model: the largest magnitude. 0: not known, and no half-precision product takes them */
} uvk_tensor;

/* The same words as rows x cols, which must not exceed what the tensor holds; the tensor must not be cut, nor its rows lie apart. */
static inline uvk_tensor uvk_tensor_view_as(const uvk_tensor *tensor, uint64_t rows, uint64_t cols)
{
    return (uvk_tensor){.rows = rows, .cols = cols, .stride = cols, .part_rows = rows, .n_parts = 1, .parts = tensor->parts};
}

/* Tensors that live and die together. Declare with uvk_pool_add, look at uvk_pool_bytes, then commit. */
typedef struct uvk_pool uvk_pool;

uvk_status uvk_pool_create(uvk_context *ctx, const char *what, uvk_pool **out, uvk_error *err);
/* Said before commit: where the device has memory that the host sees, uvk_upload to these tensors is a plain write that waits for
 * nothing. Whoever uploads sees to it that no work under way reads them (uvk_wait). */
void uvk_pool_written_by_host(uvk_pool *pool);
/* Declares a tensor; *tensor is filled by commit and must stay in place until then. whole: it may not be cut (an operation
 * needs all of it in one binding). UVK_FAILED when one row, or all of a whole one, exceeds the device's limits. */
uvk_status uvk_pool_add(uvk_pool *pool, uvk_tensor *tensor, uint64_t rows, uint64_t cols, bool whole, uvk_error *err);
/* The same for a matrix of weights, of which only matrix products read. The kernels that want it find rows of a multiple of 2 KiB a line of the
 * cache farther apart: otherwise what they read down a column would all have the same few places in the cache. */
uvk_status uvk_pool_add_weights(uvk_pool *pool, uvk_tensor *tensor, uint64_t rows, uint64_t cols, uvk_error *err);
/* Bytes that commit will take. */
uint64_t uvk_pool_bytes(const uvk_pool *pool);
/* Allocates. UVK_FAILED, with both numbers, when the context's budget or the device does not have it. */
uvk_status uvk_pool_commit(uvk_pool *pool, uvk_error *err);
/* Waits for the device, then frees. NULL is allowed. */
void uvk_pool_free(uvk_pool *pool);

/* Copies rows between host and device, through the staging buffer; both wait until the copy is done (but see uvk_pool_written_by_host). */
uvk_status uvk_upload(uvk_context *ctx, const uvk_tensor *to, uint64_t first_row, uint64_t rows, const void *from, uvk_error *err);
uvk_status uvk_download(uvk_context *ctx, const uvk_tensor *from, uint64_t first_row, uint64_t rows, void *to, uvk_error *err);

/* ---- Work ------------------------------------------------------------------------------------------------------------ */

enum { UVK_MAX_BINDINGS = 10, UVK_MAX_CONSTANTS = 8, UVK_MAX_PUSH = 96 };

/* One operation over a number of workgroups. A kernel knows its place from one linear index (shaders/grid.glsl), so that this
 * can be folded into the device's grid and cut between any two workgroups. */
typedef struct uvk_dispatch {
    uvk_kernel kernel;
    uint32_t constants[UVK_MAX_CONSTANTS]; /* specialization constants 0, 1, ... of the kernel */
    uvk_span bindings[UVK_MAX_BINDINGS];
    const void *push;                      /* the kernel's own push constants */
    uint32_t push_size;
    uint64_t groups;
    double flop;                           /* of the whole operation: sizes the submissions */
} uvk_dispatch;

/* Records work; submits when enough has gathered. Nothing waits except for a free slot. */
uvk_status uvk_dispatch_record(uvk_context *ctx, const uvk_dispatch *dispatch, uvk_error *err);
/* Copies rows between tensors that are equally wide, not cut, and whose rows do not lie apart. */
uvk_status uvk_copy_record(uvk_context *ctx, const uvk_tensor *from, uint64_t from_row, const uvk_tensor *to, uint64_t to_row, uint64_t rows, uvk_error *err);
/* Submits what is recorded and waits for all of it. */
uvk_status uvk_flush(uvk_context *ctx, uvk_error *err);
/* Submits what is recorded and does not wait. The ticket stands for all work up to here; uvk_wait waits for that alone. */
uvk_status uvk_submit(uvk_context *ctx, uint64_t *ticket, uvk_error *err);
uvk_status uvk_wait(uvk_context *ctx, uint64_t ticket, uvk_error *err);

/* Seconds that the device spent in submissions, and floating-point operations recorded, since the context was opened. */
double uvk_device_seconds(const uvk_context *ctx);
double uvk_recorded_flop(const uvk_context *ctx);
const uvk_limits *uvk_context_limits(const uvk_context *ctx);
bool uvk_context_is_cpu(const uvk_context *ctx);

#endif
