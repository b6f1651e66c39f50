/* The table of a tokenizer: what it counts, what its ends give, where it may be cut. */
#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/tokenizer/case.h"
#include "workloads/tokenizer/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {"gpt2.json", "llama3.json", "qwen2.json", "smollm.json"};

static sb_tok *fixture(int i)
{
    char path[64];
    (void)snprintf(path, sizeof path, FIXTURES "%s", files[i]);
    return must_open(path);
}

static int64_t count_of(const sb_tok_ops *o, const char *s)
{
    int64_t n = -1;
    ck_assert_int_eq(o->count(o->ctx, s, (int64_t)strlen(s), &n), SB_OK);
    return n;
}

START_TEST(counts_and_names)
{
    sb_tok     *t = must_open_changed("", "");
    sb_tok_ctx *c = must_ctx(t);
    sb_tok_ops  literal, parsed;
    sb_tok_ops_of(c, SB_TOK_SPECIALS_LITERAL, &literal);
    sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &parsed);
    ck_assert_str_eq(literal.name, sb_tok_splitter(t));
    ck_assert_str_eq(literal.sha256, sb_tok_sha256(t));
    ck_assert_int_eq(count_of(&literal, ""), 0);
    ck_assert_int_eq(count_of(&literal, "abc"), 1);
    ck_assert_int_eq(count_of(&parsed, "abc<|end|>"), 2);
    ck_assert_int_eq(count_of(&literal, "abc<|end|>"), 8);
    ck_assert_int_eq(literal.safe_cut(c, "ab cd", 5, 4), 2);
    ck_assert_int_eq(literal.safe_cut(c, "ab cd", 5, 1), 0);
    ck_assert_int_eq(literal.safe_cut(c, "ab cd", 5, 0), 0);
    ck_assert_int_eq(literal.safe_cut(c, "ab cd", 5, -1), 0);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

static void check_ends(const sb_tok_ops *o, const char *text, int64_t head, int64_t tail,
                       const char *want)
{
    char   *out = NULL;
    int64_t n   = -1;
    ck_assert_int_eq(o->ends(o->ctx, text, (int64_t)strlen(text), head, tail, &out, &n), SB_OK);
    ck_assert_str_eq(out, want);
    ck_assert_int_eq(n, (int64_t)strlen(want));
    free(out);
}

static void check_joined(const sb_tok_ops *o, const char *text, int64_t head, int64_t tail,
                         const char *want)
{
    char   *out = NULL;
    int64_t n   = -1;
    ck_assert_int_eq(o->joined(o->ctx, text, (int64_t)strlen(text), head, tail, &out, &n), SB_OK);
    ck_assert_str_eq(out, want);
    ck_assert_int_eq(n, (int64_t)strlen(want));
    free(out);
}

START_TEST(joined_ends)
{
    sb_tok     *t = must_open_changed("", "");
    sb_tok_ctx *c = must_ctx(t);
    sb_tok_ops  o;
    char       *out = NULL;
    int64_t     n   = -1;
    sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &o);
    check_joined(&o, "", 0, 0, "");
    check_joined(&o, "abc x ab", 1, 1, "abcab");
    check_joined(&o, "abc<|end|>x", 2, 1, "abcx");
    check_joined(&o, "\xC3\xA9", 1, 1, "\xC3\xA9");
    check_joined(&o, "\xC3\xA9-\xC3\xA9", 1, 1, "\xC3\xA9"); /* halves of two */
    check_joined(&o, "\xC3\xA9-\xC3\xA9", 1, 0, "\xEF\xBF\xBD");
    must_refuse(o.joined(o.ctx, "abc", 3, 1, 1, &out, &n), SB_ERR_USAGE, "last 1 of 1");
    ck_assert_ptr_null(out);
    sb_tok_ops_of(c, SB_TOK_SPECIALS_LITERAL, &o);
    check_joined(&o, "abc<|end|>x", 8, 1, "abc<|end|>x");
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

START_TEST(ends)
{
    sb_tok     *t = must_open_changed("", "");
    sb_tok_ctx *c = must_ctx(t);
    sb_tok_ops  o;
    char       *out = NULL;
    int64_t     n   = -1;
    sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &o);
    check_ends(&o, "", 0, 0, "");
    check_ends(&o, "abc x ab", 0, 0, "");
    check_ends(&o, "abc x ab", 1, 1,
               "abcab"); /* abc, blank, x, blank, ab (blank+a has a lower rank) */
    check_ends(&o, "abc<|end|>x", 2, 0, "abc"); /* a special token is left out */
    check_ends(&o, "abc<|end|>x", 0, 2, "x");
    check_ends(&o, "\xC3\xA9", 1, 1, "\xEF\xBF\xBD\xEF\xBF\xBD"); /* each side by itself */
    must_refuse(o.ends(o.ctx, "abc", 3, 1, 1, &out, &n), SB_ERR_USAGE, "last 1 of 1");
    must_refuse(o.ends(o.ctx, "abc", 3, -1, 1, &out, &n), SB_ERR_USAGE, "first -1");
    must_refuse(o.ends(o.ctx, "abc", 3, 1, -1, &out, &n), SB_ERR_USAGE, "last -1");
    must_refuse(o.ends(o.ctx, "abc", 3, INT64_MAX, INT64_MAX, &out, &n), SB_ERR_USAGE, "of 1");
    ck_assert_ptr_null(out);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* On any text: count is that of the ids, ends are the decoded ends of the ids. */
START_TEST(as_encode_and_decode)
{
    sb_tok     *t = fixture(_i);
    sb_tok_ctx *c = must_ctx(t);
    golden_text g = golden_text_make(60 + (uint64_t)_i, 60000);
    sb_tok_ops  o;
    uint64_t    state = 5;
    sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &o);
    for (int64_t d = 0; d < g.n_docs; d++) {
        size_t     bytes = g.at[d + 1] - g.at[d], head_bytes, tail_bytes;
        char      *s     = strndup((const char *)g.data + g.at[d], bytes), *out, *head, *tail;
        sb_tok_ids v;
        int64_t    n, h, tl;
        bytes = strlen(s);
        v     = encode_all(c, s, bytes);
        ck_assert_int_eq(count_of(&o, s), v.n);
        h  = (int64_t)(next_random(&state) % (uint64_t)(v.n + 1));
        tl = (int64_t)(next_random(&state) % (uint64_t)(v.n - h + 1));
        ck_assert_int_eq(o.ends(o.ctx, s, (int64_t)bytes, h, tl, &out, &n), SB_OK);
        ck_assert_int_eq(sb_tok_decode(t, v.ids, h, SB_TOK_SHOW_TEXT, &head, &head_bytes), SB_OK);
        ck_assert_int_eq(
            sb_tok_decode(t, v.ids + (v.n - tl), tl, SB_TOK_SHOW_TEXT, &tail, &tail_bytes), SB_OK);
        ck_assert_int_eq(n, (int64_t)(head_bytes + tail_bytes));
        ck_assert_mem_eq(out, head, head_bytes);
        ck_assert_mem_eq(out + head_bytes, tail, tail_bytes + 1);
        free(out);
        free(head);
        free(tail);
        free(s);
        sb_tok_ids_fini(&v);
    }
    golden_text_fini(&g);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* ids -> text -> ids, and one text of two halves of a character. */
START_TEST(ids_and_back)
{
    static const char text[] = "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80 <|end|>";
    sb_tok           *t      = fixture(0);
    sb_tok_ctx       *c      = must_ctx(t);
    sb_tok_ops        model;
    const sb_tok_ops *ops[2] = {&model, sb_tok_ops_find("characters")};
    sb_tok_ops_of(c, SB_TOK_SPECIALS_LITERAL, &model);
    for (int k = 0; k < 2; k++) {
        const sb_tok_ops *o   = ops[k];
        int32_t          *ids = NULL;
        int64_t           n = -1, bytes = -1;
        char             *out = NULL;
        ck_assert_int_eq(o->encode(o->ctx, text, sizeof text - 1, &ids, &n), SB_OK);
        ck_assert_int_eq(n, count_of(o, text));
        ck_assert_int_eq(o->decode(o->ctx, ids, n, &out, &bytes), SB_OK);
        ck_assert_str_eq(out, text);
        ck_assert_int_eq(bytes, sizeof text - 1);
        free(out);
        ck_assert_int_eq(o->decode(o->ctx, ids, 0, &out, &bytes), SB_OK);
        ck_assert_str_eq(out, "");
        ck_assert_int_eq(bytes, 0);
        free(out);
        free(ids);
        ids = NULL;
        ck_assert_int_eq(o->encode(o->ctx, "", 0, &ids, &n), SB_OK);
        ck_assert_int_eq(n, 0);
        free(ids);
    }
    ck_assert(sb_tok_ops_find("bytes")->encode == NULL);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ops");
    TCase *t = tcase_create("ops");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, counts_and_names);
    tcase_add_test(t, ends);
    tcase_add_test(t, joined_ends);
    tcase_add_loop_test(t, as_encode_and_decode, 0, 4);
    tcase_add_test(t, ids_and_back);
    suite_add_tcase(s, t);
    return run_suite(s);
}
