#include "tests/unit/workloads/ruler/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"

static char root[512];

const char *hash64(const char *s, size_t n)
{
    static char hex[65];
    sbi_sha256  h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, s, n);
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    return hex;
}

const char *hash16(const char *s, size_t n)
{
    static char hex[17];
    memcpy(hex, hash64(s, n), 16);
    return hex;
}

const char *put_file(const char *name, const char *content, size_t n)
{
    static char path[4][640];
    static int  turn;
    char       *p = path[turn++ % 4];
    FILE       *f;
    (void)snprintf(p, sizeof path[0], "%s/%s", root, name);
    f = fopen(p, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(content, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return p;
}

const char *put_text(const char *name, const char *content)
{
    return put_file(name, content, strlen(content));
}

const char *folder(void) { return root; }

void folder_set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(root, sizeof root, "%s/spanbench_ruler_XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

void folder_tear_down(void)
{
    char command[600];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

sb_ruler_templates *open_templates(const char *texts, const char *wrapper)
{
    sb_ruler_templates *t = NULL;
    if (sb_ruler_templates_open(texts, wrapper != NULL ? OFFICIAL_CHAT : NULL, wrapper, &t) !=
        SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return t;
}

void expect_error(sb_status st, sb_status want, const char *text)
{
    if (st != want || strstr(sb_error_text(), text) == NULL)
        ck_abort_msg("found %s: %s; wanted %s: %s", sb_status_name(st), sb_error_text(),
                     sb_status_name(want), text);
}

sb_ruler_words *open_wonderwords(void)
{
    const char     *dir = getenv("SPAN_WONDERWORDS");
    sb_ruler_words *w   = NULL;
    char            path[1024];
    FILE           *f;
    if (dir == NULL)
        return NULL;
    (void)snprintf(path, sizeof path, "%s/verblist.txt", dir);
    if ((f = fopen(path, "rb")) == NULL)
        return NULL;
    (void)fclose(f);
    if (sb_ruler_words_open(dir, NULL, "2.2.0", &w) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return w;
}

void mutate(sbi_text *t, sb_rng *r)
{
    static const char *const words[] = {"\"",
                                        "\\",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        ":",
                                        "\n",
                                        "\\u",
                                        "\\ud800",
                                        "\\u0000",
                                        "null",
                                        "1e999",
                                        "-1",
                                        "\"input\"",
                                        "\"outputs\"",
                                        "\xc3",
                                        "\xff",
                                        "\xed\xa0\x80",
                                        "99999999999999999999",
                                        "true"};
    int64_t     at = (int64_t)sb_rng_below(r, (uint64_t)t->n + 1), n = (int64_t)sb_rng_below(r, 40);
    sbi_text    out = {0};
    const char *w   = words[sb_rng_below(r, sizeof words / sizeof *words)];
    if (at + n > t->n)
        n = t->n - at;
    sbi_text_put(&out, t->p, at);
    switch (sb_rng_below(r, 5)) {
    case 0: /* cut out */
        break;
    case 1: /* twice */
        sbi_text_put(&out, t->p + at, n);
        sbi_text_put(&out, t->p + at, n);
        break;
    case 2: /* one byte, any */
        sbi_text_putc(&out, (char)sb_rng_below(r, 256));
        n = n > 0 ? 1 : 0;
        break;
    case 3: /* a word instead */
        sbi_text_puts(&out, w);
        break;
    default: /* a word between */
        sbi_text_puts(&out, w);
        n = 0;
        break;
    }
    sbi_text_put(&out, t->p + at + n, t->n - at - n);
    sbi_text_fini(t);
    *t = out;
}

int fuzz_rounds(int otherwise)
{
    const char *s = getenv("SPAN_FUZZ_ROUNDS");
    return s != NULL && atoi(s) > 0 ? atoi(s) : otherwise;
}

int run_suite_of(const char *name, TCase *t)
{
    Suite   *s = suite_create(name);
    SRunner *r;
    int      failed;
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
