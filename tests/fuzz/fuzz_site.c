/* What a fuzzer feeds: any bytes as a site file, and as a text to quote. What is taken becomes a
 * job script over two points: bash parses it (every 32nd), its #SBATCH lines hold plain words, and
 * what is quoted reads back as what it was, by rules of the shell that stand here once more. */
#include <ctype.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/batch/batch.h"
#include "harness/batch/quote.h"
#include "tests/fuzz/common.h"

enum { EVERY = 32 };

/* ---- quoting ---- */

static char *quoted(void (*quote)(const char *, FILE *), const char *text)
{
    char  *out = NULL;
    size_t n;
    FILE  *f = open_memstream(&out, &n);
    fuzz_must(f != NULL, "open_memstream");
    quote(text, f);
    fuzz_must(fclose(f) == 0, "fclose");
    return out;
}

static int is_harmless(char c)
{
    return isalnum((unsigned char)c) || strchr("_./:@%+=-", c) != NULL;
}

/* What the shell takes *q for, as one word: the text with $NAME for "${NAME:?}". A character that
 * stands outside of quotes must be harmless. */
static void read_word(const char *q, FILE *out)
{
    fuzz_must(*q != '\0', "a word is there");
    while (*q != '\0') {
        if (*q == '\'') {
            for (q++; *q != '\''; q++) {
                fuzz_must(*q != '\0', "a quote is closed");
                (void)fputc(*q, out);
            }
            q++;
        } else if (q[0] == '\\' && q[1] == '\'') {
            (void)fputc('\'', out);
            q += 2;
        } else if (strncmp(q, "\"${", 3) == 0) {
            size_t n =
                strspn(q + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
            fuzz_must(n > 0 && !isdigit((unsigned char)q[3]) && strncmp(q + 3 + n, ":?}\"", 4) == 0,
                      "a variable of the job");
            (void)fprintf(out, "$%.*s", (int)n, q + 3);
            q += 3 + n + 4;
        } else {
            fuzz_must(is_harmless(*q), "outside of quotes");
            (void)fputc(*q++, out);
        }
    }
}

/* text with $NAME for ${NAME}. */
static void without_braces(const char *text, FILE *out)
{
    while (*text != '\0') {
        size_t n = 0;
        if (strncmp(text, "${", 2) == 0 && (isalpha((unsigned char)text[2]) || text[2] == '_'))
            while (isalnum((unsigned char)text[2 + n]) || text[2 + n] == '_')
                n++;
        if (n > 0 && text[2 + n] == '}') {
            (void)fprintf(out, "$%.*s", (int)n, text + 2);
            text += n + 3;
        } else {
            (void)fputc(*text++, out);
        }
    }
}

static void as_it_is(const char *text, FILE *out) { (void)fputs(text, out); }

static void check_word(void (*quote)(const char *, FILE *), void (*meaning)(const char *, FILE *),
                       const char *text)
{
    char *q = quoted(quote, text), *got = quoted(read_word, q), *want = quoted(meaning, text);
    if (strcmp(got, want) != 0) {
        (void)fprintf(stderr, "text: %s\nquoted: %s\nread: %s\n", text, q, got);
        fuzz_must(0, "a quoted word means its text");
    }
    free(q);
    free(got);
    free(want);
}

static void check_quotes(const char *text)
{
    char *name = quoted(sbi_quote_name, text);
    check_word(sbi_quote_word, as_it_is, text);
    check_word(sbi_quote_path, without_braces, text);
    fuzz_must(strlen(name) == strlen(text) && strpbrk(name, " \t\n\r#$`'\"\\;&|<>()") == NULL,
              "a name for a comment");
    free(name);
}

/* ---- the script ---- */

static void check_directives(const char *script)
{
    for (const char *line = script; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "#SBATCH ", 8) == 0)
            for (const char *p = line + 8; *p != '\n' && *p != '\0'; p++)
                fuzz_must((unsigned char)*p > 0x20 && *p != 0x7f && strchr("$`'\\#", *p) == NULL,
                          "a #SBATCH line is one plain word");
    }
}

/* Parsed, not run. */
static void check_syntax(const char *script)
{
    extern char **environ;
    char          bash[] = "bash", parse[] = "-n", path[64];
    char         *argv[] = {bash, parse, path, NULL};
    pid_t         child;
    int           status = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd/%s", (long)getpid(),
                   strrchr(fuzz_file(1, script, strlen(script)), '/') + 1);
    fuzz_must(posix_spawnp(&child, "bash", NULL, NULL, argv, environ) == 0, "bash");
    fuzz_must(waitpid(child, &status, 0) == child, "waitpid");
    if (status != 0) {
        (void)fprintf(stderr, "%s\n", script);
        fuzz_must(0, "bash parses the script");
    }
}

static char *script_of(const sb_sweep *s, const sb_batch_job *j, const sb_site *site)
{
    const sb_batch_texts t   = {.program    = site->program != NULL ? site->program : "spanbench",
                                .version    = "1",
                                .basis      = "seconds that stand here",
                                .sweep_path = "/s.yaml",
                                .folder     = "/results",
                                .main_db    = "/results/s.db",
                                .throttle   = site->throttle,
                                .report     = 1};
    char                *out = NULL;
    size_t               n;
    FILE                *f = open_memstream(&out, &n);
    fuzz_must(f != NULL && sb_batch_write(s, j, site, &t, f) == SB_OK, "a script is written");
    fuzz_must(fclose(f) == 0, "fclose");
    return out;
}

static void check_site(const sb_site *site)
{
    static const sb_method dense  = {.name = "dense"};
    static char            name[] = "s", model[] = "probe", params[] = "{}";
    sb_point               p[2] = {{.cell          = 0,
                                    .length_tokens = 1024,
                                    .model         = model,
                                    .model_json    = params,
                                    .task_name     = "vt",
                                    .samples       = 2,
                                    .repetitions   = 1,
                                    .method        = &dense}};
    const sb_batch_cost cost[2] = {{.seconds = 10, .anchor_s = 1}, {.seconds = 20, .anchor_s = 2}};
    sb_sweep            s       = {.name = name, .path = name, .points = p, .n_points = 2};
    sb_batch_job        j       = {0};
    p[1]                        = p[0];
    p[1].cell                   = 1;
    (void)memset(s.hash, 'a', 64);
    for (int64_t i = 0; i < site->container.n; i++)
        check_quotes(site->container.v[i]);
    for (int64_t i = 0; i < site->env_values.n; i++)
        check_quotes(site->env_values.v[i]);
    if (site->node_local != NULL)
        check_quotes(site->node_local);
    sb_status st = sb_batch_shape(&s, cost, site, 1, &j);
    fuzz_must(st == SB_OK || st == SB_ERR_NO_FIT, "it fits or it does not");
    if (st == SB_OK) {
        fuzz_must(j.nodes >= 1 && j.tasks_per_node >= 1 && j.cpus_per_task >= 1 && j.minutes >= 1 &&
                      j.minutes <= site->max_minutes && j.n_elements <= site->max_array,
                  "the job is what the site allows");
        char *script = script_of(&s, &j, site);
        check_directives(script);
        if (fuzz_taken % EVERY == 1)
            check_syntax(script);
        free(script);
    }
    sb_batch_fini(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(0, data, size);
    sb_site    *s    = NULL;
    char       *text = strndup((const char *)data, size);
    fuzz_errors e;
    fuzz_must(text != NULL, "strndup");
    check_quotes(text);
    free(text);
    fuzz_errors_open(&e);
    sb_status st = sb_site_load(path, e.to, &s);
    if (fuzz_errors_close(&e, st, s, path))
        check_site(s);
    sb_site_free(s);
    return 0;
}
