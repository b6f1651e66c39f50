/* The table of names, and plain texts: a text is cut into words; a word that looks like a path, an
 * address or a device is replaced whole, and in all others the names that hosts, environment and
 * home directories gave. Better a word too many than one too few: no figure is made of these texts.
 */
#include "results/store/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/names_text.h"

static const char *const words[SBI_NAME_KINDS] = {
    [SBI_HOST] = "host",       [SBI_HOSTS] = "hosts",
    [SBI_USER] = "user",       [SBI_PATH] = "path",
    [SBI_GPU] = "gpu",         [SBI_JOB] = "job",
    [SBI_ACCOUNT] = "account", [SBI_PARTITION] = "partition",
    [SBI_CLUSTER] = "cluster", [SBI_NAME] = "name"};

const char *sbi_name_word(sbi_name_kind kind) { return words[kind]; }

void sbi_naming_fini(sbi_naming *t)
{
    for (int64_t i = 0; i < t->n; i++)
        free(t->at[i].text);
    free(t->at);
    *t = (sbi_naming){0};
}

static int is_part(char c) { return isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

size_t sbi_pseudonym_at(const char *p, sbi_name_kind *kind, int64_t *number)
{
    for (int k = 0; k < SBI_NAME_KINDS; k++) {
        size_t n = strlen(words[k]);
        if (strncmp(p, words[k], n) != 0 || p[n] != '-' || !isdigit((unsigned char)p[n + 1]) ||
            p[n + 1] == '0')
            continue;
        char     *end;
        long long v = strtoll(p + n + 1, &end, 10);
        if (is_part(*end) || end - (p + n + 1) > 9)
            continue;
        *kind   = (sbi_name_kind)k;
        *number = v;
        return (size_t)(end - p);
    }
    return 0;
}

sb_status sbi_name_add(sbi_naming *t, sbi_name_kind kind, const char *text, size_t n, int spread,
                       int64_t *number)
{
    for (int64_t i = 0; i < t->n; i++)
        if (t->at[i].kind == kind && strncmp(t->at[i].text, text, n) == 0 &&
            t->at[i].text[n] == '\0') {
            t->at[i].spread |= spread;
            *number = t->at[i].number;
            return SB_OK;
        }
    if (t->n == t->room) {
        int64_t   room  = t->room == 0 ? 32 : 2 * t->room;
        sbi_name *grown = realloc(t->at, (size_t)room * sizeof *grown);
        if (grown == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for %lld names", (long long)room);
        t->at   = grown;
        t->room = room;
    }
    char *copy = strndup(text, n);
    if (copy == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a name");
    t->at[t->n++] = (sbi_name){kind, copy, *number > 0 ? *number : ++t->last[kind], spread};
    *number       = t->at[t->n - 1].number;
    return SB_OK;
}

sb_status sbi_name_whole(sbi_naming *t, sbi_name_kind kind, const char *text, size_t n, int spread,
                         sqlite3_str *out)
{
    sbi_name_kind found;
    int64_t       number = 0;
    if (n == 0 || (sbi_pseudonym_at(text, &found, &number) == n && found == kind)) {
        sqlite3_str_append(out, text, (int)n);
        return SB_OK;
    }
    number       = 0;
    sb_status st = sbi_name_add(t, kind, text, n, spread, &number);
    if (st == SB_OK)
        sqlite3_str_appendf(out, "%s-%lld", words[kind], (long long)number);
    return st;
}

/* The longest known name that stands at p as a word of its own, or NULL. */
static const sbi_name *known_at(const sbi_naming *t, const char *p, size_t room)
{
    const sbi_name *best = NULL;
    for (int64_t i = 0; i < t->n; i++) {
        size_t n = strlen(t->at[i].text);
        if (t->at[i].spread && n <= room && strncasecmp(t->at[i].text, p, n) == 0 &&
            (n == room || !is_part(p[n])) && (best == NULL || n > strlen(best->text)))
            best = &t->at[i];
    }
    return best;
}

static int has_letter(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isalpha((unsigned char)p[i]) || (unsigned char)p[i] >= 0x80)
            return 1;
    return 0;
}

static int is_device(const char *p, size_t n)
{
    size_t at = strncmp(p, "MIG-GPU-", 8) == 0 ? 8 : 4;
    if (n < at + 8 || (strncmp(p, "GPU-", 4) != 0 && strncmp(p, "MIG-", 4) != 0))
        return 0;
    return strspn(p + at, "0123456789abcdefABCDEF") >= 8;
}

static int is_address(const char *p, size_t n) /* 10.1.2.3 */
{
    int dots = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.' && i > 0 && i + 1 < n && p[i - 1] != '.')
            dots++;
        else if (!isdigit((unsigned char)p[i]))
            return 0;
    }
    return dots == 3;
}

/* jane@login.site.org; not exact@1, the name of a metric */
static size_t user_of(const char *p, size_t n)
{
    const char *at = memchr(p, '@', n);
    size_t      k  = at == NULL ? 0 : (size_t)(at - p);
    return k > 0 && k + 1 < n && isalpha((unsigned char)p[k + 1]) ? k : 0;
}

static sb_status put_word(sbi_naming *t, const char *p, size_t n, sqlite3_str *out)
{
    size_t user = user_of(p, n);
    if (sbi_hidden_path_at(p) == n) {
        sqlite3_str_append(out, p, (int)n);
        return SB_OK;
    }
    if ((memchr(p, '/', n) != NULL && has_letter(p, n)) || (p[0] == '~' && n > 1))
        return sbi_name_whole(t, SBI_PATH, p, n, 0, out);
    if (is_device(p, n))
        return sbi_name_whole(t, SBI_GPU, p, n, 0, out);
    if (is_address(p, n))
        return sbi_name_whole(t, SBI_HOST, p, n, 0, out);
    if (user > 0) {
        sb_status st = sbi_name_whole(t, SBI_USER, p, user, 1, out);
        sqlite3_str_appendchar(out, 1, '@');
        return st == SB_OK ? sbi_name_whole(t, SBI_HOST, p + user + 1, n - user - 1, 1, out) : st;
    }
    for (size_t i = 0; i < n;) {
        sbi_name_kind   kind;
        int64_t         number;
        int             begins = i == 0 || !is_part(p[i - 1]);
        size_t          whole  = begins ? sbi_pseudonym_at(p + i, &kind, &number) : 0;
        const sbi_name *known  = begins && whole == 0 ? known_at(t, p + i, n - i) : NULL;
        if (known != NULL)
            sqlite3_str_appendf(out, "%s-%lld", words[known->kind], (long long)known->number);
        else
            sqlite3_str_append(out, p + i, whole > 0 ? (int)whole : 1);
        i += known != NULL ? strlen(known->text) : whole > 0 ? whole : 1;
    }
    return SB_OK;
}

size_t sbi_word_at(const char *p)
{
    size_t n = 0;
    while (p[n] != '\0' && strchr(" \t\r\n'\"`,;=(){}[]<>|", p[n]) == NULL &&
           !(p[n] == ':' && strncmp(p + n, "://", 3) != 0))
        n++;
    while (n > 1 && strchr(".!?", p[n - 1]) != NULL) /* the end of a sentence */
        n--;
    return n;
}

sb_status sbi_plain_replace(sbi_naming *t, const char *text, sqlite3_str *out)
{
    sb_status st = SB_OK;
    while (*text != '\0' && st == SB_OK) {
        size_t n = sbi_word_at(text);
        if (n == 0)
            sqlite3_str_appendchar(out, 1, *text++);
        else
            st = put_word(t, text, n, out);
        text += n;
    }
    return st;
}

void sbi_naming_reserve(sbi_naming *t, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        sbi_name_kind kind;
        int64_t       number;
        if ((p == text || !is_part(p[-1])) && sbi_pseudonym_at(p, &kind, &number) > 0 &&
            number > t->last[kind])
            t->last[kind] = number;
    }
}

/* /home/NAME and /Users/NAME */
sb_status sbi_plain_collect(sbi_naming *t, const char *text)
{
    static const char *const homes[] = {"/home/", "/Users/"};
    sb_status                st      = SB_OK;
    for (size_t h = 0; h < sizeof homes / sizeof *homes; h++)
        for (const char *p = text; st == SB_OK && (p = strstr(p, homes[h])) != NULL;) {
            int64_t number = 0;
            p += strlen(homes[h]);
            size_t n = strcspn(p, "/ \t\r\n'\"`,;=(){}[]<>|:\\");
            if (n > 1)
                st = sbi_name_add(t, SBI_USER, p, n, 1, &number);
        }
    return st;
}
