#include "workloads/babilong/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"

#define TASK(name, summary)                                                                        \
    {                                                                                              \
        name, summary, "babilong@1", 20                                                            \
    }
static const sb_text_task tasks[] = {
    TASK("qa1", "where somebody is"),
    TASK("qa2", "where a thing is that somebody carried"),
    TASK("qa3", "where a thing was before another place"),
    TASK("qa4", "which place lies north of another"),
    TASK("qa5", "who gave what to whom"),
    TASK("qa6", "yes or no: is somebody in a place"),
    TASK("qa7", "how many things somebody carries"),
    TASK("qa8", "which things somebody carries"),
    TASK("qa9", "yes or no, with denials"),
    TASK("qa10", "yes, no or maybe"),
    TASK("qa11", "where somebody is, named by a pronoun"),
    TASK("qa12", "where one of two people is"),
    TASK("qa13", "where one of two people is, named by a pronoun"),
    TASK("qa14", "where somebody was before, by times of day"),
    TASK("qa15", "what an animal is afraid of"),
    TASK("qa16", "which colour an animal has"),
    TASK("qa17", "yes or no: how shapes lie to each other"),
    TASK("qa18", "yes or no: what fits into what"),
    TASK("qa19", "the way from one place to another"),
    TASK("qa20", "why somebody went somewhere, or where they will"),
    {0},
};
#undef TASK

#define SIZES "any|0k|1k|2k|4k|8k|16k|32k|64k|128k|256k|512k|1M|2M|5M|10M"
static const char *const sizes[] = {"",    "0k",   "1k",   "2k",   "4k", "8k", "16k", "32k",
                                    "64k", "128k", "256k", "512k", "1M", "2M", "5M",  "10M"};

#define P(field) offsetof(sb_babilong_params, field)
static const sb_param params[] = {
    {"size", "any", SIZES, "which of the folder's files: SIZE/TASK, TASK/SIZE; any: TASK", SB_ENUM,
     P(size)},
    {"instruction", "yes", "no|yes", "tell what to do before the examples", SB_ENUM,
     P(instruction)},
    {"examples", "yes", "no|yes", "show answered examples", SB_ENUM, P(examples)},
    {"post_prompt", "yes", "no|yes", "tell the form of the answer", SB_ENUM, P(post_prompt)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"data", "BABILong's rows as jsonl or JSON array (input, question, target): one file, or a "
             "folder with SIZE/TASK.jsonl, TASK/SIZE.jsonl or TASK.jsonl (.json too)"},
    {"templates", "JSON with template and, for each task, instruction, examples, post_prompt; "
                  "import_babilong.py makes it from babilong's prompts.py; without it our own "
                  "wording"},
    {0},
};

typedef struct parts {
    const char *instruction, *examples, *post_prompt;
} parts;

typedef struct babilong_set {
    sbi_file_set set;
    parts        parts;
} babilong_set;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "babilong: no memory"); }

/* str.strip() of s. */
static const char *stripped(const char *s, int64_t *n)
{
    int64_t begin = 0, end = (int64_t)strlen(s);
    sbi_py_strip(s, &begin, &end);
    *n = end - begin;
    return s + begin;
}

static sb_status make_prompt(const babilong_set *b, const char *context, const char *question,
                             sb_text_row *out)
{
    const parts *p    = &b->parts;
    sbi_field    f[5] = {{"instruction", p->instruction, (int64_t)strlen(p->instruction), -1},
                         {"examples", p->examples, (int64_t)strlen(p->examples), -1},
                         {"post_prompt", p->post_prompt, (int64_t)strlen(p->post_prompt), -1},
                         {"context", NULL, 0, -1},
                         {"question", question, (int64_t)strlen(question), -1}};
    sbi_text     t    = {0};
    const char  *begin;
    int64_t      n;
    sb_status    st;
    f[3].value = stripped(context, &f[3].n_bytes);
    st         = sbi_py_format(&t, b->set.text, f, 5);
    if (st == SB_OK)
        st = sbi_text_status(&t);
    if (st == SB_OK) {
        begin = stripped(sbi_text_str(&t), &n);
        if ((out->prompt = strndup(begin, (size_t)n)) == NULL)
            st = no_memory();
        out->input_bytes = n;
    }
    sbi_text_fini(&t);
    return st;
}

static sb_status take_meta(const babilong_set *b, sb_text_row *out)
{
    const sb_babilong_params *p    = b->set.params;
    const char               *size = sizes[p->size];
    json_t                   *meta = json_pack("{s:s}", "task", b->set.base.task->name);
    int                       bad  = meta == NULL;
    if (!bad && size[0] != '\0')
        bad = json_object_set_new(meta, "length", json_string(size)) != 0;
    out->meta = bad ? NULL : sbi_row_dump(meta, 0);
    json_decref(meta);
    return out->meta != NULL ? SB_OK : no_memory();
}

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    const babilong_set *b       = (const babilong_set *)s;
    const char         *context = NULL, *question = NULL, *target = NULL;
    sb_status           st;
    if ((st = sbi_row_string(src, "input", &context)) != SB_OK ||
        (st = sbi_row_string(src, "question", &question)) != SB_OK ||
        (st = sbi_row_string(src, "target", &target)) != SB_OK)
        return st;
    if (target[0] == '\0')
        return sbi_row_fail(src, "target", "an empty string, not an answer");
    if ((out->refs = calloc(1, sizeof *out->refs)) == NULL ||
        (out->refs[0] = strdup(target)) == NULL)
        return no_memory();
    out->n_refs      = 1;
    out->scorer_task = s->base.task->name;
    if ((out->question = strdup(question)) == NULL)
        return no_memory();
    if ((st = sbi_row_id(src, "id", out)) != SB_OK || (st = take_meta(b, out)) != SB_OK)
        return st;
    return make_prompt(b, context, question, out);
}

/* ---- open ---- */

static sb_status take_part(const json_t *task, const char *file, const char *task_name,
                           const char *name, int wanted, const char **out)
{
    const json_t *v = json_object_get(task, name);
    if (!json_is_string(v))
        return sb_fail(SB_ERR_USAGE, "%s: %s.%s: %s, not a string", file, task_name, name,
                       sbi_row_kind(v));
    *out = wanted ? json_string_value(v) : "";
    return SB_OK;
}

static sb_status hash_texts(babilong_set *b)
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, b->set.text, strlen(b->set.text) + 1);
    sbi_sha256_put(&h, b->parts.instruction, strlen(b->parts.instruction) + 1);
    sbi_sha256_put(&h, b->parts.examples, strlen(b->parts.examples) + 1);
    sbi_sha256_put(&h, b->parts.post_prompt, strlen(b->parts.post_prompt) + 1);
    return sbi_sha256_hex(&h, b->set.texts_sha256);
}

static sb_status open_texts(const sb_text_req *req, babilong_set *b)
{
    static const char *const  must[] = {"context", "question", NULL};
    static const char *const  may[]  = {"instruction", "examples", "post_prompt", NULL};
    const sbi_built_in        own    = {"the built-in babilong.json", sbi_babilong_texts,
                                        sbi_babilong_texts_bytes};
    const sb_babilong_params *p      = req->params;
    const char               *path = sbi_req_path(req, "templates"), *name = req->task->name;
    const json_t             *task;
    sb_status                 st = sbi_texts_open(path, &own, &b->set.texts);
    if (st != SB_OK)
        return st;
    path = path != NULL ? path : own.name;
    if ((st = sbi_texts_find(b->set.texts, path, "template", must, may, &b->set.text)) != SB_OK)
        return st;
    task = json_object_get(b->set.texts, name);
    if (!json_is_object(task))
        return sb_fail(SB_ERR_USAGE, "%s: %s: %s, not an object of texts", path, name,
                       sbi_row_kind(task));
    if ((st = take_part(task, path, name, "instruction", p->instruction, &b->parts.instruction)) !=
            SB_OK ||
        (st = take_part(task, path, name, "examples", p->examples, &b->parts.examples)) != SB_OK ||
        (st = take_part(task, path, name, "post_prompt", p->post_prompt, &b->parts.post_prompt)) !=
            SB_OK)
        return st;
    return hash_texts(b);
}

enum { NAMES = 6, NAME_BYTES = 32 };

/* Where a file of this task and size may lie below the folder. */
static void file_names(const char *task, const char *size, char buf[NAMES][NAME_BYTES],
                       const char *names[NAMES + 1])
{
    static const char *const ends[] = {"jsonl", "json"};
    int                      n      = 0;
    for (int form = 0; form < (size[0] != '\0' ? 3 : 1); form++) {
        for (int j = 0; j < 2; j++, n++) {
            if (size[0] == '\0')
                (void)snprintf(buf[n], NAME_BYTES, "%s.%s", task, ends[j]);
            else if (form == 0)
                (void)snprintf(buf[n], NAME_BYTES, "%s/%s.%s", size, task, ends[j]);
            else
                (void)snprintf(buf[n], NAME_BYTES, "%s%c%s.%s", task, form == 1 ? '/' : '_', size,
                               ends[j]);
            names[n] = buf[n];
        }
    }
    names[n] = NULL;
}

static sb_status open_babilong(const sb_text_req *req, sb_text_set **out)
{
    const sb_babilong_params *p = req->params;
    babilong_set             *b = calloc(1, sizeof *b);
    char                      buf[NAMES][NAME_BYTES];
    const char               *names[NAMES + 1];
    sb_status                 st;
    if (b == NULL)
        return no_memory();
    file_names(req->task->name, sizes[p->size], buf, names);
    b->set.make    = make;
    b->set.chat    = 1;
    b->set.cutting = SBI_FILE_CUT_NONE;
    if ((st = open_texts(req, b)) == SB_OK)
        return sbi_file_set_open(req, names, &b->set, out);
    sbi_file_set_close(&b->set.base);
    return st;
}

const sb_text_suite sb_babilong_suite = {
    .name         = "babilong",
    .summary      = "BABILong, qa1 to qa20, from its files",
    .version      = SB_BABILONG_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_babilong_params),
    .keys         = keys,
    .decimals     = 2,
    .open         = open_babilong,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};
