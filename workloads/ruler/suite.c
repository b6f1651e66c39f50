/* The record of the suite: what a request opens, and a sample of any mode as a text row. */
#include "workloads/ruler/suite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workloads/base/pytext.h"
#include "workloads/base/tok_memo.h"
#include "workloads/ruler/import.h"
#include "workloads/ruler/suite_inputs.h"
#include "workloads/ruler/suite_line.h"

typedef struct suite_set {
    sb_text_set          base; /* first */
    sb_ruler_params      params;
    const sb_ruler_task *task;
    sbi_ruler_inputs     in;
    sb_tok_ops           tok;    /* count NULL: none */
    sb_tok_memo         *memo;   /* of compat */
    sb_ruler_native     *native; /* one of the three */
    sb_ruler_set        *compat;
    sb_ruler_import     *import;
} suite_set;

static const char *const kinds[SB_RULER_SPAN_KINDS] = {"needle", "distractor", "query",
                                                       "answer_prefix", "shot"};

static suite_set *set_of(sb_text_set *s) { return (suite_set *)(void *)s; }

static int64_t suite_n_rows(const sb_text_set *set)
{
    const suite_set *s = (const suite_set *)(const void *)set;
    if (s->import != NULL)
        return s->import->n_rows + s->import->n_bad;
    if (s->in.qa == NULL)
        return -1;
    return s->in.qa->n_questions > s->params.first_question
               ? s->in.qa->n_questions - s->params.first_question
               : 0;
}

/* ---- open ---- */

static sb_status open_native(const sb_text_req *req, suite_set *s)
{
    sb_ruler_native_spec spec = {.task           = s->task,
                                 .seed           = req->seed,
                                 .length_tokens  = req->length_tokens,
                                 .wrapped_tokens = s->params.wrapped_tokens,
                                 .first_question = s->params.first_question,
                                 .templates      = s->in.templates,
                                 .tok            = s->tok};
    sb_status            st   = sbi_ruler_inputs_native(req, s->task, &s->in);
    spec.lexicon              = s->in.lexicon;
    spec.passages             = s->in.passages;
    spec.qa                   = s->in.qa;
    return st == SB_OK ? sb_ruler_native_open(&spec, &s->native) : st;
}

static sb_status open_compat(const sb_text_req *req, suite_set *s)
{
    sb_ruler_spec   spec  = {.task                  = s->task,
                             .seed                  = req->seed,
                             .length_tokens         = req->length_tokens,
                             .first_question        = s->params.first_question,
                             .model_template_tokens = s->params.wrapped_tokens,
                             .templates             = s->in.templates};
    sb_ruler_sample first = {0};
    sb_status       st    = sbi_ruler_inputs_compat(req, s->task, &s->in);
    if (st != SB_OK || (st = sb_tok_memo_create(&s->tok, 0, &s->memo)) != SB_OK)
        return st;
    spec.words   = s->in.words;
    spec.essay   = s->in.essay;
    spec.qa      = s->in.qa;
    spec.counter = *sb_tok_memo_ops(s->memo);
    if ((st = sb_ruler_open(&spec, &s->compat)) != SB_OK || suite_n_rows(&s->base) == 0)
        return st;
    st = sb_ruler_row(s->compat, 0, &first); /* the fit itself does not tell that nothing fits */
    sb_ruler_sample_fini(&first);
    return st;
}

static sb_status open_made(const sb_text_req *req, suite_set *s)
{
    if (req->tok == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "ruler makes rows to a length in tokens: it needs a tokenizer");
    /* nothing said: room for the wrapper of the model that asks, unless one stands in the prompt */
    if (s->params.wrapped_tokens == 0 && s->params.wrapper == 0)
        s->params.wrapped_tokens = req->wrapped_tokens;
    if (s->params.mode == SB_RULER_MODE_NATIVE)
        return open_native(req, s);
    if (s->task == &sb_ruler_qa_synth)
        return sb_fail(SB_ERR_UNSUPPORTED, "RULER has no task qa_synth: it is of mode native");
    return open_compat(req, s);
}

/* validation: a file, or the folder in which RULER keeps one a task. */
static sb_status open_import(const sb_text_req *req, suite_set *s)
{
    const char *given = req->paths[SB_RULER_KEY_VALIDATION];
    struct stat info;
    sbi_text    path = {0};
    sb_status   st;
    sbi_text_puts(&path, given);
    if (stat(given, &info) == 0 && S_ISDIR(info.st_mode)) {
        sbi_text_putc(&path, '/');
        sbi_text_puts(&path, s->task->name);
        sbi_text_puts(&path, "/validation.jsonl");
    }
    if ((st = sbi_text_status(&path)) == SB_OK)
        st = sb_ruler_import_open(path.p, s->task,
                                  s->in.templates->text[s->task->generator].gen_tokens, &s->import);
    sbi_text_fini(&path);
    return st;
}

static void suite_close(sb_text_set *set)
{
    suite_set *s = set_of(set);
    if (s == NULL)
        return;
    sb_ruler_native_close(s->native);
    sb_ruler_close(s->compat);
    sb_tok_memo_destroy(s->memo);
    sb_ruler_import_close(s->import);
    sbi_ruler_inputs_close(&s->in);
    free(s);
}

static sb_status suite_open(const sb_text_req *req, sb_text_set **out)
{
    suite_set *s = calloc(1, sizeof *s);
    sb_status  st;
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory");
    s->base   = (sb_text_set){req->suite, req->task};
    s->params = *(const sb_ruler_params *)req->params;
    s->task   = strcmp(req->task->name, sb_ruler_qa_synth.name) == 0
                    ? &sb_ruler_qa_synth
                    : sb_ruler_task_find(req->task->name);
    if (req->tok != NULL)
        s->tok = *req->tok;
    st = sbi_ruler_inputs_templates(req, &s->in);
    if (st == SB_OK)
        st = req->paths[SB_RULER_KEY_VALIDATION] != NULL ? open_import(req, s) : open_made(req, s);
    if (st != SB_OK) {
        suite_close(&s->base);
        return st;
    }
    *out = &s->base;
    return SB_OK;
}

/* ---- rows ---- */

static sb_status take_spans(const sb_ruler_sample *o, sb_text_row *r)
{
    if (o->n_spans == 0)
        return SB_OK;
    r->spans = malloc((size_t)o->n_spans * sizeof *r->spans);
    if (r->spans == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " spans", o->n_spans);
    for (int64_t i = 0; i < o->n_spans; i++)
        r->spans[i] = (sb_text_span){o->spans[i].byte_begin, o->spans[i].byte_end,
                                     kinds[o->spans[i].kind], o->spans[i].ref};
    r->n_spans = o->n_spans;
    return SB_OK;
}

static const char *mode_of(const suite_set *s)
{
    return s->import != NULL ? "import" : s->native != NULL ? "native" : "ruler_compat";
}

static char *meta_of(const suite_set *s, const sb_ruler_sample *o)
{
    sbi_text t = {0};
    sbi_text_puts(&t, "{\"mode\": \"");
    sbi_text_puts(&t, mode_of(s));
    sbi_text_putc(&t, '"');
    if (s->native != NULL)
        sbi_text_puts(&t, ", \"generator\": \"" SB_RULER_NATIVE_VERSION "\"");
    if (s->import == NULL) {
        sbi_text_puts(&t, ", \"units\": ");
        sbi_text_put_i64(&t, o->units);
    }
    if (s->params.wrapped_tokens > 0) {
        sbi_text_puts(&t, ", \"wrapped_tokens\": ");
        sbi_text_put_i64(&t, s->params.wrapped_tokens);
    }
    if (s->native == NULL) {
        sbi_text_puts(&t, ", \"index\": ");
        sbi_text_put_i64(&t, o->index);
    }
    if (o->answer_token >= 0) {
        sbi_text_puts(&t, ", \"token_position_answer\": ");
        sbi_text_put_i64(&t, o->answer_token);
    }
    sbi_text_putc(&t, '}');
    return sbi_text_take(&t);
}

/* The sample's text and answers move into the row. */
static sb_status row_of(suite_set *s, sb_ruler_sample *o, sb_text_row *out)
{
    sb_text_row r  = {.row          = o->row,
                      .line         = o->line,
                      .prompt       = o->text,
                      .prompt_bytes = o->text_bytes,
                      .input_bytes  = o->input_bytes,
                      .refs         = o->answers,
                      .n_refs       = o->n_answers,
                      .scorer       = s->base.task->scorer,
                      .gen_tokens   = o->gen_tokens,
                      .chat         = s->params.wrapped_tokens > 0,
                      .n_tokens     = o->n_tokens};
    sb_status   st = take_spans(o, &r);
    o->text        = NULL;
    o->answers     = NULL;
    o->n_answers   = 0;
    r.id           = strdup("");
    r.meta         = meta_of(s, o);
    if (st == SB_OK && (r.id == NULL || r.meta == NULL))
        st = sb_fail(SB_ERR_NOMEM, "ruler: no memory for a row");
    if (st == SB_OK && s->import != NULL && s->tok.count != NULL)
        st = s->tok.count(s->tok.ctx, r.prompt, r.prompt_bytes, &r.n_tokens);
    if (st == SB_OK)
        st = sb_text_row_seal(&r);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

static sb_status suite_row(sb_text_set *set, int64_t row, sb_text_row *out)
{
    suite_set      *s = set_of(set);
    int64_t         n = suite_n_rows(set);
    sb_ruler_sample o = {0};
    sb_status       st;
    if (row < 0 || (n >= 0 && row >= n))
        return sb_fail(SB_ERR_USAGE, "%s: row %" PRId64 " was asked for, there are %" PRId64,
                       s->task->name, row, n);
    if (s->import != NULL)
        st = sb_ruler_import_row(s->import, row, &o);
    else if (s->native != NULL)
        st = sb_ruler_native_row(s->native, row, &o);
    else
        st = sb_ruler_row(s->compat, row, &o);
    if (st == SB_OK)
        st = row_of(s, &o, out);
    sb_ruler_sample_fini(&o);
    return st;
}

/* ---- facts ---- */

static sb_ruler_facts native_facts(const suite_set *s)
{
    const sbi_ruler_inputs *in = &s->in;
    sb_ruler_facts          f  = {.generator        = SB_RULER_NATIVE_VERSION,
                                  .templates_sha256 = in->templates->sha256,
                                  .wrapper          = in->templates->wrapper_name,
                                  .wrapper_sha256   = in->templates->wrapper_sha256,
                                  .words_version    = "",
                                  .words_sha256     = "",
                                  .corpus_sha256    = "",
                                  .splitter         = "",
                                  .counter          = s->tok.name,
                                  .counter_sha256   = s->tok.sha256};
    if (in->lexicon != NULL) {
        f.words_version = sb_ruler_lexicon_name(in->lexicon);
        f.words_sha256  = sb_ruler_lexicon_sha256(in->lexicon);
    }
    if (in->passages != NULL) {
        f.corpus_sha256 = in->passages->sha256;
        f.splitter      = SB_SPLIT_NAME;
    }
    if (in->qa != NULL)
        f.corpus_sha256 = in->qa->sha256;
    return f;
}

static json_t *suite_facts(const sb_text_set *set)
{
    const suite_set *s = (const suite_set *)(const void *)set;
    sb_ruler_facts   f;
    if (s->import != NULL)
        return json_pack("{s:s, s:s, s:s, s:s}", "mode", "import", "generator",
                         "RULER's own validation.jsonl", "file_sha256", s->import->sha256,
                         "tokenizer", s->tok.count != NULL ? s->tok.name : "");
    f = s->native != NULL ? native_facts(s) : sb_ruler_set_facts(s->compat);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "mode", mode_of(s),
                     "generator", f.generator, "templates_sha256", f.templates_sha256, "wrapper",
                     f.wrapper, "wrapper_sha256", f.wrapper_sha256, "wordlist", f.words_version,
                     "wordlist_sha256", f.words_sha256, "corpus_sha256", f.corpus_sha256,
                     "splitter", f.splitter, "tokenizer", f.counter, "tokenizer_sha256",
                     f.counter_sha256);
}

/* ---- the record ---- */

#define ALL "ruler_all@1"
#define PART "ruler_part@1"

static const sb_text_task tasks[] = {
    {"niah_single_1", "one needle in a repeated text, number", ALL, 128},
    {"niah_single_2", "one needle in real text, number", ALL, 128},
    {"niah_single_3", "one needle in real text, uuid", ALL, 128},
    {"niah_multikey_1", "one of four needles in real text", ALL, 128},
    {"niah_multikey_2", "one needle among needles, word keys", ALL, 128},
    {"niah_multikey_3", "one needle among needles, uuid keys", ALL, 128},
    {"niah_multivalue", "four values of one key in real text", ALL, 128},
    {"niah_multiquery", "four keys asked for in real text", ALL, 128},
    {"vt", "variables that hold a value after four assignments", ALL, 30},
    {"cwe", "the ten most common words of a list", ALL, 120},
    {"fwe", "the three most frequent coded words", ALL, 50},
    {"qa_1", "a question of SQuAD among its documents", PART, 32},
    {"qa_2", "a question of HotpotQA among its documents", PART, 32},
    {"qa_synth", "a planted fact among passages of real text (native only)", PART, 32},
    {0},
};

#define P(field) offsetof(sb_ruler_params, field)

static const sb_param params[] = {
    {"mode", "native", "native|ruler_compat",
     "native: our own rows over text at hand, never RULER's scores; ruler_compat: the rows of "
     "NVIDIA/RULER c3f5e3b, byte for byte",
     SB_ENUM, P(mode)},
    {"wrapper", "base",
     "base|chatml|gemma|llama2|llama3|meta-chat|vicuna-chat|lwm-chat|command-r-chat|chatglm-chat|"
     "RWKV|Phi3|meta-llama3|jamba|nemotron5-instruct|own",
     "which chat wrapper of the file `chat` stands in the prompt and counts; own: the one so named",
     SB_ENUM, P(wrapper)},
    {"wrapped_tokens", "0", "[0,65536]",
     "tokens kept free for a chat wrapper that the model puts around the input; 0: it puts none",
     SB_I64, P(wrapped_tokens)},
    {"rules", "nltk_3_9", "nltk_3_9|nltk_3_10",
     "sentence splitter of ruler_compat's essays: NLTK up to 3.9, or from 3.10 on", SB_ENUM,
     P(rules)},
    {"first_question", "0", "[0,)", "qa: questions before the first row's (RULER's pre_samples)",
     SB_I64, P(first_question)},
    {0},
};

static const sb_text_key keys[] = {
    [SB_RULER_KEY_TEMPLATES] = {"templates", "texts of the tasks; not given: "
                                             "configs/templates/ruler.json as built in"},
    [SB_RULER_KEY_CHAT]      = {"chat", "chat wrappers; not given: configs/templates/chat.json as "
                                             "built in"},
    [SB_RULER_KEY_WORDS] = {"words", "wonderwords' lists; native: also WordNet's folder or a word "
                                     "list; not given there: built in"},
    [SB_RULER_KEY_ENGLISH_WORDS] = {"english_words", "RULER's english_words.json (long cwe rows)"},
    [SB_RULER_KEY_ESSAY]         = {"essay", "RULER's PaulGrahamEssays.json, or plain text"},
    [SB_RULER_KEY_PUNKT]         = {"punkt", "folder punkt_tab/english of NLTK's data"},
    [SB_RULER_KEY_SQUAD]         = {"squad", "SQuAD's dev-v2.0.json (qa_1)"},
    [SB_RULER_KEY_HOTPOTQA]      = {"hotpotqa", "hotpot_dev_distractor_v1.json (qa_2)"},
    [SB_RULER_KEY_CORPUS]        = {"corpus",
                                    "native: folder of text; not given: /usr/share/common-licenses"},
    [SB_RULER_KEY_VALIDATION]    = {"validation", "validation.jsonl of RULER, or the folder that "
                                                     "holds TASK/validation.jsonl: these rows instead "
                                                     "of made ones"},
    [SB_RULER_KEYS]              = {0},
};

const sb_text_suite sb_ruler_suite = {
    .name         = "ruler",
    .summary      = "RULER's tasks made to a length: over text at hand, or byte for byte",
    .version      = SB_RULER_NATIVE_VERSION ", " SB_RULER_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_ruler_params),
    .keys         = keys,
    .to_length    = 1,
    .open         = suite_open,
    .close        = suite_close,
    .n_rows       = suite_n_rows,
    .row          = suite_row,
    .facts        = suite_facts,
    .line         = sbi_ruler_suite_line,
};
