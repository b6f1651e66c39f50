#include "harness/score/facts.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, NAME_BYTES = 128 };

struct sbi_facts {
    const char *root;
    char        suite[NAME_BYTES], task[NAME_BYTES]; /* of json */
    int64_t     length_tokens;
    char       *json; /* NULL: none yet */
};

sb_status sbi_facts_open(const char *root, sbi_facts **out)
{
    struct stat info;
    if (stat(root, &info) != 0)
        return sb_fail(SB_ERR_USAGE, "--facts: %s: no such file or folder", root);
    sbi_facts *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "--facts: no memory");
    f->root = root;
    *out    = f;
    return SB_OK;
}

void sbi_facts_close(sbi_facts *f)
{
    if (f != NULL)
        free(f->json);
    free(f);
}

static int is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Where the facts of a task lie; path holds the last place looked at where there are none. */
static int find(const sbi_facts *f, const char *suite, const char *task, int64_t length_tokens,
                char path[PATH_BYTES])
{
    char length[32] = "as_is";
    if (length_tokens > 0)
        (void)snprintf(length, sizeof length, "%" PRId64, length_tokens);
    (void)snprintf(path, PATH_BYTES, "%s", f->root);
    if (is_file(path))
        return 1;
    (void)snprintf(path, PATH_BYTES, "%s/%s/%s/facts.json", f->root, length, task);
    if (is_file(path))
        return 1;
    (void)snprintf(path, PATH_BYTES, "%s/%s/%s/%s/facts.json", f->root, suite, length, task);
    return is_file(path);
}

/* The member as text; "" where there is none. */
static const char *word(const json_t *asked, const char *name)
{
    const char *s = json_string_value(json_object_get(asked, name));
    return s != NULL ? s : "";
}

static sb_status read(const char *path, const char *suite, const char *task, int64_t length_tokens,
                      char **json)
{
    json_error_t e;
    json_t      *root  = json_load_file(path, 0, &e);
    json_t      *asked = json_object_get(root, "asked");
    sb_status    st    = SB_OK;
    if (root == NULL)
        st = sb_fail(SB_ERR_IO, "--facts: %s: line %d: %s", path, e.line, e.text);
    else if (!json_is_object(asked))
        st = sb_fail(SB_ERR_IO, "--facts: %s: asked: found nothing, allowed an object", path);
    else if (strcmp(word(asked, "suite"), suite) != 0 || strcmp(word(asked, "task"), task) != 0 ||
             json_integer_value(json_object_get(asked, "length_tokens")) != length_tokens)
        st = sb_fail(SB_ERR_IO,
                     "--facts: %s: found facts of %s %s of %lld tokens, allowed those of %s %s of "
                     "%lld",
                     path, word(asked, "suite"), word(asked, "task"),
                     (long long)json_integer_value(json_object_get(asked, "length_tokens")), suite,
                     task, (long long)length_tokens);
    else if ((*json = json_dumps(asked, JSON_SORT_KEYS | JSON_COMPACT)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "--facts: %s: no memory", path);
    json_decref(root);
    return st;
}

sb_status sbi_facts_of(sbi_facts *f, const char *suite, const char *task, int64_t length_tokens,
                       const char **json)
{
    char path[PATH_BYTES], *text = NULL;
    if (f->json == NULL || f->length_tokens != length_tokens || strcmp(f->suite, suite) != 0 ||
        strcmp(f->task, task) != 0) {
        if (!find(f, suite, task, length_tokens, path))
            return sb_fail(SB_ERR_IO, "--facts: no %s", path);
        sb_status st = read(path, suite, task, length_tokens, &text);
        if (st != SB_OK)
            return st;
        free(f->json);
        f->json          = text;
        f->length_tokens = length_tokens;
        (void)snprintf(f->suite, sizeof f->suite, "%s", suite);
        (void)snprintf(f->task, sizeof f->task, "%s", task);
    }
    *json = f->json;
    return SB_OK;
}
