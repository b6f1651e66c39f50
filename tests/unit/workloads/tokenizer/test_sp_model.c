/* SentencePiece's own file: fields, defaults, and files that lie. */
#include "tests/unit/workloads/tokenizer/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define B "\xE2\x96\x81" /* U+2581 */

static unsigned char file[65536];
static size_t        n_file;

static void put(const void *s, size_t n)
{
    ck_assert_uint_le(n, sizeof file - n_file);
    memcpy(file + n_file, s, n);
    n_file += n;
}

static void put_varint(uint64_t v)
{
    for (; v > 127; v >>= 7)
        put(&(unsigned char){(unsigned char)(v | 128)}, 1);
    put(&(unsigned char){(unsigned char)v}, 1);
}

static void put_number(uint64_t number, uint64_t v)
{
    put_varint(number << 3);
    put_varint(v);
}

static void put_bytes(uint64_t number, const void *s, size_t n)
{
    put_varint(number << 3 | 2);
    put_varint(n);
    put(s, n);
}

static void put_score(float score)
{
    put_varint(2 << 3 | 5);
    put(&score, 4); /* little-endian, as this machine */
}

/* type 0: left out, that is normal. */
static void put_piece(const char *text, float score, uint64_t type)
{
    size_t        at = n_file, n;
    unsigned char made[64];
    put_bytes(1, text, strlen(text));
    put_score(score);
    if (type > 0)
        put_number(3, type);
    n = n_file - at;
    ck_assert_uint_le(n, sizeof made);
    memcpy(made, file + at, n);
    n_file = at;
    put_bytes(1, made, n);
}

/* ids: <unk> 0, <s> 1, </s> 2, blank 3, a 4, b 5, ab 6, blank+a 7, bytes from 8. */
static void put_pieces(void)
{
    n_file = 0;
    put_piece("<unk>", 0, 2);
    put_piece("<s>", 0, 3);
    put_piece("</s>", 0, 3);
    put_piece(B, -1, 0);
    put_piece("a", -1, 1);
    put_piece("b", -1, 0);
    put_piece("ab", -2, 0);
    put_piece(B "a", -3, 0);
    for (int b = 0; b < 256; b++) {
        char text[8];
        (void)snprintf(text, sizeof text, "<0x%02X>", (unsigned)b & 255);
        put_piece(text, 0, 6);
    }
}

#define TRAINER "\x18\x02"                    /* model_type BPE */
#define NORMALIZER "\x0A\x08identity\x20\x00" /* name, remove_extra_whitespaces */

static void put_file(const char *trainer, size_t n_trainer, const char *normalizer,
                     size_t n_normalizer)
{
    put_pieces();
    put_bytes(2, trainer, n_trainer);
    put_bytes(3, normalizer, n_normalizer);
    put_bytes(99, "whatever", 8); /* fields that are not known are stepped over */
    put_number(98, 7);
}
#define PUT(trainer, normalizer)                                                                   \
    put_file(trainer, sizeof(trainer) - 1, normalizer, sizeof(normalizer) - 1)

static sb_status open_file(size_t n, sb_tok **out)
{
    unsigned char *own = malloc(n > 0 ? n : 1); /* exactly so many bytes for the sanitizer */
    sb_status      st;
    ck_assert_ptr_nonnull(own);
    memcpy(own, file, n);
    st = sb_tok_open_bytes("m.model", own, n, NULL, out);
    free(own);
    return st;
}

static sb_tok *must_open_file(void)
{
    sb_tok *t = NULL;
    ck_assert_msg(open_file(n_file, &t) == SB_OK, "%s", sb_error_text());
    return t;
}

START_TEST(fields)
{
    sb_tok *t;
    PUT(TRAINER, NORMALIZER);
    t = must_open_file();
    ck_assert_str_eq(sb_tok_splitter(t), "sentencepiece");
    ck_assert_int_eq(sb_tok_size(t), 264);
    ck_assert_str_eq(ids_of(t, "ab a"), "3 6 7");
    ck_assert_str_eq(ids_of(t, "<s>\n"), "1 3 18");
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_BOS), 1);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_EOS), 2);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_UNK), 0);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_PAD), -1);
    ck_assert_int_eq(sb_tok_adds_bos(t), 1);
    sb_tok_close(t);
    /* bos_id -1, eos_id 1, pad_id past the end; no blank in front */
    PUT(TRAINER "\xC8\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\xD0\x02\x01\xD8\x02\xFF\x7F",
        NORMALIZER "\x18\x00");
    t = must_open_file();
    ck_assert_str_eq(ids_of(t, "ab a"), "6 7");
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_BOS), -1);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_EOS), 1);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_PAD), -1);
    ck_assert_int_eq(sb_tok_adds_bos(t), 0);
    sb_tok_close(t);
}
END_TEST

static void refuse(sb_status want, const char *words)
{
    sb_tok *t = NULL;
    must_refuse(open_file(n_file, &t), want, words);
    must_refuse(open_file(n_file, &t), want, "tokenizer m.model: ");
    ck_assert_ptr_null(t);
}

START_TEST(refused)
{
    static const unsigned char endless[] = {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    PUT("", NORMALIZER);
    refuse(SB_ERR_UNSUPPORTED, "trainer_spec.model_type: found 1; only 2 (BPE)");
    PUT(TRAINER "\xC0\x01\x01", NORMALIZER);
    refuse(SB_ERR_UNSUPPORTED, "trainer_spec.treat_whitespace_as_suffix: found true");
    PUT(TRAINER, "\x0A\x08identity");
    refuse(SB_ERR_UNSUPPORTED, "normalizer_spec.remove_extra_whitespaces: found true");
    PUT(TRAINER, NORMALIZER "\x12\x03xyz");
    refuse(SB_ERR_UNSUPPORTED, "normalizer_spec.precompiled_charsmap: 3 bytes");
    PUT(TRAINER, NORMALIZER "\x28\x00");
    refuse(SB_ERR_UNSUPPORTED, "normalizer_spec.escape_whitespaces: found false");
    PUT("\x1A\x02", NORMALIZER);
    refuse(SB_ERR_USAGE, "trainer_spec: |ends inside a field");
    PUT("\x1A\x00", NORMALIZER);
    refuse(SB_ERR_USAGE, "trainer_spec: model_type has wire type 2, not 0");
    PUT(TRAINER, "\x18");
    refuse(SB_ERR_USAGE, "normalizer_spec: |a message of 1 bytes ends inside a field");
    PUT(TRAINER, NORMALIZER);
    put("\x0B", 1);
    refuse(SB_ERR_USAGE, "field 1 has wire type 3, which this file has not");
    PUT(TRAINER, NORMALIZER);
    put_number(1, 5);
    refuse(SB_ERR_USAGE, "pieces[264]: pieces has wire type 0, not 2");
    PUT(TRAINER, NORMALIZER);
    put_piece("x", 0, 7);
    refuse(SB_ERR_USAGE, "pieces[264]: type 7; 1 to 6 are possible");
    PUT(TRAINER, NORMALIZER);
    put_piece("x", 0, UINT64_MAX);
    refuse(SB_ERR_USAGE, "pieces[264]: type 18446744073709551615");
    PUT(TRAINER, NORMALIZER);
    put_bytes(1, "\x0A\x00", 2);
    refuse(SB_ERR_USAGE, "pieces[264]: it has no text");
    PUT(TRAINER, NORMALIZER);
    put_bytes(1, "\x0A\x7F", 2);
    refuse(SB_ERR_USAGE, "pieces[264]: a message of 2 bytes ends inside a field");
    PUT(TRAINER, NORMALIZER);
    put_bytes(1, "\x10\x05", 2);
    refuse(SB_ERR_USAGE, "pieces[264]: score has wire type 0, not 5");
    PUT(TRAINER, NORMALIZER);
    put_piece("ab", -9, 0);
    refuse(SB_ERR_USAGE, "token 264 is token 6 again");
    n_file = 0;
    put(endless, sizeof endless);
    refuse(SB_ERR_USAGE, "a number of more than 10 bytes");
}
END_TEST

/* Cut off anywhere, the file is refused or, between fields, lacks something. */
START_TEST(truncated)
{
    PUT(TRAINER, NORMALIZER);
    for (size_t n = 0; n < n_file - 14; n++) { /* the last 14 bytes are passed over */
        sb_tok *t = NULL;
        ck_assert_msg(open_file(n, &t) != SB_OK, "%zu of %zu bytes", n, n_file);
    }
}
END_TEST

/* A folder: tokenizer.json if there is one, else tokenizer.model. */
START_TEST(folder)
{
    char    dir[] = "/tmp/sb_model_XXXXXX", model[64], json[64];
    sb_tok *t     = NULL, *in_memory;
    char   *text  = small_json();
    FILE   *f;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(model, sizeof model, "%s/tokenizer.model", dir);
    (void)snprintf(json, sizeof json, "%s/tokenizer.json", dir);
    must_refuse(sb_tok_open(dir, NULL, &t), SB_ERR_USAGE,
                "found no tokenizer.json and no tokenizer.model");
    PUT(TRAINER, NORMALIZER);
    f = fopen(model, "wb");
    ck_assert_uint_eq(fwrite(file, 1, n_file, f), n_file);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(sb_tok_open(dir, NULL, &t) == SB_OK, "%s", sb_error_text());
    in_memory = must_open_file();
    ck_assert_str_eq(sb_tok_sha256(t), sb_tok_sha256(in_memory));
    sb_tok_close(in_memory);
    sb_tok_close(t);
    t = NULL;
    f = fopen(json, "wb");
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(sb_tok_open(dir, NULL, &t) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_tok_size(t), T_SIZE);
    sb_tok_close(t);
    free(text);
    (void)unlink(model);
    (void)unlink(json);
    (void)rmdir(dir);
}
END_TEST

/* JSON may start with the byte that starts a model. */
START_TEST(json_after_a_line_end)
{
    char   *text = small_json(), *later = malloc(strlen(text) + 4);
    sb_tok *t = NULL;
    ck_assert_ptr_nonnull(later);
    (void)sprintf(later, "\n\n %s", text);
    ck_assert_msg(sb_tok_open_bytes("x", later, strlen(later), NULL, &t) == SB_OK, "%s",
                  sb_error_text());
    sb_tok_close(t);
    t = NULL;
    must_refuse(sb_tok_open_bytes("x", "\n\n", 2, NULL, &t), SB_ERR_USAGE, "no JSON");
    free(later);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sp_model");
    TCase *t = tcase_create("sp_model");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, fields);
    tcase_add_test(t, refused);
    tcase_add_test(t, truncated);
    tcase_add_test(t, folder);
    tcase_add_test(t, json_after_a_line_end);
    suite_add_tcase(s, t);
    return run_suite(s);
}
