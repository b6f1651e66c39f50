#include "harness/plan/stored.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/probe/probe.h"
#include "kernels/nn/probe_maps.h"
#include "kernels/registry.h"
#include "results/store/store.h"

/* One row a case and phase. A case: all samples of one input at one point, with as many threads, by
 * one commit. Phases of layers are added up first. ?1: backend, ?2: min or median. */
static const char SQL[] =
    "WITH same AS ("
    "  SELECT s.id, min(s.id) OVER (PARTITION BY s.point_id, s.input_id, r.threads, r.commit_id)"
    "         AS first_id FROM sample AS s JOIN run AS r ON r.id = s.run_id"
    "   WHERE s.status = 'ok' AND r.oversubscribed = 0),"
    " rep AS ("
    "  SELECT first_id, id, phase, repetition, sum(ns) AS ns FROM timing JOIN same ON id = "
    "sample_id"
    "   WHERE is_warmup = 0 GROUP BY first_id, id, phase, repetition),"
    " ranked AS ("
    "  SELECT *, row_number() OVER (PARTITION BY first_id, phase ORDER BY ns) AS k,"
    "         count(*) OVER (PARTITION BY first_id, phase) AS n FROM rep),"
    " figure AS ("
    "  SELECT first_id, phase, avg(ns) * 1e-9 AS s FROM ranked"
    "   WHERE CASE ?2 WHEN 'min' THEN k = 1 ELSE k IN ((n + 1) / 2, (n + 2) / 2) END"
    "   GROUP BY first_id, phase),"
    " looked AS ("
    "  SELECT sample_id, count(DISTINCT layer) AS layers,"
    "         sum(tile_lanes) * 1.0 / sum(tile_lanes_dense) AS lanes"
    "    FROM quality WHERE head_key = -1 GROUP BY sample_id)"
    "SELECT s.id, p.method, p.method_json, p.task, p.length_tokens, p.model, p.model_json, "
    "p.scheme,"
    "       p.layout, p.ranks, r.threads, l.layers, l.lanes,"
    "       (SELECT max(received_bytes) FROM comm WHERE sample_id = s.id AND phase = 'prefill'),"
    "       f.phase, f.s, p.experiment"
    "  FROM figure AS f JOIN sample AS s ON s.id = f.first_id JOIN point AS p ON p.id = s.point_id"
    "  JOIN run AS r ON r.id = s.run_id LEFT JOIN looked AS l ON l.sample_id = s.id"
    " WHERE p.backend = ?1 ORDER BY s.id, f.phase";

enum column {
    ID,
    METHOD,
    METHOD_JSON,
    TASK,
    LENGTH,
    MODEL,
    MODEL_JSON,
    SCHEME,
    LAYOUT,
    RANKS,
    THREADS,
    LAYERS,
    LANES,
    RECEIVED,
    PHASE,
    SECONDS,
    EXPERIMENT
};

typedef struct reader {
    sb_stored *s;
    int64_t    id;   /* of the last row */
    int        skip; /* it was left out */
} reader;

/* ---- parameters ---- */

/* A scalar as YAML would have it. */
static int scalar_text(const json_t *v, char *buf, size_t n)
{
    if (json_is_string(v))
        (void)snprintf(buf, n, "%s", json_string_value(v));
    else if (json_is_integer(v))
        (void)snprintf(buf, n, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        (void)snprintf(buf, n, "%.17g", json_real_value(v));
    else
        return 0;
    return 1;
}

/* 1 when all of them are known, and none names a file. */
static int params_read(const sb_method *m, const char *json, void *params)
{
    json_t     *o = json_loads(json, 0, NULL), *v;
    const char *key;
    char        text[SB_PARAM_JSON_BYTES];
    int         ok = json_is_object(o) && sb_params_default(m->params, params) == SB_OK;
    json_object_foreach(o, key, v)
    {
        const sb_param *p = sb_params_find(m->params, key);
        ok                = ok && p != NULL && scalar_text(v, text, sizeof text) &&
             (p->type != SB_FILE || strcmp(text, "none") == 0) &&
             sb_param_set(p, params, text) == SB_OK;
    }
    json_decref(o);
    return ok;
}

/* ---- shapes ---- */

static int64_t int_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int shape_read(const sb_row *row, sb_plan_case *c)
{
    json_t *o   = json_loads(sb_row_text(row, MODEL_JSON), 0, NULL);
    c->is_model = strcmp(sb_row_text(row, EXPERIMENT), "task") == 0;
    c->n_tokens = sb_row_int(row, LENGTH);
    c->n_layers = (int32_t)sb_row_int(row, LAYERS);
    if (c->is_model && strcmp(sb_row_text(row, MODEL), "probe") == 0) {
        c->heads    = SB_PROBE_HEADS;
        c->kv_heads = SB_PROBE_KV_HEADS;
        c->head_dim = SB_PROBE_DIM;
    } else if (!c->is_model) {
        c->n_layers = 1;
        c->heads    = int_of(o, "heads");
        c->kv_heads = int_of(o, "kv_heads");
        c->head_dim = int_of(o, "head_dim");
    }
    c->n_queries     = json_object_get(o, "queries") != NULL ? int_of(o, "queries") : c->n_tokens;
    c->decode_tokens = c->is_model;
    json_decref(o);
    return c->heads > 0 && c->kv_heads > 0 && c->head_dim > 0 && c->n_layers > 0 && c->n_tokens > 0;
}

static int enum_of(const char *text, const char *(*name)(int), int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(text, name(i)) == 0)
            return i;
    return -1;
}

static const char *scheme_name(int i) { return sb_scheme_name((sb_scheme)i); }
static const char *layout_name(int i) { return sb_layout_name((sb_layout_kind)i); }

static int case_read(const sb_row *row, sb_stored_row *out)
{
    sb_plan_case *c  = &out->c;
    const char   *of = sb_row_text(row, METHOD);
    int           scheme, layout;
    if ((c->method = sb_method_find(of)) == NULL || !shape_read(row, c) ||
        (scheme = enum_of(sb_row_text(row, SCHEME), scheme_name, SB_SCHEME_COUNT)) < 0 ||
        (layout = enum_of(sb_row_text(row, LAYOUT), layout_name, SB_LAYOUT_COUNT)) < 0)
        return 0;
    c->scheme  = (sb_scheme)scheme;
    c->layout  = (sb_layout_kind)layout;
    c->ranks   = (int32_t)sb_row_int(row, RANKS);
    c->threads = (int32_t)sb_row_int(row, THREADS);
    if (!sb_row_is_null(row, LANES)) /* 1 where the method fell back to dense */
        c->density = sb_row_real(row, LANES);
    return params_read(c->method, sb_row_text(row, METHOD_JSON), out->params);
}

/* ---- rows ---- */

static void row_fini(sb_stored_row *r)
{
    free(r->params);
    free(r->task);
}

static sb_status room(sb_stored *s)
{
    if (s->n < s->capacity)
        return SB_OK;
    int64_t        n = s->capacity == 0 ? 64 : 2 * s->capacity;
    sb_stored_row *r = realloc(s->row, (size_t)n * sizeof *r);
    if (r == NULL)
        return sb_fail(SB_ERR_NOMEM, "plan: no memory for %lld stored samples", (long long)n);
    s->row      = r;
    s->capacity = n;
    return SB_OK;
}

static sb_status begin(reader *rd, const sb_row *row)
{
    sb_stored       *s  = rd->s;
    const sb_method *m  = sb_method_find(sb_row_text(row, METHOD));
    sb_status        st = room(s);
    rd->id              = sb_row_int(row, ID);
    rd->skip            = 1;
    if (st != SB_OK)
        return st;
    sb_stored_row r = {.params         = calloc(1, m == NULL ? 1 : m->params_bytes),
                       .task           = strdup(sb_row_text(row, TASK)),
                       .received_bytes = sb_row_int(row, RECEIVED)};
    if (r.params == NULL || r.task == NULL) {
        row_fini(&r);
        return sb_fail(SB_ERR_NOMEM, "plan: no memory for a stored sample");
    }
    for (int i = 0; i < SB_PHASE_COUNT; i++)
        r.seconds[i] = NAN;
    if (case_read(row, &r)) {
        r.c.params     = r.params;
        r.c.task       = r.task;
        s->row[s->n++] = r;
        rd->skip       = 0;
    } else {
        s->n_left_out++;
        row_fini(&r);
    }
    return SB_OK;
}

static sb_status take(const sb_row *row, void *arg)
{
    reader   *rd = arg;
    sb_status st = SB_OK;
    if (sb_row_int(row, ID) != rd->id && (st = begin(rd, row)) != SB_OK)
        return st;
    for (int i = 0; i < SB_PHASE_COUNT && !rd->skip; i++)
        if (strcmp(sb_phase_name((sb_phase)i), sb_row_text(row, PHASE)) == 0)
            rd->s->row[rd->s->n - 1].seconds[i] = sb_row_real(row, SECONDS);
    return SB_OK;
}

sb_status sb_stored_read(const char *db_path, sb_backend_id backend, sb_statistic statistic,
                         sb_stored *out)
{
    const char *texts[2] = {backend == SB_CPU ? "cpu" : "cuda",
                            statistic == SB_STATISTIC_MIN ? "min" : "median"};
    sb_store *store = NULL;
    sb_stored s     = {0};
    reader    rd    = {.s = &s, .id = -1};
    sb_status st    = sb_store_open(db_path, SB_STORE_READ, &store);
    if (st == SB_OK)
        st = sb_store_each(store, SQL, texts, 2, take, &rd);
    sb_store_close(store);
    if (st != SB_OK) {
        sb_stored_fini(&s);
        return st;
    }
    *out = s;
    return SB_OK;
}

void sb_stored_fini(sb_stored *s)
{
    for (int64_t i = 0; i < s->n; i++)
        row_fini(&s->row[i]);
    free(s->row);
    *s = (sb_stored){0};
}
