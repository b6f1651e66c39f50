/* What the drawings share: the text of a script, its titles and labels, colours of series. */
#include <stdlib.h>
#include <string.h>

#include "results/report/panel.h"

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "report: no memory for a plot"); }

sb_status sbi_script_init(sbi_script *s, int width, int height)
{
    *s       = (sbi_script){.width = width, .height = height};
    s->f     = open_memstream(&s->text, &s->bytes);
    s->plots = s->f == NULL ? NULL : open_memstream(&s->plots_text, &s->plots_bytes);
    if (s->plots == NULL)
        return no_memory();
    (void)fprintf(s->f,
                  "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,13'\n"
                  "set encoding utf8\n"
                  "set border 3 lc rgb '#%06x' lw 1\n"
                  "set tics nomirror scale 0.4 textcolor rgb '#%06x'\n"
                  "set grid ytics lt 1 dt solid lw 1 lc rgb '#%06x'\n"
                  "set key off\nset pointintervalbox 0\n",
                  width, height, SBI_COLOUR_MUTED, SBI_COLOUR_INK, SBI_COLOUR_GRID);
    return SB_OK;
}

static sb_status shut(FILE **f)
{
    int rc = *f == NULL ? 0 : fclose(*f);
    *f     = NULL;
    return rc == 0 ? SB_OK : no_memory();
}

sb_status sbi_script_end(sbi_script *s)
{
    sb_status st = shut(&s->plots);
    if (st == SB_OK)
        (void)fprintf(s->f, "plot %s\n", s->plots_text);
    sb_status last = shut(&s->f);
    return st == SB_OK ? last : st;
}

void sbi_script_fini(sbi_script *s)
{
    (void)shut(&s->f);
    (void)shut(&s->plots);
    free(s->text);
    free(s->plots_text);
    for (int i = 0; i < s->n_titles; i++)
        free(s->titles[i]);
    for (int i = 0; i < s->n_labels; i++)
        free(s->labels[i]);
    *s = (sbi_script){0};
}

void sbi_script_block(sbi_script *s) { (void)fprintf(s->f, "$d%d << EOD\n", s->n_blocks); }

void sbi_script_block_end(sbi_script *s)
{
    (void)fputs("EOD\n", s->f);
    s->n_blocks++;
}

static sb_status keep(char **list, int *n, const char *text)
{
    if (*n == SBI_MAX_TEXTS)
        return sb_fail(SB_ERR_UNSUPPORTED, "report: a plot with more than %d texts", SBI_MAX_TEXTS);
    if (text != NULL && (list[*n] = strdup(text)) == NULL)
        return no_memory();
    ++*n;
    return SB_OK;
}

sb_status sbi_script_plot(sbi_script *s, const char *how, const char *title)
{
    (void)fprintf(s->plots, "%s$d%d %s notitle", s->n_titles == 0 ? "" : ", ", s->n_blocks - 1,
                  how);
    return keep(s->titles, &s->n_titles, title);
}

sb_status sbi_script_label(sbi_script *s, const char *text, int *k)
{
    *k = s->n_labels;
    return keep(s->labels, &s->n_labels, text);
}

void sbi_script_axis_title(sbi_script *s, char axis, const char *words, int lines)
{
    (void)fputs(axis == 'y' ? "set label 1 '" : "set xlabel '", s->f);
    for (; *words != '\0'; words++)
        (void)fputs(*words == '\'' ? "''" : (char[]){*words, '\0'}, s->f);
    (void)fprintf(s->f, "' %s textcolor rgb '#%06x'\n",
                  axis == 'y' ? "at screen 0.035, graph 0.5 center rotate by 90"
                  : lines > 1 ? "offset 0,-0.7"
                              : "offset 0,0.4",
                  SBI_COLOUR_MUTED);
}

int sbi_point_type(int number)
{
    static const int types[] = {7, 5, 9, 13, 11, 15, 6, 4, 8, 12, 10};
    return types[(size_t)number % (sizeof types / sizeof *types)];
}

int sbi_series_colour(int number) /* dense, number 0, keeps its own */
{
    return number == 0 ? 0 : 1 + (number - 1) % (SBI_SERIES_COLOURS - 1);
}

int sbi_series_dash(int number, int untrained)
{
    int turn = number == 0 ? 0 : (number - 1) / (SBI_SERIES_COLOURS - 1); /* of the colours */
    return untrained ? 3 : turn == 0 ? 1 : turn % 2 == 1 ? 4 : 2;
}
