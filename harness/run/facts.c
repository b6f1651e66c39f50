#include "harness/run/facts.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/run/binding.h"
#include "harness/shard/bind.h"

extern char **environ;

/* 1: the method's accuracy means something. With weights that were trained with a method (a key of
 * the model's facts), that one's does. */
static int is_free(const sb_point *p)
{
    json_t     *facts = p->model_json != NULL ? json_loads(p->model_json, 0, NULL) : NULL;
    const char *word  = json_string_value(json_object_get(facts, "trained_with"));
    int         yes   = word != NULL ? strcmp(word, p->method->name) == 0
                                     : (p->method->caps & SB_CAP_TRAINING_FREE) != 0;
    json_decref(facts);
    return yes;
}

sb_status sb_facts_put_point(sb_store *s, const sb_point *p, int64_t *id)
{
    char                     sharding[SB_SHARDING_BYTES];
    static const char *const backends[SB_BACKEND_COUNT] = {"cpu", "cuda"};
    sb_point_facts           f                          = {.hash          = p->hash,
                                                           .identity_json = p->identity_json,
                                                           .experiment    = p->experiment,
                                                           .model         = p->model,
                                                           .model_json    = p->model_json,
                                                           .suite         = p->suite,
                                                           .task          = p->task_name,
                                                           .task_json     = p->task_json,
                                                           .length_tokens = p->length_tokens,
                                                           .seed          = p->seed,
                                                           .method        = p->method->name,
                                                           .method_json   = p->method_json,
                                                           .decode        = sb_decode_name(p->decode),
                                                           .scheme        = sb_point_sharding(p, sharding),
                                                           .layout        = sb_layout_name(p->layout),
                                                           .backend       = backends[p->backend],
                                                           .dtype         = "bf16",
                                                           .ranks         = p->ranks,
                                                           .training_free = is_free(p),
                                                           .chance = p->task != NULL ? p->task->chance(p->task_params) : NAN};
    return sb_store_put_point(s, &f, id);
}

/* Rows of files are imported; RULER's own rows made here say so. */
static const char *mode_of(const char *text_facts, const sb_text_suite *suite)
{
    json_t     *facts = json_loads(text_facts, 0, NULL);
    const char *word  = json_string_value(json_object_get(facts, "mode"));
    const char *mode  = word != NULL && strcmp(word, "ruler_compat") == 0 ? "compat"
                        : word != NULL     ? (strcmp(word, "import") == 0 ? "import" : "native")
                        : suite->to_length ? "native"
                                           : "import";
    json_decref(facts);
    return mode;
}

/* What the input was drawn from. Texts are the model's tokens, so it is part of them. Operands
 * depend on their shape too, which no model gives: it goes into the data set's parameters. params:
 * malloc'd text for d->params_json. */
static sb_status dataset_of(const sb_point *p, const sb_corpus *corpus, const char *text_facts,
                            char **params, sb_dataset_facts *d)
{
    *d = (sb_dataset_facts){.suite         = p->suite,
                            .task          = p->task_name,
                            .mode          = "native",
                            .length_tokens = p->length_tokens,
                            .seed          = p->seed};
    if (p->text != NULL) {
        if (asprintf(params, "{\"facts\":%s,\"model\":%s,\"params\":%s}", text_facts, p->model_json,
                     p->task_json) < 0)
            *params = NULL;
        d->mode              = mode_of(text_facts, p->text->suite);
        d->generator_version = p->text->suite->version;
    } else if (p->task != NULL) {
        *params              = strdup(p->task_json);
        d->generator_version = p->task->generator_version;
        d->corpus            = corpus->name;
        d->corpus_sha256     = corpus->sha256;
    } else {
        if (asprintf(params, "{\"params\":%s,\"shape\":%s}", p->task_json, p->model_json) < 0)
            *params = NULL;
        d->generator_version = "safetensors@1";
        if (p->input->distribution != NULL)
            d->generator_version = p->input->distribution->generator_version;
        else
            d->mode = "import";
    }
    d->params_json = *params;
    return *params != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "input: no memory for its data set");
}

sb_status sb_facts_put_input(sb_store *s, const sb_point *p, const sb_corpus *corpus,
                             const char *text_facts, const sb_input *in, int64_t *id)
{
    sb_dataset_facts d;
    char            *params = NULL;
    sb_input_facts   f     = {.row_no           = in->row,
                              .sha256           = in->sha256,
                              .n_prompt_tokens  = in->n_tokens,
                              .n_context_tokens = in->n_context,
                              .n_gen_tokens     = in->n_emit,
                              .refs             = (const char *const *)in->refs,
                              .n_refs           = in->n_refs,
                              .n_spans          = in->n_spans};
    sb_span_facts   *spans = calloc((size_t)in->n_spans + 1, sizeof *spans);
    if (spans == NULL)
        return sb_fail(SB_ERR_NOMEM, "input: no memory for %lld spans", (long long)in->n_spans);
    for (int64_t i = 0; i < in->n_spans; i++)
        spans[i] = (sb_span_facts){.kind      = sb_span_kind_name(in->spans[i].kind),
                                   .ref_no    = in->spans[i].ref,
                                   .tok_begin = in->spans[i].tok_begin,
                                   .tok_end   = in->spans[i].tok_end,
                                   .depth     = in->spans[i].depth};
    f.spans      = spans;
    sb_status st = dataset_of(p, corpus, text_facts, &params, &d);
    if (st == SB_OK)
        st = sb_store_put_dataset(s, &d, &f.dataset_id);
    if (st == SB_OK)
        st = sb_store_put_input(s, &f, id);
    free(params);
    free(spans);
    return st;
}

/* ---- the launch ---- */

typedef struct host_fact {
    char    name[64];
    int32_t cores, threads;
} host_fact;

static sb_status gather_hosts(sb_comm *c, int32_t threads, host_fact **out)
{
    int64_t   *count = malloc(2 * (size_t)c->size * sizeof *count);
    host_fact *all   = calloc((size_t)c->size, sizeof *all);
    host_fact  me    = {.cores = (int32_t)sysconf(_SC_NPROCESSORS_ONLN), .threads = threads};
    sb_status  st    = SB_OK;
    (void)gethostname(me.name, sizeof me.name - 1);
    if (count == NULL || all == NULL)
        st = sb_fail(SB_ERR_NOMEM, "run facts: no memory for %d ranks", c->size);
    if ((st = sb_comm_agree(c, st)) == SB_OK) {
        for (int32_t r = 0; r < c->size; r++) {
            count[r]           = (int64_t)sizeof me;
            count[c->size + r] = r * (int64_t)sizeof me;
        }
        st = sb_comm_allgatherv(c, &me, all, count, count + c->size);
    }
    free(count);
    if (st != SB_OK) {
        free(all);
        return st;
    }
    *out = all;
    return SB_OK;
}

/* Ranks of one host are counted by its name. */
static int host_is_full(const host_fact *all, int32_t size, int32_t r)
{
    int64_t threads = 0;
    for (int32_t i = 0; i < size; i++)
        if (strcmp(all[i].name, all[r].name) == 0)
            threads += all[i].threads;
    return threads > all[r].cores;
}

sb_status sb_facts_oversubscribed(sb_comm *comm, int32_t threads, int32_t *oversubscribed)
{
    host_fact *all  = NULL;
    sb_status  st   = gather_hosts(comm, threads, &all);
    *oversubscribed = 0;
    for (int32_t r = 0; st == SB_OK && r < comm->size; r++)
        *oversubscribed |= host_is_full(all, comm->size, r);
    free(all);
    return st;
}

/* Variables that change what is measured or say which job it was, and the place of every rank. */
static json_t *environment(const sb_binding *places, int32_t ranks)
{
    static const char *const prefixes[] = {"SLURM_JOB",     "SLURM_ARRAY", "SLURM_RESTART",
                                           "SLURM_CLUSTER", "OMP_",        "SPAN_",
                                           "CUDA_VISIBLE"};
    json_t                  *env        = json_object();
    for (char **e = environ; *e != NULL; e++)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            if (strncmp(*e, prefixes[i], strlen(prefixes[i])) == 0) {
                const char *eq   = strchr(*e, '=');
                char       *name = strndup(*e, (size_t)(eq - *e));
                if (name != NULL)
                    (void)json_object_set_new(env, name, json_string(eq + 1));
                free(name);
            }
    for (int32_t r = 0; r < ranks; r++) {
        char key[32], text[640];
        (void)snprintf(key, sizeof key, "binding.%d", r);
        sb_binding_text(&places[r], text, sizeof text);
        (void)json_object_set_new(env, key, json_string(text));
    }
    if (sb_binding_same_devices(places, ranks) != SB_OK) /* it was allowed */
        (void)json_object_set_new(env, "mixed_devices", json_string("1"));
    return env;
}

static sb_status begin(sb_store *s, const sb_sweep *sweep, const sb_run_options *o,
                       const sb_backend *backend, const host_fact *hosts, const sb_binding *places,
                       int64_t *id)
{
    sb_device_facts cpu = {0}, dev = {0};
    json_t         *list = json_array(), *env = environment(places, o->comm->size);
    int32_t         full = 0;
    for (int32_t r = 0; r < o->comm->size; r++) {
        (void)json_array_append_new(list, json_string(hosts[r].name));
        full |= host_is_full(hosts, o->comm->size, r);
    }
    char *hosts_json = json_dumps(list, JSON_COMPACT),
         *env_json   = json_dumps(env, JSON_COMPACT | JSON_SORT_KEYS);
    sb_status st     = sb_backend_cpu.facts(&cpu);
    if (st == SB_OK)
        st = backend->facts(&dev);
    if (st == SB_OK && (hosts_json == NULL || env_json == NULL))
        st = sb_fail(SB_ERR_NOMEM, "run facts: no memory for the host list");
    if (st == SB_OK) {
        char device[320];
        (void)snprintf(device, sizeof device, "%s %s", dev.name, dev.detail);
        sb_run_facts f = {.commit_id      = o->commit,
                          .build_json     = o->build_json,
                          .version        = o->version,
                          .sweep_name     = sweep->name,
                          .config_text    = sweep->text,
                          .config_sha256  = sweep->hash,
                          .command        = o->command,
                          .hosts_json     = hosts_json,
                          .cpu            = cpu.name,
                          .device         = device,
                          .backend        = backend->name,
                          .comm           = o->comm->ops->name,
                          .mpi_version    = o->mpi_version,
                          .env_json       = env_json,
                          .ranks          = o->comm->size,
                          .threads        = o->threads,
                          .cores          = hosts[0].cores,
                          .oversubscribed = full};
        st             = sb_store_begin_run(s, &f, id);
    }
    free(hosts_json);
    free(env_json);
    json_decref(list);
    json_decref(env);
    return st;
}

sb_status sb_facts_begin_run(sb_store *s, const sb_sweep *sweep, const sb_run_options *o,
                             const sb_backend *backend, int64_t *id)
{
    host_fact  *hosts  = NULL;
    sb_binding *places = NULL;
    sb_status   st     = sb_comm_agree(o->comm, sb_device_bind(o->comm, backend));
    if (st == SB_OK)
        st = gather_hosts(o->comm, o->threads, &hosts);
    if (st == SB_OK)
        st = sb_binding_gather(o->comm, backend, &places);
    if (st == SB_OK && !o->mixed_devices && backend->id != SB_CPU)
        st = sb_binding_same_devices(places, o->comm->size);
    if (st == SB_OK && s != NULL)
        st = begin(s, sweep, o, backend, hosts, places, id);
    free(hosts);
    free(places);
    return sb_comm_agree(o->comm, st);
}
