/* A row as the original's json.dump writes it. */
#include <string.h>

#include "workloads/ruler/pytext.h"
#include "workloads/ruler/ruler.h"

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
