/* One side of the comparison, out of its database: cells by hash, samples by input, repetitions in
 * the order they were measured. */
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"

sb_status sbi_gate_nomem(void) { return sb_fail(SB_ERR_NOMEM, "compare: no memory"); }

/* The newest sample of each (point, input) of the side; an asked one before an anchor. */
#define NEWEST                                                                                     \
    "WITH ranked AS (SELECT s.*, row_number() OVER (PARTITION BY s.point_id, s.input_id ORDER BY " \
    "s.is_anchor, r.started_utc DESC, r.uuid DESC) AS place FROM sample AS s JOIN run AS r ON "    \
    "r.id = s.run_id WHERE ?1 IS NULL OR r.commit_id = ?1), "                                      \
    "newest AS MATERIALIZED (SELECT * FROM ranked WHERE place = 1 AND is_anchor = 0) "

/* place: all axes but the method and the layout. A state, which dense does not have, stands where
 * dense runs under allgather. */
static const char cells_sql[] =
    "SELECT p.hash, p.method, p.method_json, p.model, p.suite, p.task, p.backend, p.scheme || "
    "iif(p.layout = '', '', '/' || p.layout), p.decode, p.experiment, p.length_tokens, p.ranks, "
    "p.experiment || char(31) || p.model || char(31) || p.model_json || char(31) || p.suite || "
    "char(31) || p.task || char(31) || p.task_json || char(31) || p.length_tokens || char(31) || "
    "p.seed || char(31) || p.decode || char(31) || p.ranks || char(31) || p.backend || char(31) "
    "|| p.dtype || char(31) || iif(p.scheme = 'state', 'allgather', p.scheme), "
    "iif(p.experiment = 'task', p.model || char(31) || p.model_json || char(31) || p.suite || "
    "char(31) || p.length_tokens || char(31) || p.seed || char(31) || p.decode || char(31) || "
    "p.scheme || char(31) || p.layout || char(31) || p.backend || char(31) || p.dtype || char(31) "
    "|| p.ranks || char(31) || p.method || char(31) || p.method_json, ''), p.model_json, "
    "p.task_json FROM point AS p WHERE EXISTS (SELECT 1 FROM sample AS s JOIN run AS r ON r.id = "
    "s.run_id WHERE s.point_id = p.id AND (?1 IS NULL OR r.commit_id = ?1)) ORDER BY p.hash";

static const char samples_sql[] =
    NEWEST "SELECT p.hash, i.sha256, i.row_no, n.status, n.error, n.prediction, n.plan_digest, "
           "c.metric, c.value, c.is_binary FROM newest AS n JOIN point AS p ON p.id = n.point_id "
           "JOIN input AS i ON i.id = n.input_id LEFT JOIN score AS c ON c.sample_id = n.id "
           "ORDER BY p.hash, i.sha256, c.metric";

static const char density_sql[] =
    NEWEST "SELECT p.hash, i.sha256, sum(q.rho_num), sum(q.rho_den) FROM newest AS n JOIN point AS "
           "p ON p.id = n.point_id JOIN input AS i ON i.id = n.input_id JOIN quality AS q ON "
           "q.sample_id = n.id WHERE n.status = 'ok' AND n.fallback = 0 AND q.head_key = -1 AND "
           "q.rho_den IS NOT NULL GROUP BY n.id ORDER BY p.hash, i.sha256";

static const char memory_sql[] =
    NEWEST "SELECT p.hash, i.sha256, m.kind, m.bytes FROM newest AS n JOIN point AS p ON p.id = "
           "n.point_id JOIN input AS i ON i.id = n.input_id JOIN memory AS m ON m.sample_id = n.id "
           "WHERE n.status = 'ok' ORDER BY p.hash, i.sha256, m.kind";

static const char runs_sql[] =
    "SELECT r.id, coalesce(nullif(r.device, ''), r.cpu), r.oversubscribed FROM run AS r WHERE ?1 "
    "IS NULL OR r.commit_id = ?1 ORDER BY r.started_utc, r.uuid";

/* Anchors count: their times are what a method's are divided by. Runs of one commit, the one that
 * ran the point last. */
static const char times_sql[] =
    "WITH done AS MATERIALIZED (SELECT s.id, s.point_id, s.input_id, s.run_id, r.commit_id, "
    "r.started_utc, r.uuid, first_value(r.commit_id) OVER (PARTITION BY s.point_id ORDER BY "
    "r.started_utc DESC, r.uuid DESC) AS last_commit FROM sample AS s JOIN run AS r ON r.id = "
    "s.run_id WHERE s.status = 'ok' AND (?1 IS NULL OR r.commit_id = ?1)) "
    "SELECT p.hash, t.phase, d.run_id, i.sha256, t.ns FROM done AS d JOIN phase_time AS t ON "
    "t.sample_id = d.id JOIN point AS p ON p.id = d.point_id JOIN input AS i ON i.id = d.input_id "
    "WHERE d.commit_id = d.last_commit AND t.phase IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
    "ORDER BY p.hash, t.phase, d.started_utc, d.uuid, d.id, t.repetition";

typedef struct loading {
    sbi_gate_side       *side;
    const sb_gate_rules *rules;
    sbi_gate_cell       *cell; /* of the last row */
    sbi_gate_sample     *sample;
} loading;

static int keep(loading *l, const sb_row *row, int column, const char **out)
{
    *out = sbi_gate_text(&l->side->texts, sb_row_text(row, column));
    return *out != NULL;
}

static sb_status add_cell(const sb_row *row, void *arg)
{
    loading       *l     = arg;
    sbi_gate_side *s     = l->side;
    sbi_gate_cell *grown = sbi_gate_grow(s->cells, s->n_cells, &s->cells_capacity, sizeof *grown);
    if (grown == NULL)
        return sbi_gate_nomem();
    s->cells         = grown;
    sbi_gate_cell *c = &s->cells[s->n_cells];
    *c = (sbi_gate_cell){.length_tokens = sb_row_int(row, 10), .ranks = sb_row_int(row, 11)};
    const char **const texts[] = {&c->hash,   &c->method,    &c->method_json, &c->model,
                                  &c->suite,  &c->task,      &c->backend,     &c->sharding,
                                  &c->decode, &c->experiment};
    for (int i = 0; i < 10; i++)
        if (!keep(l, row, i, texts[i]))
            return sbi_gate_nomem();
    if (!keep(l, row, 12, &c->place) || !keep(l, row, 13, &c->group) ||
        !keep(l, row, 14, &c->model_json) || !keep(l, row, 15, &c->task_json))
        return sbi_gate_nomem();
    for (int64_t i = 0; i < l->rules->phases.n; i++)
        c->times[i].phase = l->rules->phases.v[i];
    s->n_cells++;
    return SB_OK;
}

static sb_status add_run(const sb_row *row, void *arg)
{
    loading       *l     = arg;
    sbi_gate_side *s     = l->side;
    sbi_gate_run  *grown = sbi_gate_grow(s->runs, s->n_runs, &s->runs_capacity, sizeof *grown);
    if (grown == NULL)
        return sbi_gate_nomem();
    s->runs = grown;
    s->runs[s->n_runs] =
        (sbi_gate_run){.id = sb_row_int(row, 0), .oversubscribed = (int32_t)sb_row_int(row, 2)};
    if (!keep(l, row, 1, &s->runs[s->n_runs].device))
        return sbi_gate_nomem();
    s->n_runs++;
    return SB_OK;
}

/* Rows come by hash, then by sha, so the last cell and sample are usually the right ones. */
static sbi_gate_cell *cell_of(loading *l, const sb_row *row)
{
    const char *hash = sb_row_text(row, 0);
    if (hash == NULL)
        return NULL;
    if (l->cell == NULL || strcmp(l->cell->hash, hash) != 0) {
        l->cell   = (sbi_gate_cell *)sbi_gate_cell_find(l->side, hash);
        l->sample = NULL;
    }
    return l->cell;
}

static sbi_gate_sample *sample_of(loading *l, const sb_row *row)
{
    const char *sha = sb_row_text(row, 1);
    if (sha == NULL || cell_of(l, row) == NULL)
        return NULL;
    if (l->sample == NULL || strcmp(l->sample->sha, sha) != 0)
        l->sample = (sbi_gate_sample *)sbi_gate_sample_find(l->cell, sha);
    return l->sample;
}

static sb_status add_score(loading *l, const sb_row *row, sbi_gate_sample *s)
{
    if (sb_row_is_null(row, 7))
        return SB_OK;
    sbi_gate_score *grown =
        sbi_gate_grow(s->scores, s->n_scores, &s->scores_capacity, sizeof *grown);
    if (grown == NULL)
        return sbi_gate_nomem();
    s->scores = grown;
    s->scores[s->n_scores] =
        (sbi_gate_score){NULL, sb_row_real(row, 8), (int32_t)sb_row_int(row, 9)};
    if (!keep(l, row, 7, &s->scores[s->n_scores].metric))
        return sbi_gate_nomem();
    s->n_scores++;
    return SB_OK;
}

/* One row a score; a sample without any has one row. */
static sb_status add_sample(const sb_row *row, void *arg)
{
    loading       *l   = arg;
    sbi_gate_cell *c   = cell_of(l, row);
    const char    *sha = sb_row_text(row, 1);
    if (c == NULL || sha == NULL)
        return SB_OK;
    if (c->n_samples == 0 || strcmp(c->samples[c->n_samples - 1].sha, sha) != 0) {
        sbi_gate_sample *grown =
            sbi_gate_grow(c->samples, c->n_samples, &c->samples_capacity, sizeof *grown);
        if (grown == NULL)
            return sbi_gate_nomem();
        c->samples         = grown;
        sbi_gate_sample *s = &c->samples[c->n_samples];
        *s                 = (sbi_gate_sample){.row_no = sb_row_int(row, 2)};
        if (!keep(l, row, 1, &s->sha) || !keep(l, row, 3, &s->status) ||
            !keep(l, row, 4, &s->error))
            return sbi_gate_nomem();
        if ((!sb_row_is_null(row, 5) && !keep(l, row, 5, &s->prediction)) ||
            (!sb_row_is_null(row, 6) && !keep(l, row, 6, &s->digest)))
            return sbi_gate_nomem();
        c->n_samples++;
    }
    return add_score(l, row, &c->samples[c->n_samples - 1]);
}

static sb_status add_density(const sb_row *row, void *arg)
{
    sbi_gate_sample *s = sample_of(arg, row);
    if (s != NULL) {
        s->rho_num = sb_row_int(row, 2);
        s->rho_den = sb_row_int(row, 3);
    }
    return SB_OK;
}

static sb_status add_memory(const sb_row *row, void *arg)
{
    loading         *l = arg;
    sbi_gate_sample *s = sample_of(l, row);
    if (s == NULL)
        return SB_OK;
    sbi_gate_bytes *grown =
        sbi_gate_grow(s->memory, s->n_memory, &s->memory_capacity, sizeof *grown);
    if (grown == NULL)
        return sbi_gate_nomem();
    s->memory              = grown;
    s->memory[s->n_memory] = (sbi_gate_bytes){NULL, sb_row_int(row, 3)};
    if (!keep(l, row, 2, &s->memory[s->n_memory].kind))
        return sbi_gate_nomem();
    s->n_memory++;
    return SB_OK;
}

static sb_status add_time(const sb_row *row, void *arg)
{
    loading       *l     = arg;
    sbi_gate_cell *c     = cell_of(l, row);
    const char    *phase = sb_row_text(row, 1), *sha = sb_row_text(row, 3);
    int64_t        id = sb_row_int(row, 2), run = 0;
    if (c == NULL || phase == NULL || sha == NULL)
        return SB_OK;
    while (run < l->side->n_runs && l->side->runs[run].id != id)
        run++;
    for (int64_t k = 0; k < l->rules->phases.n; k++) {
        sbi_gate_times *t = &c->times[k];
        if (strcmp(t->phase, phase) != 0)
            continue;
        sbi_gate_rep *grown = sbi_gate_grow(t->reps, t->n, &t->capacity, sizeof *grown);
        if (grown == NULL)
            return sbi_gate_nomem();
        t->reps       = grown;
        t->reps[t->n] = (sbi_gate_rep){NULL, run, sb_row_int(row, 4)};
        if (!keep(l, row, 3, &t->reps[t->n].sha))
            return sbi_gate_nomem();
        t->n++;
    }
    return SB_OK;
}

sb_status sbi_gate_side_load(const sb_gate_rules *rules, const sb_gate_source *from,
                             sbi_gate_side *side)
{
    const char *texts[1 + SB_GATE_MAX_PHASES] = {from->commit};
    static const struct {
        const char *sql;
        sb_row_fn   fn;
    } steps[]    = {{cells_sql, add_cell},
                    {runs_sql, add_run},
                    {samples_sql, add_sample},
                    {density_sql, add_density},
                    {memory_sql, add_memory}};
    sb_status st = SB_OK;
    for (int64_t i = 0; i < rules->phases.n; i++)
        texts[1 + i] = rules->phases.v[i];
    for (size_t i = 0; st == SB_OK && i < sizeof steps / sizeof *steps; i++) {
        loading l = {.side = side, .rules = rules};
        st        = sb_store_each(from->store, steps[i].sql, texts, 1, steps[i].fn, &l);
    }
    if (st == SB_OK && rules->phases.n > 0) {
        loading l = {.side = side, .rules = rules};
        st = sb_store_each(from->store, times_sql, texts, 1 + SB_GATE_MAX_PHASES, add_time, &l);
    }
    return st;
}

void sbi_gate_side_fini(sbi_gate_side *side)
{
    for (int64_t i = 0; i < side->n_cells; i++) {
        sbi_gate_cell *c = &side->cells[i];
        for (int64_t j = 0; j < c->n_samples; j++) {
            free(c->samples[j].scores);
            free(c->samples[j].memory);
        }
        free(c->samples);
        for (int k = 0; k < SB_GATE_MAX_PHASES; k++)
            free(c->times[k].reps);
    }
    free(side->cells);
    free(side->runs);
    sbi_gate_texts_fini(&side->texts);
    *side = (sbi_gate_side){0};
}

const sbi_gate_cell *sbi_gate_cell_find(const sbi_gate_side *side, const char *hash)
{
    int64_t lo = 0, hi = side->n_cells;
    while (lo < hi) {
        int64_t mid   = lo + (hi - lo) / 2;
        int     order = strcmp(side->cells[mid].hash, hash);
        if (order == 0)
            return &side->cells[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const sbi_gate_sample *sbi_gate_sample_find(const sbi_gate_cell *cell, const char *sha)
{
    int64_t lo = 0, hi = cell->n_samples;
    while (lo < hi) {
        int64_t mid   = lo + (hi - lo) / 2;
        int     order = strcmp(cell->samples[mid].sha, sha);
        if (order == 0)
            return &cell->samples[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
