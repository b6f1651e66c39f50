#include "kernels/flexprefill/blocks.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/exec/tiles.h"

enum { LANES = SB_PRODUCT_LANES };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- scores ---- */

/* Mean of a row block's queries, divided by sqrt(d), into lane 0 of to. The released code takes the
 * mean over B rows and scales the last block's up [3.9]; only its roundings tell the difference. */
static void mean_query(const sbi_flex_in *in, int64_t head, const sb_row_block *row, int64_t b,
                       float *to)
{
    int64_t        d = in->q->dim, n = row->n_tokens;
    const sb_bf16 *q                    = sb_tensor_bf16(in->q, head, row->slot);
    float          sum[SB_TILE_DIM_MAX] = {0}, root = sqrtf((float)d);
    for (int64_t i = 0; i < n; i++)
        for (int64_t x = 0; x < d; x++)
            sum[x] += sb_bf16_to_f32(q[i * d + x]);
    for (int64_t x = 0; x < d; x++) {
        float mean = sum[x] / (float)n;
        if (in->round) {
            mean = sb_bf16_round(sum[x] / (float)b);
            mean = n < b ? sb_bf16_round(mean * (float)b / (float)n) : mean;
        }
        to[x * LANES] = sbi_flex_rounded(in, mean / root);
    }
}

/* Softmax of lane l over its first n rows; patterns to out. */
static void weights(float *score, int64_t n, int64_t l, int32_t *out)
{
    float  top = -INFINITY;
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        top = score[i * LANES + l] > top ? score[i * LANES + l] : top;
    for (int64_t first = 0; first < n; first += 16) {
        float at[16], e[16];
        for (int64_t i = 0; i < 16; i++)
            at[i] = first + i < n ? score[(first + i) * LANES + l] - top : -INFINITY;
        sbi_flash_generic.exp(at, e, 16);
        for (int64_t i = 0; i < min_i64(16, n - first); i++) {
            e[i]                           = e[i] > 0.0f ? e[i] : 0.0f; /* also what is no number */
            score[(first + i) * LANES + l] = e[i];
            sum += (double)e[i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        float p = sum > 0.0 ? (float)((double)score[i * LANES + l] / sum) : 0.0f;
        memcpy(out + i, &p, sizeof p);
    }
}

/* Local rows [first, first + n), n <= LANES, of one head. */
static void score_rows(const sbi_flex_room *room, const sbi_flex_in *in, const sb_plan *plan,
                       int64_t head, int64_t first, int64_t n, const sbi_flex_scratch *s)
{
    int64_t      d = in->k->dim, b = room->block_tokens;
    int64_t      most   = plan->row_id[first + n - 1] + INT64_C(1);
    int64_t      padded = (most + SB_PRODUCT_ROWS - 1) / SB_PRODUCT_ROWS * SB_PRODUCT_ROWS;
    const float *k_mean = room->k_mean + head / room->heads_per_kv * room->padded_blocks * d;
    memset(s->q_mean, 0, (size_t)(d * LANES) * sizeof *s->q_mean);
    for (int64_t l = 0; l < n; l++)
        mean_query(in, head, &room->rows.row[first + l], b, s->q_mean + l);
    in->product(k_mean, s->q_mean, d, padded, s->score);
    if (in->round)
        for (int64_t i = 0; i < padded * LANES; i++)
            s->score[i] = sb_bf16_round(s->score[i]);
    for (int64_t l = 0; l < n; l++)
        weights(s->score, plan->row_id[first + l] + INT64_C(1), l,
                sb_row_blocks_place(&room->rows, plan, head, first + l));
}

void sbi_flex_scores(const sbi_flex_room *room, const sbi_flex_in *in, const sb_plan *plan)
{
    int64_t groups = (plan->n_rows + LANES - 1) / LANES;
    /* Late rows cost most: they go first. */
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < groups * room->n_aware; job++) {
        int64_t first = (groups - 1 - job / room->n_aware) * LANES;
        score_rows(room, in, plan, room->aware[job % room->n_aware], first,
                   min_i64(LANES, plan->n_rows - first), &room->scratch[omp_get_thread_num()]);
    }
}

/* ---- the cut ---- */

uint64_t sbi_flex_mass(int32_t score)
{
    float p;
    memcpy(&p, &score, sizeof p);
    return (uint64_t)((double)p * 0x1p40 + 0.5);
}

/* Lowest bit of a digit, from the top: 21, 10, 0. */
static int shift_of(int digit)
{
    int shift = 32 - (digit + 1) * SBI_FLEX_DIGIT_BITS;
    return shift > 0 ? shift : 0;
}

/* Mass of the local scores that agree with the digits found so far, by their next digit. */
static void count_digit(const sbi_flex_room *room, const sb_plan *plan, int64_t at, int digit)
{
    int      shift = shift_of(digit), width = digit > 0 ? shift_of(digit - 1) - shift : 32 - shift;
    uint32_t known = room->cut[at].score, above = 0;
    int64_t *bins = room->bins + at * SBI_FLEX_BINS;
    if (digit > 0)
        above = ~((UINT32_C(1) << shift_of(digit - 1)) - 1);
    memset(bins, 0, SBI_FLEX_BINS * sizeof *bins);
    for (int64_t r = 0; r < plan->n_rows; r++) {
        const int32_t *score = sb_row_blocks_place(&room->rows, plan, room->aware[at], r);
        for (int64_t i = 0; i <= plan->row_id[r]; i++)
            if (((uint32_t)score[i] & above) == known)
                bins[(uint32_t)score[i] >> shift & ((1u << width) - 1)] +=
                    (int64_t)sbi_flex_mass(score[i]);
    }
}

/* From the sums of all ranks: the digit in which the limit is crossed. */
static void take_digit(const sbi_flex_room *room, uint64_t limit, int64_t at, int digit)
{
    const int64_t *bins = room->bins + at * SBI_FLEX_BINS;
    sbi_flex_cut  *cut  = &room->cut[at];
    int64_t        bin  = SBI_FLEX_BINS - 1;
    for (; bin >= 0 && cut->mass + (uint64_t)bins[bin] <= limit; bin--)
        cut->mass += (uint64_t)bins[bin];
    if (bin < 0)
        cut->all = 1; /* only at the first digit: later there is a crossing one among them */
    else
        cut->score |= (uint32_t)bin << shift_of(digit);
}

static sb_status sum_over_ranks(sb_ctx *ctx, int64_t *data, int64_t count)
{
    if (ctx->comm == NULL || ctx->comm->size == 1)
        return SB_OK;
    int64_t   t0 = sb_now_ns();
    sb_status st = sb_comm_allreduce_i64(ctx->comm, data, count, SB_REDUCE_SUM);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

static void count_ties(const sbi_flex_room *room, const sb_plan *plan, int64_t at)
{
    int64_t *ties = room->ties + at * room->n_blocks;
    memset(ties, 0, (size_t)room->n_blocks * sizeof *ties);
    for (int64_t r = 0; r < plan->n_rows; r++) {
        const int32_t *score = sb_row_blocks_place(&room->rows, plan, room->aware[at], r);
        for (int64_t i = 0; i <= plan->row_id[r]; i++)
            ties[plan->row_id[r]] += (uint32_t)score[i] == room->cut[at].score;
    }
}

/* As many scores equal to the cut as still fit, dealt out to the rows in order. */
static void deal_ties(const sbi_flex_room *room, uint64_t limit, int64_t at)
{
    sbi_flex_cut *cut  = &room->cut[at];
    uint64_t      mass = sbi_flex_mass((int32_t)cut->score);
    int64_t      *ties = room->ties + at * room->n_blocks, left;
    /* what has no mass crosses nothing: such a cut, 0, is where all is kept */
    left = mass > 0 ? (int64_t)((limit - cut->mass) / mass) : INT64_MAX;
    for (int64_t row = 0; row < room->n_blocks; row++) {
        ties[row] = min_i64(ties[row], left);
        left -= ties[row];
    }
}

sb_status sbi_flex_find_cuts(sb_ctx *ctx, const sbi_flex_room *room, const sbi_flex_in *in,
                             const sb_plan *plan)
{
    uint64_t  limit = (uint64_t)(in->gamma * (double)room->n_blocks * 0x1p40);
    sb_status st    = SB_OK;
    int64_t   n     = room->n_aware, t0;
    for (int64_t at = 0; at < n; at++)
        room->cut[at] = (sbi_flex_cut){0};
    for (int digit = 0; digit < SBI_FLEX_DIGITS; digit++) {
        t0 = sb_now_ns();
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1)
        for (int64_t at = 0; at < n; at++)
            count_digit(room, plan, at, digit);
        sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
        if ((st = sum_over_ranks(ctx, room->bins, n * SBI_FLEX_BINS)) != SB_OK)
            return st;
        for (int64_t at = 0; at < n; at++)
            if (!room->cut[at].all)
                take_digit(room, limit, at, digit);
    }
    t0 = sb_now_ns();
    for (int64_t at = 0; at < n; at++)
        count_ties(room, plan, at);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    if ((st = sum_over_ranks(ctx, room->ties, n * room->n_blocks)) != SB_OK)
        return st;
    for (int64_t at = 0; at < n; at++)
        deal_ties(room, limit, at);
    return SB_OK;
}
