/* Tile sizes, each with its reason. */
#ifndef SB_KERNELS_EXEC_TILES_H
#define SB_KERNELS_EXEC_TILES_H

enum {
    /* Keys of one block of the online softmax. 64 keys x 128 dims of fp32 are 32 KiB, which fits a
     * 48 KiB L1 beside the query rows; visibility is one 64-bit word. Windows, dense rows and tiles
     * of whole blocks take the blocks at multiples of this in ids. All other lists are packed
     * (sb_plan_packs): time over density times dense time, N = 8192, d = 128, one core of a Zen 3,
     * lists of 64 queries at density .057 and .21, with ids as they lie and packed:
     *   tiles of 16   2.7   2.2    ->  1.2   1.2
     *   tiles of 2   11.3   5.2    ->  1.4   1.1
     *   tokens       16.0   5.6    ->  1.5   1.2     (bench_sparse; the own block is half masked)
     * Whole blocks gain nothing: they fill their lanes as they are. */
    SB_TILE_KEYS = 64,
    /* Query rows of the nominal tile of the work density [quality_metrics B1.2]. CPU variants group
     * rows differently; the nominal 64 x 64 grid keeps the figure independent of the machine. */
    SB_TILE_ROWS = 64,
    /* Widest head. */
    SB_TILE_DIM_MAX = 256,
    /* fp32 numbers of one thread's working set on its stack (256 KiB): packed K and V block, query
       rows, accumulators. */
    SB_TILE_POOL = 65536,
    /* Most query rows (tokens x heads) of one tile: packing a key block costs about as much as 8
     * rows of it, so past this there is nothing to win, and rows + accumulators stay well inside
     * L2. */
    SB_TILE_MAX_ROWS = 256,
    /* Up to here rows read K and V as they lie: decode, single rows of the quality pass. A block of
     * d = 128 out of L1, one core of a Zen 3: 1 row 1.4 us, packing and all 2.7; 4 rows 2.4
     * and 3.0; 6 rows 3.1 and 3.8; from 8 on there is no difference. */
    SB_TILE_THIN_ROWS = 6,
    /* Most query tokens of one tile: key blocks that only late rows see are skipped a row group at
       a time, yet packed. */
    SB_TILE_MAX_TOKENS = 128,
};

#endif
