#include "kernels.h"

static const uint32_t matmul[] =
#include "matmul.inc"
    ;
static const uint32_t matmul_direct[] =
#include "matmul_direct.inc"
    ;
static const uint32_t matmul_wide[] =
#include "matmul_wide.inc"
    ;
static const uint32_t matmul_half[] =
#include "matmul_half.inc"
    ;
static const uint32_t matmul_cooperative[] =
#include "matmul_cooperative.inc"
    ;
static const uint32_t matvec[] =
#include "matvec.inc"
    ;
static const uint32_t matvec_direct[] =
#include "matvec_direct.inc"
    ;
static const uint32_t norm[] =
#include "norm.inc"
    ;
static const uint32_t norm_backward[] =
#include "norm_backward.inc"
    ;
static const uint32_t activation[] =
#include "activation.inc"
    ;
static const uint32_t activation_backward[] =
#include "activation_backward.inc"
    ;
static const uint32_t head_norm[] =
#include "head_norm.inc"
    ;
static const uint32_t head_norm_backward[] =
#include "head_norm_backward.inc"
    ;
static const uint32_t rotate[] =
#include "rotate.inc"
    ;
static const uint32_t attention_forward[] =
#include "attention_forward.inc"
    ;
static const uint32_t attention_forward_wide[] =
#include "attention_forward_wide.inc"
    ;
static const uint32_t attention_forward_direct[] =
#include "attention_forward_direct.inc"
    ;
static const uint32_t attention_delta[] =
#include "attention_delta.inc"
    ;
static const uint32_t attention_columns[] =
#include "attention_columns.inc"
    ;
static const uint32_t attention_columns_wide[] =
#include "attention_columns_wide.inc"
    ;
static const uint32_t attention_columns_direct[] =
#include "attention_columns_direct.inc"
    ;
static const uint32_t attention_rows[] =
#include "attention_rows.inc"
    ;
static const uint32_t attention_rows_wide[] =
#include "attention_rows_wide.inc"
    ;
static const uint32_t attention_rows_direct[] =
#include "attention_rows_direct.inc"
    ;
static const uint32_t attention_relevance[] =
#include "attention_relevance.inc"
    ;
static const uint32_t attention_gradient[] =
#include "attention_gradient.inc"
    ;
static const uint32_t attention_mean[] =
#include "attention_mean.inc"
    ;
static const uint32_t rollout_step[] =
#include "rollout_step.inc"
    ;
static const uint32_t row_times_map[] =
#include "row_times_map.inc"
    ;
static const uint32_t peak[] =
#include "peak.inc"
    ;

const uvk_kernel_info uvk_kernel_list[UVK_KERNEL_COUNT] = {
    [UVK_MATMUL] = {"matmul", matmul, sizeof matmul, 4, 1, 0, false, 1},
    [UVK_MATMUL_DIRECT] = {"matmul_direct", matmul_direct, sizeof matmul_direct, 4, 1, 0, false, 1},
    [UVK_MATMUL_WIDE] = {"matmul_wide", matmul_wide, sizeof matmul_wide, 4, 3, 4, false, 1},
    [UVK_MATMUL_HALF] = {"matmul_half", matmul_half, sizeof matmul_half, 3, 0, 0, false, 1},
    [UVK_MATMUL_COOPERATIVE] = {"matmul_cooperative", matmul_cooperative, sizeof matmul_cooperative, 3, 8, 0, true, 1},
    [UVK_MATVEC] = {"matvec", matvec, sizeof matvec, 4, 0, 0, false, 4},
    [UVK_MATVEC_DIRECT] = {"matvec_direct", matvec_direct, sizeof matvec_direct, 4, 0, 0, false, 4},
    [UVK_NORM_FORWARD] = {"norm", norm, sizeof norm, 5, 1, 0, false, 4},
    [UVK_NORM_BACKWARD] = {"norm_backward", norm_backward, sizeof norm_backward, 8, 1, 0, false, 4},
    [UVK_ACTIVATION] = {"activation", activation, sizeof activation, 2, 2, 0, false, 2},
    [UVK_ACTIVATION_BACKWARD] = {"activation_backward", activation_backward, sizeof activation_backward, 3, 1, 0, false, 8},
    [UVK_HEAD_NORM] = {"head_norm", head_norm, sizeof head_norm, 5, 0, 0, false, 8},
    [UVK_HEAD_NORM_BACKWARD] = {"head_norm_backward", head_norm_backward, sizeof head_norm_backward, 6, 0, 0, false, 8},
    [UVK_ROTATE] = {"rotate", rotate, sizeof rotate, 3, 1, 0, false, 8},
    [UVK_ATTENTION_FORWARD] = {"attention_forward", attention_forward, sizeof attention_forward, 4, 2, 0, false, 4},
    [UVK_ATTENTION_FORWARD_DIRECT] = {"attention_forward_direct", attention_forward_direct, sizeof attention_forward_direct, 4, 2, 0, false, 2},
    [UVK_ATTENTION_FORWARD_WIDE] = {"attention_forward_wide", attention_forward_wide, sizeof attention_forward_wide, 4, 2, 1, false, 2},
    [UVK_ATTENTION_DELTA] = {"attention_delta", attention_delta, sizeof attention_delta, 4, 0, 0, false, 8},
    [UVK_ATTENTION_COLUMNS] = {"attention_columns", attention_columns, sizeof attention_columns, 10, 3, 0, false, 4},
    [UVK_ATTENTION_COLUMNS_DIRECT] = {"attention_columns_direct", attention_columns_direct, sizeof attention_columns_direct, 10, 2, 0, false, 2},
    [UVK_ATTENTION_COLUMNS_WIDE] = {"attention_columns_wide", attention_columns_wide, sizeof attention_columns_wide, 10, 3, 6, false, 2},
    [UVK_ATTENTION_ROWS] = {"attention_rows", attention_rows, sizeof attention_rows, 8, 2, 0, false, 4},
    [UVK_ATTENTION_ROWS_DIRECT] = {"attention_rows_direct", attention_rows_direct, sizeof attention_rows_direct, 8, 1, 0, false, 2},
    [UVK_ATTENTION_ROWS_WIDE] = {"attention_rows_wide", attention_rows_wide, sizeof attention_rows_wide, 8, 2, 3, false, 2},
    [UVK_ATTENTION_RELEVANCE] = {"attention_relevance", attention_relevance, sizeof attention_relevance, 6, 0, 0, false, 4},
    [UVK_ATTENTION_GRADIENT] = {"attention_gradient", attention_gradient, sizeof attention_gradient, 4, 0, 0, false, 8},
    [UVK_ATTENTION_MEAN] = {"attention_mean", attention_mean, sizeof attention_mean, 4, 1, 0, false, 8},
    [UVK_ROLLOUT_STEP] = {"rollout_step", rollout_step, sizeof rollout_step, 5, 0, 0, false, 8},
    [UVK_ROW_TIMES_MAP] = {"row_times_map", row_times_map, sizeof row_times_map, 6, 0, 0, false, 8},
    [UVK_PEAK] = {"peak", peak, sizeof peak, 1, 0, 0, false, 1},
};
