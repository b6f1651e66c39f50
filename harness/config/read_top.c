/* The top level of a sweep file. */
#include "harness/config/spec.h"

#include <string.h>

enum { NAME_BYTES = 64 };

static const sb_param backend_param    = {"backend", "auto", "auto|cpu|cuda", "", SB_ENUM, 0};
static const sb_param experiment_param = {"experiment", "task", "task|attention", "", SB_ENUM, 0};
static const sb_param mode_param       = {"mode", "sampled", "none|sampled|exact", "", SB_ENUM, 0};
static const sb_param detail_param     = {"detail", "summary", "summary|per_head", "", SB_ENUM, 0};
static const sb_param graphs_param     = {"graphs", "auto", "auto|off", "", SB_ENUM, 0};
static const sb_param warmup_param     = {"warmup", "1", "[0,1000]", "", SB_I64, 0};
static const sb_param repeat_param     = {"repetitions", "3", "[0,1000000]", "", SB_I64, 0};
/* of the operator alone [quality_metrics B5] */
static const sb_param op_warmup_param = {"warmup", "5", "[0,1000]", "", SB_I64, 0};
static const sb_param op_repeat_param = {"repetitions", "20", "[0,1000000]", "", SB_I64, 0};

/* the first: none; the others as `dense` names them */
static const sb_param anchor_param = {"anchor", "none", "none|auto|native|cudnn", "", SB_ENUM, 0};
static const sb_param dense_param  = {"dense", "beside", "beside|none", "", SB_ENUM, 0};

/* The name becomes part of a file's name. */
static void name_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    static const char allowed[] =
        "a name: letters, digits, `_`, `-`, `.`, at most 64, the first a letter or digit";
    static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-.";
    const char       *w     = sbi_word(c, n, allowed);
    if (w == NULL)
        return;
    if (strspn(w, set) != strlen(w) || strchr("_-.", w[0]) != NULL || strlen(w) > NAME_BYTES)
        sbi_refuse(c, n, allowed);
    else
        s->name = sbi_pool_text(c->keep, w, strlen(w));
}

/* Decides which other keys there may be. One that is missing or misspelt is guessed: `inputs`
 * stands in sweeps of the operator only. */
static void experiment_read(sbi_ctx *c, const sbi_node *root, sbi_spec *s)
{
    int32_t         v = 0;
    const sbi_node *n = sbi_map_get(root, "experiment");
    s->attention      = sbi_map_get(root, "inputs") != NULL;
    if (n == NULL)
        sbi_refuse_missing(c, root, "experiment", "task or attention");
    else if (sbi_enum_read(c, n, &experiment_param, &v))
        s->attention = v;
}

static void backend_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    static const sb_backend_id named[] = {SB_CPU, SB_CPU, SB_CUDA};
    int32_t                    v       = 0;
    if (sbi_enum_read(c, n, &backend_param, &v))
        s->backend = v == 0 ? c->env->auto_backend : named[v];
}

static void quality_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    int32_t         mode = 0, detail = 0;
    const sbi_node *mode_node = n, *detail_node = NULL;
    if (n != NULL && n->kind == SBI_MAP) {
        sbi_names keys = {0};
        sbi_names_add(c, &keys, "mode");
        sbi_names_add(c, &keys, "detail");
        sbi_check_keys(c, n, &keys);
        mode_node   = sbi_map_get(n, "mode");
        detail_node = sbi_map_get(n, "detail");
    }
    (void)sbi_enum_read(c, mode_node, &mode_param, &mode);
    (void)sbi_enum_read(c, detail_node, &detail_param, &detail);
    s->quality = (sb_quality_mode)mode;
    s->detail  = (sb_quality_detail)detail;
}

static void graphs_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    int32_t mode = 0;
    (void)sbi_enum_read(c, n, &graphs_param, &mode);
    s->graphs = (sb_graphs_mode)mode;
}

static void anchor_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    const sbi_node *anchor = sbi_map_get(n, "anchor"), *up_to = sbi_map_get(n, "anchor_up_to");
    int             known = sbi_enum_read(c, anchor, &anchor_param, &s->anchor);
    if (up_to != NULL)
        (void)sbi_value_length(c, up_to, NULL, &s->anchor_up_to);
    if (s->anchor > 0 && s->repetitions == 0)
        sbi_refuse(c, anchor, "none where repetitions is 0 (nothing is timed)");
    if (known && s->anchor == 0 && up_to != NULL)
        sbi_refuse(c, up_to, "no limit where anchor is none");
}

static void timing_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    const sbi_node *warmup = NULL, *repeat = NULL;
    const char     *keys_of =
        s->attention
                ? "a mapping with `warmup`, `repetitions`, `dense`, `anchor` and `anchor_up_to`"
                : "a mapping with `warmup`, `repetitions` and `dense`";
    int given = n != NULL && sbi_is_map(c, n, keys_of);
    if (given) {
        sbi_names keys = {0};
        sbi_names_add(c, &keys, "warmup");
        sbi_names_add(c, &keys, "repetitions");
        sbi_names_add(c, &keys, "dense");
        if (s->attention) {
            sbi_names_add(c, &keys, "anchor");
            sbi_names_add(c, &keys, "anchor_up_to");
        }
        sbi_check_keys(c, n, &keys);
        warmup = sbi_map_get(n, "warmup");
        repeat = sbi_map_get(n, "repetitions");
        (void)sbi_enum_read(c, sbi_map_get(n, "dense"), &dense_param, &s->dense_none);
    }
    (void)sbi_i64_read(c, warmup, s->attention ? &op_warmup_param : &warmup_param, &s->warmup);
    (void)sbi_i64_read(c, repeat, s->attention ? &op_repeat_param : &repeat_param, &s->repetitions);
    if (s->repetitions == 0 && warmup != NULL && s->warmup > 0)
        sbi_refuse(c, warmup, "0 where repetitions is 0 (nothing is timed)");
    if (s->repetitions == 0)
        s->warmup = 0;
    if (given && s->attention)
        anchor_read(c, n, s);
}

static sbi_node *required(sbi_ctx *c, const sbi_node *root, const char *key, const char *allowed)
{
    sbi_node *n = sbi_map_get(root, key);
    if (n == NULL)
        sbi_refuse_missing(c, root, key, allowed);
    return n;
}

/* What is attended to: questions to a model, or operands. */
static void subject_read(sbi_ctx *c, sbi_node *root, sbi_spec *s)
{
    if (s->attention) {
        sbi_node *inputs = required(c, root, "inputs", "a list of inputs");
        if (inputs != NULL)
            sbi_inputs_read(c, inputs, s);
        return;
    }
    sbi_node *model     = required(c, root, "model", "a model, such as {name: probe}");
    sbi_node *workloads = required(c, root, "workloads", "a list of workloads");
    if (model != NULL)
        sbi_model_read(c, model, s);
    if (workloads != NULL)
        sbi_workloads_read(c, workloads, s);
}

static void axes_read(sbi_ctx *c, sbi_node *root, sbi_spec *s)
{
    subject_read(c, root, s);
    sbi_node *methods = required(c, root, "methods", "a list of methods");
    sbi_node *decode  = s->attention ? NULL : sbi_map_get(root, "decode");
    if (methods != NULL)
        sbi_methods_read(c, methods, s);
    sbi_sharding_read(c, sbi_map_get(root, "sharding"), s);
    if (decode != NULL) {
        sbi_values_read(c, decode, "a list of method, dense", sbi_value_enum, &sbi_param_decode,
                        &s->decodes);
    } else if ((s->decodes.v = sbi_pool_alloc(&c->temp, 1, sizeof *s->decodes.v)) != NULL) {
        s->decodes.v[0] = s->attention ? SB_DECODE_NONE : SB_DECODE_METHOD;
        s->decodes.n    = 1;
    }
}

void sbi_spec_read(sbi_ctx *c, sbi_node *root, sbi_spec *s)
{
    static const char *const task_keys[] = {
        "sweep",  "experiment", "backend", "model",  "workloads", "methods", "sharding",
        "decode", "quality",    "timing",  "graphs", "exclude",   NULL};
    static const char *const op_keys[]   = {"sweep",   "experiment", "backend", "inputs",
                                            "methods", "sharding",   "quality", "timing",
                                            "exclude", "dump",       NULL};
    sbi_names                names       = {0};
    *s                                   = (sbi_spec){.root = root};
    if (!sbi_is_map(c, root,
                    "a mapping with `sweep`, `experiment`, `methods`, and `model` and `workloads` "
                    "or `inputs`"))
        return;
    experiment_read(c, root, s);
    for (const char *const *k = s->attention ? op_keys : task_keys; *k != NULL; k++)
        sbi_names_add(c, &names, *k);
    sbi_check_keys(c, root, &names);
    const sbi_node *name = required(c, root, "sweep", "a name for the sweep");
    if (name != NULL)
        name_read(c, name, s);
    backend_read(c, sbi_map_get(root, "backend"), s);
    quality_read(c, sbi_map_get(root, "quality"), s);
    timing_read(c, sbi_map_get(root, "timing"), s);
    if (!s->attention)
        graphs_read(c, sbi_map_get(root, "graphs"), s);
    int64_t before = c->n_errors;
    axes_read(c, root, s);
    s->complete = c->n_errors == before;
    s->exclude  = sbi_map_get(root, "exclude");
    if (s->attention)
        sbi_dump_read(c, sbi_map_get(root, "dump"), s);
}
