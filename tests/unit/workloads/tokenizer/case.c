#include "tests/unit/workloads/tokenizer/case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char head[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": ["
    "{\"id\": 264, \"content\": \"<|end|>\", \"single_word\": false, \"lstrip\": false, "
    "\"rstrip\": false,"
    " \"normalized\": false, \"special\": true},"
    "{\"id\": 265, \"content\": \"<mark>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": "
    "false,"
    " \"normalized\": false, \"special\": false}],"
    "\"normalizer\": null,"
    "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": "
    "true,"
    " \"use_regex\": true},"
    "\"post_processor\": null, \"decoder\": {\"type\": \"ByteLevel\"},"
    "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null,"
    " \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false,"
    " \"byte_fallback\": false, \"ignore_merges\": false,"
    " \"merges\": [\"b c\", \"a b\", \"a bc\", \"\xC4\xA0 a\", [\"a\", \"a\"], \"aa aa\", \"s t\", "
    "\"' s\"],"
    " \"vocab\": {";
static const char tail[] = "\"bc\": 256, \"ab\": 257, \"abc\": 258, \"\xC4\xA0"
                           "a\": 259, \"aa\": 260,"
                           " \"aaaa\": 261, \"st\": 262, \"'s\": 263}}}";

char *small_json(void)
{
    char *text = malloc(16384), *w = text;
    int   next = 0x100;
    ck_assert_ptr_nonnull(text);
    w += sprintf(w, "%s", head);
    for (int b = 0; b < 256; b++) {
        int own  = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        int code = own ? b : next++;
        w += sprintf(w, "\"\\u%04x\": %d, ", (unsigned)code, b);
    }
    (void)sprintf(w, "%s", tail);
    return text;
}

sb_status open_changed(const char *from, const char *to, sb_tok **out)
{
    char     *text = small_json(), *at = strstr(text, from), *changed;
    sb_status st;
    ck_assert_msg(at != NULL, "`%s` is not in the small vocabulary", from);
    changed = malloc(strlen(text) + strlen(to) + 1);
    ck_assert_ptr_nonnull(changed);
    (void)sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    st = sb_tok_open_bytes("small", changed, strlen(changed), NULL, out);
    free(changed);
    free(text);
    return st;
}

sb_tok *must_open_changed(const char *from, const char *to)
{
    sb_tok *t = NULL;
    ck_assert_msg(open_changed(from, to, &t) == SB_OK, "%s", sb_error_text());
    return t;
}

sb_tok *must_open(const char *path)
{
    sb_tok *t = NULL;
    ck_assert_msg(sb_tok_open(path, NULL, &t) == SB_OK, "%s", sb_error_text());
    return t;
}

void must_refuse(sb_status st, sb_status want, const char *words)
{
    char  copy[512], *save = NULL;
    char *word;
    ck_assert_msg(st == want, "status %d (%s), expected %d", st, sb_error_text(), want);
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (word = strtok_r(copy, "|", &save); word != NULL; word = strtok_r(NULL, "|", &save))
        ck_assert_msg(strstr(sb_error_text(), word) != NULL, "`%s` is not in: %s", word,
                      sb_error_text());
}

sb_tok_ctx *must_ctx(const sb_tok *t)
{
    sb_tok_ctx *c = NULL;
    ck_assert_msg(sb_tok_ctx_create(t, &c) == SB_OK, "%s", sb_error_text());
    return c;
}

sb_tok_ids encode_all(sb_tok_ctx *c, const void *bytes, size_t n)
{
    sb_tok_ids ids   = {0};
    int64_t    count = -1;
    ck_assert_msg(sb_tok_encode(c, bytes, n, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_NONE, &ids) == SB_OK,
                  "%s", sb_error_text());
    ck_assert_int_eq(sb_tok_count(c, bytes, n, SB_TOK_SPECIALS_PARSE, &count), SB_OK);
    ck_assert_int_eq(count, ids.n);
    return ids;
}

const char *ids_of_bytes(const sb_tok *t, const void *bytes, size_t n)
{
    static char buf[4096];
    sb_tok_ctx *c   = must_ctx(t);
    sb_tok_ids  ids = encode_all(c, bytes, n);
    size_t      at  = 0;
    buf[0]          = '\0';
    for (int64_t i = 0; i < ids.n && at < sizeof buf - 16; i++)
        at += (size_t)sprintf(buf + at, "%s%" PRId32, i > 0 ? " " : "", ids.ids[i]);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
    return buf;
}

const char *ids_of(const sb_tok *t, const char *text)
{
    return ids_of_bytes(t, text, strlen(text));
}

double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z          = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z          = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
