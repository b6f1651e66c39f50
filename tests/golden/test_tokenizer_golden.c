/* The ids of the package `tokenizers`, replayed without Python: tokenizer_golden.h has their
 * hashes. */
#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/tokenizer/case.h"
#include "workloads/base/sha256.h"

#include "tests/golden/tokenizer_golden.h"

#define ROWS ((int)(sizeof golden / sizeof golden[0]))

START_TEST(replay)
{
    sb_tok     *t    = must_open(golden[_i].path);
    sb_tok_ctx *c    = must_ctx(t);
    golden_text text = golden_text_make(golden[_i].seed, GOLDEN_TEXT_BYTES);
    int64_t     n    = 0;
    char        hex[65];
    sbi_sha256  h;
    sbi_sha256_init(&h);
    ck_assert_int_eq(text.n_docs, golden[_i].n_docs);
    ck_assert_int_eq((int64_t)text.at[text.n_docs], golden[_i].n_bytes);
    for (int64_t d = 0; d < text.n_docs; d++) {
        sb_tok_ids ids = encode_all(c, text.data + text.at[d], text.at[d + 1] - text.at[d]);
        sbi_sha256_put_i32s(&h, ids.ids, ids.n);
        n += ids.n;
        sb_tok_ids_fini(&ids);
    }
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    ck_assert_int_eq(n, golden[_i].n_tokens);
    ck_assert_str_eq(hex, golden[_i].sha256);
    golden_text_fini(&text);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, replay, 0, ROWS);
    suite_add_tcase(s, t);
    return run_suite(s);
}
