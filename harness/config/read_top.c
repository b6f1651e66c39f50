/* The top level of a sweep file. */
#include "harness/config/spec.h"

#include <string.h>

enum { NAME_BYTES = 64 };

static const sb_param backend_param    = {"backend", "auto", "auto|cpu|cuda", "", SB_ENUM, 0};
static const sb_param experiment_param = {"experiment", "task", "task", "", SB_ENUM, 0};
static const sb_param mode_param       = {"mode", "sampled", "none|sampled|exact", "", SB_ENUM, 0};
static const sb_param detail_param     = {"detail", "summary", "summary|per_head", "", SB_ENUM, 0};
static const sb_param warmup_param     = {"warmup", "1", "[0,1000]", "", SB_I64, 0};
static const sb_param repeat_param     = {"repetitions", "3", "[1,1000000]", "", SB_I64, 0};

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

/* 1: a `task` sweep, whose other keys are known. */
static int experiment_read(sbi_ctx *c, const sbi_node *root)
{
    int32_t         v;
    const sbi_node *n = sbi_map_get(root, "experiment");
    if (n == NULL) {
        sbi_refuse_missing(c, root, "experiment", "task");
        return 1;
    }
    if (n->kind == SBI_SCALAR && strcmp(n->text, "attention") == 0) {
        sbi_refuse(c, n, "task (this version runs `task` only)");
        return 0;
    }
    (void)sbi_enum_read(c, n, &experiment_param, &v);
    return 1;
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

static void timing_read(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    const sbi_node *warmup = NULL, *repeat = NULL;
    if (n != NULL && sbi_is_map(c, n, "a mapping with `warmup` and `repetitions`")) {
        sbi_names keys = {0};
        sbi_names_add(c, &keys, "warmup");
        sbi_names_add(c, &keys, "repetitions");
        sbi_check_keys(c, n, &keys);
        warmup = sbi_map_get(n, "warmup");
        repeat = sbi_map_get(n, "repetitions");
    }
    (void)sbi_i64_read(c, warmup, &warmup_param, &s->warmup);
    (void)sbi_i64_read(c, repeat, &repeat_param, &s->repetitions);
}

static sbi_node *required(sbi_ctx *c, const sbi_node *root, const char *key, const char *allowed)
{
    sbi_node *n = sbi_map_get(root, key);
    if (n == NULL)
        sbi_refuse_missing(c, root, key, allowed);
    return n;
}

static void axes_read(sbi_ctx *c, sbi_node *root, sbi_spec *s)
{
    sbi_node *model     = required(c, root, "model", "a model, such as {name: probe}");
    sbi_node *workloads = required(c, root, "workloads", "a list of workloads");
    sbi_node *methods   = required(c, root, "methods", "a list of methods");
    sbi_node *decode    = sbi_map_get(root, "decode");
    if (model != NULL)
        sbi_model_read(c, model, s);
    if (workloads != NULL)
        sbi_workloads_read(c, workloads, s);
    if (methods != NULL)
        sbi_methods_read(c, methods, s);
    sbi_sharding_read(c, sbi_map_get(root, "sharding"), s);
    if (decode != NULL) {
        sbi_values_read(c, decode, "a list of method, dense", sbi_value_enum, &sbi_param_decode,
                        &s->decodes);
    } else if ((s->decodes.v = sbi_pool_alloc(&c->temp, 1, sizeof *s->decodes.v)) != NULL) {
        s->decodes.v[0] = SB_DECODE_METHOD;
        s->decodes.n    = 1;
    }
}

void sbi_spec_read(sbi_ctx *c, sbi_node *root, sbi_spec *s)
{
    static const char *const keys[] = {"sweep",     "experiment", "backend",  "model",
                                       "workloads", "methods",    "sharding", "decode",
                                       "quality",   "timing",     "exclude"};
    sbi_names                names  = {0};
    *s                              = (sbi_spec){.root = root};
    if (!sbi_is_map(c, root,
                    "a mapping with `sweep`, `experiment`, `model`, `workloads` and `methods`"))
        return;
    if (!experiment_read(c, root))
        return;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        sbi_names_add(c, &names, keys[i]);
    sbi_check_keys(c, root, &names);
    const sbi_node *name = required(c, root, "sweep", "a name for the sweep");
    if (name != NULL)
        name_read(c, name, s);
    backend_read(c, sbi_map_get(root, "backend"), s);
    quality_read(c, sbi_map_get(root, "quality"), s);
    timing_read(c, sbi_map_get(root, "timing"), s);
    int64_t before = c->n_errors;
    axes_read(c, root, s);
    s->complete = c->n_errors == before;
    s->exclude  = sbi_map_get(root, "exclude");
}
