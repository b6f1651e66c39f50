/* What was measured: a sample with everything that hangs on it, in one transaction. */
#include <math.h>
#include <string.h>

#include "results/store/internal.h"

/* What the schema's CHECKs cannot say across tables. */
static sb_status check_facts(const sb_sample_facts *f)
{
    const char *status  = sbi_or_empty(f->status);
    int         was_run = strcmp(status, "ok") == 0 || strcmp(status, "failed") == 0;
    if (!was_run && (f->metric != NULL || f->n_timings > 0 || f->n_quality > 0 || f->n_needles > 0))
        return sb_fail(SB_ERR_INTERNAL,
                       "status %s was never run: found a score, timings or quality, allowed none",
                       status);
    if (f->metric != NULL && isnan(f->score))
        return sb_fail(SB_ERR_INTERNAL, "score of %s is not a number, allowed 0..1", f->metric);
    for (int64_t i = 0; i < f->n_more_scores; i++)
        if (!was_run || isnan(f->more_scores[i].value))
            return sb_fail(SB_ERR_INTERNAL, "score of %s: not a number, or of a sample not run",
                           f->more_scores[i].metric);
    if (strcmp(status, "failed") == 0 && f->metric != NULL && f->score != 0.0)
        return sb_fail(SB_ERR_INTERNAL, "a failed sample scores 0, found %g", f->score);
    return SB_OK;
}

/* A figure that needs both of a pair is NULL when the denominator is not positive (linear methods
 * have no density). */
static sb_status insert_quality(sb_store *s, int64_t id, const sb_quality_facts *q)
{
    int             has_rho    = q->rho_den > 0;
    int             has_tile   = q->tile_lanes_dense > 0;
    int             has_blocks = q->blocks_dense > 0;
    const sbi_value v[]        = {
               sbi_int(id),
               sbi_int(q->layer),
               sbi_int(q->head),
               sbi_int(q->def_version),
               sbi_int_or_null(q->rho_num, has_rho),
               sbi_int_or_null(q->rho_den, has_rho),
               sbi_int_or_null(q->tile_lanes, has_tile),
               sbi_int_or_null(q->tile_lanes_dense, has_tile),
        has_blocks ? sbi_real(q->blocks_exec) : sbi_null(),
               sbi_int_or_null(q->blocks_dense, has_blocks),
               sbi_int_or_null(q->f_est, q->f_est >= 0),
               sbi_int_or_null(q->f_exec, q->f_exec >= 0),
               sbi_int_or_null(q->f_dense, q->f_dense > 0),
               sbi_real(q->recall_mean),
               sbi_real(q->recall_se),
               sbi_real(q->recall_lo),
               sbi_real(q->recall_hi),
               sbi_real(q->recall_tail),
               sbi_real(q->recall_p05),
               sbi_real(q->recall_min),
               sbi_real(q->recall_w),
               sbi_int_or_null(q->recall_overflow, q->recall_overflow >= 0),
               sbi_real(q->oracle_gap),
               sbi_real(q->needle_block_recall),
               sbi_real(q->needle_mass),
               sbi_real(q->needle_mass_kept),
               sbi_real(q->rel_l2),
               sbi_real(q->rel_l2_se),
               sbi_int_or_null(q->rel_l2_unreliable, q->rel_l2_unreliable >= 0),
               sbi_real(q->rel_l2_p99),
               sbi_real(q->rel_l1),
               sbi_real(q->cos_row),
               sbi_real(q->floor),
               sbi_int(q->rows_sampled),
               sbi_int(q->rows_total),
    };
    return sbi_run(s, SBI_QUALITY_INSERT, v, SBI_COUNT(v));
}

static sb_status insert_needle(sb_store *s, int64_t id, const sb_needle_facts *n)
{
    const sbi_value v[] = {sbi_int(id),         sbi_int(n->layer),
                           sbi_int(n->span_no), sbi_real(n->key_recall),
                           sbi_real(n->mass),   sbi_real(n->mass_kept)};
    return sbi_run(s, SBI_NEEDLE_INSERT, v, SBI_COUNT(v));
}

static sb_status insert_state(sb_store *s, int64_t id, const sb_state_facts *d)
{
    const sbi_value v[] = {
        sbi_int(id),
        sbi_text(d->place),
        sbi_int_or_null(d->sm_clock_mhz, d->sm_clock_mhz >= 0),
        sbi_int_or_null(d->memory_clock_mhz, d->memory_clock_mhz >= 0),
        sbi_int_or_null(d->power_mw, d->power_mw >= 0),
        sbi_int_or_null(d->temperature_c, d->temperature_c >= 0),
        sbi_int_or_null(d->throttle_reasons, d->throttle_reasons >= 0),
        sbi_int_or_null(d->other_processes, d->other_processes >= 0),
        sbi_int_or_null(d->ecc, d->ecc >= 0),
        sbi_int_or_null(d->mig, d->mig >= 0),
    };
    return sbi_run(s, SBI_STATE_INSERT, v, SBI_COUNT(v));
}

static sb_status insert_balance(sb_store *s, int64_t id, const sb_balance_facts *b)
{
    const sbi_value v[] = {sbi_int(id),
                           sbi_int(b->layer),
                           sbi_int(b->work_max),
                           sbi_int(b->work_sum),
                           sbi_int(b->step_work),
                           sbi_int(b->lpt_max),
                           sbi_int_or_null(b->keys_needed, b->keys_needed >= 0),
                           sbi_int_or_null(b->keys_foreign, b->keys_foreign >= 0),
                           sbi_int_or_null(b->fetched, b->fetched >= 0)};
    return sbi_run(s, SBI_BALANCE_INSERT, v, SBI_COUNT(v));
}

static sb_status insert_measures(sb_store *s, int64_t id, const sb_sample_facts *f)
{
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < f->n_timings; i++) {
        const sb_timing_facts *t   = &f->timings[i];
        const sbi_value        v[] = {
                   sbi_int(id),       sbi_text(t->phase),         sbi_int(t->repetition),
                   sbi_int(t->layer), sbi_int(t->is_warmup != 0), sbi_int(t->ns)};
        st = sbi_run(s, SBI_TIMING_INSERT, v, SBI_COUNT(v));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_quality; i++)
        st = insert_quality(s, id, &f->quality[i]);
    for (int64_t i = 0; st == SB_OK && i < f->n_needles; i++)
        st = insert_needle(s, id, &f->needles[i]);
    for (int64_t i = 0; st == SB_OK && i < f->n_comm; i++) {
        const sb_comm_facts *c   = &f->comm[i];
        const sbi_value      v[] = {sbi_int(id),
                                    sbi_text(c->phase),
                                    sbi_int(c->received_bytes),
                                    sbi_int(c->sent_bytes),
                                    sbi_int(c->calls),
                                    sbi_int(c->exposed_ns)};
        st                       = sbi_run(s, SBI_COMM_INSERT, v, SBI_COUNT(v));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_balance; i++)
        st = insert_balance(s, id, &f->balance[i]);
    for (int64_t i = 0; st == SB_OK && i < f->n_memory; i++) {
        const sbi_value v[] = {sbi_int(id), sbi_text(f->memory[i].kind),
                               sbi_int(f->memory[i].bytes)};
        st                  = sbi_run(s, SBI_MEMORY_INSERT, v, SBI_COUNT(v));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_states; i++)
        st = insert_state(s, id, &f->states[i]);
    for (int64_t i = 0; st == SB_OK && i < f->n_energy; i++) {
        const sb_energy_facts *e   = &f->energy[i];
        const sbi_value        v[] = {sbi_int(id),
                                      sbi_text(e->phase),
                                      sbi_int(e->millijoules),
                                      sbi_int(e->repetitions),
                                      sbi_int(e->duration_ns),
                                      sbi_int(e->step_ns),
                                      sbi_int(e->idle_mw)};
        st                         = sbi_run(s, SBI_ENERGY_INSERT, v, SBI_COUNT(v));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_anchors; i++) {
        const sb_anchor_facts *a = &f->anchors[i];
        const sbi_value v[] = {sbi_int(id), sbi_int(i), sbi_int(a->before_ns), sbi_int(a->after_ns),
                               sbi_text(a->kernel)};
        st                  = sbi_run(s, SBI_ANCHOR_INSERT, v, SBI_COUNT(v));
    }
    return st;
}

static sb_status insert_sample(sb_store *s, const sb_sample_facts *f)
{
    const sbi_value v[] = {
        sbi_int(f->run_id),        sbi_int(f->point_id),
        sbi_int(f->input_id),      sbi_int(f->is_anchor != 0),
        sbi_text(f->status),       sbi_text(f->error),
        sbi_text(f->prediction),   sbi_text(f->plan_digest),
        sbi_int(f->fallback != 0), sbi_int(f->n_gen),
        sbi_text(f->kernel),       f->n_steps > 0 ? sbi_int(f->graph_steps) : sbi_text(NULL),
        sbi_text(f->graph_reason),
    };
    sb_status st = sbi_run(s, SBI_FIGURES_FORGET, NULL, 0);
    if (st == SB_OK)
        st = sbi_run(s, SBI_SAMPLE_INSERT, v, SBI_COUNT(v));
    if (st != SB_OK)
        return st;
    int64_t id = sqlite3_last_insert_rowid(s->db);
    if (f->metric != NULL) {
        const sbi_value c[] = {sbi_int(id), sbi_text(f->metric), sbi_real(f->score),
                               sbi_int(f->score_is_binary != 0)};
        st                  = sbi_run(s, SBI_SCORE_INSERT, c, SBI_COUNT(c));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_more_scores; i++) {
        const sb_score_facts *m   = &f->more_scores[i];
        const sbi_value       c[] = {sbi_int(id), sbi_text(m->metric), sbi_real(m->value),
                                     sbi_int(m->is_binary != 0)};
        st                        = sbi_run(s, SBI_SCORE_INSERT, c, SBI_COUNT(c));
    }
    for (int64_t i = 0; st == SB_OK && f->hits != NULL && i < f->n_hits; i++) {
        const sbi_value h[] = {sbi_int(id), sbi_int(i), sbi_int(f->hits[i] != 0)};
        st                  = sbi_run(s, SBI_HIT_INSERT, h, SBI_COUNT(h));
    }
    return st == SB_OK ? insert_measures(s, id, f) : st;
}

sb_status sb_store_put_sample(sb_store *s, const sb_sample_facts *f)
{
    sb_status st = sbi_need_writer(s, "sample");
    if (st == SB_OK)
        st = check_facts(f);
    if (st == SB_OK && (st = sbi_begin(s)) == SB_OK)
        st = sbi_end(s, insert_sample(s, f));
    return st == SB_OK
               ? st
               : sb_wrap(st, "sample (run %lld, point %lld, input %lld)", (long long)f->run_id,
                         (long long)f->point_id, (long long)f->input_id);
}
