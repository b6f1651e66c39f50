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

const sbi_split sbi_splits[] = {
    {.name    = "gpt-2",
     .aliases = " gpt2 ",
     .pattern = CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?" OTHER "|" END},
    {.name               = "llama-bpe",
     .aliases            = " llama3 llama-v3 ",
     .json_pattern       = LLAMA_JSON("\\p{N}{1,3}"),
     .pattern            = LLAMA("\\p{N}{1,3}"),
     .gguf_ignore_merges = 1,
     .gguf_adds_bos      = 1},
    {.name         = "qwen2",
     .aliases      = " deepseek-r1-qwen ",
     .json_pattern = LLAMA_JSON("\\p{N}"),
     .pattern      = LLAMA("\\p{N}"),
     .gguf_nfc     = 1},
    {.name    = "smollm",
     .aliases = " starcoder ",
     .pattern = "\\p{N}|" CONTRACTIONS "| ?\\p{L}+| ?" OTHER "|" S "+(?![^" WS "\\p{N}])|" S "+"},
    {.name    = "chatglm-bpe", /* Llama-3's pieces, but merges are never ignored and no BOS */
     .aliases = " glm4 ",
     .pattern = LLAMA("\\p{N}{1,3}")},
    {.name = NULL}};

const sbi_split sbi_split_none = {.name = "sentencepiece", .aliases = "", .pattern = ""};

#define JIT_STACK_BYTES ((size_t)1 << 20)

struct sbi_split_code {
    pcre2_code *code;
    int         jit;
};

struct sbi_splitter {
    const sbi_split_code *code;
    pcre2_match_data     *data;
    pcre2_match_context  *context;
    pcre2_jit_stack      *stack;
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
    return "gpt-2, llama-bpe, qwen2, smollm (starcoder), chatglm-bpe (glm4)";
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

sb_status sbi_split_compile(const sbi_split *s, sbi_split_code **out)
{
    int             error = 0;
    PCRE2_SIZE      where = 0;
    sbi_split_code *c     = calloc(1, sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a pattern");
    c->code = pcre2_compile((PCRE2_SPTR)s->pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                            &error, &where, NULL);
    if (c->code == NULL) {
        PCRE2_UCHAR text[128] = "";
        (void)pcre2_get_error_message(error, text, sizeof text);
        free(c);
        return error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAPLIMIT
                   ? sb_fail(SB_ERR_NOMEM, "no memory for pattern %s", s->name)
                   : sb_fail(SB_ERR_INTERNAL, "pattern %s, character %zu: %s", s->name,
                             (size_t)where, (const char *)text);
    }
    c->jit = pcre2_jit_compile(c->code, PCRE2_JIT_COMPLETE) == 0; /* else slower, not different */
    *out   = c;
    return SB_OK;
}

void sbi_split_code_free(sbi_split_code *c)
{
    if (c == NULL)
        return;
    pcre2_code_free(c->code);
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

sb_status sbi_splitter_next(sbi_splitter *s, const unsigned char *text, size_t n, size_t at,
                            size_t *end)
{
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(s->data);
    int               rc    = s->code->jit
                                  ? pcre2_jit_match(s->code->code, text, n, at, 0, s->data, s->context)
                                  : pcre2_match(s->code->code, text, n, at, PCRE2_NO_UTF_CHECK, s->data, s->context);
    if (rc == PCRE2_ERROR_NOMEMORY)
        return sb_fail(SB_ERR_NOMEM, "no memory to split text at byte %zu", at);
    /* every pattern takes any character, so a match stands at `at` and is not empty */
    if (rc < 0 || found[0] != at || found[1] <= at)
        return sb_fail(SB_ERR_INTERNAL, "splitting text at byte %zu: PCRE2 answers %d", at, rc);
    *end = found[1];
    return SB_OK;
}
