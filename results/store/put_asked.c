/* What was asked: points, data sets, inputs. Each put looks its natural key up first, so a resumed
 * run writes nothing twice. */
#include "results/store/internal.h"

sb_status sb_store_put_point(sb_store *s, const sb_point_facts *f, int64_t *point_id)
{
    int64_t   id    = 0;
    int       found = 0;
    sb_status st    = sbi_need_writer(s, "point");
    if (st != SB_OK)
        return st;
    const sbi_value v[] = {
        sbi_text(f->hash),
        sbi_text(f->identity_json),
        sbi_text(f->experiment),
        sbi_text(f->model),
        sbi_text(f->model_json),
        sbi_text(f->suite),
        sbi_text(f->task),
        sbi_text(f->task_json),
        sbi_int(f->length_tokens),
        sbi_int((int64_t)f->seed),
        sbi_text(f->method),
        sbi_text(f->method_json),
        sbi_text(f->decode),
        sbi_text(f->scheme),
        sbi_text(f->layout),
        sbi_text(f->backend),
        sbi_text(f->dtype),
        sbi_int(f->ranks),
        sbi_int(f->training_free != 0),
        sbi_real(f->chance),
    };
    if ((st = sbi_find(s, SBI_POINT_FIND, v, 1, &id, &found)) != SB_OK)
        return st;
    if (!found) {
        if ((st = sbi_need_json("point.identity_json", f->identity_json)) != SB_OK ||
            (st = sbi_need_json("point.model_json", f->model_json)) != SB_OK ||
            (st = sbi_need_json("point.task_json", f->task_json)) != SB_OK ||
            (st = sbi_need_json("point.method_json", f->method_json)) != SB_OK)
            return st;
        if ((st = sbi_run(s, SBI_POINT_INSERT, v, SBI_COUNT(v))) != SB_OK)
            return sb_wrap(st, "point %s", sbi_or_empty(f->hash));
        id = sqlite3_last_insert_rowid(s->db);
    }
    *point_id = id;
    return SB_OK;
}

sb_status sb_store_put_dataset(sb_store *s, const sb_dataset_facts *f, int64_t *dataset_id)
{
    int64_t   id    = 0;
    int       found = 0;
    sb_status st    = sbi_need_writer(s, "dataset");
    if (st != SB_OK)
        return st;
    const sbi_value v[] = {
        sbi_text(f->suite),
        sbi_text(f->task),
        sbi_text(f->mode),
        sbi_text(f->generator_version),
        sbi_text(f->params_json),
        sbi_text(sbi_or_empty(f->corpus)),
        sbi_text(sbi_or_empty(f->corpus_sha256)),
        sbi_int(f->length_tokens),
        sbi_int((int64_t)f->seed),
    };
    if ((st = sbi_find(s, SBI_DATASET_FIND, v, SBI_COUNT(v), &id, &found)) != SB_OK)
        return st;
    if (!found) {
        if ((st = sbi_need_json("dataset.params_json", f->params_json)) != SB_OK)
            return st;
        if ((st = sbi_run(s, SBI_DATASET_INSERT, v, SBI_COUNT(v))) != SB_OK)
            return sb_wrap(st, "dataset %s/%s", sbi_or_empty(f->suite), sbi_or_empty(f->task));
        id = sqlite3_last_insert_rowid(s->db);
    }
    *dataset_id = id;
    return SB_OK;
}

static sb_status insert_input(sb_store *s, const sb_input_facts *f, int64_t *id)
{
    const sbi_value v[] = {sbi_int(f->dataset_id),       sbi_int(f->row_no),
                           sbi_text(f->sha256),          sbi_int(f->n_prompt_tokens),
                           sbi_int(f->n_context_tokens), sbi_int(f->n_gen_tokens)};
    sb_status       st  = sbi_run(s, SBI_INPUT_INSERT, v, SBI_COUNT(v));
    if (st == SB_OK)
        *id = sqlite3_last_insert_rowid(s->db);
    for (int64_t i = 0; st == SB_OK && i < f->n_refs; i++) {
        const sbi_value r[] = {sbi_int(*id), sbi_int(i), sbi_text(f->refs[i])};
        st                  = sbi_run(s, SBI_REFERENCE_INSERT, r, SBI_COUNT(r));
    }
    for (int64_t i = 0; st == SB_OK && i < f->n_spans; i++) {
        const sb_span_facts *p   = &f->spans[i];
        const sbi_value      r[] = {sbi_int(*id),          sbi_int(i),
                                    sbi_text(p->kind),     sbi_int_or_null(p->ref_no, p->ref_no >= 0),
                                    sbi_int(p->tok_begin), sbi_int(p->tok_end),
                                    sbi_real(p->depth)};
        st                       = sbi_run(s, SBI_SPAN_INSERT, r, SBI_COUNT(r));
    }
    return st;
}

sb_status sb_store_put_input(sb_store *s, const sb_input_facts *f, int64_t *input_id)
{
    int64_t         id    = 0;
    int             found = 0;
    const sbi_value key[] = {sbi_text(f->sha256)};
    sb_status       st    = sbi_need_writer(s, "input");
    if (st != SB_OK || (st = sbi_find(s, SBI_INPUT_FIND, key, 1, &id, &found)) != SB_OK)
        return st;
    if (!found) {
        if ((st = sbi_begin(s)) != SB_OK || (st = sbi_end(s, insert_input(s, f, &id))) != SB_OK)
            return sb_wrap(st, "input row %lld", (long long)f->row_no);
    }
    *input_id = id;
    return SB_OK;
}
