/* A machine as a file: flow mappings, one entry a line, texts in double quotes. */
#include <string.h>

#include "harness/config/machine.h"

/* YAML's own line ends beside those of ASCII, each folded into a blank unless it is escaped; and
 * three that are no characters of YAML. */
static const char *const folded[][2] = {{"\xc2\x85", "\\N"},         {"\xe2\x80\xa8", "\\L"},
                                        {"\xe2\x80\xa9", "\\P"},     {"\xef\xbb\xbf", "\\ufeff"},
                                        {"\xef\xbf\xbe", "\\ufffe"}, {"\xef\xbf\xbf", "\\uffff"}};

static void text(FILE *out, const char *s)
{
    (void)fputc('"', out);
    while (*s != '\0') {
        size_t n = 0;
        for (size_t i = 0; i < sizeof folded / sizeof *folded && n == 0; i++)
            if (strncmp(s, folded[i][0], strlen(folded[i][0])) == 0) {
                n = strlen(folded[i][0]);
                (void)fputs(folded[i][1], out);
            }
        if (n == 0 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0) {
            n = 2; /* U+0080 to U+009F: no printable characters of YAML */
            (void)fprintf(out, "\\x%02x", (unsigned)(unsigned char)s[1]);
        } else if (n == 0 && ((unsigned char)*s < 0x20 || *s == 0x7f))
            (void)fprintf(out, "\\x%02x", (unsigned)*s);
        else if (n == 0)
            (void)fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
        s += n > 0 ? n : 1;
    }
    (void)fputc('"', out);
}

static void origin(FILE *out, const sb_origin *o, int spread)
{
    (void)fprintf(out, ", source: %s, from: ", sb_source_name((sb_source_kind)o->source));
    text(out, o->from);
    if (o->rows > 0)
        (void)fprintf(out, ", rows: %lld", (long long)o->rows);
    if (o->rows > 0 && spread)
        (void)fprintf(out, ", spread: %.3g", o->spread);
    (void)fputs("}\n", out);
}

static void wanted(FILE *out, const sb_wanted *w)
{
    for (int64_t i = 0; i < w->n; i++)
        (void)fprintf(out, "%s%s: %s", i == 0 ? ", params: {" : ", ", w->param[i]->name,
                      w->json[i]);
    if (w->n > 0)
        (void)fputc('}', out);
}

static void density(FILE *out, const sb_density *d)
{
    (void)fprintf(out, "  - {method: %s", d->method->name);
    wanted(out, &d->params);
    if (d->task != NULL)
        (void)fprintf(out, ", task: %s", d->task);
    (void)fputs(", tokens: [", out);
    for (int64_t i = 0; i < d->n; i++)
        (void)fprintf(out, "%s%lld", i > 0 ? ", " : "", (long long)d->tokens[i]);
    (void)fputs("], share: [", out);
    for (int64_t i = 0; i < d->n; i++)
        (void)fprintf(out, "%s%.4g", i > 0 ? ", " : "", d->share[i]);
    (void)fprintf(out, "], beyond: %s", sb_beyond_name((sb_beyond)d->beyond));
    origin(out, &d->origin, 0);
}

static void link(FILE *out, const char *name, const sb_link_cost *l)
{
    (void)fprintf(out, "  - {name: %s, latency_s: %.4g, bytes_per_s: %.4g", name, l->latency_s,
                  l->bytes_per_s);
    origin(out, &l->origin, 1);
}

sb_status sb_machine_write(const sb_machine *m, const char *head, FILE *out)
{
    for (const char *at = head; *at != '\0';) {
        size_t n = strcspn(at, "\n");
        (void)fprintf(out, "# %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
    (void)fprintf(out, "machine: %s\n", m->name);
    if (m->about[0] != '\0') {
        (void)fputs("about: ", out);
        text(out, m->about);
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "backend: %s\nprocessor: ", m->backend == SB_CPU ? "cpu" : "cuda");
    text(out, m->processor);
    (void)fprintf(out, "\nranks_per_host: %lld\n", (long long)m->ranks_per_host);
    (void)fprintf(out, "memory: {host_gib: %g, device_gib: %g", m->host_gib, m->device_gib);
    origin(out, &m->memory, 0);
    (void)fputs("links:\n", out);
    link(out, "inside", &m->inside);
    link(out, "between", &m->between);
    if (m->merge.bytes_per_s > 0) {
        (void)fprintf(out, "merge: {bytes_per_s: %.4g", m->merge.bytes_per_s);
        origin(out, &m->merge.origin, 1);
    }
    (void)fputs("costs:\n", out);
    for (int64_t i = 0; i < m->n_costs; i++) {
        const sb_cost *k = &m->costs[i];
        (void)fprintf(out, "  - {phase: %s, method: %s", sb_phase_name((sb_phase)k->phase),
                      k->method == NULL ? "any" : k->method->name);
        wanted(out, &k->params);
        (void)fprintf(out, ", rate: %.4g, start_s: %.3g", k->rate, k->start_s);
        origin(out, &k->origin, 1);
    }
    if (m->n_densities > 0)
        (void)fputs("densities:\n", out);
    for (int64_t i = 0; i < m->n_densities; i++)
        density(out, &m->densities[i]);
    return ferror(out) ? sb_fail(SB_ERR_IO, "machine %s: the file cannot be written", m->name)
                       : SB_OK;
}
