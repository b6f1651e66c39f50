#include "harness/run/deadline.h"

#include <stdio.h>
#include <string.h>

#include "harness/run/forecast.h"

static const double RATE[SB_BACKEND_COUNT] = {1e9, 1e12};

double sb_deadline_pass_s(const sb_point *p, int64_t heads, int64_t head_dim, int32_t n_layers)
{
    double keys = (double)p->length_tokens, queries = keys;
    if (p->input != NULL)
        queries = (double)p->input->n_queries;
    double flops = 4 * queries * keys * (double)(heads * head_dim) * n_layers;
    return flops / (RATE[p->backend] * p->ranks) * (p->quality != SB_QUALITY_NONE ? 10 : 1);
}

double sb_deadline_products_s(const sb_point *p, const sb_model *m, const sb_input *in)
{
    double layers = m->ops->token_flops != NULL ? m->ops->token_flops(m) : 0;
    double head   = m->ops->head_flops != NULL ? m->ops->head_flops(m) : 0;
    return ((double)(in->n_tokens + in->n_feed) * layers / p->ranks +
            (double)(1 + in->n_feed) * head) /
           RATE[p->backend];
}

sb_machine *sb_deadline_machine(const sb_backend *b)
{
    char            processor[256] = "";
    sb_device_facts f              = {0};
    sb_machine     *m              = NULL;
    if (b->id == SB_CPU)
        sb_forecast_processor(processor, sizeof processor);
    else if (b->facts(&f) == SB_OK)
        (void)snprintf(processor, sizeof processor, "%s", f.name);
    if (sb_plan_machine(sb_plan_machine_default(b->id, processor), NULL, &m) != SB_OK)
        return NULL;
    if (m->backend == (int32_t)b->id && m->processor != NULL &&
        strstr(processor, m->processor) != NULL)
        return m;
    sb_machine_free(m);
    return NULL;
}

double sb_deadline_input_s(const sb_point *p) { return 30 + 1e-4 * (double)p->length_tokens; }

void sb_marks_point(const sb_marks *m, const sb_point *p, int64_t point, int64_t row)
{
    char label[256], text[384];
    if (m->watch == NULL)
        return;
    if (sb_point_label(p, label, sizeof label) != SB_OK)
        (void)snprintf(label, sizeof label, "%s", p->method->name);
    (void)snprintf(text, sizeof text, "point %lld (%s, %s %lld), row %lld", (long long)point, label,
                   p->task_name, (long long)p->length_tokens, (long long)row);
    sb_watch_point(m->watch, text);
}

static void say(const sb_marks *m)
{
    char text[96];
    if (m->watch == NULL)
        return;
    if (m->pass >= m->passes)
        (void)snprintf(text, sizeof text, "the end of a sample");
    else
        (void)snprintf(text, sizeof text, "pass %lld of %lld, step %lld", (long long)m->pass + 1,
                       (long long)m->passes, (long long)m->step);
    sb_watch_again(m->watch, text);
}

void sb_marks_sample(sb_marks *m, int64_t passes, double pass_s)
{
    m->pass = m->step = 0;
    m->passes         = passes;
    sb_watch_enter(m->watch, "setting up a sample", pass_s);
}

void sb_marks_step(sb_marks *m)
{
    m->step++;
    say(m);
}

void sb_marks_pass(sb_marks *m, int64_t done, int64_t passes)
{
    m->pass   = done;
    m->passes = passes;
    m->step   = 0;
    say(m);
}
