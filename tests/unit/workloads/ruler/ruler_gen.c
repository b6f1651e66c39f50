/* ruler_gen key=value...: rows of one RULER task on stdout, as RULER's own jsonl. Keys: task, seed,
 * length, rows, first (first row), question (pre_samples), wrapped (model_template_tokens),
 * counter, templates, chat, wrapper, words, english, essay, punkt, rules (3.9 or 3.10), qa; units=1
 * prints what the fit found, to stderr. Only for tests: the program writes rows with `spanbench
 * gen`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/ruler.h"

static const char *value_of(int argc, char **argv, const char *key, const char *otherwise)
{
    size_t n = strlen(key);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return otherwise;
}

static long long number_of(int argc, char **argv, const char *key, const char *otherwise)
{
    return atoll(value_of(argc, argv, key, otherwise));
}

typedef struct inputs {
    sb_ruler_templates *templates;
    sb_ruler_words     *words;
    sb_punkt           *punkt;
    sb_ruler_essay     *essay;
    sb_ruler_qa        *qa;
} inputs;

static sb_status open_inputs(int argc, char **argv, const sb_ruler_task *t, inputs *in)
{
    const char *words = value_of(argc, argv, "words", NULL),
               *essay = value_of(argc, argv, "essay", NULL);
    const char *qa = value_of(argc, argv, "qa", NULL), *punkt = value_of(argc, argv, "punkt", NULL);
    int         old = strcmp(value_of(argc, argv, "rules", "3.9"), "3.9") == 0;
    sb_status   st  = sb_ruler_templates_open(
           value_of(argc, argv, "templates", "configs/templates/ruler.json"),
           value_of(argc, argv, "chat", NULL), value_of(argc, argv, "wrapper", NULL), &in->templates);
    if (st == SB_OK && words != NULL && (t->needs & SB_RULER_NEEDS_WORDS) != 0)
        st = sb_ruler_words_open(words, value_of(argc, argv, "english", NULL), NULL, &in->words);
    if (st == SB_OK && essay != NULL && punkt != NULL && (t->needs & SB_RULER_NEEDS_ESSAY) != 0 &&
        (st = sb_punkt_open(punkt, old ? SB_PUNKT_NLTK_3_9 : SB_PUNKT_NLTK_3_10, &in->punkt)) ==
            SB_OK)
        st = sb_ruler_essay_open(essay, sb_ruler_splitter_punkt(in->punkt), &in->essay);
    if (st == SB_OK && qa != NULL && t->generator == SB_RULER_QA)
        st = sb_ruler_qa_open(
            qa, (t->needs & SB_RULER_NEEDS_SQUAD) != 0 ? SB_RULER_SQUAD : SB_RULER_HOTPOTQA,
            &in->qa);
    return st;
}

static sb_status print_rows(sb_ruler_set *set, const sb_ruler_task *t, long long first,
                            long long rows)
{
    sb_status st = SB_OK;
    for (long long r = first; r < first + rows && st == SB_OK; r++) {
        sb_ruler_sample s    = {0};
        char           *line = NULL;
        if ((st = sb_ruler_row(set, r, &s)) == SB_OK &&
            (st = sb_ruler_sample_json(t, &s, &line)) == SB_OK)
            (void)fputs(line, stdout);
        free(line);
        sb_ruler_sample_fini(&s);
    }
    return st;
}

int main(int argc, char **argv)
{
    const sb_ruler_task  *t       = sb_ruler_task_find(value_of(argc, argv, "task", ""));
    const sb_tok_ops     *counter = sb_tok_ops_find(value_of(argc, argv, "counter", "bytes/4"));
    inputs                in      = {0};
    sb_ruler_set         *set     = NULL;
    sb_ruler_spec         spec    = {.task = t};
    sb_status             st;
    if (t == NULL || counter == NULL) {
        (void)fputs("ruler_gen: no such task or counter\n", stderr);
        return 2;
    }
    st                         = open_inputs(argc, argv, t, &in);
    spec.seed                  = strtoull(value_of(argc, argv, "seed", "42"), NULL, 10);
    spec.length_tokens         = number_of(argc, argv, "length", "4096");
    spec.first_question        = number_of(argc, argv, "question", "0");
    spec.model_template_tokens = number_of(argc, argv, "wrapped", "0");
    spec.templates             = in.templates;
    spec.words                 = in.words;
    spec.essay                 = in.essay;
    spec.qa                    = in.qa;
    spec.counter               = *counter;
    if (st == SB_OK && (st = sb_ruler_open(&spec, &set)) == SB_OK) {
        if (number_of(argc, argv, "units", "0") != 0)
            (void)fprintf(stderr, "%lld %lld\n", (long long)sb_ruler_units(set),
                          (long long)sb_ruler_shot_units(set));
        st = print_rows(set, t, number_of(argc, argv, "first", "0"),
                        number_of(argc, argv, "rows", "3"));
    }
    if (st != SB_OK)
        (void)fprintf(stderr, "ruler_gen: %s: %s\n", sb_status_name(st), sb_error_text());
    sb_ruler_close(set);
    sb_ruler_qa_close(in.qa);
    sb_ruler_essay_close(in.essay);
    sb_punkt_close(in.punkt);
    sb_ruler_words_close(in.words);
    sb_ruler_templates_close(in.templates);
    return st == SB_OK && fflush(stdout) == 0 ? 0 : 1;
}
