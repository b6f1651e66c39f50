/* What a linear scan needs on a device, and which scans run there. For its own files. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_DEVICE_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_DEVICE_H

#include "kernels/exec/linear_scan_room.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SBI_SCAN_CHUNK = 64, /* rows of a chunk on a device */
    /* Segments of the sequence that run side by side, all heads together: four a multiprocessor of
     * the largest device known (132). A constant, so that results do not depend on the device. */
    SBI_SCAN_ITEMS       = 528,
    SBI_SCAN_SEGMENT_MIN = 512, /* tokens; below, states would cost more than rows */
    /* Of the kernel that hands a head's state from segment to segment: tokens of a segment, and
     * states of a head that are under way at once. */
    SBI_SCAN_HAND_TOKENS = 256,
    SBI_SCAN_HAND_SLOTS  = SB_SCAN_BATCH,
};

/* Device memory of one call. DECAY alone has slope, hand and flag. */
typedef struct sbi_scan_device_room {
    double *slope; /* [state_heads] */
    float  *record; /* [records_floats] of the own tokens alone: several ranks */
    float  *others; /* [BATCH][records_floats] of a batch of ranks; of DECAY this is `hand` */
    float  *start; /* [state_heads][state_floats] states before the call */
    float  *entry; /* [state_heads][segments][state_floats] states before each segment */
    float  *hand;  /* [heads][HAND_SLOTS][state_floats] states handed on */
    int    *flag;  /* [heads][8] segments handed on by each warp; then the work counter */
    int64_t flag_count;
    double *gates; /* GATE: [state_heads][segments][d] sums of gates of the segment before */
    float  *trans; /* DELTA: [state_heads][segments][d][d] A of the segment before */
    int    *bad;   /* GATE, DELTA: 1: a gate is no number <= 0 */
} sbi_scan_device_room;

/* From an arena over device memory, or a counting one. n_tokens: most rows of a call. r->ranks 0:
 * nobody knows how many, room for several. */
sb_status sbi_scan_device_layout(sb_arena *a, const sbi_scan_room *r, int64_t n_tokens,
                                 sbi_scan_device_room *out);

/* Tokens of a segment of a call of n rows, a multiple of the chunk. */
int64_t sbi_scan_segment_tokens(int64_t heads, int64_t n);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason. */
sb_status sbi_scan_device_check(const sbi_scan_room *r);

#ifdef __cplusplus
}
#endif

#endif
