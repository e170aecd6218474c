/* ultravk: explain every token of a transformer on any Vulkan device.
 *
 * This header is the manual. It is the only one that is installed; a name that does not appear here is not published.
 *
 * Conventions
 *   Blocks are numbered 1..L. z(l), l in 1..L+1, is the residual stream entering block l; z(L+1) leaves the last block,
 *   before any final norm. n is the number of tokens of the whole sequence, special ones (CLS) included; d is the width.
 *   All arrays are C-order float32 on the host unless a function says otherwise.
 *
 * Errors
 *   A function that can fail returns a uvk_status and takes a uvk_error, which may be NULL. On failure its message is one
 *   line, "FILE: what is wrong (found, expected)", without a trailing newline; objects and structs are left
 *   untouched, arrays may be partly written. The values of uvk_status are the exit codes of the program.
 *
 * Threads
 *   Nothing here is bound to a thread. One object may be used by one thread at a time; different objects are independent,
 *   except that a uvk_session uses its context: those two count as one object. A model does not change once it is loaded: sessions
 *   on several devices, and inputs, may use one at the same time. Functions that read an immutable object (uvk_model_info and all
 *   others marked "safe") may run at the same time.
 *
 * Sources
 *   Method: ULTra, arXiv 2411.12589. The rollout it builds on: arXiv 2012.09838 and 2103.15679.
 */
#ifndef ULTRAVK_H
#define ULTRAVK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UVK_API __attribute__((visibility("default")))
#else
#define UVK_API
#endif

/* ---- Errors ------------------------------------------------------------------------------------------------------- */

typedef enum uvk_status {
    UVK_OK = 0,
    UVK_FAILED = 1,      /* failed while running: disk full, database read-only, out of memory, non-finite result */
    UVK_USAGE = 2,       /* a parameter is out of its range */
    UVK_BAD_INPUT = 3,   /* an input or model file is missing or bad */
    UVK_NO_DEVICE = 4,   /* no usable Vulkan device, or it was lost */
    UVK_INTERRUPTED = 5  /* the caller's interrupted() returned true; everything finished so far is kept */
} uvk_status;

typedef struct uvk_error {
    uvk_status status;
    bool device;         /* the device or its driver failed: the same on a context opened anew, with less memory, may go well */
    char message[1024];
} uvk_error;

/* The version of the library, "major.minor.patch". Static storage. Safe. */
UVK_API const char *uvk_version(void);

/* ---- Devices ------------------------------------------------------------------------------------------------------ */

typedef enum uvk_device_kind { UVK_DEVICE_DISCRETE, UVK_DEVICE_INTEGRATED, UVK_DEVICE_VIRTUAL, UVK_DEVICE_CPU, UVK_DEVICE_OTHER } uvk_device_kind;

typedef struct uvk_device_info {
    int index;                  /* what --device N takes */
    uvk_device_kind kind;
    char name[256];             /* as the driver reports it */
    char driver[520];           /* driver name and version in words */
    char api[32];               /* Vulkan version, "1.3.230" */
    uint64_t memory;            /* bytes of device-local memory, all heaps */
    uint64_t available;         /* bytes of it that the driver says are free for us now */
    uint64_t max_storage_range; /* bytes one shader binding can see */
    uint64_t max_allocation;    /* bytes of one memory allocation */
    uint32_t max_workgroups[3];
    uint32_t max_invocations;   /* of one workgroup */
    uint32_t shared_memory;     /* bytes of one workgroup */
    uint32_t subgroup_size;
    char self_check[400];       /* what the self-check found of its kernels, "direct passed"; "": no session was opened on it yet */
    bool usable;                /* has Vulkan 1.2 and a compute queue */
    char reason[160];           /* why not, when it is not usable */
} uvk_device_info;

/* Lists the Vulkan devices of this machine into list[0..capacity); *count receives how many there are, which may exceed
 * capacity. Without a Vulkan loader or driver: UVK_NO_DEVICE. */
UVK_API uvk_status uvk_devices(uvk_device_info *list, int capacity, int *count, uvk_error *err);

/* ---- Context: one device ------------------------------------------------------------------------------------------ */

typedef enum uvk_log_level { UVK_LOG_INFO, UVK_LOG_WARNING } uvk_log_level;

/* In what the device computes. UVK_PRECISION_F32: everything in float32. UVK_PRECISION_AUTO: where the device is fast at it and a check
 * finds that it does it well, the matrix products of the backward pass, most of the work, multiply half-precision numbers and add float32;
 * each row of a gradient is scaled by a power of two before, so that none overflows or vanishes. The forward pass and attention stay float32. */
typedef enum uvk_precision { UVK_PRECISION_F32, UVK_PRECISION_AUTO } uvk_precision;

typedef struct uvk_context_params {
    const char *device;    /* index or a part of the name (case ignored); NULL: $ULTRAVK_DEVICE, else the best one. A CPU
                              device is taken only when there is no other or when it is asked for */
    uint64_t memory;       /* device bytes this context may allocate; 0: most of what the driver says is free */
    uint32_t sharers;      /* contexts that are to share the device: each takes that part of memory; 0: 1 */
    const char *cache_dir; /* where compiled pipelines are kept; NULL: $XDG_CACHE_HOME/ultravk or ~/.cache/ultravk;
                              "": nowhere. A damaged or foreign file there is ignored and replaced */
    void (*log)(void *user, uvk_log_level level, const char *line); /* NULL: silent */
    uvk_precision precision; /* of the arithmetic */
    bool (*interrupted)(void *user); /* asked between submissions; true ends the call with UVK_INTERRUPTED. NULL: never */
    void *user;            /* handed to log and interrupted */
} uvk_context_params;

typedef struct uvk_context uvk_context;

/* Opens a device. *out is owned by the caller and released by uvk_context_free. params may be NULL (all defaults); it is
 * not kept. Fails with UVK_NO_DEVICE when nothing fits, UVK_USAGE when params->device names nothing. */
UVK_API uvk_status uvk_context_create(const uvk_context_params *params, uvk_context **out, uvk_error *err);
UVK_API void uvk_context_free(uvk_context *ctx); /* NULL is allowed; frees after its sessions were freed */
UVK_API const uvk_device_info *uvk_context_device(const uvk_context *ctx);
/* What the products of the backward pass multiply: "f32"; of UVK_PRECISION_AUTO, once a session was opened on the context, also "half" (half
 * precision in shaders) or "cooperative" (matrices that a subgroup multiplies together). Static. Decided by the first uvk_session_create on the
 * context, and safe after it. */
UVK_API const char *uvk_context_products(const uvk_context *ctx);
/* Bytes of device memory this context may hold, holds now, and held at most since it was opened. Safe. */
UVK_API uint64_t uvk_context_budget(const uvk_context *ctx);
UVK_API uint64_t uvk_context_used(const uvk_context *ctx);
UVK_API uint64_t uvk_context_peak(const uvk_context *ctx);

/* ---- Model: a Hugging Face folder --------------------------------------------------------------------------------- */

typedef enum uvk_modality { UVK_VISION, UVK_TEXT } uvk_modality;

typedef struct uvk_model_info {
    const char *path;       /* as given */
    const char *name;       /* last component of the path */
    const char *family;     /* model_type of config.json */
    uvk_modality modality;
    int layers, heads, width, head_dim, mlp_width; /* of an encoder-decoder, layers are the decoder's */
    int encoder_layers;     /* 0: there is no encoder beside it */
    int kv_heads;           /* heads of keys and values; heads/kv_heads query heads share one */
    bool causal;            /* a token attends to itself and to those before it only */
    /* Vision; 0 for text. */
    int tokens;             /* n for one input */
    int special;            /* tokens before the first patch */
    int grid_rows, grid_cols, patch, image_height, image_width;
    int classes;            /* that its classifier tells apart; 0: it has none */
    const char *const *labels; /* [classes] what they are called, UTF-8; NULL, or a NULL among them: no name is known */
    int embedding;          /* of a whole CLIP or SigLIP model: numbers by which an image is compared with a text; 0: not compared */
    /* Text; 0 for vision. */
    int vocabulary;         /* ids 0..vocabulary-1 */
    int context;            /* most tokens in one sequence */
    const char *ignored;    /* what its generation_config.json asks for that greedy decoding leaves out, "num_beams 4, ..."; NULL: nothing */
    int sliding_window;     /* how far back a token sees, itself counted, in the blocks that have one; 0: none has */
    uint64_t parameters;    /* in the tensors that a run uses */
    char sha256[65];        /* lower-case hex, over config and weights */
    const char *const *unused; /* names of tensors in the folder that a run does not use */
    int n_unused;
} uvk_model_info;

typedef struct uvk_model uvk_model;

/* Reads and checks a model folder (config.json; model.safetensors or the sharded index; F32, F16 or BF16). Weights stay
 * memory-mapped: do not truncate the files while the model lives. No device is needed. Owned by the caller. */
UVK_API uvk_status uvk_model_load(const char *dir, uvk_model **out, uvk_error *err);
/* The same for images of height x width pixels: position embeddings are interpolated as transformers does it for that family, and
 * photos resized to that size; where preprocessor_config.json crops, its resize is scaled so that the crop still fits. Both 0: the
 * size that the model was trained for or, for families that take any (DINOv2), that its preprocessor makes. A size without a patch, or
 * for a language model: UVK_USAGE. */
UVK_API uvk_status uvk_model_load_sized(const char *dir, int height, int width, uvk_model **out, uvk_error *err);
UVK_API void uvk_model_free(uvk_model *model); /* NULL is allowed; frees after its sessions were freed */
UVK_API const uvk_model_info *uvk_model_get_info(const uvk_model *model); /* lives as long as the model. Safe. */

/* ---- Input: one image or text as one model sees it ----------------------------------------------------------------- */

typedef enum uvk_role { UVK_ROLE_IMAGE, UVK_ROLE_CONTEXT, UVK_ROLE_PROMPT, UVK_ROLE_SUMMARY, UVK_ROLE_SPECIAL } uvk_role;

/* A token of the sequence. */
typedef struct uvk_token {
    int32_t id;         /* in the vocabulary; -1 for vision */
    uvk_role role;      /* CONTEXT: the text to be explained or summarized; PROMPT: what the template puts around it */
    bool special;       /* CLS, BOS, EOS...: no source of an explanation, no column of S */
    int32_t start, end; /* bytes of the text it came from: of uvk_input_text for a context token, of uvk_input_summary for a
                           summary token; -1: of none */
} uvk_token;

typedef struct uvk_input_info {
    const char *path;
    const char *kind;               /* "image", "text", or "array" */
    char sha256[65];                /* of the file's bytes, or of context and summary */
    int photo_width, photo_height;  /* of the file; 0 for an array or a text */
    /* A point (x, y) of the model's input, in pixels, is the point (x*scale_x + offset_x, y*scale_y + offset_y) of the photo. */
    double scale_x, scale_y, offset_x, offset_y;
    int truncated;                  /* context tokens that a limit left out */
} uvk_input_info;

typedef struct uvk_input uvk_input;

/* Loads what the extension says: a .jpg .jpeg .png .webp photo, resized, cropped and normalised as the model's
 * preprocessor_config.json says; a .txt, with the tokenizer's own special tokens; a .npy that is what the model takes: float32
 * [3,H,W], or int64 or int32 [n] token ids, used exactly as given. Any other name: by its first bytes. "-" is text from stdin.
 * Text that is empty, not UTF-8 or longer than the model's context (both numbers are named), ids beyond the vocabulary, a
 * tokenizer that is missing, broken or larger than the vocabulary: UVK_BAD_INPUT. Owned by the caller; model must outlive it. */
UVK_API uvk_status uvk_input_load(const uvk_model *model, const char *path, uvk_input **out, uvk_error *err);

/* A text to be summarized, and its summary. */
typedef struct uvk_text_params {
    const char *name;               /* for messages and uvk_input_info.path */
    const char *summary_name;       /* for messages about the summary; NULL: name */
    const char *context;            /* the text, UTF-8 */
    size_t context_length;          /* bytes */
    const char *summary;            /* NULL: none yet, or given by summary_ids */
    size_t summary_length;
    const int32_t *summary_ids;     /* a summary as the model generated it; NULL: none, or given by summary */
    int n_summary_ids;
    /* Of an encoder-decoder the context is the encoder's, without template unless prompt has one; the decoder gets its start token, then the
     * summary; summary_ids beside context_ids are the decoder's ids, start token included. */
    const int32_t *context_ids;     /* instead of context: used exactly as given, without template and special tokens; the summary */
    int n_context_ids;              /* then is summary_ids (or none), appended as it is, nothing after it */
    const char *prompt;             /* the template, with {text} once; NULL: the model's chat template when it is one of the common
                                       forms, else "{text}\nTL;DR:" */
    int truncate;                   /* keep the first so many context tokens; 0: all */
    int room;                       /* tokens that must still fit the model's context behind this, for a summary to be generated */
} uvk_text_params;

/* The sequence: template applied to the text, with the tokenizer's special tokens before it; the summary's tokens, none between;
 * and after a summary the model's end-of-sequence token, where it has one. params is not kept. Errors as uvk_input_load. */
UVK_API uvk_status uvk_input_create_text(const uvk_model *model, const uvk_text_params *params, uvk_input **out, uvk_error *err);

UVK_API void uvk_input_free(uvk_input *input); /* NULL is allowed */
UVK_API const uvk_input_info *uvk_input_get_info(const uvk_input *input);
/* The sequence; *count (may be NULL) receives n. Lives as long as the input. Safe. */
UVK_API const uvk_token *uvk_input_tokens(const uvk_input *input, int *count);
/* The photo as decoded, RGB, 8 bits, rows from the top, photo_height*photo_width*3 bytes; NULL for an array or a text. */
UVK_API const uint8_t *uvk_input_photo(const uvk_input *input);
/* How many of them are an encoder's, the first ones; 0 where there is none. Safe. */
UVK_API int uvk_input_encoder_tokens(const uvk_input *input);
/* What a vision model sees: [3, image_height, image_width]; NULL for a text. */
UVK_API const float *uvk_input_pixels(const uvk_input *input);
/* The same as colours from 0 to 1, before the model's normalisation, into colours[3 * image_height * image_width], the caller's; what an
 * array holds beyond that range is clipped. Of an image only. Safe. */
UVK_API void uvk_input_colours(const uvk_input *input, float *colours);
/* The context and the summary as text, UTF-8, *length bytes and a NUL; NULL where there is none. Ids given without text are
 * decoded when the model has a tokenizer. */
UVK_API const char *uvk_input_text(const uvk_input *input, size_t *length);
UVK_API const char *uvk_input_summary(const uvk_input *input, size_t *length);

typedef enum uvk_at { UVK_AT_PREDICT, UVK_AT_TOKEN } uvk_at;

/* The latents that explain the summary (METHOD section 4): for summary token k, targets[k] is the position that predicts it, or
 * its own, and outputs[k] its own. Returns how many summary tokens there are; either array may be NULL. A summary at the very
 * start of a sequence has no position that predicts its first token: that one is left out. Where context_ids and summary_ids were given to
 * an encoder-decoder, all tokens of its decoder are targets, and the output of the last, which predicts none that is there, is itself. Safe. */
UVK_API int uvk_summary_targets(const uvk_input *input, uvk_at at, int32_t *targets, int32_t *outputs);

/* ---- Words and sentences of a text --------------------------------------------------------------------------------------- */

typedef struct uvk_word {
    int32_t start, end;     /* bytes */
    int32_t char_start, char_end; /* code points */
    int32_t sentence;       /* from 0 */
} uvk_word;

/* Cuts UTF-8 text into words: runs of letters, marks and digits, joined by a single apostrophe, hyphen or, between digits, point
 * or comma; an ideograph is a word of its own; punctuation belongs to none. *out is owned by the caller, free(). Safe. */
UVK_API uvk_status uvk_words(const char *text, size_t length, uvk_word **out, int *count, uvk_error *err);

/* ---- Explanations ------------------------------------------------------------------------------------------------- */

/* METHOD section 1: f = sum_k z_ik / c; f = |z_i| / c; f = log p(y | ...) at position i, for language models at layer L+1 only,
 * without c: y is the next token of the sequence, at its last position the likeliest one; f = w_i . z_i / c for patches of a vision
 * model, with weights that were learned.
 * Of vision models at layer L+1, without c: UVK_LOGPROB is log p of a class of the image, UVK_SIMILARITY the cosine of the image and a text.
 * f is then the same for all targets; they are tokens that this head reads: CLS, in models that pool their patches those. */
typedef enum uvk_scalar { UVK_SUM, UVK_ENERGY, UVK_LOGPROB, UVK_LEARNED, UVK_SIMILARITY } uvk_scalar;
typedef enum uvk_order { UVK_ROLLOUT, UVK_FORMULA } uvk_order;       /* e_i C(l-1)...C(1), e_i C(1)...C(l-1) */
typedef enum uvk_normalize { UVK_NORM, UVK_NO_NORM } uvk_normalize;  /* c = |z_i|, held constant; c = 1 */
typedef enum uvk_own_token { UVK_OWN_MAX, UVK_OWN_KEEP, UVK_OWN_ZERO } uvk_own_token;

/* Cheaper rows beside those of METHOD section 2: what each costs and how near it comes is measured in docs/approximations.md. All zeros: exact.
 * They can be combined. */
typedef struct uvk_approximation {
    int gradient_blocks; /* > 0: the gradient goes through the last so many blocks of the product only; below, C(b) = I, as if first_block
                            were layer - gradient_blocks. Where there are no more blocks the rows are exact. Not of an encoder-decoder */
    bool skip_mlp;       /* the derivative of every MLP is taken for zero: the gradient goes by on the residual stream, and through the norm
                            behind the MLP where there is one */
    int landmarks;       /* > 0, of a vision model, for scalars of one token: so many of the patches among the targets are explained; the
                            others get the mean of the three nearest ones' rows, weighted by 1 / distance^2, in each of which the entries of
                            the two tokens are exchanged, so that what a landmark draws of itself becomes the target's own. Distance is
                            (1 - cosine of z(layer)) over its mean, plus that on the grid over its longer side; landmarks are the patch
                            nearest to all others, and then always the one farthest from those. Special tokens are explained */
} uvk_approximation;

typedef struct uvk_explain_params {
    int layer;          /* 2..L+1; 0: L+1 */
    int first_block;    /* the product runs over blocks first_block..layer-1; 0: 1. Of an encoder-decoder, the decoder's; the encoder counts whole */
    int encoder_tokens; /* for uvk_explain_plan: how many tokens of the sequence are an encoder's; 0 where there is none */
    uvk_scalar scalar;
    uvk_order order;
    uvk_normalize normalize;
    const int32_t *targets; /* token indices into the whole sequence, 0 is CLS */
    int n_targets;
    const float *weights;   /* of UVK_LEARNED: [patches, width]; a special token as target is refused */
    const int32_t *label;   /* of UVK_LOGPROB on an image: the class; NULL: the likeliest */
    const float *text;      /* of UVK_SIMILARITY: what uvk_text_embedding made */
    uvk_approximation approximation;
    void (*progress)(void *user, int targets_done, int targets); /* NULL: none */
    void *user;
} uvk_explain_params;

/* What a run will hold on the device. */
typedef struct uvk_plan {
    uint64_t weights, forward, per_target; /* bytes; the staging buffer counts with the weights */
    uint64_t total;                        /* weights + forward + chunk * per_target; more where more is held before the backward pass */
    uint64_t budget;
    int chunk;                             /* targets that go through the backward pass together */
    uint64_t streamed;                     /* bytes of weights that go to the device anew for each chunk; 0: all weights stay there */
} uvk_plan;

typedef struct uvk_cost {
    double seconds_forward, seconds_backward; /* wall time */
    double device_seconds;                    /* time stamps of the device, both passes; 0 where it has none */
    double gflop;                             /* floating-point operations of both passes / 1e9 */
    uint64_t peak;                            /* bytes of device memory, most held at once */
    int chunk;                                /* targets per chunk that was used */
} uvk_cost;

typedef struct uvk_session uvk_session;

/* A model on a device: uploads the weights. Where they do not fit the budget, or what a call needs does not fit beside them, those of the
 * blocks are streamed: each block's are read from its file when a pass reaches it, and the results are the same bytes. Encoder-decoders
 * are not streamed. ctx and model must outlive it. The first time that a device is used with a driver, its
 * kernels are checked against arithmetic on the CPU, which takes seconds; those that compute something else are not used, with a
 * warning, and UVK_NO_DEVICE when none are left. UVK_FAILED with both numbers when not even one block's weights fit the budget. */
UVK_API uvk_status uvk_session_create(uvk_context *ctx, uvk_model *model, uvk_session **out, uvk_error *err);
UVK_API void uvk_session_free(uvk_session *session); /* NULL is allowed */

/* The plan for params on a sequence of so many tokens (vision: uvk_model_info.tokens); nothing is allocated for it.
 * UVK_FAILED when not even one target fits the budget, with both numbers. */
UVK_API uvk_status uvk_explain_plan(const uvk_session *session, int tokens, const uvk_explain_params *params, uvk_plan *out, uvk_error *err);

/* Runs the model forward over input. Its activations stay on the device until the next uvk_forward or uvk_generate. An input
 * that was loaded for another model: UVK_USAGE. */
UVK_API uvk_status uvk_forward(uvk_session *session, const uvk_input *input, uvk_error *err);
/* Vision models with a classifier: class logits of the last forward's image into out[classes], as transformers pools and norms before
 * them. A model without a classifier: UVK_BAD_INPUT. */
UVK_API uvk_status uvk_class_logits(uvk_session *session, double *out, uvk_error *err);
/* Whole CLIP and SigLIP models: a text as a vector of length 1 into out[embedding]. The text goes through the model's text tower, which
 * is on the device meanwhile only. No tower, no tokenizer, a text longer than its context: UVK_BAD_INPUT. */
UVK_API uvk_status uvk_text_embedding(uvk_context *ctx, const uvk_model *model, const char *text, size_t length, float *out, uvk_error *err);
/* The cosine of the last forward's image and that text. */
UVK_API uvk_status uvk_similarity(uvk_session *session, const float *text, double *out, uvk_error *err);
/* Copies z(l), l in 1..L+1, of the last forward into out[n*d]; of an encoder-decoder, of the decoder's tokens. */
UVK_API uvk_status uvk_hidden(uvk_session *session, int layer, float *out, uvk_error *err);
/* Uploads the output head now rather than when logits are first wanted, so that plans count it. A model without one:
 * UVK_BAD_INPUT. */
UVK_API uvk_status uvk_session_use_logits(uvk_session *session, uvk_error *err);
/* Gives its memory back; who wants logits again uploads it again. */
UVK_API void uvk_session_drop_logits(uvk_session *session);
/* Language models: the logits at positions first..first+count-1 of the last forward into out[count*vocabulary]. A model without
 * a head: UVK_BAD_INPUT. */
UVK_API uvk_status uvk_logits(uvk_session *session, int first, int count, float *out, uvk_error *err);
/* log p(ids[k] | all before) at positions[k] of the last forward, natural logarithm, into out[count]. */
UVK_API uvk_status uvk_log_probabilities(uvk_session *session, const int32_t *positions, const int32_t *ids, int count, double *out, uvk_error *err);

/* Continues a text, each time by the likeliest token (of equal ones the lowest id), until max_new tokens or a stop token (not
 * kept; generation_config.json's and config.json's eos_token_id). Where generation_config.json or, without one, config.json forces tokens,
 * forbids some, or asks for a least length, no repeated n-grams or a repetition penalty, it is done as transformers does it in a greedy search;
 * what they ask of sampling or beams is not (uvk_model_info.ignored). Keys and values of earlier tokens are kept on the device.
 * ids holds max_new numbers, owned by the caller; *count receives how many came. input is a text without a summary; its tokens
 * and max_new must fit the model's context, else UVK_BAD_INPUT with both numbers. progress may be NULL. */
UVK_API uvk_status uvk_generate(uvk_session *session, const uvk_input *input, int max_new, void (*progress)(void *user, int done, int of), void *user,
                                int32_t *ids, int *count, uvk_error *err);

/* Explanation rows of the last forward (METHOD section 2): rows[k*n + j] is how much token j explains target k, raw, every
 * token of the sequence a column, the own entry included. rows holds n_targets*n floats, owned by the caller. The same bytes
 * come out whatever the chunk size. A non-finite row: UVK_FAILED. cost may be NULL. */
UVK_API uvk_status uvk_explain(uvk_session *session, const uvk_explain_params *params, float *rows, uvk_cost *cost, uvk_error *err);

/* Raw attention rollout, a baseline: rows[k*n + j] is row targets[k] of R(layer-1) ... R(1), R(b) = (mean_h A(b,h) + I) / 2, of the last
 * forward (arXiv 2005.00928). In a decoder beside an encoder attention over the encoder has a factor (mean_h A + I) / 2 of its own, left of that
 * over the own side; the encoder counts whole. layer 0: L+1. rows holds n_targets*n floats, owned by the caller; each row sums to 1. An n x n matrix is
 * held on the device meanwhile. A row that is not finite: UVK_FAILED. */
UVK_API uvk_status uvk_raw_rollout(uvk_session *session, int layer, const int32_t *targets, int n_targets, float *rows, uvk_error *err);

/* Gradient x input, a baseline: rows[k*n + j] = |sum_k z(1)_jk df/dz(1)_jk| of target k's scalar f, of the last forward; z(1) is what
 * enters block 1, positions included, of an image and of a text alike. first_block, order and approximation mean nothing here. Otherwise as
 * uvk_explain. */
UVK_API uvk_status uvk_gradient_x_input(uvk_session *session, const uvk_explain_params *params, float *rows, uvk_error *err);

/* Gradients of one target's scalar, for checking and research: attention[(b*H + h)*n*n + r*n + j] = d f / d A(b+1,h)[r,j]
 * for blocks 1..layer-1, and input[i*d + k] = d f / d z(1)[i,k]. Either may be NULL. params->n_targets must be 1;
 * first_block and order mean nothing here, and of approximation all but skip_mlp. Of an encoder-decoder, blocks are the encoder's, then the decoder's, whose matrices hold
 * attention over both sides; z(1) is each side's own. What is not finite is handed over as it is. */
UVK_API uvk_status uvk_gradients(uvk_session *session, const uvk_explain_params *params, float *attention, float *input, uvk_error *err);

/* ---- One map: S of METHOD section 2 and the numbers of section 7 --------------------------------------------------- */

/* Where the tokens of a sequence stand. */
typedef struct uvk_layout {
    int tokens;            /* n */
    const uvk_token *list; /* [n]; kept by the input */
    int grid_cols;         /* > 0: what is not special is patches, numbered row by row; 0: a text, distances in positions */
    bool causal;           /* sources after the target are not visible */
    int encoder_tokens;    /* the first so many tokens are an encoder's: there is no distance between the sides */
} uvk_layout;

UVK_API uvk_layout uvk_layout_of(const uvk_model *model, const uvk_input *input);

typedef struct uvk_map_stats {
    int n_sources, n_visible;             /* non-special sources; of those the visible ones */
    double score_min, score_max, score_sum; /* over S, own-token rule applied */
    double self_score;                    /* the own entry of the row */
    double special_share;                 /* special columns' part of the row without the own entry */
    /* Over the visible non-special sources without the own token, p = S / sum S; NaN where undefined (SQL: NULL). */
    double entropy;                       /* nats / log(count); 0 for count 1 */
    double effective_tokens;              /* exp(entropy in nats) */
    double gini;
    double top10_share;                   /* share of the top 10 %, rounded up */
    double locality;                      /* mean distance weighted by p / unweighted; NaN for a special target */
} uvk_map_stats;

/* From one raw row[n] of target: S into scores[n] (the row with zeros in the special columns, the own entry by the rule; nothing
 * is replaced for a special target) and its numbers, over the columns that are not special. Either output may be NULL. Safe. */
UVK_API uvk_status uvk_map(const uvk_layout *layout, int target, const float *row, uvk_own_token own, float *scores, uvk_map_stats *stats, uvk_error *err);

/* ---- A whole summary: token contribution scores (METHOD section 4) ---------------------------------------------------------- */

/* rows[m*n]: S of each summary token, the scores of uvk_map, so that the own-token rule holds here too. Into scaled[m*n] (may be NULL) each S_t: the row's context tokens,
 * min-max scaled (a constant row: zeros), zero elsewhere. Into tcs[n] their mean over t, and into share[n] tcs over its sum (0
 * where that is 0); zero outside the context. A sequence without context tokens: UVK_USAGE. Safe. */
UVK_API uvk_status uvk_tcs(const uvk_token *tokens, int n, const float *rows, int m, float *scaled, float *tcs, float *share, uvk_error *err);

#ifdef __cplusplus
}
#endif
#endif
