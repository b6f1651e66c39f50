#include "tests/property/flex_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/flexprefill/flexprefill.h"
#include "kernels/registry.h"

flex_rig flex_open(sb_case *c, const char *params, int32_t threads)
{
    flex_rig r = {.ctx = {.backend = &sb_backend_cpu, .threads = threads}};
    sb_case_params(c, &sb_flexprefill, params);
    const sb_flexprefill_params *p     = (const sb_flexprefill_params *)(const void *)c->params;
    sb_shape                     shape = {.q_gid    = c->q.gid,
                                          .n_keys   = c->shape.n_k,
                                          .heads    = c->shape.heads,
                                          .kv_heads = c->shape.kv_heads,
                                          .head_dim = c->shape.dim};
    int64_t                      b     = p->block_tokens;
    sb_arena_init_count(&r.arena);
    r.ctx.arena = &r.arena;
    ck_assert_int_eq(sbi_flex_layout(&r.ctx, p, &shape, &r.plan), SB_OK);
    size_t bytes = r.arena.high_water_bytes;
    r.memory     = aligned_alloc(SB_ARENA_ALIGN, bytes);
    sb_arena_init(&r.arena, r.memory, bytes, SB_ARENA_GUARD);
    ck_assert_int_eq(sbi_flex_layout(&r.ctx, p, &shape, &r.plan), SB_OK);
    ck_assert_uint_eq(r.arena.high_water_bytes, bytes);
    r.room = r.plan.method_data;
    r.in   = (sbi_flex_in){.q          = &c->q,
                           .k          = &c->k,
                           .round      = p->compat == SB_FLEXPREFILL_OFFICIAL,
                           .gamma      = p->gamma,
                           .tau        = p->tau,
                           .min_blocks = (p->min_budget_tokens + b - 1) / b,
                           .max_blocks = p->max_budget_tokens > 0 ? (p->max_budget_tokens + b - 1) / b
                                                                  : r.room->n_blocks,
                           .threads    = threads};
    ck_assert_int_eq(sb_product_choose(&r.in.product), SB_OK);
    sb_row_blocks_name(&r.room->rows, &shape, &r.plan);
    ck_assert_int_eq(sb_last_queries_share(&r.room->last, &r.ctx, &shape, &c->q, SB_PHASE_ESTIMATE),
                     SB_OK);
    sbi_flex_key_means(r.room, &r.in);
    return r;
}

void flex_close(flex_rig *r)
{
    ck_assert(sb_arena_canaries_intact(&r->arena));
    free(r->memory);
}

void flex_attend(sb_case *c, const char *params)
{
    ck_assert_msg(sb_case_attend(c, &sb_flexprefill, params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

sb_case *flex_one_thread(sb_case_shape shape, uint64_t seed)
{
    sb_case *c = sb_case_random(shape, seed);
    c->threads = 1;
    return c;
}

void flex_dense(sb_case *c)
{
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("dense"), "", SB_F32), SB_OK);
}

void *flex_copy(const void *from, int64_t count, size_t bytes)
{
    void *to = malloc((size_t)count * bytes);
    memcpy(to, from, (size_t)count * bytes);
    return to;
}

void flex_flags(const sb_plan *p, int64_t head, int64_t row, int *keep)
{
    const int64_t *ptr = p->tiles.row_ptr + head * p->n_rows + row;
    const int32_t *ids = p->tiles.id + ptr[0];
    int64_t        own = p->row_id[row], n = ptr[1] - ptr[0];
    memset(keep, 0, (size_t)(own + 1) * sizeof *keep);
    ck_assert_int_ge(n, 1);
    ck_assert_int_eq(ids[0], 0);
    ck_assert_int_eq(ids[n - 1], own);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && ids[i] <= ids[i - 1])
            ck_abort_msg("block %d after %d", ids[i], ids[i - 1]);
        keep[ids[i]] = 1;
    }
}

double flex_density(const sb_plan *p)
{
    int64_t all = 0;
    for (int64_t i = 0; i < p->n_rows; i++)
        all += p->row_id[i] + 1;
    return (double)p->tiles.row_ptr[p->tiles.n_heads * p->n_rows] /
           (double)(p->tiles.n_heads * all);
}
