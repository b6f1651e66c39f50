#include "tests/property/pbs_case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/slots.h"
#include "kernels/pbs_attn/plan_cpu.h"
#include "kernels/registry.h"

const pcase_judged pcase_table[PCASE_JUDGED] = {
    {{512, 512, 2, 2, 32},
     "block_tokens: 32, segment_tokens: 64, tau: 0.7",
     {32, 64, .7, 0, 0, 0, 0, 0, 0}},
    {{500, 500, 4, 2, 16}, /* a short last block and a tail of more than one */
     "block_tokens: 16, segment_tokens: 96, tau: 0.8",
     {16, 96, .8, 0, 0, 0, 0, 0, 0}},
    {{301, 301, 6, 2, 48}, /* nothing is a multiple of anything */
     "block_tokens: 12, segment_tokens: 36, tau: 0.6",
     {12, 36, .6, 0, 0, 0, 0, 0, 0}},
    {{451, 451, 3, 1, 64}, /* blocks of one segment each */
     "block_tokens: 40, segment_tokens: 40, tau: 0.5",
     {40, 40, .5, 0, 0, 0, 0, 0, 0}},
    {{280, 280, 2, 1, 16}, /* N = S + r [5] */
     "block_tokens: 8, segment_tokens: 256, tau: 0.5",
     {8, 256, .5, 0, 0, 0, 0, 0, 0}},
    {{420, 420, 4, 2, 32},
     "block_tokens: 16, segment_tokens: 48, tau: 0.5, query_pool: max, key_pool: max",
     {16, 48, .5, 1, 1, 0, 0, 0, 0}},
    {{420, 420, 4, 2, 32},
     "block_tokens: 16, segment_tokens: 48, tau: 0.5, query_pool: max, pool_div_valid: on",
     {16, 48, .5, 1, 0, 1, 0, 0, 0}},
    {{403, 403, 6, 2, 32},
     "block_tokens: 16, segment_tokens: 32, tau: 0.6, perm_share: group, pool_div_valid: on",
     {16, 32, .6, 0, 0, 1, 1, 0, 0}},
    {{420, 420, 4, 2, 32}, /* PBS-Attn+ */
     "block_tokens: 16, segment_tokens: 64, tau: 0.7, selector: antidiagonal, stride_tokens: 4",
     {16, 64, .7, 0, 0, 0, 0, 4, 0}},
    {{403, 403, 6, 2, 16},
     "block_tokens: 24, segment_tokens: 48, tau: 0.6, selector: antidiagonal, perm_share: group",
     {24, 48, .6, 0, 0, 0, 1, 8, 0}},
};

void pcase_attend(sb_case *c, const char *method, const char *params)
{
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

sb_case *pcase_quick(sb_case_shape shape, uint64_t seed)
{
    sb_case *c = sb_case_random(shape, seed);
    c->threads = 1;
    return c;
}

void *pcase_copy(const void *from, int64_t count, size_t bytes)
{
    void *to = malloc((size_t)count * bytes + 1);
    memcpy(to, from, (size_t)count * bytes);
    return to;
}

int64_t pcase_flags(const sb_plan *p, int64_t head, int64_t row, int *keep)
{
    const int64_t *ptr = p->tiles.row_ptr + head * p->n_rows + row;
    const int32_t *ids = p->tiles.id + ptr[0];
    memset(keep, 0, MAX_BLOCKS * sizeof *keep);
    for (int64_t i = 0; i < ptr[1] - ptr[0]; i++) {
        if (ids[i] < 0 || ids[i] >= MAX_BLOCKS || (i > 0 && ids[i] <= ids[i - 1]))
            ck_abort_msg("head %lld row %lld: block %d", (long long)head, (long long)row, ids[i]);
        keep[ids[i]] = 1;
    }
    return ptr[1] - ptr[0];
}

void pcase_order(const sb_plan *p, int64_t head, int64_t *pi)
{
    const uint16_t *of = sb_slots_of(&p->slots, head);
    for (int64_t s = 0; s < p->slots.n_slots; s++)
        pi[s] = sb_slot_token(&p->slots, of, s);
}

int64_t pcase_scores(sb_case *c, int64_t head, int64_t row, double *a)
{
    const sb_pbs_attn_params *p    = (const sb_pbs_attn_params *)(const void *)c->params;
    const sbi_pbs_room       *room = c->plan.method_data;
    int64_t                   nb = room->blocks_per_segment, n = c->plan.row_id[row] / nb * nb;
    int64_t                   used = c->plan.tiles.row_ptr[room->heads * c->plan.n_rows];
    int32_t                  *ids  = pcase_copy(c->plan.tiles.id, used, sizeof *ids);
    sbi_pbs_in                in   = {.q              = &c->q,
                                      .k              = &c->k,
                                      .factor         = (float)(1.0 / sqrt((double)room->dim)),
                                      .round          = p->compat == SB_PBS_ATTN_OFFICIAL,
                                      .query_pool     = p->query_pool,
                                      .key_pool       = p->key_pool,
                                      .pool_div_valid = p->pool_div_valid,
                                      .threads        = 1};
    ck_assert_int_eq(sb_product_choose(&in.product), SB_OK);
    if (p->selector == SB_PBS_ATTN_MEAN) {
        sbi_pbs_mean_scores(room, &in, &c->plan, head, row, 1, &room->scratch[0]);
    } else {
        sb_antidiagonal_in of = {.q         = in.q,
                                 .k         = in.k,
                                 .slots     = &c->plan.slots,
                                 .factor    = in.factor / (float)p->stride_tokens,
                                 .round_raw = in.round,
                                 .product   = in.product};
        sb_antidiagonal_scores(&room->grid, &of, head / room->grid.heads * room->grid.heads,
                               &room->blocks, &c->plan, row, 1, &room->scratch[0].grid);
    }
    for (int64_t b = 0; b < n; b++) {
        float x;
        memcpy(&x, sb_row_blocks_place(&room->blocks, &c->plan, head, row) + b, sizeof x);
        a[b] = (double)x;
    }
    memcpy(c->plan.tiles.id, ids, (size_t)used * sizeof *ids);
    free(ids);
    return n;
}
