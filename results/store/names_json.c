/* Names in JSON: the texts of values are replaced where they stand, keys and all else stay as they
 * are, digits too. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"
#include "results/store/names_text.h"

enum { HASH_DIGITS = 12 };

static sb_status no_memory(void)
{
    return sb_fail(SB_ERR_NOMEM, "no memory for a text without names");
}

/* The text built, as the caller's; SQLite gives NULL for "" too. */
static sb_status finish(sqlite3_str *built, sb_status st, char **out)
{
    int   broken = sqlite3_str_errcode(built) != SQLITE_OK;
    char *text   = sqlite3_str_finish(built);
    if (st == SB_OK && !broken)
        *out = strdup(text == NULL ? "" : text);
    if (st == SB_OK && (broken || *out == NULL))
        st = no_memory();
    sqlite3_free(text);
    return st;
}

/* ---- facts ---- */
size_t sbi_hidden_path_at(const char *p)
{
    if (strncmp(p, "path-", 5) != 0 || strspn(p + 5, "0123456789abcdef") != HASH_DIGITS)
        return 0;
    size_t n = 5 + HASH_DIGITS;
    if (p[n] == '/')
        n += 1 + strcspn(p + n + 1, "/ \t\r\n\"");
    return n;
}

int sbi_has_hidden_path(const char *text)
{
    for (const char *p = text; (p = strstr(p, "path-")) != NULL; p++)
        if (sbi_hidden_path_at(p) > 0)
            return 1;
    return 0;
}

/* A path is what stands under the key "path" (as written, perhaps a plain word), or begins like
 * one. */
static sb_status fact(const char *key, const char *text, int keep_name, sqlite3_str *out)
{
    char hex[65];
    int  is_path =
        strcmp(key, "path") == 0 || ((text[0] == '/' || text[0] == '~') && text[1] != '\0') ||
        strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0 || strstr(text, "://") != NULL;
    if (!is_path || text[0] == '\0' || sbi_hidden_path_at(text) == strlen(text)) {
        sqlite3_str_appendall(out, text);
        return SB_OK;
    }
    sb_status st = sbi_text_sha256(text, hex);
    if (st != SB_OK)
        return st;
    sqlite3_str_appendf(out, "path-%.12s", hex);
    const char *name = strrchr(text, '/');
    if (keep_name && name != NULL && name[1] != '\0' &&
        memchr(text + 1, '/', (size_t)(name - text)) != NULL)
        sqlite3_str_appendall(out, name);
    return SB_OK;
}

/* ---- the environment ---- */
static const struct {
    const char   *key; /* of SLURM_JOB_*, SLURM_ARRAY_*, ...; a star at its end */
    sbi_name_kind kind;
    int           spread;
} variables[] = {
    {"SLURM_JOB_NODELIST", SBI_HOSTS, 0},
    {"SLURM_JOB_USER", SBI_USER, 1},
    {"SLURM_JOB_UID", SBI_USER, 0},
    {"SLURM_JOB_GID", SBI_ACCOUNT, 0},
    {"SLURM_JOB_GROUP", SBI_ACCOUNT, 1},
    {"SLURM_JOB_ACCOUNT", SBI_ACCOUNT, 1},
    {"SLURM_JOB_PARTITION", SBI_PARTITION, 0},
    {"SLURM_JOB_ID", SBI_JOB, 0},
    {"SLURM_JOBID", SBI_JOB, 0},
    {"SLURM_ARRAY_JOB_ID", SBI_JOB, 0},
    {"SLURM_CLUSTER_NAME", SBI_CLUSTER, 1},
};
/* Counts, times and numbers of devices: they say how it was measured, not who did it. */
static const char *const kept[] = {
    "SLURM_JOB_NUM_NODES",   "SLURM_JOB_CPUS_PER_NODE", "SLURM_JOB_GPUS",
    "SLURM_JOB_START_TIME",  "SLURM_JOB_END_TIME",      "SLURM_ARRAY_TASK_COUNT",
    "SLURM_ARRAY_TASK_ID",   "SLURM_ARRAY_TASK_MAX",    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_STEP", "SLURM_RESTART_COUNT"};

/* "cpus 0-7 numa 0 device NVIDIA H100 uuid 0123abcd nic mlx5_0": what a rank worked on. */
static sb_status binding(sbi_naming *t, const char *text, sqlite3_str *out)
{
    static const char before[] = " uuid ";
    const char       *at       = strstr(text, before);
    if (at == NULL)
        return sbi_plain_replace(t, text, out);
    at += sizeof before - 1;
    size_t n = strcspn(at, " ");
    sqlite3_str_append(out, text, (int)(at - text));
    sb_status st = sbi_name_whole(t, SBI_GPU, at, n, 0, out);
    sqlite3_str_appendall(out, at + n);
    return st;
}

static sb_status variable(sbi_naming *t, const char *key, const char *text, sqlite3_str *out)
{
    if (strncmp(key, "binding.", 8) == 0)
        return binding(t, text, out);
    if (strncmp(key, "SLURM_", 6) != 0)
        return sbi_plain_replace(t, text, out);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strcmp(key, kept[i]) == 0) {
            sqlite3_str_appendall(out, text);
            return SB_OK;
        }
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (strcmp(key, variables[i].key) == 0)
            return sbi_name_whole(t, variables[i].kind, text, strlen(text), variables[i].spread,
                                  out);
    return sbi_name_whole(t, SBI_NAME, text, strlen(text), 0, out);
}

/* A host and its first label are one: node7 in a message is node7.site.org of the list. */
static sb_status host(sbi_naming *t, const char *text, sqlite3_str *out)
{
    sb_status st    = SB_OK;
    size_t    label = strcspn(text, ".");
    if (strcmp(text, "localhost") == 0) {
        sqlite3_str_appendall(out, text);
        return SB_OK;
    }
    st = sbi_name_whole(t, SBI_HOST, text, strlen(text), 1, out);
    if (st != SB_OK || label < 2 || text[label] != '.' || strspn(text, "0123456789") == label)
        return st;
    int64_t number = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (t->at[i].kind == SBI_HOST && strcmp(t->at[i].text, text) == 0)
            number = t->at[i].number;
    return number > 0 ? sbi_name_add(t, SBI_HOST, text, label, 1, &number) : st;
}

/* ---- JSON ---- */
static size_t literal_at(const char *p) /* bytes of "...", quotes included */
{
    size_t n = 1;
    while (p[n] != '\0' && p[n] != '"')
        n += p[n] == '\\' && p[n + 1] != '\0' ? 2 : 1;
    return p[n] == '"' ? n + 1 : n;
}

static sb_status value(sbi_naming *t, sbi_text_kind kind, const char *key, const char *text,
                       sqlite3_str *out)
{
    switch (kind) {
    case SBI_TEXT_HOSTS:
        return host(t, text, out);
    case SBI_TEXT_ENV:
        return variable(t, key, text, out);
    case SBI_TEXT_FACT:
    case SBI_TEXT_MODEL:
        return fact(key, text, strcmp(key, "name") == 0, out);
    default:
        return sbi_plain_replace(t, text, out);
    }
}

/* One literal that is a value; written again only when it changes. */
static sb_status put_value(sbi_naming *t, sbi_text_kind kind, const char *key, const char *literal,
                           size_t n, sqlite3_str *out)
{
    json_t *old = json_loadb(literal, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (old == NULL || strlen(json_string_value(old)) != json_string_length(old)) {
        json_decref(old); /* a NUL in it: no name of ours */
        sqlite3_str_append(out, literal, (int)n);
        return SB_OK;
    }
    char        *text  = NULL;
    sqlite3_str *built = sqlite3_str_new(NULL);
    sb_status    st    = finish(built, value(t, kind, key, json_string_value(old), built), &text);
    if (st == SB_OK && strcmp(text, json_string_value(old)) == 0) {
        sqlite3_str_append(out, literal, (int)n);
    } else if (st == SB_OK) {
        json_t *made   = json_string(text);
        char   *dumped = json_dumps(made, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        if (dumped == NULL)
            st = no_memory();
        else
            sqlite3_str_appendall(out, dumped);
        free(dumped);
        json_decref(made);
    }
    free(text);
    json_decref(old);
    return st;
}

static sb_status json_replace(sbi_naming *t, sbi_text_kind kind, const char *p, sqlite3_str *out)
{
    char      key[64] = "";
    sb_status st      = SB_OK;
    while (*p != '\0' && st == SB_OK) {
        if (*p != '"') {
            sqlite3_str_appendchar(out, 1, *p++);
            continue;
        }
        size_t      n     = literal_at(p);
        const char *after = p + n;
        while (isspace((unsigned char)*after))
            after++;
        if (*after == ':') {
            (void)snprintf(key, sizeof key, "%.*s", (int)n - 2, p + 1);
            sqlite3_str_append(out, p, (int)n);
        } else {
            st = put_value(t, kind, key, p, n, out);
        }
        p += n;
    }
    return st;
}

static int is_json(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    if (*text != '{' && *text != '[')
        return 0;
    json_t *root = json_loads(text, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    int     is   = root != NULL;
    json_decref(root);
    return is;
}

sb_status sbi_naming_replace(sbi_naming *t, sbi_text_kind kind, const char *text, char **out)
{
    sqlite3_str *built = sqlite3_str_new(NULL);
    sb_status    st;
    if (is_json(text))
        st = json_replace(t, kind, text, built);
    else if (kind == SBI_TEXT_PATH)
        st = sbi_name_whole(t, SBI_PATH, text, strlen(text), 0, built);
    else if (kind == SBI_TEXT_FACT || kind == SBI_TEXT_MODEL)
        st = fact("", text, kind == SBI_TEXT_MODEL, built);
    else
        st = sbi_plain_replace(t, text, built);
    return finish(built, st, out);
}

sb_status sbi_naming_collect(sbi_naming *t, sbi_text_kind kind, const char *text)
{
    char     *unused = NULL;
    sb_status st     = SB_OK;
    if (kind == SBI_TEXT_FACT || kind == SBI_TEXT_MODEL)
        return SB_OK;
    st = sbi_plain_collect(t, text);
    if (st == SB_OK && (kind == SBI_TEXT_HOSTS || kind == SBI_TEXT_ENV))
        st = sbi_naming_replace(t, kind, text, &unused);
    free(unused);
    return st;
}
