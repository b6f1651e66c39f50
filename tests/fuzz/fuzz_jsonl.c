/* What a fuzzer feeds: any bytes as the file of every suite that reads one, with one of its tasks.
 * What opens gives all its rows: whole ones, that our own format gives back with the same hash, or
 * errors that name the line. Built for libFuzzer with SPAN_FUZZ=ON; test_jsonl_fuzz.c calls the
 * same function with seeded mutations. */
#include "tests/fuzz/fuzz_jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/registry.h"

enum { KEYS_MOST = 16, ROWS_MOST = 64 };

long fuzz_jsonl_opened, fuzz_jsonl_rows, fuzz_jsonl_bad_rows;

typedef union params {
    char      bytes[512];
    long long align;
} params;

static sb_status open_set(const sb_text_suite *s, const sb_text_task *task, const char *path,
                          params *p, sb_text_set **out)
{
    const char *paths[KEYS_MOST] = {NULL};
    sb_text_req req = {.suite = s, .task = task, .params = p->bytes, .paths = paths, .seed = 1};
    fuzz_must(s->params_bytes <= sizeof p->bytes, "parameters");
    fuzz_must(sb_params_default(s->params, p->bytes) == SB_OK, "defaults");
    for (int i = 0; s->keys[i].name != NULL; i++)
        if (strcmp(s->keys[i].name, "data") == 0 || strcmp(s->keys[i].name, "demos") == 0)
            paths[i] = path;
    req.tok = sb_tok_ops_find("characters");
    return s->open(&req, out);
}

/* Our own format gives the row back. */
static void round_trip(const sb_text_set *set, const sb_text_row *r)
{
    const sb_text_suite *own   = sb_text_suite_find("jsonl");
    sb_text_set         *back  = NULL;
    sb_text_row          again = {0};
    params               p;
    char                *line = NULL;
    fuzz_must(sb_text_row_json(set->suite, set->task, r, &line) == SB_OK, "json");
    const char *back_path = fuzz_file(1, line, strlen(line));
    free(line);
    fuzz_must(open_set(own, own->tasks, back_path, &p, &back) == SB_OK, "open what was written");
    fuzz_must(own->n_rows(back) == 1, "one row");
    fuzz_must(own->row(back, 0, &again) == SB_OK, "the row that was written");
    fuzz_must(strcmp(again.sha256, r->sha256) == 0, "the same hash");
    sb_text_row_fini(&again);
    own->close(back);
}

static void use_row(const sb_text_set *set, const sb_text_row *r)
{
    fuzz_must(sbi_utf8_check(r->prompt, r->prompt_bytes) < 0, "prompt is UTF-8");
    fuzz_must((int64_t)strlen(r->prompt) == r->prompt_bytes, "prompt_bytes");
    fuzz_must(r->input_bytes >= 0 && r->input_bytes <= r->prompt_bytes, "input_bytes");
    fuzz_must(r->n_refs > 0 && r->scorer != NULL && r->id != NULL && r->meta != NULL, "fields");
    fuzz_must(r->n_tokens == sbi_utf8_count(r->prompt, r->prompt_bytes), "n_tokens");
    if (r->prompt_bytes > 0)
        round_trip(set, r);
}

static void try_suite(const sb_text_suite *s, const sb_text_task *task, const char *path)
{
    sb_text_set *set = NULL;
    params       p;
    int64_t      n;
    sb_status    st = open_set(s, task, path, &p, &set);
    if (st != SB_OK) {
        fuzz_must(st == SB_ERR_USAGE || st == SB_ERR_UNSUPPORTED, "a file that does not open");
        return;
    }
    fuzz_jsonl_opened++;
    n = s->n_rows(set);
    fuzz_must(n > 0, "rows");
    for (int64_t i = 0; i < n && i < ROWS_MOST; i++) {
        sb_text_row r = {0};
        st            = s->row(set, i, &r);
        fuzz_must(st == SB_OK || st == SB_ERR_USAGE, "a row that is neither whole nor bad");
        fuzz_must(st == SB_OK || strstr(sb_error_text(), "line ") != NULL ||
                      strstr(sb_error_text(), "examples") != NULL,
                  "an error without its line");
        if (st == SB_OK) {
            fuzz_jsonl_rows++;
            use_row(set, &r);
        } else {
            fuzz_jsonl_bad_rows++;
            fuzz_must(r.prompt == NULL, "an untouched row");
        }
        sb_text_row_fini(&r);
    }
    s->close(set);
}

static int reads_rows(const sb_text_suite *s)
{
    for (int i = 0; s->keys[i].name != NULL; i++)
        if (strcmp(s->keys[i].name, "data") == 0)
            return !s->to_length;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t turn = size;
    for (size_t i = 0; i < size && i < 64; i++)
        turn = turn * 31 + data[i]; /* which task: told by the bytes, so that a finding repeats */
    const char *path = fuzz_file(0, data, size);
    for (const sb_text_suite *const *s = sb_text_suites; *s != NULL; s++) {
        size_t n = 0;
        if (!reads_rows(*s))
            continue;
        while ((*s)->tasks[n].name != NULL)
            n++;
        try_suite(*s, &(*s)->tasks[turn % n], path);
    }
    return 0;
}
