#include "harness/run/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/run/dump_parts.h"

enum { MAX_TENSORS = 10, MAX_NOTES = 32, NOTE_BYTES = 32 };

/* ---- names ---- */

static void safe_name(const char *name, char *buf, size_t n)
{
    size_t i = 0;
    for (; name[i] != '\0' && i + 1 < n; i++) {
        char c    = name[i];
        int  fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   c == '-' || (c == '.' && i > 0);
        buf[i] = c;
        if (!fine)
            buf[i] = '_';
    }
    buf[i] = '\0';
}

sb_status sb_dump_path(const sb_dump *d, char *buf, size_t buf_bytes)
{
    char task[64], method[64];
    safe_name(d->point->task_name, task, sizeof task);
    safe_name(d->point->method->name, method, sizeof method);
    int n = snprintf(buf, buf_bytes, "%s/%s_%" PRId64 "_%s_%.12s_r%" PRId64 ".safetensors", d->dir,
                     task, d->point->length_tokens, method, d->point->hash, d->row);
    if (n < 0 || (size_t)n >= buf_bytes)
        return sb_fail(SB_ERR_USAGE, "dump: the name of %s is too long", d->dir);
    return SB_OK;
}

sb_status sb_dump_open_dir(const char *dir)
{
    char *path = strdup(dir);
    if (path == NULL)
        return sb_fail(SB_ERR_NOMEM, "dump: no memory for %s", dir);
    for (char *at = path + 1; *at != '\0'; at++)
        if (*at == '/') { /* what fails here fails again below, with its reason */
            *at = '\0';
            (void)mkdir(path, 0777);
            *at = '/';
        }
    int failed = mkdir(path, 0777) != 0 && errno != EEXIST;
    free(path);
    if (failed || access(dir, W_OK | X_OK) != 0)
        return sb_fail(SB_ERR_IO, "dump: %s: %s", dir, strerror(errno));
    return SB_OK;
}

/* ---- what the file holds ---- */

typedef struct content {
    sb_file_spec tensor[MAX_TENSORS];
    int64_t      n_tensors;
    sb_file_pair note[MAX_NOTES];
    char         number[MAX_NOTES][NOTE_BYTES];
    int64_t      n_notes;
} content;

static void add_tensor(content *c, const char *name, sb_file_dtype dtype, int32_t n_dims, int64_t a,
                       int64_t b, int64_t d)
{
    c->tensor[c->n_tensors++] =
        (sb_file_spec){.name = name, .dtype = dtype, .n_dims = n_dims, .shape = {a, b, d}};
}

static void add_text(content *c, const char *key, const char *value)
{
    c->note[c->n_notes++] = (sb_file_pair){key, value};
}

static void add_number(content *c, const char *key, int64_t value)
{
    char *text = c->number[c->n_notes];
    (void)snprintf(text, NOTE_BYTES, "%" PRId64, value);
    add_text(c, key, text);
}

static void add_list(content *c, const sbi_dump_index *x, const sbi_dump_list *l,
                     const char *ptr_name, const char *id_name)
{
    int64_t n = l->n_heads * x->n_rows;
    if (l->n_heads == 0)
        return;
    add_tensor(c, ptr_name, SB_FILE_I64, 1, n + 1, 0, 0);
    add_tensor(c, id_name, SB_FILE_I32, 1, l->row_ptr[n], 0, 0);
}

static void describe_window(content *c, const sbi_dump_index *x, int64_t n_queries)
{
    int there = (x->parts & SB_PART_WINDOW) != 0, plain = there && x->window_heads == 0;
    add_text(c, "window", x->window_heads > 0 ? "rows" : there ? "yes" : "no");
    add_number(c, "sink_tokens", plain ? x->sink_tokens : 0);
    if (plain && x->window_tokens == SB_WINDOW_ALL)
        add_text(c, "window_tokens", "all");
    else
        add_number(c, "window_tokens", plain ? x->window_tokens : 0);
    add_number(c, "window.step", x->window_step);
    add_text(c, "overlap", x->overlap_twice ? "twice" : "once");
    if (x->window_heads > 0) {
        add_tensor(c, "index.window.sinks", SB_FILE_I64, 1, x->window_heads, 0, 0);
        add_tensor(c, "index.window.first", SB_FILE_I64, 2, x->window_heads, n_queries, 0);
    }
}

static void describe_index(content *c, const sbi_dump_index *x, const sb_plan *plan,
                           int64_t n_queries)
{
    const sb_slots *slots = &plan->slots;
    if (x->n_rows > 0)
        add_tensor(c, "index.row_id", SB_FILE_I32, 1, x->n_rows, 0, 0);
    add_list(c, x, &x->tiles, "index.tiles.row_ptr", "index.tiles.id");
    add_list(c, x, &x->tokens, "index.tokens.row_ptr", "index.tokens.id");
    if (slots->n_heads > 0)
        add_tensor(c, "index.slots", SB_FILE_I32, 2, slots->n_heads, slots->n_slots, 0);
    describe_window(c, x, n_queries);
    add_number(c, "row_tokens", x->n_rows > 0 ? x->row_tokens : 0);
    add_number(c, "tiles.heads", x->tiles.n_heads);
    add_number(c, "tiles.unit_tokens", x->tiles.n_heads > 0 ? x->tiles.unit_tokens : 0);
    add_number(c, "tiles.width_tokens", x->tiles.n_heads > 0 ? x->tiles.width_tokens : 0);
    add_number(c, "tokens.heads", x->tokens.n_heads);
    add_number(c, "slots.segment_tokens", slots->n_heads > 0 ? slots->segment_tokens : 0);
    add_number(c, "fallback", x->fallback);
    add_text(c, "own_softmax", x->own_softmax ? "yes" : "no");
}

/* What the method has to give: without an index there is neither a list nor an LSE of one. */
static uint32_t given(const sb_dump *d)
{
    int no_index = (d->point->method->caps & SB_CAP_NO_INDEX) != 0;
    return no_index ? d->what & SB_DUMP_O : d->what;
}

static void describe(content *c, const sb_dump *d, const sb_layer_view *v, const sbi_dump_index *x)
{
    const sb_point *p  = d->point;
    int64_t         nq = v->shape->n_keys - v->first_query;
    *c                 = (content){0};
    add_text(c, "format", "spanbench dump 1");
    add_text(c, "point", p->hash);
    add_text(c, "identity", p->identity_json);
    add_text(c, "input", d->operands->sha256);
    add_text(c, "commit", d->commit);
    add_text(c, "suite", p->suite);
    add_text(c, "task", p->task_name);
    add_text(c, "method", p->method->name);
    add_text(c, "method_params", p->method_json);
    add_number(c, "row", d->row);
    add_number(c, "keys", v->shape->n_keys);
    add_number(c, "first_query", v->first_query);
    (void)snprintf(c->number[c->n_notes], NOTE_BYTES, "%.9g", (double)v->scale);
    add_text(c, "scale", c->number[c->n_notes]);
    if (given(d) & SB_DUMP_INDEX)
        describe_index(c, x, v->plan, nq);
    if (given(d) & SB_DUMP_LSE)
        add_tensor(c, "lse", SB_FILE_F32, 2, v->shape->heads, nq, 0);
    if (d->what & SB_DUMP_O)
        add_tensor(c, "o", SB_FILE_BF16, 3, v->shape->heads, nq, v->shape->head_dim);
}

/* ---- writing it ---- */

/* Every rank knows the whole permutation; slot -> token, spelt out. */
static sb_status write_slots(sb_safetensors_out *out, const sb_slots *s)
{
    int32_t  *token = calloc((size_t)s->n_slots + 1, sizeof *token);
    sb_status st    = SB_OK;
    if (token == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld slots", (long long)s->n_slots);
    for (int64_t h = 0; st == SB_OK && h < s->n_heads; h++) {
        const uint16_t *offset = s->offset + h * s->n_slots;
        for (int64_t i = 0; i < s->n_slots; i++)
            token[i] = (int32_t)(i - i % s->segment_tokens + offset[i]);
        st = sb_safetensors_write(out, token, s->n_slots * (int64_t)sizeof *token);
    }
    free(token);
    return st;
}

static sb_status write_row_ptr(sb_safetensors_out *out, const sbi_dump_index *x,
                               const sbi_dump_list *l)
{
    return sb_safetensors_write(out, l->row_ptr,
                                (l->n_heads * x->n_rows + 1) * (int64_t)sizeof *l->row_ptr);
}

static sb_status write_list(sb_safetensors_out *out, const sb_layer_view *v,
                            const sbi_dump_index *x, const sbi_dump_list *l)
{
    sb_status st = SB_OK;
    if (l->n_heads == 0)
        return SB_OK;
    if (out != NULL)
        st = write_row_ptr(out, x, l);
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK)
        return st;
    return sbi_dump_ids(out, v, x, l);
}

static sb_status write_index(sb_safetensors_out *out, const sb_layer_view *v,
                             const sbi_dump_index *x)
{
    sb_status st = SB_OK;
    if (out != NULL && x->n_rows > 0)
        st = sb_safetensors_write(out, x->row_id, x->n_rows * (int64_t)sizeof *x->row_id);
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK ||
        (st = write_list(out, v, x, &x->tiles)) != SB_OK ||
        (st = write_list(out, v, x, &x->tokens)) != SB_OK)
        return st;
    if (out != NULL && v->plan->slots.n_heads > 0)
        st = write_slots(out, &v->plan->slots);
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK && x->window_heads > 0)
        st = sbi_dump_windows(out, v, x);
    return st;
}

/* In the order of `describe`. */
static sb_status write_all(sb_safetensors_out *out, const sb_dump *d, const sb_layer_view *v,
                           const sbi_dump_index *x)
{
    int64_t   heads = v->shape->heads, rows = v->shape->q_gid.n_tokens;
    sb_status st = SB_OK;
    if (given(d) & SB_DUMP_INDEX)
        st = write_index(out, v, x);
    if (st == SB_OK && (given(d) & SB_DUMP_LSE))
        st = sbi_dump_rows(out, v, v->lse, heads, rows * (int64_t)sizeof *v->lse,
                           (int64_t)sizeof *v->lse);
    if (st == SB_OK && (d->what & SB_DUMP_O))
        st = sbi_dump_rows(out, v, v->o->data, heads, v->o->head_stride * (int64_t)sizeof(sb_bf16),
                           v->o->dim * (int64_t)sizeof(sb_bf16));
    return st;
}

static sb_status create(const sb_dump *d, const sb_layer_view *v, const sbi_dump_index *x,
                        sb_safetensors_out **out)
{
    char      path[4096];
    content   c;
    sb_status st = sb_dump_path(d, path, sizeof path);
    if (st != SB_OK)
        return st;
    describe(&c, d, v, x);
    return sb_safetensors_create(path, c.tensor, c.n_tensors, c.note, c.n_notes, out);
}

sb_status sb_dump_look(void *arg, const sb_layer_view *v)
{
    const sb_dump      *d   = arg;
    sb_comm            *c   = v->ctx->comm;
    sb_safetensors_out *out = NULL;
    sbi_dump_index      x   = {0};
    sb_status           st  = given(d) & SB_DUMP_INDEX ? sbi_dump_index_gather(v, &x) : SB_OK;
    if (st == SB_OK && c->rank == 0)
        st = create(d, v, &x, &out);
    if ((st = sb_comm_agree(c, st)) == SB_OK)
        st = write_all(out, d, v, &x);
    if (st == SB_OK && out != NULL) {
        st  = sb_safetensors_commit(out);
        out = NULL;
    }
    sb_safetensors_abandon(out);
    sbi_dump_index_fini(&x);
    return sb_comm_agree(c, st);
}
