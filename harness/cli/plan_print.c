#include "harness/cli/plan_print.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- table ---- */

static const char *seconds(double s, char *buf, size_t n)
{
    if (s <= 0)
        (void)snprintf(buf, n, "-");
    else if (s < 1e-3)
        (void)snprintf(buf, n, "%.0f us", s * 1e6);
    else if (s < 1)
        (void)snprintf(buf, n, "%.3g ms", s * 1e3);
    else if (s < 1e4)
        (void)snprintf(buf, n, "%.4g s", s);
    else
        (void)snprintf(buf, n, "%.3g h", s / 3600);
    return buf;
}

static const char *gib(const sb_prediction *p, char *buf, size_t n)
{
    if (p->device_bytes > 0)
        (void)snprintf(buf, n, "%.2f + %.2f", (double)p->host_bytes / 0x1p30,
                       (double)p->device_bytes / 0x1p30);
    else
        (void)snprintf(buf, n, "%.3f", (double)p->host_bytes / 0x1p30);
    return buf;
}

static sb_status row(const sb_plan_report *r, int64_t i, FILE *out)
{
    const sb_point    *p = &r->sweep->points[r->first + i];
    const sb_forecast *f = &r->f[i];
    const double      *s = f->p.seconds;
    char               label[256], memory[48], t[8][16], density[16] = "-";
    sb_status          st = sb_point_label(p, label, sizeof label);
    if (st != SB_OK)
        return st;
    (void)fprintf(out, "%-5lld %-12.12s %9lld %4d %-10s", (long long)(r->first + i), p->task_name,
                  (long long)p->length_tokens, p->ranks, sb_scheme_name(p->scheme));
    if (f->status != SB_OK) {
        (void)fprintf(out, " %s: unsupported: %s\n", label, f->why);
        return SB_OK;
    }
    if (!isnan(f->p.density))
        (void)snprintf(density, sizeof density, "%.3f", f->p.density);
    double index = s[SB_PHASE_ESTIMATE] + s[SB_PHASE_SELECT] + s[SB_PHASE_PERMUTE];
    (void)fprintf(
        out, " %7s %9s %9s %9s %9s %9s %9s %8.1f %15s %-4s %9s  %s%s%s%s%s\n", density,
        seconds(index, t[0], sizeof t[0]), seconds(s[SB_PHASE_COMPUTE], t[1], sizeof t[1]),
        seconds(s[SB_PHASE_COMMUNICATE], t[2], sizeof t[2]),
        seconds(s[SB_PHASE_ATTENTION], t[3], sizeof t[3]),
        seconds(s[SB_PHASE_PREFILL], t[4], sizeof t[4]),
        seconds(s[SB_PHASE_DECODE_TOKEN], t[5], sizeof t[5]), (double)f->p.received_bytes / 0x1p20,
        gib(&f->p, memory, sizeof memory), f->p.fits ? "yes" : "NO",
        seconds(f->limit_s, t[6], sizeof t[6]), label, f->p.fits ? "" : ": ",
        f->p.fits ? "" : f->why, f->p.note[0] != '\0' ? "; " : "", f->p.note);
    return SB_OK;
}

sb_status sb_plan_print_table(const sb_plan_report *r, FILE *out)
{
    char      t[2][16];
    sb_status st = SB_OK;
    for (int b = 0; b < SB_BACKEND_COUNT; b++)
        if (r->machines[b] != NULL)
            (void)fprintf(out, "machine %s: %s\n", r->machines[b]->name, r->machines[b]->about);
    (void)fprintf(
        out, "%-5s %-12s %9s %4s %-10s %7s %9s %9s %9s %9s %9s %9s %8s %15s %-4s %9s  %s\n",
        "point", "task", "length", "R", "sharding", "density", "index", "compute", "exposed",
        "attention", "prefill", "token", "MiB", "GiB a rank", "fits", "limit", "method");
    for (int64_t i = 0; st == SB_OK && i < r->n; i++)
        st = row(r, i, out);
    (void)fprintf(out,
                  "%lld points, %lld do not fit, %lld unsupported; all samples %s, time limit of "
                  "one job %s\n",
                  (long long)r->total.points, (long long)r->total.no_fit,
                  (long long)r->total.unsupported, seconds(r->total.seconds, t[0], sizeof t[0]),
                  seconds(r->total.limit_s, t[1], sizeof t[1]));
    return st;
}

/* ---- JSON ---- */

static json_t *phases_json(const sb_prediction *p)
{
    json_t *o = json_object();
    for (int ph = 0; ph < SB_PHASE_COUNT; ph++)
        (void)json_object_set_new(o, sb_phase_name((sb_phase)ph), json_real(p->seconds[ph]));
    return o;
}

static json_t *point_json(const sb_plan_report *r, int64_t i)
{
    const sb_point    *p      = &r->sweep->points[r->first + i];
    const sb_forecast *f      = &r->f[i];
    const char        *status = f->status != SB_OK ? "unsupported" : f->p.fits ? "fits" : "no_fit";
    json_t            *o      = json_pack(
                        "{s:I, s:s, s:s, s:I, s:i, s:s, s:i, s:s, s:s, s:s, s:s}", "point",
                        (json_int_t)(r->first + i), "hash", p->hash, "task", p->task_name, "length",
                        (json_int_t)p->length_tokens, "ranks", (int)p->ranks, "sharding", sb_scheme_name(p->scheme),
                        "asked", p->team > 0 ? (int)p->team : (int)p->heads_at_once, "layout",
                        sb_layout_name(p->layout), "method", p->method->name, "status", status, "why", f->why);
    if (o == NULL)
        return NULL;
    (void)json_object_set_new(o, "params", json_loads(p->method_json, 0, NULL));
    if (f->status != SB_OK)
        return o;
    const sb_prediction *q = &f->p;
    (void)json_object_set_new(o, "seconds", phases_json(q));
    (void)json_object_set_new(o, "density",
                              isnan(q->density) ? json_null() : json_real(q->density));
    json_t *rest = json_pack(
        "{s:f, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:s, s:s}", "hidden_s",
        q->hidden_s, "received_bytes", (json_int_t)q->received_bytes, "rounds",
        (json_int_t)q->rounds, "compute_flops", q->compute_flops, "estimate_flops",
        q->estimate_flops, "imbalance", q->imbalance, "host_bytes", (json_int_t)q->host_bytes,
        "device_bytes", (json_int_t)q->device_bytes, "repetition_s", f->repetition_s, "sample_s",
        f->sample_s, "total_s", f->total_s, "limit_s", f->limit_s, "weakest_source",
        sb_source_name((sb_source_kind)q->weakest), "note", q->note);
    if (rest != NULL)
        (void)json_object_update(o, rest);
    json_decref(rest);
    return o;
}

sb_status sb_plan_print_json(const sb_plan_report *r, FILE *out)
{
    json_t *points = json_array(), *machines = json_array();
    for (int64_t i = 0; i < r->n; i++)
        (void)json_array_append_new(points, point_json(r, i));
    for (int b = 0; b < SB_BACKEND_COUNT; b++)
        if (r->machines[b] != NULL)
            (void)json_array_append_new(machines, json_string(r->machines[b]->name));
    json_t *o = json_pack(
        "{s:o, s:o, s:{s:f, s:f, s:I, s:I, s:I, s:I, s:I}}", "machines", machines, "points", points,
        "total", "seconds", r->total.seconds, "limit_s", r->total.limit_s, "points",
        (json_int_t)r->total.points, "no_fit", (json_int_t)r->total.no_fit, "unsupported",
        (json_int_t)r->total.unsupported, "host_bytes", (json_int_t)r->total.host_bytes,
        "device_bytes", (json_int_t)r->total.device_bytes);
    int bad = o == NULL || json_array_size(points) != (size_t)r->n ||
              json_dumpf(o, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0 ||
              fputc('\n', out) == EOF;
    json_decref(o);
    return bad ? sb_fail(SB_ERR_IO, "plan: the JSON cannot be written") : SB_OK;
}
