/* A finished row: its identity, its end, and the line that the original's json.dump would write. */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/sample.h"

void sb_ruler_sample_fini(sb_ruler_sample *s)
{
    for (int64_t i = 0; i < s->n_answers; i++)
        free(s->answers[i]);
    free(s->answers);
    free(s->spans);
    free(s->text);
    *s = (sb_ruler_sample){0};
}

sb_status sbi_sample_hash(sb_ruler_sample *o)
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put_i64(&h, o->text_bytes);
    sbi_sha256_put(&h, o->text, (size_t)o->text_bytes);
    sbi_sha256_put_i64(&h, o->input_bytes);
    sbi_sha256_put_i64(&h, o->n_answers);
    for (int64_t i = 0; i < o->n_answers; i++)
        sbi_sha256_put(&h, o->answers[i], strlen(o->answers[i]) + 1);
    return sbi_sha256_hex(&h, o->sha256);
}

static void put_number(sbi_text *t, const char *name, int64_t v)
{
    sbi_text_puts(t, name);
    sbi_text_put_i64(t, v);
}

sb_status sb_ruler_sample_json(const sb_ruler_task *task, const sb_ruler_sample *s, char **line)
{
    sbi_text  t = {0};
    sb_status st;
    put_number(&t, "{\"index\": ", s->index);
    sbi_text_puts(&t, ", \"input\": ");
    sbi_py_json(&t, s->text, s->input_bytes);
    sbi_text_puts(&t, ", \"outputs\": [");
    for (int64_t i = 0; i < s->n_answers; i++) {
        if (i > 0)
            sbi_text_puts(&t, ", ");
        sbi_py_json(&t, s->answers[i], (int64_t)strlen(s->answers[i]));
    }
    put_number(&t, "], \"length\": ", s->n_tokens + s->gen_tokens);
    put_number(
        &t, ", \"length_w_model_temp\": ", s->n_tokens + s->gen_tokens + s->model_template_tokens);
    sbi_text_puts(&t, ", \"answer_prefix\": ");
    sbi_py_json(&t, s->text + s->input_bytes, s->text_bytes - s->input_bytes);
    if (task->generator == SB_RULER_NIAH)
        put_number(&t, ", \"token_position_answer\": ", s->answer_token);
    sbi_text_puts(&t, "}\n");
    if ((st = sbi_text_status(&t)) != SB_OK) {
        sbi_text_fini(&t);
        return st;
    }
    *line = sbi_text_take(&t);
    return SB_OK;
}
