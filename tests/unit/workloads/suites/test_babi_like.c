/* Facts in real text: every row is solved from its own prompt by plain code, stands alone, fits its
 * length; and hashes of rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

/* What a reader knows: who is where, who has what, where things have been. */
enum { MOST = 16, LONG = 24 };
typedef struct reader {
    char who[MOST][LONG], at[MOST][LONG];
    char thing[MOST][LONG], owner[MOST][LONG], been[MOST][64][LONG];
    int  n_who, n_things, n_been[MOST];
} reader;

static int find(char names[][LONG], int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    ck_assert_int_lt(*n, MOST);
    (void)snprintf(names[*n], LONG, "%s", name);
    return (*n)++;
}

static void is_at(reader *r, int thing, const char *place)
{
    int *n = &r->n_been[thing];
    if (*n > 0 && strcmp(r->been[thing][*n - 1], place) == 0)
        return;
    ck_assert_str_ne(place, ""); /* nobody takes a thing before a place is told */
    (void)snprintf(r->been[thing][(*n)++], LONG, "%s", place);
}

static void read_fact(reader *r, const char *fact)
{
    char who[LONG], what[LONG];
    int  p, t;
    if (sscanf(fact, "%23s walked to the %23[a-z].", who, what) == 2 ||
        sscanf(fact, "%23s hurried to the %23[a-z].", who, what) == 2 ||
        sscanf(fact, "%23s went into the %23[a-z].", who, what) == 2) {
        p = find(r->who, &r->n_who, who);
        ck_assert_str_ne(r->at[p], what); /* nobody goes where they are */
        (void)snprintf(r->at[p], LONG, "%s", what);
        for (t = 0; t < r->n_things; t++)
            if (strcmp(r->owner[t], who) == 0)
                is_at(r, t, what);
    } else if (sscanf(fact, "%23s picked up the %23[a-z].", who, what) == 2) {
        p = find(r->who, &r->n_who, who);
        t = find(r->thing, &r->n_things, what);
        ck_assert_str_eq(r->owner[t], "");
        if (r->n_been[t] > 0) /* it lies where they are */
            ck_assert_str_eq(r->been[t][r->n_been[t] - 1], r->at[p]);
        (void)snprintf(r->owner[t], LONG, "%s", who);
        is_at(r, t, r->at[p]);
    } else {
        ck_assert_int_eq(sscanf(fact, "%23s put down the %23[a-z].", who, what), 2);
        t = find(r->thing, &r->n_things, what);
        ck_assert_str_eq(r->owner[t], who);
        r->owner[t][0] = '\0';
    }
}

static const char *solve(reader *r, const char *question)
{
    char what[LONG], before[LONG];
    int  t;
    if (sscanf(question, "Where was the %23[a-z] before the %23[a-z]?", what, before) == 2) {
        t = find(r->thing, &r->n_things, what);
        for (int i = 1; i < r->n_been[t]; i++)
            if (strcmp(r->been[t][i], before) == 0)
                return r->been[t][i - 1];
        return "nowhere";
    }
    if (sscanf(question, "Where is the %23[a-z]?", what) == 1) {
        t = find(r->thing, &r->n_things, what);
        return r->been[t][r->n_been[t] - 1];
    }
    ck_assert_int_eq(sscanf(question, "Where is %23[A-Za-z]?", what), 1);
    return r->at[find(r->who, &r->n_who, what)];
}

/* all 0: only the facts that the row says are needed. */
static void check_row(const sb_text_row *r, int all)
{
    reader w = {0};
    for (int64_t i = 0; i < r->n_spans; i++) {
        const sb_text_span *s = &r->spans[i];
        char                text[64];
        ck_assert_int_lt(s->byte_end - s->byte_begin, 64);
        (void)snprintf(text, sizeof text, "%.*s", (int)(s->byte_end - s->byte_begin),
                       r->prompt + s->byte_begin);
        if (strcmp(s->kind, "query") == 0)
            ck_assert_str_eq(text, r->question);
        else if (all || strcmp(s->kind, "needle") == 0)
            read_fact(&w, text);
    }
    ck_assert_str_eq(solve(&w, r->question), r->refs[0]);
    ck_assert_double_eq(rig_score(r, r->refs[0]), 1);
    ck_assert_double_eq(rig_score(r, "somewhere else"), 0);
    ck_assert_double_eq(rig_score(r, "kitchen, garden or office"), 0);
    ck_assert_double_eq(rig_score(r, ""), 0);
}

static const char *const tasks[] = {"task=person", "task=thing", "task=thing_before"};

START_TEST(rows_are_solved)
{
    static const char *const facts[] = {"facts=8", "facts=12", "facts=64"};
    for (int k = 0; k < 3; k++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "babi_like", ARGS(tasks[_i], facts[k], "length=5000", "tok=characters"));
        ck_assert_int_eq(set->suite->n_rows(set), -1);
        for (int64_t i = 0; i < 40; i++) {
            sb_text_row r = rig_row(set, i);
            check_row(&r, 1);
            if (_i == 0) /* one fact is enough */
                check_row(&r, 0);
            ck_assert_int_le(r.n_tokens, 5000 - 20);
            ck_assert_int_ge(r.n_tokens, 5000 - 20 - 80); /* a fact of 60 bytes less */
            sb_text_row_fini(&r);
        }
        set->suite->close(set);
    }
}
END_TEST

/* A row does not depend on which others were asked for; another seed gives others. */
START_TEST(rows_stand_alone)
{
    rig          g, h;
    sb_text_set *a = rig_open(&g, "babi_like", ARGS(tasks[1], "length=2000", "tok=characters"));
    sb_text_set *b =
        rig_open(&h, "babi_like", ARGS(tasks[1], "length=2000", "tok=characters", "seed=43"));
    char sha[5][65];
    for (int i = 0; i < 5; i++) {
        sb_text_row r = rig_row(a, i);
        memcpy(sha[i], r.sha256, 65);
        sb_text_row_fini(&r);
    }
    for (int i = 4; i >= 0; i--) {
        sb_text_row r = rig_row(a, i), other = rig_row(b, i);
        ck_assert_str_eq(r.sha256, sha[i]);
        ck_assert_str_ne(other.sha256, sha[i]);
        sb_text_row_fini(&r);
        sb_text_row_fini(&other);
    }
    rig_bad_row(a, -1, "row -1");
    a->suite->close(a);
    b->suite->close(b);
}
END_TEST

START_TEST(cannot_open)
{
    rig_cannot_open("babi_like", ARGS("length=2000"), SB_ERR_USAGE, "needs a tokenizer");
    rig_cannot_open("babi_like", ARGS("length=20", "tok=characters"), SB_ERR_USAGE,
                    "a length above 20");
    rig_cannot_open("babi_like", ARGS("length=2000", "tok=words"), SB_ERR_UNSUPPORTED,
                    "the counter `words` has none");
    rig_cannot_open("babi_like", ARGS("length=500", "tok=characters"), SB_ERR_NO_FIT,
                    "length 500 is too short for 12 facts");
    rig_cannot_open("babi_like",
                    ARGS("length=2000", "tok=characters",
                         rig_arg("templates", put_text("t.json", "{\"prompt\": \"{context}\"}"))),
                    SB_ERR_USAGE, "prompt: placeholder {question} is missing");
    rig_cannot_open("babi_like",
                    ARGS("length=2000", "tok=characters", rig_arg("corpus", "/nowhere")), SB_ERR_IO,
                    "corpus /nowhere");
}
END_TEST

/* Rows of SB_BABI_LIKE_VERSION: other bytes need another version. */
START_TEST(golden)
{
    static const char *const want[] = {"d7115882642461d4", "45d95657f53f6262", "2343c3e58ceacff4"};
    (void)put_text("a.txt",
                   "Rain fell. The river rose, 1.5 metres a day! Did it? It did. So on.\n");
    for (int i = 0; i < 3; i++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "babi_like",
                     ARGS(tasks[i], "length=1800", "tok=characters", rig_arg("corpus", folder()),
                          rig_arg("templates",
                                  put_text("t.json", "{\"prompt\": \"{context}|{question}\"}"))));
        sb_text_row r = rig_row(set, 7);
        ck_assert_msg(strncmp(r.sha256, want[i], 16) == 0, "task %d: %.16s", i, r.sha256);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("babi_like");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_loop_test(t, rows_are_solved, 0, 3);
    tcase_add_test(t, rows_stand_alone);
    tcase_add_test(t, cannot_open);
    tcase_add_test(t, golden);
    return run_suite_of("babi_like", t);
}
