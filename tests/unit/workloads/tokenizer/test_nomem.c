/* The k-th allocation of ours fails, for k = 1, 2, ... until one run needs fewer: each run returns
 * no_memory, leaves its outputs alone and leaks nothing (the address sanitizer watches). Linked
 * with
 * --wrap for malloc, calloc, realloc, aligned_alloc; the names with two underscores are the
 * linker's. */
#include "tests/unit/workloads/tokenizer/case.h"
#include "tests/unit/workloads/tokenizer/gguf_file.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static int countdown; /* 0: not armed */

static int fails(void) { return countdown > 0 && --countdown == 0; }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t a, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(a, n);
}

/* Check's own assertions allocate, so what must hold within a run is kept for after it. */
static int  broken;
static void expect(int holds) { broken |= !holds; }

/* One run; SB_OK when it had all it needed. */
typedef sb_status (*step)(void);

static void every_failure(step run, int at_least)
{
    int k = 1;
    for (;; k++) {
        sb_status st;
        int       unspent;
        countdown = k;
        st        = run();
        unspent   = countdown > 0;
        countdown = 0;
        ck_assert_int_eq(broken, 0);
        if (unspent) {
            ck_assert_msg(st == SB_OK, "%s", sb_error_text());
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: status %d %s", k, st, sb_error_text());
    }
    ck_assert_int_gt(k, at_least);
}

static sb_status opened(sb_status st, sb_tok *t)
{
    expect((st == SB_OK) == (t != NULL));
    sb_tok_close(t);
    return st;
}

static sb_status open_json(void)
{
    sb_tok   *t  = NULL;
    sb_status st = sb_tok_open(FIXTURES "llama3.json", NULL, &t);
    return opened(st, t);
}

static gguf_file g;

static sb_status open_gguf(void)
{
    sb_tok   *t  = NULL;
    sb_status st = sb_tok_open_bytes("g", g.data, g.n, NULL, &t);
    return opened(st, t);
}

static sb_tok *tok;

/* Text that needs everything: replaced bytes, NFC, a long piece, parts, decode, a stream, a
 * counter. */
static sb_status use(void)
{
    static char     text[4000];
    sb_tok_ctx     *c    = NULL;
    sb_tok_ids      ids  = {0};
    sb_tok_counter *k    = NULL;
    sb_tok_stream  *s    = NULL;
    char           *back = NULL;
    const char     *part;
    size_t          n;
    int64_t         count = -1;
    sb_status       st;
    memset(text, 'a', sizeof text);
    memcpy(text, "\xFFx e\xCC\x81 <|im_end|> ", 18);
    const sb_tok_part parts[2] = {{text, sizeof text, SB_TOK_SPECIALS_PARSE},
                                  {"x", 1, SB_TOK_SPECIALS_LITERAL}};
    st                         = sb_tok_ctx_create(tok, &c);
    if (st == SB_OK)
        st = sb_tok_encode_parts(c, parts, 2, SB_TOK_BOS_NONE, &ids);
    expect(st == SB_OK || ids.n == 0);
    if (st == SB_OK)
        st = sb_tok_decode(tok, ids.ids, ids.n, SB_TOK_SHOW_TEXT, &back, NULL);
    expect(st == SB_OK || back == NULL);
    if (st == SB_OK)
        st = sb_tok_counter_create(c, SB_TOK_SPECIALS_PARSE, &k);
    for (int i = 0; i < 3 && st == SB_OK; i++)
        st = sb_tok_counter_append(k, " word word\xFF", 11);
    if (st == SB_OK)
        st = sb_tok_counter_value(k, &count);
    expect((st == SB_OK) == (count > 0));
    if (st == SB_OK)
        st = sb_tok_stream_create(tok, SB_TOK_SHOW_TEXT, &s);
    for (int64_t i = 0; i < 4 && st == SB_OK; i++)
        st = sb_tok_stream_push(s, ids.ids[i], &part, &n);
    if (st == SB_OK)
        st = sb_tok_stream_end(s, &part, &n);
    free(back);
    sb_tok_stream_destroy(s);
    sb_tok_counter_destroy(k);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
    return st;
}

static sb_status open_sp(void)
{
    sb_tok   *t  = NULL;
    sb_status st = sb_tok_open(FIXTURES "sp_llama.gguf", NULL, &t);
    st           = opened(st, t);
    if (st != SB_OK)
        return st;
    t  = NULL;
    st = sb_tok_open(FIXTURES "sp_legacy_off.json", NULL, &t);
    st = opened(st, t);
    if (st != SB_OK)
        return st;
    t  = NULL;
    st = sb_tok_open(FIXTURES "sp_mistral.model", NULL, &t);
    return opened(st, t);
}

START_TEST(json) { every_failure(open_json, 10); }
END_TEST

START_TEST(gguf)
{
    gguf_small(&g, "gpt2", "qwen2", 0);
    every_failure(open_gguf, 20);
}
END_TEST

START_TEST(sentencepiece) { every_failure(open_sp, 40); }
END_TEST

START_TEST(encode_and_decode)
{
    static const char *const file[] = {FIXTURES "qwen2.json", FIXTURES "sp_llama.json"};
    tok                             = must_open(file[_i]);
    every_failure(use, 15);
    sb_tok_close(tok);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nomem");
    TCase *t = tcase_create("nomem");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, json);
    tcase_add_test(t, gguf);
    tcase_add_test(t, sentencepiece);
    tcase_add_loop_test(t, encode_and_decode, 0, 2);
    suite_add_tcase(s, t);
    return run_suite(s);
}
