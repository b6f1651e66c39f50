/* The table of figures: aligned, CSV [RFC 4180], JSON, Markdown. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/prediction.h"
#include "harness/score/score.h"

enum { COLUMNS = 16, CELL = 40 };

static const char *const names[COLUMNS] = {
    "kind", "suite", "task",       "length",   "group",   "metric", "n",      "score",
    "lo",   "hi",    "half_width", "interval", "n_empty", "n_null", "figure", "reason"};

/* What an aligned table leaves out: lo and hi stand in it as a half width. */
static int is_short(int column) { return column != 8 && column != 9 && column != 11; }

typedef struct cell {
    const char *text;
    char        buf[CELL];
} cell;

static void put_count(cell *c, int64_t v, int shown)
{
    c->text = c->buf;
    if (shown)
        (void)snprintf(c->buf, CELL, "%lld", (long long)v);
}

/* digits 0: all of them. */
static void put_real(cell *c, double v, int digits)
{
    c->text = c->buf;
    if (isnan(v))
        return;
    (void)snprintf(c->buf, CELL, digits > 0 ? "%.4f" : "%.17g", v);
}

static void cells_of(const sb_score_line *l, int digits, cell c[COLUMNS])
{
    int counted = strcmp(l->kind, "task") == 0;
    memset(c, 0, COLUMNS * sizeof *c);
    c[0].text = l->kind;
    c[1].text = l->suite;
    c[2].text = l->task;
    put_count(&c[3], l->length_tokens, l->length_tokens > 0);
    c[4].text = l->group;
    c[5].text = l->metric;
    put_count(&c[6], l->n, strcmp(l->kind, "ruler") != 0);
    put_real(&c[7], l->score, digits);
    put_real(&c[8], l->lo, digits);
    put_real(&c[9], l->hi, digits);
    put_real(&c[10], (l->hi - l->lo) / 2, digits);
    c[11].text = l->interval;
    put_count(&c[12], l->n_empty, counted);
    put_count(&c[13], l->n_null, counted);
    c[14].text = l->figure;
    c[15].text = l->reason != NULL ? l->reason : "";
}

static void print_table(const sb_score_table *t, FILE *out)
{
    int  width[COLUMNS];
    cell c[COLUMNS];
    for (int k = 0; k < COLUMNS; k++)
        width[k] = (int)strlen(names[k]);
    for (int64_t i = 0; i < t->n; i++) {
        cells_of(&t->lines[i], 4, c);
        for (int k = 0; k < COLUMNS; k++)
            width[k] = (int)strlen(c[k].text) > width[k] ? (int)strlen(c[k].text) : width[k];
    }
    for (int64_t i = -1; i < t->n; i++) {
        if (i >= 0)
            cells_of(&t->lines[i], 4, c);
        for (int k = 0; k < COLUMNS; k++) {
            const char *text  = i < 0 ? names[k] : c[k].text;
            int         right = (k >= 6 && k <= 14) || k == 3;
            if (!is_short(k))
                continue;
            if (k == COLUMNS - 1) /* the last one is not filled up */
                (void)fprintf(out, "%s\n", text);
            else
                (void)fprintf(out, "%*s  ", right ? width[k] : -width[k], text);
        }
    }
}

static void csv_text(const char *s, FILE *out)
{
    if (strpbrk(s, ",\"\r\n") == NULL) {
        (void)fputs(s, out);
        return;
    }
    (void)fputc('"', out);
    for (; *s != '\0'; s++) {
        if (*s == '"')
            (void)fputc('"', out);
        (void)fputc(*s, out);
    }
    (void)fputc('"', out);
}

static void print_csv(const sb_score_table *t, FILE *out)
{
    for (int k = 0; k < COLUMNS; k++)
        (void)fprintf(out, "%s%s", k > 0 ? "," : "", names[k]);
    (void)fputs("\r\n", out);
    for (int64_t i = 0; i < t->n; i++) {
        cell c[COLUMNS];
        cells_of(&t->lines[i], 0, c);
        for (int k = 0; k < COLUMNS; k++) {
            (void)fputs(k > 0 ? "," : "", out);
            csv_text(c[k].text, out);
        }
        (void)fputs("\r\n", out);
    }
}

static void print_markdown(const sb_score_table *t, FILE *out)
{
    for (int64_t i = -2; i < t->n; i++) {
        cell c[COLUMNS];
        if (i >= 0)
            cells_of(&t->lines[i], 4, c);
        for (int k = 0; k < COLUMNS; k++) {
            const char *s = i == -2 ? names[k] : i == -1 ? "---" : c[k].text;
            (void)fputs("| ", out);
            for (; *s != '\0'; s++) {
                if (*s == '|')
                    (void)fputc('\\', out);
                (void)fputc(*s == '\n' ? ' ' : *s, out);
            }
            (void)fputc(' ', out);
        }
        (void)fputs("|\n", out);
    }
}

static json_t *json_cell(const cell *c, int k)
{
    int is_number = k == 3 || (k >= 6 && k <= 10) || k == 12 || k == 13;
    if (c->text[0] == '\0')
        return json_null();
    return is_number ? json_loads(c->text, JSON_DECODE_ANY, NULL) : json_string(c->text);
}

static sb_status print_json(const sb_score_table *t, FILE *out)
{
    (void)fputs("[", out);
    for (int64_t i = 0; i < t->n; i++) {
        cell    c[COLUMNS];
        json_t *o = json_object();
        char   *text;
        int     bad = o == NULL;
        cells_of(&t->lines[i], 0, c);
        for (int k = 0; k < COLUMNS; k++)
            bad |= json_object_set_new(o, names[k], json_cell(&c[k], k)) != 0;
        text = bad ? NULL : sbi_dump(o, JSON_COMPACT);
        json_decref(o);
        if (text == NULL)
            return sb_fail(SB_ERR_NOMEM, "the table of scores: no memory");
        (void)fprintf(out, "%s\n%s", i > 0 ? "," : "", text);
        free(text);
    }
    (void)fputs("\n]\n", out);
    return SB_OK;
}

sb_status sb_score_print(const sb_score_table *t, sb_format format, FILE *out)
{
    sb_status st = SB_OK;
    if (format == SB_FORMAT_CSV)
        print_csv(t, out);
    else if (format == SB_FORMAT_JSON)
        st = print_json(t, out);
    else if (format == SB_FORMAT_MARKDOWN)
        print_markdown(t, out);
    else
        print_table(t, out);
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "the table of scores cannot be written");
    return st;
}
