/* What a checkpoint tells of itself, and how it reads questions and says answers. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/llama_state.h"
#include "kernels/base/rng.h"
#include "workloads/base/text_suite.h"

/* ---- what it is ---- */

enum { A_LAYER = 8 }; /* matrices; u of most families is empty */

/* Those of all layers, then the embedding, then NULL. */
static const sb_matrix *matrix_of(const sb_checkpoint *c, int64_t i)
{
    if (i >= sb_checkpoint_config(c)->n_layers * A_LAYER)
        return i == sb_checkpoint_config(c)->n_layers * A_LAYER ? sb_checkpoint_embedding(c) : NULL;
    const sb_layer_weights *l            = sb_checkpoint_layer(c, i / A_LAYER);
    const sb_matrix *const  all[A_LAYER] = {&l->q,    &l->k,  &l->v,    &l->o,
                                            &l->gate, &l->up, &l->down, &l->u};
    return all[i % A_LAYER];
}

/* The format of most of the weights. */
static const char *weights_type(const sb_checkpoint *c)
{
    int64_t          n[SB_BLOCK_TYPE_COUNT] = {0};
    int              best                   = 0;
    const sb_matrix *m;
    for (int64_t i = 0; (m = matrix_of(c, i)) != NULL; i++)
        n[m->type] += m->rows * m->cols;
    for (int t = 1; t < SB_BLOCK_TYPE_COUNT; t++)
        best = n[t] > n[best] ? t : best;
    return sb_block_formats[best].name;
}

double sbi_llama_token_flops(const sb_model *m)
{
    const sb_checkpoint *c   = ((const sbi_llama *)m->impl)->c;
    double               sum = 0;
    for (int64_t i = 0; i < A_LAYER; i++)
        sum += 2 * (double)matrix_of(c, i)->rows * (double)matrix_of(c, i)->cols;
    return sum * (double)sb_checkpoint_config(c)->n_layers;
}

double sbi_llama_head_flops(const sb_model *m)
{
    const sb_matrix *head = sb_checkpoint_head(((const sbi_llama *)m->impl)->c);
    return 2 * (double)head->rows * (double)head->cols;
}

int64_t sbi_llama_shared_bytes(const sb_model *m)
{
    return sb_checkpoint_bytes(((const sbi_llama *)m->impl)->c);
}

/* The last name of the path, or of what it leads to where it has none ("."). */
static void name_of(const char *path, char *buf, size_t bytes)
{
    char       *real = NULL;
    size_t      n    = strlen(path);
    const char *at;
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (at = path + n; at > path && at[-1] != '/'; at--)
        ;
    n -= (size_t)(at - path);
    if ((n == 1 && at[0] == '.') || (n == 2 && strncmp(at, "..", 2) == 0)) {
        if ((real = realpath(path, NULL)) != NULL) {
            at = strrchr(real, '/') + 1;
            n  = strlen(at);
        }
    }
    (void)snprintf(buf, bytes, "%.*s", (int)(n < bytes ? n : bytes - 1), at);
    free(real);
}

static char *facts_of(const sb_checkpoint *c, const sb_prompter *p, const char *name)
{
    const char *family = sb_family_name(sb_checkpoint_config(c)->family);
    json_t     *root =
        p == NULL
                ? json_pack("{s:s, s:s, s:s, s:s}", "name", name, "architecture", family, "identity",
                            sb_checkpoint_identity(c), "weights", "random: times alone")
                : json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", name,
                            "architecture", family, "identity", sb_checkpoint_identity(c), "weights",
                            weights_type(c), "wrapper", sb_prompter_wrapper(p), "wrapper_sha256",
                            sb_prompter_wrapper_sha256(p), "chat_template",
                            sb_prompter_template_hash(p), "tokenizer",
                            sb_tok_splitter(sb_prompter_tok(p)), "tokenizer_sha256",
                            sb_tok_sha256(sb_prompter_tok(p)));
    if (p != NULL && sb_checkpoint_config(c)->family == SB_FAMILY_TRANSNORMER &&
        json_object_set_new(root, "trained_with", json_string("lightning")) != 0) {
        json_decref(root);
        root = NULL;
    }
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    return text;
}

/* Text into a field; 0: it does not fit. */
static int put(char *field, size_t bytes, const char *text)
{
    if (strlen(text) >= bytes)
        return 0;
    memcpy(field, text, strlen(text) + 1);
    return 1;
}

sb_status sbi_llama_look(const char *path, const char *wrapper, void *params, sb_model_seen *out)
{
    sb_llama_params *par = params;
    sb_checkpoint   *c   = NULL;
    sb_prompter     *p   = NULL;
    if (!put(par->path, sizeof par->path, path))
        return sb_fail(SB_ERR_USAGE, "a path of %zu bytes, more than %zu", strlen(path),
                       sizeof par->path - 1);
    sb_status st = sb_checkpoint_open(path, &c);
    if (st != SB_OK)
        return st;
    if ((st = sb_prompter_knows(wrapper)) != SB_OK ||
        !put(par->wrapper, sizeof par->wrapper, wrapper))
        out->wrapper_wrong = 1;
    if (st == SB_OK && !sb_checkpoint_is_random(c))
        st = sb_prompter_open(c, wrapper, &p);
    if (st == SB_OK) {
        name_of(path, out->name, sizeof out->name);
        out->facts_json = facts_of(c, p, out->name);
        if (out->facts_json == NULL)
            st = sb_fail(SB_ERR_NOMEM, "%s: no memory for what it is", path);
    }
    sb_prompter_close(p);
    sb_checkpoint_close(c);
    return st;
}

/* ---- questions and answers ---- */

const sb_tok_ops *sbi_llama_tok(const sb_model *m, int64_t *wrapped_tokens)
{
    const sb_prompter *p = ((const sbi_llama *)m->impl)->prompter;
    *wrapped_tokens      = 0;
    if (p == NULL) /* random weights */
        return NULL;
    *wrapped_tokens = sb_prompter_wrapper_tokens(p) + sb_tok_adds_bos(sb_prompter_tok(p));
    return sb_prompter_tok_ops(p);
}

static sb_status no_memory(const sbi_llama *l)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for a question", sb_checkpoint_path(l->c));
}

static sb_status copy_refs(const sbi_llama *l, const sb_text_row *row, sb_input *in)
{
    in->refs = calloc((size_t)row->n_refs + 1, sizeof *in->refs);
    for (int64_t i = 0; in->refs != NULL && i < row->n_refs; i++, in->n_refs++)
        if ((in->refs[i] = strdup(row->refs[i])) == NULL)
            return no_memory(l);
    return in->refs != NULL ? SB_OK : no_memory(l);
}

/* Where each token ends in the text that the model sees, in bytes; NULL: the tokens do not spell
 * the text (it was normalised), so nothing is known of places in it. */
static sb_status ends_of(const sbi_llama *l, const sb_input *in, int64_t text_bytes, int64_t **out)
{
    const sb_tok *t   = sb_prompter_tok(l->prompter);
    int64_t      *end = malloc((size_t)(in->n_tokens + 1) * sizeof *end), sum = 0, bos = 0;
    size_t        n;
    if (end == NULL)
        return no_memory(l);
    for (int64_t i = 0; i < in->n_tokens; i++) {
        (void)sb_tok_bytes(t, in->ids[i], &n);
        end[i] = sum += (int64_t)n;
        if (i == 0 && in->ids[0] == sb_tok_special(t, SB_TOK_ROLE_BOS))
            bos = (int64_t)n;
    }
    if (sum == text_bytes + bos) /* BOS was put before the text */
        for (int64_t i = 0; i < in->n_tokens; i++)
            end[i] -= bos;
    else if (sum != text_bytes) {
        free(end);
        end = NULL;
    }
    *out = end;
    return SB_OK;
}

static int kind_of(const char *word, sb_span_kind *out)
{
    for (int k = 0; k < SB_SPAN_KIND_COUNT; k++)
        if (strcmp(word, sb_span_kind_name((sb_span_kind)k)) == 0) {
            *out = (sb_span_kind)k;
            return 1;
        }
    return 0;
}

/* The tokens that hold bytes [begin, end). */
static void place(const int64_t *ends, int64_t n_tokens, int64_t begin, int64_t end, sb_span *s)
{
    int64_t i = 0;
    while (i < n_tokens && ends[i] <= begin)
        i++;
    s->tok_begin = i;
    while (i < n_tokens && ends[i] < end)
        i++;
    s->tok_end = i < n_tokens && end > begin ? i + 1 : i;
}

/* The question stands behind the context where the last query span does; else the last token asks.
 */
static void set_context(sb_input *in)
{
    int64_t asks = -1, latest = 0;
    for (int64_t i = 0; i < in->n_spans; i++) {
        const sb_span *s = &in->spans[i];
        if (s->kind == SB_SPAN_QUERY)
            asks = s->tok_begin;
        else
            latest = s->tok_end > latest ? s->tok_end : latest;
    }
    in->n_context = asks > 0 && asks >= latest ? asks : in->n_tokens - 1;
    for (int64_t i = 0; i < in->n_spans && in->n_context > 0; i++) {
        double depth       = (double)in->spans[i].tok_begin / (double)in->n_context;
        in->spans[i].depth = depth < 1 ? depth : 1;
    }
}

static sb_status take_spans(const sbi_llama *l, const sb_text_row *row, int64_t wrapped,
                            sb_input *in)
{
    int64_t  *ends = NULL, before = 0, behind = 0;
    sb_status st;
    in->spans = calloc((size_t)row->n_spans + 1, sizeof *in->spans);
    if (in->spans == NULL)
        return no_memory(l);
    if (wrapped > 0)
        sb_prompter_wrapper_bytes(l->prompter, &before, &behind);
    if ((st = ends_of(l, in, before + behind + row->prompt_bytes, &ends)) != SB_OK)
        return st;
    for (int64_t i = 0; ends != NULL && i < row->n_spans; i++) {
        const sb_text_span *t     = &row->spans[i];
        sb_span            *s     = &in->spans[in->n_spans];
        int64_t             shift = before + (wrapped > 0 && t->byte_begin >= wrapped ? behind : 0);
        if (!kind_of(t->kind, &s->kind))
            continue;
        s->ref = t->ref;
        place(ends, in->n_tokens, t->byte_begin + shift, t->byte_end + shift, s);
        in->n_spans++;
    }
    free(ends);
    set_context(in);
    return SB_OK;
}

/* Ids of the whole vocabulary; all of the answer is generated, whatever it is. */
static sb_status draw_ids(const sbi_llama *l, const sb_text_row *row, sb_input *out)
{
    int64_t   vocab = sb_checkpoint_config(l->c)->vocab, n = row->drawn_tokens;
    sb_rng    rng = {row->draw_seed};
    sb_input  in  = {.row       = row->row,
                     .n_tokens  = n,
                     .n_context = n - 1,
                     .n_script  = 2 * row->gen_tokens - 1,
                     .ids       = calloc((size_t)n, sizeof *in.ids),
                     .script    = calloc((size_t)(2 * row->gen_tokens), sizeof *in.script),
                     .refs      = calloc(1, sizeof *in.refs),
                     .spans     = calloc(1, sizeof *in.spans)};
    sb_status st  = in.ids != NULL && in.script != NULL && in.refs != NULL && in.spans != NULL
                        ? SB_OK
                        : no_memory(l);
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        in.ids[i] = (int32_t)sb_rng_below(&rng, (uint64_t)vocab);
    for (int64_t i = 0; st == SB_OK && i < in.n_script; i++)
        in.script[i] = i % 2 == 0 ? (sb_script_op){SB_SCRIPT_EMIT, 0, (int32_t)vocab, 0}
                                  : (sb_script_op){SB_SCRIPT_FEED_EMIT, (int32_t)(i / 2), 0, 0};
    if (st == SB_OK)
        st = sb_input_seal(&in);
    if (st != SB_OK) {
        sb_input_fini(&in);
        return st;
    }
    *out = in;
    return SB_OK;
}

sb_status sbi_llama_read(sb_model *m, const sb_text_row *row, sb_input *out)
{
    const sbi_llama *model = m->impl;
    if (row->drawn_tokens > 0)
        return draw_ids(model, row, out);
    if (model->prompter == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: random weights answer nothing, allowed suite random_ids",
                       sb_checkpoint_path(model->c));
    sbi_llama *l       = m->impl;
    int64_t    wrapped = row->chat ? row->input_bytes : 0;
    sb_input   in      = {0};
    sb_prompt  prompt  = {.text          = row->prompt,
                          .n_bytes       = row->prompt_bytes,
                          .wrapped_bytes = wrapped,
                          .max_new       = row->gen_tokens,
                          .stop_newline  = row->stop_newline};
    sb_status  st      = sb_prompter_input(l->prompter, &prompt, &in);
    if (st != SB_OK)
        return st;
    in.row = row->row;
    if ((st = copy_refs(l, row, &in)) == SB_OK && (st = take_spans(l, row, wrapped, &in)) == SB_OK)
        st = sb_input_seal(&in);
    if (st != SB_OK) {
        sb_input_fini(&in);
        return st;
    }
    *out = in;
    return SB_OK;
}

sb_status sbi_llama_say(const sb_model *m, const int32_t *emitted, int64_t n, char **text,
                        int64_t *n_tokens)
{
    const sb_prompter *p = ((const sbi_llama *)m->impl)->prompter;
    if (p == NULL)
        return sb_fail(SB_ERR_INTERNAL, "llama: random weights say nothing");
    *n_tokens = sb_prompter_answer_tokens(p, emitted, n);
    return sb_prompter_text(p, emitted, n, text);
}
