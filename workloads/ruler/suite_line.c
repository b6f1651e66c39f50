/* A text row as the line that RULER's own generators write: the bytes of sb_ruler_sample_json,
 * from what the row keeps in its meta. */
#include "workloads/ruler/suite_line.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/sample.h"

static int64_t number_of(const json_t *meta, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(meta, name);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

sb_status sbi_ruler_suite_line(const sb_text_set *set, const sb_text_row *r, char **line)
{
    const sb_ruler_task *task = sb_ruler_task_find(set->task->name);
    json_t              *meta = json_loads(r->meta, 0, NULL);
    sb_ruler_task        synth;
    if (meta == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for a row's meta");
    if (task == NULL) { /* qa_synth, which RULER does not have */
        memset(&synth, 0, sizeof synth);
        synth.generator = SB_RULER_QA;
        task            = &synth;
    }
    sb_ruler_sample s  = {.row                   = r->row,
                          .text                  = r->prompt,
                          .text_bytes            = r->prompt_bytes,
                          .input_bytes           = r->input_bytes,
                          .answers               = r->refs,
                          .n_answers             = r->n_refs,
                          .n_tokens              = r->n_tokens,
                          .gen_tokens            = r->gen_tokens,
                          .model_template_tokens = number_of(meta, "wrapped_tokens", 0),
                          .index                 = number_of(meta, "index", r->row),
                          .answer_token          = number_of(meta, "token_position_answer", -1)};
    sb_status       st = sb_ruler_sample_json(task, &s, line);
    json_decref(meta);
    return st;
}
