/* The four splitters [5.2]. `\s` is spelt out: the originals mean White_Space, PCRE2's own \s has
 * U+180E besides. Digits-then-GPT-2 is one pattern: every number is a piece, and to what stands
 * before it a number is the end of the text, so `(?!\S)` holds there too. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "workloads/tokenizer/split.h"

#include "workloads/tokenizer/tokenizer.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WS                                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"
#define S "[" WS "]"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define OTHER "[^" WS "\\p{L}\\p{N}]+"
#define END S "+(?![^" WS "])|" S "+"
#define LLAMA(numbers)                                                                             \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers "| ?" OTHER "[\\r\\n]*|" S      \
    "*[\\r\\n]+|" END
#define LLAMA_JSON(numbers)                                                                        \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                                 \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Tekken: words by their capitals; a number is one digit. */
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define TEKKEN_WORDS                                                                               \
    "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER     \
    "]*|"                                                                                          \
    "\\p{N}|"
/* DeepSeek: some scripts by themselves. In UTF-8 the ranges are U+4E00-9FA5, U+3040-309F,
 * U+30A0-30FF, and U+4E00-9FA5, U+0800-4E00, U+AC00-D7FF. */
#define CJK_V3_JSON "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"
#define CJK_CODER_JSON                                                                             \
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+"
#define V3_WORDS(marks)                                                                            \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}" marks                   \
    "]?[\\p{L}\\p{M}]+| ?[" marks "]+[\\r\\n]*|"
/* Punctuation and symbols since Unicode 15, of the first plane. */
#define NEW_P "\\x{1B4E}\\x{1B4F}\\x{1B7F}"
#define NEW_S "\\x{2427}-\\x{2429}\\x{2FFC}-\\x{2FFF}\\x{31E4}\\x{31E5}\\x{31EF}"

const sbi_split sbi_splits[] = {
    {.name    = "gpt-2",
     .aliases = " gpt2 ",
     .pattern = {CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?" OTHER "|" END}},
    {.name               = "llama-bpe",
     .aliases            = " llama3 llama-v3 ",
     .json               = {LLAMA_JSON("\\p{N}{1,3}")},
     .pattern            = {LLAMA("\\p{N}{1,3}")},
     .gguf_ignore_merges = 1,
     .gguf_adds_bos      = 1},
    {.name     = "qwen2",
     .aliases  = " deepseek-r1-qwen ",
     .json     = {LLAMA_JSON("\\p{N}")},
     .pattern  = {LLAMA("\\p{N}")},
     .gguf_nfc = 1},
    {.name    = "smollm",
     .aliases = " starcoder ",
     .pattern = {"\\p{N}|" CONTRACTIONS "| ?\\p{L}+| ?" OTHER "|" S "+(?![^" WS "\\p{N}])|" S "+"}},
    {.name    = "chatglm-bpe", /* Llama-3's pieces, but merges are never ignored and no BOS */
     .aliases = " glm4 ",
     .pattern = {LLAMA("\\p{N}{1,3}")}},
    {.name    = "tekken",
     .aliases = " ",
     .json    = {TEKKEN_WORDS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     .pattern = {TEKKEN_WORDS " ?" OTHER "[\\r\\n/]*|" S "*[\\r\\n]+|" END},
     .gguf_ignore_merges = 1,
     .gguf_adds_bos      = 1},
    {.name    = "deepseek-v3",
     .aliases = " ",
     .json    = {"\\p{N}{1,3}", CJK_V3_JSON,
                 V3_WORDS("\\p{P}\\p{S}") "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     .pattern = {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+",
                 V3_WORDS("\\p{P}\\p{S}" NEW_P NEW_S) S "*[\\r\\n]+|" END}},
    {.name    = "deepseek-coder",
     .aliases = " ",
     .json    = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_CODER_JSON, SBI_SPLIT_DIGITS},
     .pattern = {"[\\r\\n]", S "?\\p{L}+", S "?[\\p{P}" NEW_P "]+",
                 "[\\x{0800}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+", "\\p{N}"}},
    {.name = NULL}};

const sbi_split sbi_split_none = {.name = "sentencepiece", .aliases = ""};

#define JIT_STACK_BYTES ((size_t)1 << 20)

struct sbi_split_code {
    pcre2_code *code[SBI_SPLIT_STAGES];
    int         n;
    int         jit; /* all of them, or none is used */
};

/* The next match of a stage in text up to limit; begin is limit where there is none. */
typedef struct found {
    size_t begin, end, limit;
} found;

struct sbi_splitter {
    const sbi_split_code *code;
    pcre2_match_data     *data;
    pcre2_match_context  *context;
    pcre2_jit_stack      *stack;
    found                 next[SBI_SPLIT_STAGES];
};

const sbi_split *sbi_split_by_name(const char *name, size_t n)
{
    char word[34]; /* " name ", as it stands among the aliases */
    if (n == 0 || n > sizeof word - 3 || memchr(name, ' ', n) != NULL || memchr(name, 0, n) != NULL)
        return NULL;
    word[0] = ' ';
    memcpy(word + 1, name, n);
    memcpy(word + 1 + n, " ", 2);
    for (const sbi_split *s = sbi_splits; s->name != NULL; s++)
        if ((strlen(s->name) == n && memcmp(s->name, name, n) == 0) ||
            strstr(s->aliases, word) != NULL)
            return s;
    return NULL;
}

const char *sb_tok_splitters(void)
{
    return "gpt-2, llama-bpe, qwen2, smollm (starcoder), chatglm-bpe (glm4), tekken, deepseek-v3, "
           "deepseek-coder";
}

void sb_tok_pcre2_version(char *buf, size_t n)
{
    char version[64] = "", unicode[64] = "";
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof version)
        (void)pcre2_config(PCRE2_CONFIG_VERSION, version);
    if (pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL) <= (int)sizeof unicode)
        (void)pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, unicode);
    (void)snprintf(buf, n, "%s, Unicode %s", version, unicode);
}

static sb_status compile(const char *name, const char *pattern, pcre2_code **out)
{
    int         error     = 0;
    PCRE2_SIZE  where     = 0;
    PCRE2_UCHAR text[128] = "";
    *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                         &where, NULL);
    if (*out != NULL)
        return SB_OK;
    (void)pcre2_get_error_message(error, text, sizeof text);
    return error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAPLIMIT
               ? sb_fail(SB_ERR_NOMEM, "no memory for pattern %s", name)
               : sb_fail(SB_ERR_INTERNAL, "pattern %s, character %zu: %s", name, (size_t)where,
                         (const char *)text);
}

sb_status sbi_split_compile(const sbi_split *s, sbi_split_code **out)
{
    sbi_split_code *c = calloc(1, sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a pattern");
    c->jit = 1; /* else slower, not different */
    for (; s->pattern[c->n] != NULL; c->n++) {
        sb_status st = compile(s->name, s->pattern[c->n], &c->code[c->n]);
        if (st != SB_OK) {
            sbi_split_code_free(c);
            return st;
        }
        c->jit &= pcre2_jit_compile(c->code[c->n], PCRE2_JIT_COMPLETE) == 0;
    }
    *out = c;
    return SB_OK;
}

void sbi_split_code_free(sbi_split_code *c)
{
    if (c == NULL)
        return;
    for (int k = 0; k < SBI_SPLIT_STAGES; k++)
        pcre2_code_free(c->code[k]);
    free(c);
}

sb_status sbi_splitter_create(const sbi_split_code *c, sbi_splitter **out)
{
    sbi_splitter *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a splitter");
    s->code    = c;
    s->data    = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    if (c->jit)
        s->stack = pcre2_jit_stack_create(32768, JIT_STACK_BYTES, NULL);
    if (s->data == NULL || s->context == NULL || (c->jit && s->stack == NULL)) {
        sbi_splitter_destroy(s);
        return sb_fail(SB_ERR_NOMEM, "no memory for a splitter");
    }
    /* a run of blanks backtracks once a character, however long it is */
    (void)pcre2_set_match_limit(s->context, UINT32_MAX);
    if (s->stack != NULL)
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
    *out = s;
    return SB_OK;
}

void sbi_splitter_destroy(sbi_splitter *s)
{
    if (s == NULL)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

void sbi_splitter_begin(sbi_splitter *s)
{
    for (int k = 0; k < SBI_SPLIT_STAGES; k++)
        s->next[k] = (found){0, 0, 0}; /* no text ends at 0 */
}

/* The first match of a stage in [at, limit). */
static sb_status look(sbi_splitter *s, int stage, const unsigned char *text, size_t limit,
                      size_t at, found *out)
{
    const pcre2_code *code = s->code->code[stage];
    const PCRE2_SIZE *v    = pcre2_get_ovector_pointer(s->data);
    int               rc   = s->code->jit
                                 ? pcre2_jit_match(code, text, limit, at, 0, s->data, s->context)
                                 : pcre2_match(code, text, limit, at, PCRE2_NO_UTF_CHECK, s->data, s->context);
    if (rc == PCRE2_ERROR_NOMEMORY)
        return sb_fail(SB_ERR_NOMEM, "no memory to split text at byte %zu", at);
    if (rc == PCRE2_ERROR_NOMATCH) {
        *out = (found){limit, limit, limit};
        return SB_OK;
    }
    if (rc < 0 || v[1] <= v[0]) /* no pattern matches nothing */
        return sb_fail(SB_ERR_INTERNAL, "splitting text at byte %zu: PCRE2 answers %d", at, rc);
    *out = (found){v[0], v[1], limit};
    return SB_OK;
}

sb_status sbi_splitter_next(sbi_splitter *s, const unsigned char *text, size_t n, size_t at,
                            size_t *end)
{
    size_t limit = n; /* of the piece that the stages before made */
    for (int k = 0; k < s->code->n; k++) {
        found *f = &s->next[k];
        if (f->limit != limit || f->end <= at) {
            sb_status st = look(s, k, text, limit, at, f);
            if (st != SB_OK)
                return st;
        }
        limit = at >= f->begin ? f->end : f->begin;
    }
    *end = limit;
    return SB_OK;
}
