/* spanbench generate: a prompt through a checkpoint. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/comm/links.h"
#include "harness/run/generate.h"
#include "harness/shard/bind.h"
#include "kernels/base/param.h"
#include "kernels/registry.h"

static const char HELP[] =
    "Usage: spanbench generate --model M (--prompt-file F | --ids-file F) [options]\n"
    "       (alone, or on the CPU under mpirun / srun)\n"
    "\n"
    "Prefill by an attention method, greedy decoding; the answer goes to stdout.\n"
    "\n"
    "  --model M          a folder with config.json and safetensors, a .gguf file, or owner/model "
    "of "
    "the local\n"
    "                     Hugging Face cache (Llama, Mistral, Qwen2, SmolLM2, Gemma 3, "
    "TransNormerLLM)\n"
    "  --prompt-file F    the prompt, UTF-8; -: stdin. Inside a wrapper the line break that ends "
    "it is left "
    "out\n"
    "  --ids-file F       token ids between blanks instead, taken as they are\n"
    "  --wrapper NAME     chat wrapper around the prompt, of configs/templates/chat.json; base: "
    "none;\n"
    "                     auto (default): the one whose template the model carries, else base\n"
    "  --method NAME      how the prefill attends (default dense; spanbench list methods)\n"
    "  --param NAME=VALUE of the method (repeatable)\n"
    "  --backend B        cpu (default), cuda\n"
    "  --graphs G         auto (default): decode steps on a device as one graph; off\n"
    "  --max-new N        tokens to generate at most (default 128)\n"
    "  --logits OUT       write ids and logits as safetensors\n"
    "  --logits-rows R    last (default), all\n"
    "  --extrapolate      also beyond the length the model was trained for\n"
    "  --print-ids        ids of the answer instead of its text; with --ids-file no tokenizer is "
    "needed\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 ok, 1 failed, 2 usage or a bad file, 3 does not fit.\n";

enum { MAX_PARAMS = 32, METHOD_PARAMS_BYTES = 16384 };

typedef struct options {
    const char    *model, *prompt, *ids, *wrapper, *method, *logits, *backend;
    char          *params[MAX_PARAMS];
    int            n_params, extrapolate, print_ids, help;
    int64_t        max_new;
    sb_logits_rows rows;
    sb_graphs_mode graphs;
} options;

static sb_status count_option(const char *text, int64_t *out)
{
    char     *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || v < 1 || v > 1 << 24)
        return sb_fail(SB_ERR_USAGE, "--max-new: found `%s`, allowed 1 to 2^24", text);
    *out = v;
    return SB_OK;
}

static sb_status rows_option(const char *text, sb_logits_rows *out)
{
    if (strcmp(text, "last") != 0 && strcmp(text, "all") != 0)
        return sb_fail(SB_ERR_USAGE, "--logits-rows: found `%s`, allowed last, all", text);
    *out = text[0] == 'a' ? SB_LOGITS_ALL : SB_LOGITS_LAST;
    return SB_OK;
}

static sb_status graphs_option(const char *text, sb_graphs_mode *out)
{
    if (strcmp(text, "auto") != 0 && strcmp(text, "off") != 0)
        return sb_fail(SB_ERR_USAGE, "--graphs: found `%s`, allowed auto, off", text);
    *out = text[0] == 'a' ? SB_GRAPHS_AUTO : SB_GRAPHS_OFF;
    return SB_OK;
}

static sb_status one_option(int c, options *o)
{
    enum {
        MODEL = 256,
        PROMPT,
        IDS,
        WRAPPER,
        METHOD,
        PARAM,
        MAX_NEW,
        LOGITS,
        ROWS,
        EXTRA,
        PRINT,
        BACKEND,
        GRAPHS
    };
    switch (c) {
    case MODEL:
        o->model = optarg;
        return SB_OK;
    case PROMPT:
        o->prompt = optarg;
        return SB_OK;
    case IDS:
        o->ids = optarg;
        return SB_OK;
    case WRAPPER:
        o->wrapper = optarg;
        return SB_OK;
    case METHOD:
        o->method = optarg;
        return SB_OK;
    case PARAM:
        if (o->n_params == MAX_PARAMS)
            return sb_fail(SB_ERR_USAGE, "--param: at most %d", MAX_PARAMS);
        o->params[o->n_params++] = optarg;
        return SB_OK;
    case MAX_NEW:
        return count_option(optarg, &o->max_new);
    case LOGITS:
        o->logits = optarg;
        return SB_OK;
    case ROWS:
        return rows_option(optarg, &o->rows);
    case EXTRA:
        o->extrapolate = 1;
        return SB_OK;
    case BACKEND:
        o->backend = optarg;
        return SB_OK;
    case GRAPHS:
        return graphs_option(optarg, &o->graphs);
    case PRINT:
        o->print_ids = 1;
        return SB_OK;
    case 'h':
        o->help = 1;
        return SB_OK;
    default:
        return sb_fail(SB_ERR_USAGE,
                       "unknown option or missing value (see spanbench generate --help)");
    }
}

static sb_status parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {
        {"model", 1, NULL, 256},       {"prompt-file", 1, NULL, 257}, {"ids-file", 1, NULL, 258},
        {"wrapper", 1, NULL, 259},     {"method", 1, NULL, 260},      {"param", 1, NULL, 261},
        {"max-new", 1, NULL, 262},     {"logits", 1, NULL, 263},      {"logits-rows", 1, NULL, 264},
        {"extrapolate", 0, NULL, 265}, {"print-ids", 0, NULL, 266},   {"backend", 1, NULL, 267},
        {"graphs", 1, NULL, 268},      {"help", 0, NULL, 'h'},        {0}};
    sb_status                  st      = SB_OK;
    int                        c;
    *o     = (options){.wrapper = "auto",
                       .method  = "dense",
                       .backend = "cpu",
                       .max_new = 128,
                       .rows    = SB_LOGITS_LAST};
    opterr = 0;
    while (st == SB_OK && !o->help && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        st = one_option(c, o);
    if (st != SB_OK || o->help)
        return st;
    if (optind != argc)
        return sb_fail(SB_ERR_USAGE, "found `%s`, allowed options only", argv[optind]);
    if (o->model == NULL)
        return sb_fail(SB_ERR_USAGE, "--model: say which, e.g. --model ~/models/SmolLM2.gguf");
    if ((o->prompt == NULL) == (o->ids == NULL))
        return sb_fail(SB_ERR_USAGE, "--prompt-file, --ids-file: give one of them");
    return SB_OK;
}

/* The device is this rank's from here on. */
static sb_status backend_of(const options *o, const sb_comm *comm, const sb_backend **out)
{
    const sb_backend *cuda = SB_IF_CUDA(&sb_backend_cuda);
    *out                   = strcmp(o->backend, "cuda") == 0 ? cuda : &sb_backend_cpu;
    if (strcmp(o->backend, "cpu") != 0 && strcmp(o->backend, "cuda") != 0)
        return sb_fail(SB_ERR_USAGE, "--backend: found `%s`, allowed cpu, cuda", o->backend);
    if (*out == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "--backend: found cuda, this is a CPU build");
    return sb_device_bind(comm, *out);
}

/* ---- what is read ---- */

static sb_status read_text(const char *path, char **text, size_t *n)
{
    FILE     *f    = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char     *buf  = NULL;
    size_t    room = 0, used = 0, got = 1;
    sb_status st = f != NULL ? SB_OK : sb_fail(SB_ERR_USAGE, "%s: %s", path, strerror(errno));
    while (st == SB_OK && got > 0) {
        if (used + 1 >= room) {
            room       = room == 0 ? 1 << 16 : 2 * room;
            char *more = realloc(buf, room);
            if (more == NULL) {
                st = sb_fail(SB_ERR_NOMEM, "%s: no memory for %zu bytes", path, room);
                break;
            }
            buf = more;
        }
        got = fread(buf + used, 1, room - 1 - used, f);
        used += got;
    }
    if (st == SB_OK && ferror(f))
        st = sb_fail(errno == EISDIR ? SB_ERR_USAGE : SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (f != NULL && f != stdin)
        (void)fclose(f);
    if (st != SB_OK) {
        free(buf);
        return st;
    }
    buf[used] = '\0';
    *text     = buf;
    *n        = used;
    return SB_OK;
}

static sb_status read_ids(const char *path, int32_t **ids, int64_t *n)
{
    char     *text  = NULL, *at, *end;
    size_t    bytes = 0;
    sb_status st    = read_text(path, &text, &bytes);
    if (st != SB_OK)
        return st;
    int32_t *v = calloc(bytes / 2 + 2, sizeof *v);
    if (v == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    *n = 0;
    for (at = text; st == SB_OK && *(at += strspn(at, " \t\r\n,")) != '\0'; at = end) {
        long long id = strtoll(at, &end, 10);
        if (end == at || id < 0 || id > INT32_MAX)
            st = sb_fail(SB_ERR_USAGE, "%s: found `%.20s` as token %lld, allowed ids", path, at,
                         (long long)*n);
        else
            v[(*n)++] = (int32_t)id;
    }
    free(text);
    if (st != SB_OK) {
        free(v);
        return st;
    }
    *ids = v;
    return SB_OK;
}

static sb_status read_input(const options *o, sb_prompter *p, sb_input *in)
{
    sb_status st;
    if (o->ids != NULL) {
        int32_t *ids = NULL;
        int64_t  n   = 0;
        if ((st = read_ids(o->ids, &ids, &n)) == SB_OK)
            st = sb_prompter_input_ids(p, ids, n, o->max_new, in);
        free(ids);
        return st;
    }
    char  *text  = NULL;
    size_t bytes = 0;
    if ((st = read_text(o->prompt, &text, &bytes)) != SB_OK)
        return st;
    int wraps = strcmp(sb_prompter_wrapper(p), "base") != 0;
    /* The line break that ends a file is no part of a question: models answer otherwise with it. */
    if (wraps && bytes > 0 && text[bytes - 1] == '\n')
        bytes -= bytes > 1 && text[bytes - 2] == '\r' ? 2 : 1;
    st        = sb_prompter_input(p,
                                  &(sb_prompt){.text          = text,
                                               .n_bytes       = (int64_t)bytes,
                                               .wrapped_bytes = wraps ? (int64_t)bytes : 0,
                                               .max_new       = o->max_new},
                                  in);
    free(text);
    return st;
}

/* Before the work, not behind it. */
static sb_status check_logits_folder(const char *path)
{
    char  dir[PATH_MAX];
    char *slash;
    if (path == NULL || (slash = strrchr(path, '/')) == NULL)
        return SB_OK;
    (void)snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return access(dir, W_OK) == 0 ? SB_OK
                                  : sb_fail(SB_ERR_USAGE, "--logits: %s: %s", dir, strerror(errno));
}

/* "a, b, c": the names that can be given, methods or the parameters of one. */
static sb_status not_among(const char *option, const char *found, const sb_method *m)
{
    char   names[1024] = "";
    size_t at          = 0;
    for (const sb_method *const *k = sb_methods; m == NULL && *k != NULL && at < sizeof names; k++)
        at +=
            (size_t)snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "", (*k)->name);
    for (const sb_param *p = m != NULL ? m->params : NULL; p != NULL && p->name != NULL; p++)
        if (p->type != SB_FILE && at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "",
                                   p->name);
    return sb_fail(SB_ERR_USAGE, "--%s: found `%s`, allowed %s%s%s", option, found,
                   at > 0 ? names : "none", m != NULL ? " of " : "", m != NULL ? m->name : "");
}

static sb_status method_of(const options *o, const sb_method **m, void *params)
{
    if ((*m = sb_method_find(o->method)) == NULL)
        return not_among("method", o->method, NULL);
    if ((*m)->params_bytes > METHOD_PARAMS_BYTES)
        return sb_fail(SB_ERR_INTERNAL, "%s: parameters of %zu bytes", o->method,
                       (*m)->params_bytes);
    sb_status st = sb_params_default((*m)->params, params);
    for (int i = 0; st == SB_OK && i < o->n_params; i++) {
        char           *eq = strchr(o->params[i], '=');
        const sb_param *p;
        if (eq == NULL)
            return sb_fail(SB_ERR_USAGE, "--param: found `%s`, allowed NAME=VALUE", o->params[i]);
        *eq = '\0';
        if ((p = sb_params_find((*m)->params, o->params[i])) == NULL || p->type == SB_FILE)
            return not_among("param", o->params[i], *m);
        if ((st = sb_param_set(p, params, eq + 1)) != SB_OK)
            return sb_wrap(st, "--param %s", o->params[i]);
    }
    return st;
}

/* ---- what is said ---- */

static void say(const options *o, const sb_generate *g, const sb_generated *r)
{
    const sb_prompter *p = g->prompter;
    double             n = (double)g->input->n_tokens;
    if (o->print_ids)
        for (int64_t i = 0; i < r->n; i++)
            (void)printf("%d%c", r->ids[i], i + 1 < r->n ? ' ' : '\n');
    else
        (void)printf("%s\n", r->text);
    if (sb_prompter_unknown_template(p))
        (void)fprintf(stderr,
                      "warning: the model's chat template (xxh64 %s) is not known: no wrapper; "
                      "--wrapper NAME chooses one\n",
                      sb_prompter_template_hash(p));
    (void)fprintf(
        stderr, "%lld tokens, wrapper %s; first token after %.3f s (%.0f tokens/s); %lld generated",
        (long long)g->input->n_tokens, sb_prompter_wrapper(p), r->prefill_s, n / r->prefill_s,
        (long long)r->n);
    if (r->steps > 0)
        (void)fprintf(stderr, ", %.2f ms each", r->decode_token_s * 1e3);
    if (r->steps > 0 && g->backend->id != SB_CPU)
        (void)fprintf(stderr, " (%lld of %lld steps by a graph%s%s)", (long long)r->graph_steps,
                      (long long)r->steps, r->graph_reason[0] != '\0' ? ": " : "", r->graph_reason);
    (void)fprintf(stderr, "; %.2f GiB a rank beside %.2f GiB of weights\n",
                  (double)r->room_bytes / 0x1p30, (double)r->weights_bytes / 0x1p30);
}

/* Ids in and out need no tokenizer. */
static sb_status open_prompter(const options *o, const sb_checkpoint *c, sb_prompter **out)
{
    return o->ids != NULL && o->print_ids ? sb_prompter_open_ids(c, out)
                                          : sb_prompter_open(c, o->wrapper, out);
}

/* What states of several ranks go over. Collective. */
static sb_status link_of(const sb_generate *g, sb_link **out)
{
    const sb_nccl_options none = {0};
    char                  why[160];
    if (g->backend->id != SB_CPU || (g->method->caps & SB_CAP_STATE) == 0)
        return SB_OK;
    return sb_link_choose(g->comm, g->backend, SB_LINK_AUTO, &none, out, why, sizeof why);
}

static sb_status generate(const options *o, const sb_launch *l)
{
    static _Alignas(16) unsigned char params[METHOD_PARAMS_BYTES];
    sb_generate                       g  = {.comm        = l->comm,
                                            .threads     = l->threads,
                                            .extrapolate = o->extrapolate,
                                            .graphs      = o->graphs,
                                            .rows = o->logits != NULL ? o->rows : SB_LOGITS_NONE,
                                            .logits_path = o->logits};
    sb_generated                      r  = {0};
    sb_input                          in = {0};
    sb_status                         st = method_of(o, &g.method, params);
    g.method_params                      = params;
    g.input                              = &in;
    if (st == SB_OK && (st = check_logits_folder(o->logits)) == SB_OK &&
        (st = backend_of(o, l->comm, &g.backend)) == SB_OK &&
        (st = sb_checkpoint_open(o->model, &g.checkpoint)) == SB_OK &&
        (st = open_prompter(o, g.checkpoint, &g.prompter)) == SB_OK)
        st = read_input(o, g.prompter, &in);
    if ((st = sb_launch_agree(l, st)) == SB_OK && (st = link_of(&g, &g.link)) == SB_OK)
        st = sb_generate_run(&g, &r);
    if (st == SB_OK && l->comm->rank == 0)
        say(o, &g, &r);
    sb_link_destroy(g.link);
    sb_generated_fini(&r);
    sb_input_fini(&in);
    sb_prompter_close(g.prompter);
    sb_checkpoint_close(g.checkpoint);
    return st;
}

int sb_cmd_generate(int argc, char **argv)
{
    options   o;
    sb_launch l  = {0};
    sb_status st = parse(argc, argv, &o);
    if (st != SB_OK) {
        if (sb_launch_speaks())
            sb_cmd_error("generate");
        return 2;
    }
    if (o.help)
        return sb_launch_speaks() && fputs(HELP, stdout) < 0;
    if ((st = sb_launch_begin(0, "0", &l)) != SB_OK) {
        sb_cmd_error("generate");
        return 1;
    }
    st = generate(&o, &l);
    if (st != SB_OK && (st != SB_ERR_PEER || l.comm->rank == 0))
        sb_cmd_error("generate");
    return sb_launch_end(&l, st == SB_ERR_NO_FIT ? 3 : sb_cmd_exit_code(st));
}
