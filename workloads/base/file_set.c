#include "workloads/base/file_set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"

static const sbi_file_set *of(const sb_text_set *set) { return (const sbi_file_set *)set; }

void sbi_file_set_close(sb_text_set *set)
{
    sbi_file_set *s = (sbi_file_set *)set;
    if (s == NULL)
        return;
    sbi_record_file_close(s->file);
    json_decref(s->texts);
    free(s);
}

static sb_status hash_text(sbi_file_set *s)
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, s->text_name, strlen(s->text_name) + 1);
    sbi_sha256_put(&h, s->text, strlen(s->text) + 1);
    return sbi_sha256_hex(&h, s->texts_sha256);
}

/* Can the length that was asked for be kept? */
static sb_status check_cut(const sb_text_req *req, const sbi_file_set *s)
{
    if (s->cutting == SBI_FILE_CUT_NONE && req->length_tokens != 0)
        return sb_fail(SB_ERR_USAGE,
                       "length %" PRId64 ": %s never cuts a prompt; 0 leaves them whole",
                       req->length_tokens, req->suite->name);
    return s->cutting == SBI_FILE_CUT_NONE ? SB_OK : sbi_cut_check(&s->cut, s->tok);
}

sb_status sbi_file_set_open(const sb_text_req *req, const char *const *file_names, sbi_file_set *s,
                            sb_text_set **out)
{
    char     *path = NULL;
    sb_status st;
    s->base   = (sb_text_set){req->suite, req->task};
    s->tok    = req->tok;
    s->params = req->params;
    if ((st = check_cut(req, s)) == SB_OK &&
        (s->text == NULL || s->texts_sha256[0] != '\0' || (st = hash_text(s)) == SB_OK) &&
        (st = sbi_data_find(req->suite->name, sbi_req_path(req, "data"), file_names, &path)) ==
            SB_OK)
        st = sbi_record_file_open(path, &s->file);
    free(path);
    if (st != SB_OK) {
        sbi_file_set_close(&s->base);
        return st;
    }
    *out = &s->base;
    return SB_OK;
}

int64_t sbi_file_set_rows(const sb_text_set *set) { return sbi_record_file_count(of(set)->file); }

static sb_status finish(const sbi_file_set *s, sb_text_row *r)
{
    sb_status st = SB_OK;
    if (s->cutting == SBI_FILE_CUT_MIDDLE)
        return sbi_cut_middle(&s->cut, s->tok, r);
    r->prompt_bytes = (int64_t)strlen(r->prompt);
    if (s->tok != NULL)
        st = s->tok->count(s->tok->ctx, r->prompt, r->prompt_bytes, &r->n_tokens);
    return st;
}

sb_status sbi_file_set_row(sb_text_set *set, int64_t row, sb_text_row *out)
{
    const sbi_file_set *s    = of(set);
    json_t             *root = NULL;
    sb_text_row         r    = {.row        = row,
                                .scorer     = set->task->scorer,
                                .gen_tokens = set->task->gen_tokens,
                                .chat       = s->chat,
                                .n_tokens   = -1};
    sbi_row_source      src  = {sbi_record_file_path(s->file), 0, NULL};
    sb_status           st;
    if (row < 0 || row >= sbi_record_file_count(s->file))
        return sb_fail(SB_ERR_USAGE, "%s: row %" PRId64 " of %" PRId64 ", counted from 0", src.path,
                       row, sbi_record_file_count(s->file));
    if ((st = sbi_record_file_read(s->file, row, &root)) != SB_OK)
        return st;
    r.line = src.line = sbi_record_file_line(s->file, row);
    src.row           = root;
    if ((st = s->make(s, &src, &r)) == SB_OK) {
        json_decref(root); /* a long row is not needed twice */
        root = NULL;
        if ((st = finish(s, &r)) == SB_OK)
            st = sb_text_row_seal(&r);
    }
    json_decref(root);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

json_t *sbi_file_set_facts(const sb_text_set *set)
{
    const sbi_file_set *s = of(set);
    json_t             *v = json_pack("{s:s, s:s}", "generator", set->suite->version, "file_sha256",
                                      sbi_record_file_sha256(s->file));
    if (v != NULL && s->texts_sha256[0] != '\0' &&
        json_object_set_new(v, "templates_sha256", json_string(s->texts_sha256)) != 0) {
        json_decref(v);
        return NULL;
    }
    if (v != NULL && s->tok != NULL &&
        (json_object_set_new(v, "tokenizer", json_string(s->tok->name)) != 0 ||
         json_object_set_new(v, "tokenizer_sha256", json_string(s->tok->sha256)) != 0)) {
        json_decref(v);
        return NULL;
    }
    return v;
}
