#include "workloads/ruler/essay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"

struct sb_ruler_essay {
    char   *text; /* every run of white space is one blank */
    int64_t n_bytes;
    int64_t
        *end; /* [n_words] where each piece between blanks ends; the first and last may be empty */
    int64_t           n_words;
    sb_ruler_splitter splitter;
    char             *splitter_name;
    char              sha256[65];
};

void sb_ruler_essay_close(sb_ruler_essay *e)
{
    if (e == NULL)
        return;
    free(e->text);
    free(e->end);
    free(e->splitter_name);
    free(e);
}

/* re.sub(r"\s+", " ", s) */
static void normalise(sbi_text *out, const char *s, int64_t n)
{
    int in_space = 0;
    for (int64_t i = 0; i < n;) {
        int64_t at    = i;
        int     space = sbi_py_isspace(sbi_py_next(s, &i));
        if (space && !in_space)
            sbi_text_putc(out, ' ');
        if (!space)
            sbi_text_put(out, s + at, i - at);
        in_space = space;
    }
}

static sb_status index_words(sb_ruler_essay *e)
{
    int64_t n = 1;
    for (int64_t i = 0; i < e->n_bytes; i++)
        n += e->text[i] == ' ';
    e->end = malloc((size_t)n * sizeof *e->end);
    if (e->end == NULL)
        return sb_fail(SB_ERR_NOMEM, "essay: no memory for %" PRId64 " words", n);
    for (int64_t i = 0; i <= e->n_bytes; i++)
        if (i == e->n_bytes || e->text[i] == ' ')
            e->end[e->n_words++] = i;
    return SB_OK;
}

/* The essay of a JSON file's field "text", or all of a text file. */
static sb_status read_essay(sb_ruler_essay *e, const char *path)
{
    size_t    n    = strlen(path);
    sbi_text  text = {0};
    char      of_file[65];
    sb_status st;
    if (n > 5 && strcmp(path + n - 5, ".json") == 0) {
        json_t *root = NULL, *v;
        if ((st = sbi_file_json(path, &root, of_file)) != SB_OK)
            return st;
        v = json_object_get(root, "text");
        if (json_is_string(v))
            normalise(&text, json_string_value(v), (int64_t)json_string_length(v));
        else
            st = sb_fail(SB_ERR_USAGE, "%s: text: %s, not a string", path, sbi_json_kind(v));
        json_decref(root);
    } else {
        char   *raw     = NULL;
        int64_t n_bytes = 0;
        if ((st = sbi_file_text(path, &raw, &n_bytes, of_file)) == SB_OK)
            normalise(&text, raw, n_bytes);
        free(raw);
    }
    if (st == SB_OK)
        st = sbi_text_status(&text);
    if (st == SB_OK && text.n < 2)
        st = sb_fail(SB_ERR_USAGE, "%s: no words in it", path);
    if (st == SB_OK) {
        e->n_bytes = text.n;
        e->text    = sbi_text_take(&text);
    }
    sbi_text_fini(&text);
    return st;
}

sb_status sb_ruler_essay_open(const char *path, sb_ruler_splitter splitter, sb_ruler_essay **out)
{
    sb_ruler_essay *e = calloc(1, sizeof *e);
    sb_status       st;
    sbi_sha256      h;
    if (e == NULL)
        return sb_fail(SB_ERR_NOMEM, "essay: no memory");
    e->splitter      = splitter;
    e->splitter_name = strdup(splitter.name);
    st = e->splitter_name != NULL ? read_essay(e, path) : sb_fail(SB_ERR_NOMEM, "essay: no memory");
    if (st == SB_OK)
        st = index_words(e);
    if (st == SB_OK) {
        sbi_sha256_init(&h);
        sbi_sha256_put(&h, e->text, (size_t)e->n_bytes);
        st = sbi_sha256_hex(&h, e->sha256);
    }
    if (st != SB_OK) {
        sb_ruler_essay_close(e);
        return st;
    }
    *out = e;
    return SB_OK;
}

const char *sb_ruler_essay_sha256(const sb_ruler_essay *e) { return e->sha256; }
const char *sb_ruler_essay_splitter(const sb_ruler_essay *e) { return e->splitter_name; }
int64_t     sb_ruler_essay_n_words(const sb_ruler_essay *e) { return e->n_words; }

sb_status sb_ruler_essay_take(const sb_ruler_essay *e, int64_t n_words, char **text,
                              sb_range **sentences, int64_t *n_sentences)
{
    sbi_text  t     = {0};
    int64_t   begin = 0, end;
    sb_status st;
    for (int64_t left = n_words; left > 0; left -= e->n_words) {
        int64_t n = left < e->n_words ? left : e->n_words;
        if (left != n_words)
            sbi_text_putc(&t, ' ');
        sbi_text_put(&t, e->text, e->end[n - 1]);
    }
    if ((st = sbi_text_status(&t)) != SB_OK) {
        sbi_text_fini(&t);
        return st;
    }
    sbi_text_put(&t, "", 0);
    end = t.n;
    sbi_py_strip(sbi_text_str(&t), &begin, &end);
    if (begin > 0 && end > begin)
        memmove(t.p, t.p + begin, (size_t)(end - begin));
    t.n      = end - begin;
    t.p[t.n] = '\0';
    st       = e->splitter.split(e->splitter.ctx, t.p, t.n, sentences, n_sentences);
    if (st == SB_OK)
        *text = sbi_text_take(&t);
    sbi_text_fini(&t);
    return st;
}

static sb_status split_punkt(const void *ctx, const char *text, int64_t n_bytes, sb_range **out,
                             int64_t *n_out)
{
    return sb_punkt_split(ctx, text, n_bytes, out, n_out);
}

sb_ruler_splitter sb_ruler_splitter_punkt(const sb_punkt *p)
{
    return (sb_ruler_splitter){sb_punkt_name(p), split_punkt, p};
}
