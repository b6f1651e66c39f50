#include "harness/run/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/llama.h"
#include "harness/model/forward.h"
#include "harness/run/memory.h"
#include "harness/tensors/safetensors.h"
#include "kernels/registry.h"

typedef struct job {
    const sb_generate *g;
    sb_model          *model;
    sb_forward        *forward;
    sb_forward_room    room;
    void              *block;
    float             *row;
} job;

static sb_status config_of(const job *j, sb_forward_config *out)
{
    const sb_generate *g      = j->g;
    const sb_method   *dense  = sb_method_find("dense");
    /* On a device dense: what a method carries from step to step may be in host memory. */
    int method = g->backend->id == SB_CPU && (g->method->caps & SB_CAP_DECODE) != 0;
    if (dense == NULL)
        return sb_fail(SB_ERR_INTERNAL, "no method dense in the registry");
    if (g->comm->size > 1 && g->backend->id != SB_CPU)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "found %d ranks on backend %s, allowed one (a sweep runs several)",
                       g->comm->size, g->backend->name);
    if (g->comm->size > 1 && (g->method->caps & SB_CAP_SHARDED) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s cannot run on a sharded sequence", g->method->name);
    int state = (g->method->caps & SB_CAP_STATE) != 0;
    *out      = (sb_forward_config){.model         = j->model,
                                    .method        = g->method,
                                    .method_params = g->method_params,
                                    .decode_method = method ? g->method : dense,
                                    .decode_params = method ? g->method_params : NULL,
                                    .backend       = g->backend,
                                    .comm          = g->comm,
                                    .layout =
                                        sb_layout_default(state ? SB_SCHEME_STATE : SB_SCHEME_ALLGATHER),
                                    .use     = {.state = state},
                                    .link    = g->link,
                                    .threads = g->threads,
                                    .graphs  = g->graphs};
    return SB_OK;
}

static sb_status check_method(const job *j)
{
    sb_model_shape m;
    sb_run         all = {0, j->g->input->n_tokens};
    sb_status      st  = j->model->ops->shape(j->model, j->g->input, &m);
    if (st != SB_OK)
        return st;
    sb_shape shape = {.q_gid    = {.run = &all, .n_runs = 1, .n_tokens = all.len},
                      .n_keys   = all.len,
                      .heads    = m.heads,
                      .kv_heads = m.kv_heads,
                      .head_dim = m.head_dim};
    return j->g->method->check(j->g->method_params, &shape);
}

/* Of weights: on the cpu the files', which stay where they are. */
static size_t weights_bytes(const job *j)
{
    return j->g->backend->id == SB_CPU ? (size_t)sb_checkpoint_bytes(j->g->checkpoint)
                                       : (size_t)j->model->ops->kept_bytes(j->model);
}

/* Weights once a host, the rest a rank; nothing was read yet but headers. Of a device its own check
 * follows (sb_model_ops.load). */
static sb_status check_room(const job *j)
{
    int64_t ranks = j->g->comm->local_size, available = sb_memory_available_bytes();
    int64_t weights = j->g->backend->id == SB_CPU ? (int64_t)weights_bytes(j) : 0;
    int64_t rows    = (int64_t)j->room.host_bytes * ranks;
    if (weights + rows <= available)
        return SB_OK;
    return sb_fail(SB_ERR_NO_FIT,
                   "needs %.2f GiB for the weights and %.2f GiB for each of the %lld ranks of this "
                   "host; %.2f GiB are available",
                   (double)weights / 0x1p30, (double)j->room.host_bytes / 0x1p30, (long long)ranks,
                   (double)available / 0x1p30);
}

static sb_status open_forward(job *j)
{
    sb_forward_config cfg;
    sb_llama_params   par = {.extrapolate = j->g->extrapolate};
    sb_status         st  = sb_llama_create(j->g->checkpoint, &par, j->g->threads, &j->model);
    if (st == SB_OK && (st = check_method(j)) == SB_OK && (st = config_of(j, &cfg)) == SB_OK &&
        (st = sb_forward_bytes(&cfg, j->g->input, &j->room)) == SB_OK &&
        (st = check_room(j)) == SB_OK)
        st = sb_backend_cpu.alloc(j->room.host_bytes, &j->block);
    if (st == SB_OK)
        st = sb_forward_create(&cfg, j->g->input, j->block, j->room.host_bytes, &j->forward);
    if (st == SB_OK &&
        (j->row = malloc((size_t)j->model->ops->row_values * sizeof *j->row)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "generate: no memory for a row of logits");
    return sb_comm_agree(j->g->comm, st);
}

/* ---- logits ---- */

static sb_status write_rows(job *j, sb_safetensors_out *o, int64_t first)
{
    int64_t   n  = j->g->input->n_tokens;
    sb_status st = SB_OK;
    for (int64_t i = first; st == SB_OK && i < n; i++) {
        st = sb_forward_row(j->forward, i, j->row);
        if (st == SB_OK && o != NULL)
            st = sb_safetensors_write(o, j->row,
                                      j->model->ops->row_values * (int64_t)sizeof *j->row);
        st = sb_comm_agree(j->g->comm, st);
    }
    return st;
}

static sb_status put_logits(job *j)
{
    const sb_generate  *g       = j->g;
    int64_t             n       = g->input->n_tokens;
    int64_t             first   = g->rows == SB_LOGITS_ALL ? 0 : n - 1;
    sb_safetensors_out *o       = NULL;
    sb_file_spec        specs[] = {{"ids", SB_FILE_I32, 1, {n}},
                                   {"logits", SB_FILE_F32, 2, {n - first, j->model->ops->row_values}}};
    sb_file_pair        notes[] = {{"model", sb_checkpoint_identity(g->checkpoint)},
                                   {"method", g->method->name}};
    sb_status           st      = SB_OK;
    if (g->rows == SB_LOGITS_NONE)
        return SB_OK;
    if (g->comm->rank == 0) {
        st = sb_safetensors_create(g->logits_path, specs, 2, notes, 2, &o);
        if (st == SB_OK)
            st = sb_safetensors_write(o, g->input->ids, n * (int64_t)sizeof *g->input->ids);
    }
    if ((st = sb_comm_agree(g->comm, st)) == SB_OK)
        st = write_rows(j, o, first);
    if (st == SB_OK && o != NULL)
        return sb_comm_agree(g->comm, sb_safetensors_commit(o));
    sb_safetensors_abandon(o);
    return sb_comm_agree(g->comm, st);
}

/* ---- the run ---- */

static sb_status decode(job *j, sb_generated *out)
{
    const sb_input *in      = j->g->input;
    int32_t        *emitted = calloc((size_t)in->n_emit + 1, sizeof *emitted);
    int64_t        *step_ns = calloc((size_t)in->n_feed + 1, sizeof *step_ns);
    int64_t         sum     = 0;
    sb_status       st =
        emitted != NULL && step_ns != NULL
                  ? SB_OK
                  : sb_fail(SB_ERR_NOMEM, "generate: no memory for %lld tokens", (long long)in->n_emit);
    if ((st = sb_comm_agree(j->g->comm, st)) == SB_OK)
        st = sb_forward_decode(j->forward, emitted, step_ns);
    for (int64_t i = 0; st == SB_OK && i < in->n_feed && step_ns[i] >= 0; i++) {
        sum += step_ns[i];
        out->steps++;
    }
    out->graph_steps = sb_forward_graphs(j->forward)->steps;
    memcpy(out->graph_reason, sb_forward_graphs(j->forward)->reason, sizeof out->graph_reason);
    if (st == SB_OK)
        st = sb_prompter_text(j->g->prompter, emitted, in->n_emit, &out->text);
    if (st == SB_OK) {
        out->n              = sb_prompter_answer_tokens(j->g->prompter, emitted, in->n_emit);
        out->ids            = emitted;
        out->decode_token_s = out->steps > 0 ? (double)sum * 1e-9 / (double)out->steps : 0;
        emitted             = NULL;
    }
    free(emitted);
    free(step_ns);
    return st;
}

static sb_status run(job *j, sb_generated *out)
{
    sb_phase_times times = {0};
    int64_t        ns;
    sb_status      st = open_forward(j);
    if (st != SB_OK)
        return st;
    out->weights_bytes = weights_bytes(j);
    out->room_bytes    = j->g->backend->id == SB_CPU ? j->room.host_bytes
                                                     : j->room.device_bytes - out->weights_bytes;
    if ((st = sb_forward_prefill(j->forward, &times, NULL, NULL)) != SB_OK)
        return st;
    ns = times.ns[SB_PHASE_PREFILL];
    if ((st = sb_comm_allreduce_i64(j->g->comm, &ns, 1, SB_REDUCE_MAX)) != SB_OK)
        return st;
    out->prefill_s = (double)ns * 1e-9;
    if ((st = put_logits(j)) != SB_OK)
        return st;
    return decode(j, out);
}

sb_status sb_generate_run(const sb_generate *g, sb_generated *out)
{
    job j        = {.g = g};
    *out         = (sb_generated){0};
    sb_status st = run(&j, out);
    free(j.row);
    sb_forward_destroy(j.forward);
    if (j.block != NULL)
        sb_backend_cpu.free(j.block);
    if (j.model != NULL)
        j.model->ops->destroy(j.model);
    if (st != SB_OK)
        sb_generated_fini(out);
    return st;
}

void sb_generated_fini(sb_generated *g)
{
    free(g->ids);
    free(g->text);
    *g = (sb_generated){0};
}
