/* spanbench gen: the questions of a sweep file as jsonl files, without running a model. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/options.h"
#include "harness/cli/version.h"
#include "harness/gen/gen.h"
#include "harness/model/checkpoint/checkpoint.h"
#include "harness/run/stop.h"
#include "workloads/tokenizer/ops.h"

static const char HELP[] =
    "Usage: spanbench gen SWEEP.yaml -o DIR [options]    (alone, or under mpirun / srun)\n"
    "\n"
    "Writes the questions of the sweep's text workloads (spanbench list workloads), one folder a "
    "task:\n"
    "  DIR/SUITE/LENGTH/TASK/validation.jsonl and facts.json (what the rows were made from)\n"
    "Rows that an equal request has written there are kept. Tokens are counted by `tokenizer`, "
    "else by the\n"
    "tokenizer of model.path where the file names one model; methods are not looked at.\n"
    "\n"
    "  -o, --out DIR      where to (made when missing)\n"
    "  --format F         own: the suite's own format where it has one (default); spanbench: ours "
    "(rows.jsonl)\n"
    "  --rows A-B         only these rows of each task, counted from 0, both ends included\n"
    "  --set PATH=VALUE   override a key of the sweep, e.g. --set tokenizer=tokenizer.json "
    "(repeatable)\n"
    "  --no-cache         do not look in the cache of sets ($SPAN_CACHE_DIR, else "
    "~/.cache/spanbench), nor fill it\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 ok, 1 tasks that could not be written, bad rows in a file, 2 usage or bad "
    "configuration,\n75 interrupted and resumable.\n";

typedef struct options {
    const char   *sweep, *out;
    sb_sets       sets;
    int64_t       first, last;
    sb_gen_format format;
    int           no_cache, help;
} options;

static sb_status rows_option(const char *text, options *o)
{
    char     *end;
    long long a = strtoll(text, &end, 10), b = a;
    if (end != text && *end == '-')
        b = strtoll(end + 1, &end, 10);
    if (end == text || *end != '\0' || a < 0 || b < a)
        return sb_fail(SB_ERR_USAGE, "--rows: found `%s`, allowed A or A-B with 0 <= A <= B", text);
    o->first = a;
    o->last  = b;
    return SB_OK;
}

static sb_status format_option(const char *text, options *o)
{
    if (strcmp(text, "own") != 0 && strcmp(text, "spanbench") != 0)
        return sb_fail(SB_ERR_USAGE, "--format: found `%s`, allowed own, spanbench", text);
    o->format = text[0] == 'o' ? SB_GEN_OWN : SB_GEN_SPANBENCH;
    return SB_OK;
}

static sb_status parse(int argc, char **argv, options *o)
{
    enum { FORMAT = 256, ROWS, SET, NO_CACHE };
    static const struct option longs[] = {{"out", 1, NULL, 'o'},
                                          {"format", 1, NULL, FORMAT},
                                          {"rows", 1, NULL, ROWS},
                                          {"set", 1, NULL, SET},
                                          {"no-cache", 0, NULL, NO_CACHE},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    *o                                 = (options){.last = -1};
    sb_status st                       = SB_OK;
    int       c;
    opterr = 0;
    while (st == SB_OK && (c = getopt_long(argc, argv, "ho:", longs, NULL)) != -1)
        switch (c) {
        case 'o':
            o->out = optarg;
            break;
        case FORMAT:
            st = format_option(optarg, o);
            break;
        case ROWS:
            st = rows_option(optarg, o);
            break;
        case SET:
            st = sb_sets_add(&o->sets, optarg);
            break;
        case NO_CACHE:
            o->no_cache = 1;
            break;
        case 'h':
            o->help = 1;
            return SB_OK;
        default:
            return sb_fail(SB_ERR_USAGE,
                           "unknown option or missing value: `%s` (see spanbench gen --help)",
                           argv[optind - 1]);
        }
    if (st != SB_OK)
        return st;
    if (optind != argc - 1)
        return sb_fail(SB_ERR_USAGE, "name one sweep file, e.g. spanbench gen "
                                     "configs/gen/ruler.yaml -o samples");
    if (o->out == NULL || o->out[0] == '\0')
        return sb_fail(SB_ERR_USAGE, "-o: say where to write, e.g. -o samples");
    o->sweep = argv[optind];
    return SB_OK;
}

/* ---- what a person sees ---- */

typedef struct screen {
    int     terminal;
    int64_t last_ns;
} screen;

static void clear(const screen *s)
{
    if (s->terminal)
        (void)fputs("\r\033[K", stderr);
}

static void progress(void *arg, const sb_gen_set *set, int64_t rows, int64_t of)
{
    screen *s   = arg;
    int64_t now = sb_now_ns();
    if (!s->terminal || now - s->last_ns < 100000000)
        return;
    s->last_ns = now;
    (void)fprintf(stderr, "\r\033[K%s %s %" PRId64 ": row %" PRId64 " of %" PRId64,
                  set->suite->name, set->task->name, set->length_tokens, rows, of);
}

static void bad_row(void *arg, const sb_gen_set *set, const char *why)
{
    clear(arg);
    (void)fprintf(stderr, "%s %s: left out: %s\n", set->suite->name, set->task->name, why);
}

static void report(void *arg, const sb_gen_report *r)
{
    static const char *const words[SB_GEN_RESULTS] = {"made", "from the cache", "there already",
                                                      "unsupported", "failed"};
    clear(arg);
    (void)fprintf(stderr, "%s %s", r->set->suite->name, r->set->task->name);
    if (r->set->length_tokens > 0)
        (void)fprintf(stderr, " %" PRId64, r->set->length_tokens);
    (void)fprintf(stderr, ": %s", words[r->result]);
    if (r->result == SB_GEN_UNSUPPORTED || r->result == SB_GEN_FAILED)
        (void)fprintf(stderr, ": %s\n", r->reason);
    else
        (void)fprintf(stderr, ", %" PRId64 " rows, %.1f s, %s\n", r->rows, r->seconds, r->path);
}

static void warn(void *arg, const char *text)
{
    clear(arg);
    (void)fprintf(stderr, "warning: %s\n", text);
}

static int should_stop(void *unused)
{
    (void)unused;
    return sb_stop_signalled() != 0;
}

/* ---- the run ---- */

typedef struct tokens {
    sb_tok           *tok;
    sb_tok_ctx       *ctx;
    sb_tok_ops        ops;
    const sb_tok_ops *use; /* NULL: none */
} tokens;

static sb_status open_file(const char *path, tokens *t)
{
    sb_status st = sb_tok_open(path, NULL, &t->tok);
    if (st == SB_OK)
        st = sb_tok_ctx_create(t->tok, &t->ctx);
    if (st == SB_OK) { /* as RULER counts: a wrapper's special tokens are those tokens */
        sb_tok_ops_of(t->ctx, SB_TOK_SPECIALS_PARSE, &t->ops);
        t->use = &t->ops;
    }
    return st;
}

/* The model may be on another machine only: then there is no tokenizer, and tasks that need one say
 * so. */
static sb_status open_models(const char *model, int speaks, tokens *t)
{
    char     *path = NULL;
    sb_status st   = sb_checkpoint_locate(model, &path);
    if (st == SB_OK)
        st = open_file(path, t);
    else if (st == SB_ERR_USAGE) {
        if (speaks)
            (void)fprintf(stderr, "warning: no tokenizer: model.path: %s\n", sb_error_text());
        st = SB_OK;
    }
    free(path);
    return st;
}

static sb_status open_tokenizer(const sb_gen_plan *p, int speaks, tokens *t)
{
    if (p->tokenizer == NULL)
        return p->model != NULL ? open_models(p->model, speaks, t) : SB_OK;
    if (p->tokenizer_is_counter) {
        t->use = sb_tok_ops_find(p->tokenizer);
        return SB_OK;
    }
    return open_file(p->tokenizer, t);
}

static void close_tokenizer(tokens *t)
{
    sb_tok_ctx_destroy(t->ctx);
    sb_tok_close(t->tok);
}

/* What all ranks did. */
static sb_status add_up(sb_comm *comm, sb_gen_outcome *out)
{
    int64_t   v[SB_GEN_RESULTS + 3] = {out->rows, out->bad_rows, out->stopped};
    sb_status st;
    for (int i = 0; i < SB_GEN_RESULTS; i++)
        v[3 + i] = out->n[i];
    if ((st = sb_comm_allreduce_i64(comm, v, SB_GEN_RESULTS + 3, SB_REDUCE_SUM)) != SB_OK)
        return st;
    out->rows     = v[0];
    out->bad_rows = v[1];
    out->stopped  = v[2] > 0;
    for (int i = 0; i < SB_GEN_RESULTS; i++)
        out->n[i] = v[3 + i];
    return SB_OK;
}

static void say_end(const sb_gen_outcome *out, const char *dir)
{
    (void)fprintf(stderr,
                  "%" PRId64 " sets made, %" PRId64 " from the cache, %" PRId64
                  " there already, %" PRId64 " unsupported, %" PRId64 " failed; %" PRId64
                  " rows in %s",
                  out->n[SB_GEN_MADE], out->n[SB_GEN_CACHED], out->n[SB_GEN_REUSED],
                  out->n[SB_GEN_UNSUPPORTED], out->n[SB_GEN_FAILED], out->rows, dir);
    if (out->bad_rows > 0)
        (void)fprintf(stderr, ", %" PRId64 " bad rows left out", out->bad_rows);
    (void)fputc('\n', stderr);
    if (out->stopped)
        (void)fputs("stopped; the same command goes on from here\n", stderr);
}

static sb_status generate(const options *o, const sb_gen_plan *plan, const sb_launch *l,
                          sb_gen_outcome *out)
{
    tokens         t     = {0};
    screen         s     = {.terminal = l->comm->size == 1 && isatty(STDERR_FILENO)};
    sb_gen_options g     = {.plan        = plan,
                            .dir         = o->out,
                            .format      = o->format,
                            .first_row   = o->first,
                            .last_row    = o->last,
                            .rank        = l->comm->rank,
                            .ranks       = l->comm->size,
                            .program     = sb_version_text(),
                            .report      = report,
                            .warn        = warn,
                            .bad_row     = bad_row,
                            .progress    = progress,
                            .should_stop = should_stop,
                            .arg         = &s};
    sb_gen_cache  *cache = NULL;
    sb_status      st    = open_tokenizer(plan, l->comm->rank == 0, &t);
    g.tok                = t.use;
    if (st == SB_OK && !o->no_cache && sb_gen_cache_open(NULL, &cache) != SB_OK &&
        l->comm->rank == 0)
        (void)fprintf(stderr, "warning: no cache of sets: %s\n", sb_error_text());
    g.cache = cache;
    if (st == SB_OK)
        st = sb_gen_run(&g, out);
    sb_gen_cache_close(cache);
    close_tokenizer(&t);
    if ((st = sb_comm_agree(l->comm, st)) == SB_OK)
        st = add_up(l->comm, out);
    if (st == SB_OK && l->comm->rank == 0)
        say_end(out, o->out);
    return st;
}

static int exit_code(sb_status st, const sb_gen_outcome *out)
{
    if (st != SB_OK)
        return sb_cmd_exit_code(st);
    if (out->stopped)
        return SB_EXIT_RESUMABLE;
    return out->n[SB_GEN_FAILED] + out->n[SB_GEN_UNSUPPORTED] + out->bad_rows > 0 ? 1 : 0;
}

int sb_cmd_gen(int argc, char **argv)
{
    options        o;
    sb_launch      l    = {0};
    sb_gen_plan   *plan = NULL;
    sb_gen_outcome out  = {0};
    sb_status      st   = parse(argc, argv, &o);
    if (st != SB_OK) {
        if (sb_launch_speaks())
            sb_cmd_error("gen");
        return 2;
    }
    if (o.help)
        return sb_launch_speaks() && fputs(HELP, stdout) < 0;
    if ((st = sb_launch_begin(0, "0", &l)) != SB_OK) {
        sb_cmd_error("gen");
        return sb_cmd_exit_code(st);
    }
    sb_stop_install();
    st = sb_gen_load(o.sweep, o.sets.set, o.sets.n, l.comm->rank == 0 ? stderr : NULL, &plan);
    if ((st = sb_launch_agree(&l, st)) == SB_OK)
        st = generate(&o, plan, &l, &out);
    if (st != SB_OK && (st != SB_ERR_PEER || l.comm->rank == 0))
        sb_cmd_error("gen");
    sb_gen_free(plan);
    return sb_launch_end(&l, exit_code(st, &out));
}
