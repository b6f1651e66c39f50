/* The sweep loop. All ranks walk the same points and rows in the same order; rank 0 alone knows the
 * database, so every decision that depends on it (skip, stop) is rank 0's and is broadcast. */
#include "harness/run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/run/attention.h"
#include "harness/run/ceiling.h"
#include "harness/run/deadline.h"
#include "harness/run/energy.h"
#include "harness/run/facts.h"
#include "harness/run/forecast.h"
#include "harness/run/pace.h"
#include "harness/run/passes.h"
#include "harness/run/progress.h"
#include "harness/run/sample.h"
#include "harness/run/source.h"
#include "harness/run/stop.h"
#include "harness/shard/bind.h"
#include "kernels/base/log.h"

typedef enum verdict { VERDICT_RUN, VERDICT_SKIP, VERDICT_STOP } verdict;

typedef struct runner {
    sb_sweep             *sweep;
    const sb_run_options *o;
    sb_store             *store; /* rank 0 */
    int64_t               run_id;
    sb_bench              bench;
    sb_source             source;
    uint8_t              *anchored; /* [cells] a dense time of this process exists */
    int32_t               n_cells;
    int32_t               has_ceiling[SB_BACKEND_COUNT]; /* measured, whatever came out */
    sb_energy_basis       energy[SB_BACKEND_COUNT];
    sb_link              *link[SB_BACKEND_COUNT]; /* made when first needed */
    int64_t               published_ns, publish_ns; /* when, and how long it took */
    sb_pace               pace; /* of the samples of this call: predicts the next one */
    sb_marks              marks;
    sb_machine           *machine[SB_BACKEND_COUNT]; /* as the plan knows it; NULL: it does not */
    int                   asked_machine[SB_BACKEND_COUNT];
    sb_progress     progress;
    sb_run_outcome *out;
    char (*done_now)[65]; /* inputs of the point at hand that were run in this call; rank 0 */
    int64_t n_done_now, room_done_now;
} runner;

static int is_root(const runner *r) { return r->o->comm->rank == 0; }

/* ---- what the watchdog sees ---- */

static void enter(const runner *r, const char *phase, double predicted_s)
{
    sb_watch_enter(r->o->watch, phase, predicted_s);
}

static void pass_done(void *arg, int64_t pass, int64_t n_passes)
{
    runner *r = arg;
    sb_marks_pass(&r->marks, pass, n_passes);
    sb_progress_pass(&r->progress, pass, n_passes);
}

/* Asked at each step of a pass. */
static int should_stop(void *arg)
{
    runner *r = arg;
    sb_marks_step(&r->marks);
    return sb_stop_expired(NULL);
}

/* ---- decisions ---- */

static double work_of(runner *r, const sb_point *p, const sb_input *in)
{
    sb_model_shape s      = {.n_layers = 1};
    double         passes = (double)sbi_passes(p);
    if (sb_point_asks(p))
        (void)r->bench.model->ops->shape(r->bench.model, in, &s);
    return sb_progress_work(p) * s.n_layers * passes;
}

static sb_dump dump_of(const runner *r, const sb_point *p, int64_t row)
{
    return (sb_dump){.dir      = r->sweep->dump_dir,
                     .what     = r->sweep->dump_what,
                     .point    = p,
                     .row      = row,
                     .operands = r->source.operands,
                     .commit   = r->o->commit};
}

/* An ok sample whose file is still wanted is run again. */
static int dump_missing(const runner *r, const sb_point *p, int64_t row)
{
    sb_dump d = dump_of(r, p, row);
    char    path[4096];
    return d.dir != NULL && !p->anchor_only && sb_dump_path(&d, path, sizeof path) == SB_OK &&
           access(path, F_OK) != 0;
}

/* Of the plan, or < 0: it does not know this machine, or this method on it. */
static double planned_s(runner *r, const sb_point *p, const sb_input *in)
{
    double            pass, all;
    const sb_backend *backend = sbi_backend_of(p);
    if (!r->asked_machine[p->backend])
        r->machine[p->backend] = sb_deadline_machine(backend);
    r->asked_machine[p->backend] = 1;
    if (in->refused != SB_OK || r->machine[p->backend] == NULL ||
        sb_forecast_times(&r->source, r->machine[p->backend], r->o->threads, p, in, &pass, &all) !=
            SB_OK)
        return -1;
    return all; /* a look takes longer than a repetition */
}

/* Of a pass: the plan's seconds of the sample, else the rule for a slow machine; samples seen here
 * may have taken longer. */
static double pass_s(runner *r, const sb_point *p, const sb_input *in)
{
    sb_model_shape s       = {.n_layers = 1};
    double         planned = planned_s(r, p, in);
    double         seen    = sb_pace_s(&r->pace, work_of(r, p, in));
    if (planned >= 0)
        return fmax(planned, seen);
    if (p->input != NULL) {
        s.heads    = p->input->heads;
        s.head_dim = p->input->head_dim;
    } else {
        (void)r->bench.model->ops->shape(r->bench.model, in, &s);
    }
    sb_point as = *p;
    if (as.length_tokens == 0) /* as its rows are */
        as.length_tokens = in->n_tokens;
    return fmax(sb_deadline_pass_s(&as, s.heads, s.head_dim, s.n_layers) +
                    (sb_point_asks(p) ? sb_deadline_products_s(p, r->bench.model, in) : 0),
                seen);
}

/* Of a model's files, once, from slow storage: they go to a device before its first sample. */
static double load_s(const runner *r, const sb_point *p)
{
    const sb_model *m = r->bench.model;
    return p->backend != SB_CPU && sb_point_asks(p) && m->ops->shared_bytes != NULL
               ? (double)m->ops->shared_bytes(m) / 2e8
               : 0;
}

static verdict decide(runner *r, const sb_point *p, const sb_input *in, int force, sb_status *st)
{
    double predicted_s = sb_pace_s(&r->pace, work_of(r, p, in)), left_s = sb_stop_left_s();
    int    done = 0;
    if (!force)
        *st = sb_store_sample_done(r->store, p->hash, in->sha256, r->o->commit, &done);
    if (done != 0 && !(done == 1 && dump_missing(r, p, in->row)))
        return VERDICT_SKIP;
    if (left_s <= predicted_s) {
        (void)snprintf(r->out->stop_reason, sizeof r->out->stop_reason,
                       "time limit: the next sample takes about %.0f s, %.0f s are left",
                       predicted_s, fmax(left_s, 0));
        return VERDICT_STOP;
    }
    return VERDICT_RUN;
}

/* Rank 0's verdict, unless any rank has a signal. */
static sb_status agree_verdict(runner *r, const sb_point *p, const sb_input *in, int force,
                               verdict *out)
{
    int64_t   v[2] = {0, sb_stop_signalled()};
    sb_status st   = SB_OK;
    enter(r, "looking up what is stored", SB_DEADLINE_OPEN_S);
    if (is_root(r))
        v[0] = decide(r, p, in, force, &st);
    if ((st = sb_comm_agree(r->o->comm, st)) != SB_OK ||
        (st = sb_comm_allreduce_i64(r->o->comm, v, 2, SB_REDUCE_MAX)) != SB_OK)
        return st;
    if (v[1] != 0) {
        (void)snprintf(r->out->stop_reason, sizeof r->out->stop_reason, "%s",
                       v[1] == 2 ? "interrupted" : "signalled");
        v[0] = VERDICT_STOP;
    }
    *out = (verdict)v[0];
    return SB_OK;
}

/* ---- one sample ---- */

static sb_status note_done(runner *r, const sb_input *in)
{
    if (r->n_done_now == r->room_done_now) {
        int64_t room = r->room_done_now == 0 ? 64 : 2 * r->room_done_now;
        void   *more = realloc(r->done_now, (size_t)room * sizeof *r->done_now);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "run: no memory for the inputs of a point");
        r->done_now      = more;
        r->room_done_now = room;
    }
    memcpy(r->done_now[r->n_done_now++], in->sha256, sizeof in->sha256);
    return SB_OK;
}

/* Stored before this call, or the same question as a row before it (needles between the same two
 * sentences)? */
static void count_known(runner *r, const sb_input *in)
{
    for (int64_t i = 0; i < r->n_done_now; i++)
        if (strcmp(r->done_now[i], in->sha256) == 0) {
            r->out->repeated++;
            return;
        }
    r->out->known++;
}

static void count_result(runner *r, const sb_result *res)
{
    const char *s = res->facts.status;
    r->out->ran++;
    r->out->failed += strcmp(s, "failed") == 0;
    r->out->unsupported += strcmp(s, "unsupported") == 0;
    r->out->no_fit += strcmp(s, "no_fit") == 0;
    int slowed = 0, shared = 0;
    for (int64_t i = 0; res->facts.states != NULL && i < res->facts.n_states; i++) {
        const sb_state_facts *d = &res->facts.states[i];
        slowed |= d->throttle_reasons > 0 &&
                  (d->throttle_reasons & (SB_THROTTLE_HW_SLOWDOWN | SB_THROTTLE_SW_THERMAL |
                                          SB_THROTTLE_HW_THERMAL | SB_THROTTLE_HW_BRAKE)) != 0;
        shared |= d->other_processes > 0;
    }
    r->out->slowed += slowed;
    r->out->shared += shared;
}

static sb_status store_result(runner *r, const sb_point *p, const sb_input *in, sb_result *res)
{
    sb_status st = SB_OK;
    enter(r, "storing a sample", SB_DEADLINE_STORE_S);
    if (is_root(r)) {
        res->facts.run_id    = r->run_id;
        res->facts.is_anchor = p->anchor_only;
        if ((st = sb_facts_put_point(r->store, p, &res->facts.point_id)) == SB_OK &&
            (st = sb_facts_put_input(r->store, p, r->source.corpus, r->source.questions.facts_json,
                                     in, &res->facts.input_id)) == SB_OK &&
            (st = note_done(r, in)) == SB_OK)
            st = sb_store_put_sample(r->store, &res->facts);
    }
    return sb_comm_agree(r->o->comm, st);
}

/* Links are made once a backend, all ranks together. */
static sb_status need_link(runner *r, const sb_point *p)
{
    char why[160];
    if (r->o->comm->size > 1 && r->link[p->backend] == NULL) {
        if (r->o->open_link == NULL)
            return sb_fail(SB_ERR_INTERNAL, "run: no link was offered for sharding %s",
                           sb_scheme_name(p->scheme));
        enter(r, "making a link between ranks", SB_DEADLINE_LINK_S);
        sb_status st =
            r->o->open_link(r->o->comm, sbi_backend_of(p), &r->link[p->backend], why, sizeof why);
        if (st == SB_OK)
            st = sb_comm_agree(
                r->o->comm, sb_watch_link(r->o->watch, r->link[p->backend], &r->link[p->backend]));
        if (st != SB_OK)
            return st;
        if (is_root(r))
            sb_log(SB_LOG_INFO, "link between ranks: %s", why);
    }
    r->bench.link = r->link[p->backend];
    return SB_OK;
}

/* ---- the copy that others see ---- */

static sb_status publish(runner *r)
{
    int64_t   begin = sb_now_ns();
    sb_status st    = sb_store_publish(r->store, r->o->publish);
    r->published_ns = sb_now_ns();
    r->publish_ns   = r->published_ns - begin;
    return st;
}

/* Between samples. A copy that fails now is tried again after the next one; the last must not fail.
 */
static void publish_some(runner *r)
{
    int64_t since = sb_now_ns() - r->published_ns;
    if (!is_root(r) || r->o->publish == NULL || (double)since < r->o->publish_every_s * 1e9 ||
        since < 50 * r->publish_ns)
        return;
    if (publish(r) != SB_OK)
        sb_log(SB_LOG_WARN, "%s", sb_error_text());
}

static sb_status run_here(runner *r, const sb_point *p, const sb_input *in, sb_result *res)
{
    const sb_backend *backend = sbi_backend_of(p);
    sb_status         st;
    if (backend == NULL)
        return sb_result_unrun("unsupported", SBI_NO_CUDA, res);
    if (backend->available() != SB_OK || sb_device_bind(r->o->comm, backend) != SB_OK)
        return sb_result_unrun("unsupported", sb_error_text(), res);
    r->bench.backend = backend;
    r->bench.energy  = r->energy[p->backend];
    if (sbi_may_link(p) && (st = need_link(r, p)) != SB_OK)
        return st == SB_ERR_UNSUPPORTED ? sb_result_unrun("unsupported", sb_error_text(), res) : st;
    sb_marks_sample(&r->marks, sbi_passes(p), pass_s(r, p, in) + load_s(r, p));
    if (sb_point_asks(p))
        return sb_sample_run(&r->bench, p, in, res);
    sb_dump dump = dump_of(r, p, in->row);
    return sb_attention_run(&r->bench, p, r->source.operands, in,
                            dump.dir != NULL && !p->anchor_only ? &dump : NULL, res);
}

static sb_status put_ceiling(runner *r, const char *kind, const char *dtype, double flops,
                             double bytes)
{
    const sb_ceiling_facts f = {
        .kind = kind, .dtype = dtype, .flops_per_s = flops, .bytes_per_s = bytes};
    return flops > 0 || bytes > 0 ? sb_store_put_ceiling(r->store, r->run_id, &f) : SB_OK;
}

/* Of rank 0's device, times the ranks: a job's devices are of one kind. */
static sb_status put_device_ceilings(runner *r, const sb_backend *backend)
{
    double      n = r->o->comm->size;
    sb_ceilings c;
    sb_status   st = backend->ceilings(&c);
    if (st == SB_OK)
        st = put_ceiling(r, "matmul", "bf16", n * c.matmul_bf16_flops_per_s, 0);
    if (st == SB_OK)
        st = put_ceiling(r, "memory", "", 0, n * c.copy_bytes_per_s);
    if (st == SB_OK)
        st = put_ceiling(r, "exp2", "f32", n * c.exp2_per_s, 0);
    return st;
}

/* Before the first sample that really runs: a call that only resumes pays nothing. */
static sb_status need_ceiling(runner *r, const sb_point *p)
{
    const sb_backend *backend = sbi_backend_of(p);
    double            rate    = 0;
    sb_status         st      = SB_OK;
    if (r->has_ceiling[p->backend] || backend == NULL ||
        (p->backend != SB_CPU && (backend->ceilings == NULL || backend->available() != SB_OK)))
        return SB_OK;
    r->has_ceiling[p->backend] = 1;
    enter(r, "measuring what the machine can do", SB_DEADLINE_CEILING_S);
    if ((st = sb_comm_agree(r->o->comm, sb_device_bind(r->o->comm, backend))) != SB_OK)
        return st;
    if (backend->state != NULL) /* idle, before the ceilings */
        sb_energy_basis_measure(backend, &r->energy[p->backend]);
    if (p->backend == SB_CPU) {
        if ((st = sb_ceiling_cpu(r->o->comm, r->o->threads, &rate)) != SB_OK)
            return st;
        if (is_root(r))
            st = put_ceiling(r, "matmul", "f32", rate, 0);
    } else if (is_root(r)) {
        st = put_device_ceilings(r, backend);
    }
    return sb_comm_agree(r->o->comm, st);
}

static sb_status run_sample(runner *r, const sb_point *p, const sb_input *in)
{
    sb_result res = {0};
    if (is_root(r))
        sb_progress_sample(&r->progress, in->row);
    sb_status st = need_ceiling(r, p);
    if (st == SB_OK)
        st = run_here(r, p, in, &res);
    if (st == SB_OK)
        st = store_result(r, p, in, &res);
    if (st == SB_OK) {
        if (strcmp(res.facts.status, "ok") == 0)
            sb_pace_add(&r->pace, work_of(r, p, in), res.wall_s);
        count_result(r, &res);
        publish_some(r);
        if (is_root(r))
            sb_progress_result(&r->progress, res.facts.status, res.facts.error,
                               res.facts.metric != NULL ? res.facts.score : NAN, res.median_ms);
    }
    sb_result_fini(&res);
    return st;
}

static sb_status run_row(runner *r, int64_t point, int64_t row, int force, int *stop, int *end);

/* Room for the cell of an anchor that the sweep does not have. */
static sb_status need_cell(runner *r, int32_t cell)
{
    if (cell < r->n_cells)
        return SB_OK;
    uint8_t *more = realloc(r->anchored, (size_t)cell + 1);
    if (more == NULL)
        return sb_fail(SB_ERR_NOMEM, "sweep: no memory for %d cells", cell + 1);
    memset(more + r->n_cells, 0, (size_t)(cell + 1 - r->n_cells));
    r->anchored = more;
    r->n_cells  = cell + 1;
    return SB_OK;
}

/* Speedups pair times of one process: a cell that has no dense time of this one gets it first,
 * always on row 0, so that what is stored does not depend on where an earlier run stopped. */
static sb_status need_anchor(runner *r, int64_t point, int *stop)
{
    int64_t   anchor;
    int       end = 0;                            /* it has this row: the same questions */
    if (r->sweep->points[point].repetitions == 0) /* no time to put beside it */
        return SB_OK;
    sb_status st = sb_sweep_anchor(r->sweep, point, &anchor);
    if (st == SB_OK)
        st = need_cell(r, r->sweep->points[anchor].cell);
    /* appending the anchor may have moved it */
    r->progress.point = &r->sweep->points[point];
    if (st != SB_OK || anchor == point || r->anchored[r->sweep->points[anchor].cell])
        return st;
    sb_point a = r->sweep->points[anchor];
    if (is_root(r)) {
        sb_progress now = r->progress;
        a.samples       = 1;
        sb_progress_point(&r->progress, &a, now.point_no);
        st = run_row(r, anchor, 0, 1, stop, &end);
        if (!*stop)
            sb_progress_point_end(&r->progress);
        now.work_done  = r->progress.work_done;
        now.work_total = r->progress.work_total;
        r->progress    = now;
    } else {
        st = run_row(r, anchor, 0, 1, stop, &end);
    }
    return st;
}

static sb_status run_row(runner *r, int64_t point, int64_t row, int force, int *stop, int *end)
{
    sb_input  in   = {0};
    verdict   v    = VERDICT_RUN;
    sb_marks_point(&r->marks, &r->sweep->points[point], point, row);
    enter(r, "making an input", sb_deadline_input_s(&r->sweep->points[point]));
    sb_status st   = sb_source_input(&r->source, &r->sweep->points[point], row, &in);
    r->bench.model = r->source.model;
    r->bench.jieba = r->source.questions.jieba;
    if (st == SB_OK && in.sha256[0] == '\0') { /* behind the last row of a file */
        *end = 1;
        return force ? sb_fail(SB_ERR_USAGE, "--row %lld: there are %lld rows", (long long)row,
                               (long long)r->source.questions.n_rows)
                     : SB_OK;
    }
    if (st == SB_OK)
        st = agree_verdict(r, &r->sweep->points[point], &in, force, &v);
    if (st == SB_OK && v == VERDICT_RUN)
        st = need_anchor(r, point, stop);
    const sb_point *p = &r->sweep->points[point]; /* only now: the anchor may have been appended */
    if (st == SB_OK && v == VERDICT_STOP)
        *stop = 1;
    if (st == SB_OK && v == VERDICT_SKIP) {
        count_known(r, &in);
        if (is_root(r))
            sb_progress_skipped(&r->progress);
    }
    if (st == SB_OK && v == VERDICT_RUN && !*stop) { /* the anchor may have made its own */
        sb_marks_point(&r->marks, p, point, row);
        enter(r, "making operands", sb_deadline_input_s(p));
        st = sb_source_operands(&r->source, p, &in);
    }
    if (st == SB_OK && v == VERDICT_RUN && !*stop) {
        st = run_sample(r, p, &in);
        if (st == SB_OK && row == 0 && strcmp(p->method->name, "dense") == 0)
            r->anchored[p->cell] = 1;
    }
    if (st == SB_ERR_STOPPED) { /* given up inside a sample: nothing of it was stored */
        (void)snprintf(r->out->stop_reason, sizeof r->out->stop_reason,
                       "time limit reached inside a sample");
        *stop = 1;
        st    = SB_OK;
    }
    sb_input_fini(&in);
    return st;
}

static sb_status run_point(runner *r, int64_t point, int *stop)
{
    const sb_point *p     = &r->sweep->points[point];
    int64_t         first = r->o->row >= 0 ? r->o->row : 0;
    int64_t         last  = r->o->row >= 0 ? r->o->row : p->samples - 1;
    sb_status       st    = SB_OK;
    if (is_root(r))
        sb_progress_point(&r->progress, p, point - r->o->first + 1);
    int end       = 0;
    r->n_done_now = 0;
    for (int64_t row = first; st == SB_OK && !*stop && row <= last; row++) {
        if (!end)
            st = run_row(r, point, row, r->o->row >= 0, stop, &end);
        if (end && is_root(r)) /* a file has fewer rows */
            sb_progress_skipped(&r->progress);
    }
    if (is_root(r)) {
        r->progress.point = &r->sweep->points[point];
        sb_progress_point_end(&r->progress);
    }
    return st;
}

/* ---- the sweep ---- */

static sb_status init(runner *r, sb_sweep *s, const sb_run_options *o, sb_run_outcome *out)
{
    *out                  = (sb_run_outcome){0};
    *r                    = (runner){.sweep  = s,
                                     .o      = o,
                                     .out    = out,
                                     .marks  = {.watch = o->watch},
                                     .source = {.comm = o->comm, .threads = o->threads},
                                     .bench  = {.comm        = o->comm,
                                                .threads     = o->threads,
                                                .should_stop = should_stop,
                                                .progress    = pass_done}};
    r->bench.stop_arg = r->bench.progress_arg = r;
    enter(r, "opening the database", SB_DEADLINE_OPEN_S);
    sb_progress_init(&r->progress, is_root(r));
    r->progress.n_points = o->last - o->first + 1;
    for (int64_t i = 0; i < s->n_points; i++)
        r->n_cells = s->points[i].cell >= r->n_cells ? s->points[i].cell + 1 : r->n_cells;
    for (int64_t i = o->first; i <= o->last; i++)
        r->progress.work_total +=
            sb_progress_work(&s->points[i]) * (double)(o->row >= 0 ? 1 : s->points[i].samples);
    r->anchored = calloc((size_t)r->n_cells, 1);
    if (r->anchored == NULL)
        return sb_fail(SB_ERR_NOMEM, "sweep: no memory for %d cells", r->n_cells);
    if (!is_root(r))
        return SB_OK;
    sb_status st = s->dump_dir != NULL ? sb_dump_open_dir(s->dump_dir) : SB_OK;
    if (st == SB_OK && o->publish != NULL && access(o->db_path, F_OK) != 0 &&
        access(o->publish, F_OK) == 0)
        st = sb_store_fetch(o->publish, o->db_path);
    r->published_ns = sb_now_ns();
    return st == SB_OK ? sb_store_open(o->db_path, SB_STORE_WRITE, &r->store) : st;
}

static int chooses_teams(const runner *r)
{
    for (int64_t i = r->o->first; i <= r->o->last; i++)
        if (r->sweep->points[i].scheme == SB_SCHEME_USP && r->sweep->points[i].team == 0)
            return 1;
    return 0;
}

/* How many adjacent ranks share a host: the fewest of any host, where ranks are placed host by
 * host; else 1, for then a team would reach over hosts. Local ranks count up in the order of ranks,
 * so they say which it is. */
static sb_status count_host_ranks(runner *r)
{
    const sb_comm *c    = r->o->comm;
    int64_t        host = c->local_size, in_order;
    sb_status      st   = sb_comm_allreduce_i64(r->o->comm, &host, 1, SB_REDUCE_MIN);
    in_order            = st == SB_OK && c->local_rank % host == c->rank % host;
    if (st == SB_OK)
        st = sb_comm_allreduce_i64(r->o->comm, &in_order, 1, SB_REDUCE_MIN);
    if (st != SB_OK)
        return st;
    r->bench.host_ranks = in_order ? (int32_t)host : 1;
    if (!in_order && is_root(r) && chooses_teams(r))
        sb_log(SB_LOG_WARN,
               "sharding usp: adjacent ranks are on different hosts, so keys go round among all "
               "ranks; mpirun --map-by slot places ranks host by host");
    return SB_OK;
}

/* All points stand in the database from the start, so that `coverage` shows what is still missing.
 */
static sb_status begin(runner *r)
{
    sb_status st = SB_OK;
    int64_t   id;
    enter(r, "entering the points", SB_DEADLINE_OPEN_S + .05 * (double)(r->o->last - r->o->first));
    for (int64_t i = r->o->first; is_root(r) && st == SB_OK && i <= r->o->last; i++)
        st = sb_facts_put_point(r->store, &r->sweep->points[i], &id);
    if ((st = sb_comm_agree(r->o->comm, st)) != SB_OK)
        return st;
    if ((st = count_host_ranks(r)) != SB_OK)
        return st;
    const sb_backend *backend = sbi_backend_of(&r->sweep->points[r->o->first]);
    return sb_facts_begin_run(
        r->store, r->sweep, r->o,
        backend != NULL && backend->available() == SB_OK ? backend : &sb_backend_cpu, &r->run_id);
}

sb_status sb_run_sweep(sb_sweep *s, const sb_run_options *o, sb_run_outcome *out)
{
    runner    r;
    int       stop = 0;
    sb_status st   = sb_comm_agree(o->comm, init(&r, s, o, out));
    if (st == SB_OK)
        st = begin(&r);
    for (int64_t i = o->first; st == SB_OK && !stop && i <= o->last; i++)
        st = run_point(&r, i, &stop);
    out->stopped = stop;
    sb_watch_point(o->watch, "");
    enter(&r, "finishing the run", SB_DEADLINE_FINISH_S);
    if (r.store != NULL && r.run_id > 0) {
        sb_status es = sb_store_refresh_intervals(r.store);
        if (es == SB_OK)
            es = sb_store_size(r.store, &out->db_bytes, &out->db_samples);
        if (es == SB_OK)
            es = sb_store_end_run(r.store, r.run_id,
                                  st != SB_OK ? "failed"
                                  : stop      ? "stopped"
                                              : "finished");
        sb_status ps = o->publish != NULL ? publish(&r) : SB_OK; /* whatever the others say */
        if (es == SB_OK)
            es = ps;
        if (st == SB_OK)
            st = es;
    }
    sb_progress_clear(&r.progress);
    sb_store_close(r.store);
    for (int b = 0; b < SB_BACKEND_COUNT; b++) {
        sb_link_destroy(r.link[b]);
        sb_machine_free(r.machine[b]);
    }
    sb_source_fini(&r.source);
    free(r.anchored);
    free(r.done_now);
    sb_block_fini(&r.bench.block);
    return sb_comm_agree(o->comm, st);
}
