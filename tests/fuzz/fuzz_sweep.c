/* What a fuzzer feeds: any bytes as a sweep file over the real methods, tasks and models, and as a
 * file for `gen`. Of what is taken: hashes belong to identities, points are found by them, every
 * cell has its dense anchor. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/gen_plan.h"
#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "tests/fuzz/common.h"
#include "workloads/base/sha256.h"

enum { MAX_MODELS = 16, LOOKED_AT = 8 };

static void check_json(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    fuzz_must(json_is_object(v), "canonical JSON");
    json_decref(v);
}

static void check_point(const sb_sweep *s, int64_t i)
{
    const sb_point *p     = &s->points[i];
    int64_t         first = -1, last = -1;
    char            hex[65], label[256];
    sbi_sha256      h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, p->identity_json, strlen(p->identity_json));
    fuzz_must(sbi_sha256_hex(&h, hex) == SB_OK && strcmp(hex, p->hash) == 0, "hash of identity");
    check_json(p->identity_json);
    check_json(p->model_json);
    check_json(p->method_json);
    fuzz_must(sb_sweep_select(s, p->hash, &first, &last) == SB_OK && first == i && last == i,
              "found by its hash");
    fuzz_must(sb_point_label(p, label, sizeof label) == SB_OK && label[0] != '\0', "label");
    fuzz_must(p->length_tokens > 0 && p->samples > 0 && p->warmup >= 0 && p->repetitions >= 0 &&
                  p->method != NULL &&
                  (p->input != NULL) + (p->text != NULL) + (p->task != NULL) == 1,
              "a point's fields");
}

static void check_sweep(sb_sweep *s, size_t size)
{
    int64_t anchor = -1, n = s->n_points;
    fuzz_must(n > 0 && s->name[0] != '\0' && strlen(s->hash) == 64, "a sweep's fields");
    fuzz_must(strlen(s->text) == size, "the file's text is kept");
    for (int64_t i = 0; i < n; i += 1 + n / LOOKED_AT)
        check_point(s, i);
    fuzz_must(sb_sweep_anchor(s, n - 1, &anchor) == SB_OK && anchor >= 0 && anchor < s->n_points,
              "anchor");
    fuzz_must(strcmp(s->points[anchor].method->name, "dense") == 0, "an anchor is dense");
    check_point(s, anchor);
}

static void check_gen(const sb_gen_plan *p)
{
    fuzz_must(p->n_sets > 0, "sets");
    for (int64_t i = 0; i < p->n_sets; i += 1 + p->n_sets / LOOKED_AT) {
        check_json(p->sets[i].params_json);
        check_json(p->sets[i].files_json);
        fuzz_must(p->sets[i].length_tokens >= 0 && p->sets[i].samples >= 0 &&
                      p->sets[i].task != NULL,
                  "a set's fields");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sb_model_desc models[MAX_MODELS + 1];
    const sb_sweep_env   env = {.ranks = 2, .auto_backend = SB_CPU, .models = models};
    sb_sweep            *s   = NULL;
    sb_gen_plan         *g   = NULL;
    fuzz_errors          e;
    for (int i = 0; i < MAX_MODELS && sb_models[i] != NULL; i++)
        models[i] = sb_model_describe(sb_models[i]);
    const char *path = fuzz_file(0, data, size);
    fuzz_errors_open(&e);
    sb_status st = sb_sweep_load(path, NULL, 0, &env, e.to, &s);
    if (fuzz_errors_close(&e, st, s, path))
        check_sweep(s, size);
    sb_sweep_free(s);
    fuzz_errors_open(&e);
    st = sb_gen_load(path, NULL, 0, e.to, &g);
    if (fuzz_errors_close(&e, st, g, path))
        check_gen(g);
    sb_gen_free(g);
    return 0;
}
