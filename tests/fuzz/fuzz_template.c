/* What a fuzzer feeds: any bytes as the suite ruler's files of texts and of chat wrappers, and as a
 * format string. What opens is used in both modes: a row comes, or an error of the user's kind.
 * Built for libFuzzer with SPAN_FUZZ=ON; test_template_fuzz.c calls the same function with seeded
 * mutations. */
#include "tests/fuzz/common.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/ruler/native.h"

enum { LENGTH = 1200 };

static void must(int yes)
{
    if (!yes)
        abort();
}

static int is_the_users(sb_status st)
{
    return st == SB_OK || st == SB_ERR_USAGE || st == SB_ERR_NO_FIT || st == SB_ERR_UNSUPPORTED;
}

/* A row is whole: it fits, its cut and spans lie in it, its answers are there. */
static void check(const sb_ruler_sample *o)
{
    must(o->n_tokens + o->gen_tokens <= LENGTH && o->n_answers > 0);
    must((int64_t)strlen(o->text) == o->text_bytes && o->input_bytes <= o->text_bytes);
    for (int64_t i = 0; i < o->n_spans; i++)
        must(0 <= o->spans[i].byte_begin && o->spans[i].byte_begin <= o->spans[i].byte_end &&
             o->spans[i].byte_end <= o->text_bytes);
}

static void use_native(const sb_ruler_templates *t, const sb_ruler_task *task)
{
    sb_ruler_native_spec spec = {.task          = task,
                                 .seed          = 1,
                                 .length_tokens = LENGTH,
                                 .templates     = t,
                                 .tok           = *sb_tok_ops_find("bytes/4")};
    sb_ruler_native     *s    = NULL;
    sb_ruler_sample      o    = {0};
    sb_status            st   = sb_ruler_native_open(&spec, &s);
    if (st == SB_OK && (st = sb_ruler_native_row(s, 0, &o)) == SB_OK)
        check(&o);
    must(is_the_users(st));
    sb_ruler_sample_fini(&o);
    sb_ruler_native_close(s);
}

static void use_compat(const sb_ruler_templates *t, const sb_ruler_task *task)
{
    sb_ruler_spec   spec = {.task          = task,
                            .seed          = 1,
                            .length_tokens = LENGTH,
                            .templates     = t,
                            .counter       = *sb_tok_ops_find("bytes/4")};
    sb_ruler_set   *s    = NULL;
    sb_ruler_sample o    = {0};
    sb_status       st   = sb_ruler_open(&spec, &s);
    if (st == SB_OK && (st = sb_ruler_row(s, 0, &o)) == SB_OK)
        check(&o);
    must(is_the_users(st));
    sb_ruler_sample_fini(&o);
    sb_ruler_close(s);
}

static void use(sb_ruler_templates *t)
{
    static const char *const of[] = {"vt", "niah_multikey_3", "fwe"};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        use_native(t, sb_ruler_task_find(of[i]));
        use_compat(t, sb_ruler_task_find(of[i]));
    }
    sb_ruler_templates_close(t);
}

/* Data as a format string: only whole placeholders are replaced, and fields remember where. */
static void format(const uint8_t *data, size_t size)
{
    char     *fmt  = strndup((const char *)data, size);
    sbi_field f[2] = {{"a", "{b}", 3, -1}, {"b", "", 0, -1}};
    sbi_text  out  = {0};
    sb_status st;
    must(fmt != NULL);
    st = sbi_py_format(&out, fmt, f, 2);
    must(st == SB_OK || st == SB_ERR_USAGE);
    if (st == SB_OK && f[0].at >= 0)
        must(f[0].at + 3 <= out.n && memcmp(out.p + f[0].at, "{b}", 3) == 0);
    sbi_text_fini(&out);
    free(fmt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_ruler_templates *t = NULL;
    format(data, size);
    if (sb_ruler_templates_open_bytes("fuzz", data, size, sbi_ruler_chat, sbi_ruler_chat_bytes,
                                      "chatml", &t) == SB_OK)
        use(t);
    t = NULL;
    if (sb_ruler_templates_open_bytes("fuzz", sbi_ruler_texts, sbi_ruler_texts_bytes, data, size,
                                      "base", &t) == SB_OK)
        use(t);
    return 0;
}
