/* JUnit XML as CI servers read it: one test suite, one test case a finding. A verdict that breaks
 * the gate is a failure; one that does not (inconclusive: warn) is skipped, with its reason. */
#include <math.h>
#include <string.h>

#include "results/gate/internal.h"

/* XML 1.0 has no control characters but tab, line feed and carriage return, not even escaped; and
 * only UTF-8 is written, so what is none becomes U+FFFD. */
static size_t utf8_bytes(const unsigned char *s)
{
    size_t n = s[0] < 0x80             ? 1
               : (s[0] & 0xe0) == 0xc0 ? 2
               : (s[0] & 0xf0) == 0xe0 ? 3
               : (s[0] & 0xf8) == 0xf0 ? 4
                                       : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((n == 2 && s[0] < 0xc2) || (n == 3 && s[0] == 0xe0 && s[1] < 0xa0) ||
        (n == 3 && s[0] == 0xed && s[1] >= 0xa0) ||
        (n == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe) ||
        (n == 4 &&
         (s[0] > 0xf4 || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))))
        return 0;
    return n;
}

static void escaped(const char *text, FILE *out)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t n = utf8_bytes(p);
        if (n == 0 || (n == 1 && *p < 0x20 && *p != '\t')) {
            (void)fputs("\xef\xbf\xbd", out);
            p++;
            continue;
        }
        if (*p == '&')
            (void)fputs("&amp;", out);
        else if (*p == '<')
            (void)fputs("&lt;", out);
        else if (*p == '>')
            (void)fputs("&gt;", out);
        else if (*p == '"')
            (void)fputs("&quot;", out);
        else
            (void)fwrite(p, 1, n, out);
        p += n;
    }
}

static void attribute(const char *name, const char *text, FILE *out)
{
    (void)fprintf(out, " %s=\"", name);
    escaped(text, out);
    (void)fputc('"', out);
}

static void test_case(const sb_gate_finding *f, FILE *out)
{
    const char *verdict = sb_gate_verdict_names[f->verdict];
    (void)fputs("  <testcase", out);
    attribute("classname", sb_gate_check_names[f->check], out);
    (void)fputs(" name=\"", out);
    escaped(f->cell, out);
    if (f->what[0] != '\0') {
        (void)fputs(" | ", out);
        escaped(f->what, out);
    }
    (void)fputs("\">\n", out);
    if (f->breaks) {
        (void)fputs("    <failure", out);
        attribute("type", verdict, out);
        attribute("message", f->evidence, out);
        (void)fputs("/>\n", out);
    } else if (f->verdict != SB_GATE_PASS) {
        (void)fprintf(out, "    <skipped message=\"%s: ", verdict);
        escaped(f->evidence, out);
        (void)fputs("\"/>\n", out);
    }
    (void)fputs("    <system-out>", out);
    escaped(f->evidence, out);
    (void)fprintf(out, "; point %.12s", f->hash);
    if (!isnan(f->p_holm))
        (void)fprintf(out, "; p %.3g, Holm %.3g", f->p, f->p_holm);
    if (!isnan(f->detects))
        (void)fprintf(out, "; finds %.3f", f->detects);
    (void)fputs("</system-out>\n  </testcase>\n", out);
}

sb_status sb_gate_write_junit(const sb_gate_report *r, FILE *out)
{
    int64_t skipped = 0;
    for (int64_t i = 0; i < r->n_findings; i++)
        skipped += !r->findings[i].breaks && r->findings[i].verdict != SB_GATE_PASS;
    int64_t empty = r->n_findings == 0;
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite", out);
    attribute("name", r->gate, out);
    (void)fprintf(out, " tests=\"%lld\" failures=\"%lld\" errors=\"0\" skipped=\"%lld\">\n",
                  (long long)(r->n_findings + empty), (long long)(r->n_breaks + empty),
                  (long long)skipped);
    (void)fputs("  <properties>\n    <property name=\"base\"", out);
    attribute("value", r->base, out);
    (void)fputs("/>\n    <property name=\"new\"", out);
    attribute("value", r->new, out);
    (void)fputs("/>\n  </properties>\n", out);
    if (empty)
        (void)fputs("  <testcase classname=\"coverage\" name=\"baseline\">\n    <failure "
                    "type=\"missing\" message=\"the baseline has nothing that could be "
                    "compared\"/>\n  </testcase>\n",
                    out);
    for (int64_t i = 0; i < r->n_findings; i++)
        test_case(&r->findings[i], out);
    (void)fputs("</testsuite>\n</testsuites>\n", out);
    return ferror(out) ? sb_fail(SB_ERR_IO, "compare: the JUnit report cannot be written") : SB_OK;
}
