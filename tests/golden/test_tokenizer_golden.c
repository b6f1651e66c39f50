/* The ids of the packages `tokenizers` and `sentencepiece`, replayed without Python:
 * tokenizer_golden.h and sp_golden.h have their hashes. */
#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/tokenizer/case.h"
#include "workloads/base/sha256.h"

#include "tests/golden/sp_golden.h"
#include "tests/golden/tokenizer_golden.h"

#include <string.h>

#define ROWS ((int)(sizeof golden / sizeof golden[0]))
#define SP_ROWS ((int)(sizeof sp_golden / sizeof sp_golden[0]))

static void check(const golden_row *want, sb_tok_specials specials)
{
    sb_tok     *t    = must_open(want->path);
    sb_tok_ctx *c    = must_ctx(t);
    golden_text text = golden_text_make(want->seed, GOLDEN_TEXT_BYTES);
    sb_tok_ids  ids  = {0};
    int64_t     n    = 0;
    char        hex[65];
    sbi_sha256  h;
    sbi_sha256_init(&h);
    ck_assert_int_eq(text.n_docs, want->n_docs);
    ck_assert_int_eq((int64_t)text.at[text.n_docs], want->n_bytes);
    for (int64_t d = 0; d < text.n_docs; d++) {
        ids.n = 0;
        ck_assert_int_eq(sb_tok_encode(c, text.data + text.at[d], text.at[d + 1] - text.at[d],
                                       specials, SB_TOK_BOS_NONE, &ids),
                         SB_OK);
        sbi_sha256_put_i32s(&h, ids.ids, ids.n);
        n += ids.n;
    }
    sb_tok_ids_fini(&ids);
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    ck_assert_int_eq(n, want->n_tokens);
    ck_assert_str_eq(hex, want->sha256);
    golden_text_fini(&text);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}

START_TEST(replay) { check(&golden[_i], SB_TOK_SPECIALS_PARSE); }
END_TEST

/* sentencepiece itself knows no special tokens in a text. */
START_TEST(replay_sp)
{
    int json = strstr(sp_golden[_i].path, ".json") != NULL;
    check(&sp_golden[_i], json ? SB_TOK_SPECIALS_PARSE : SB_TOK_SPECIALS_LITERAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, replay, 0, ROWS);
    tcase_add_loop_test(t, replay_sp, 0, SP_ROWS);
    suite_add_tcase(s, t);
    return run_suite(s);
}
