/* What the retrieval tasks ask is in the context, once, where the spans say, under the tokens that
 * lead to it; the question mentions it; the script reads it out. Spec probe_model 6, workloads 5
 * (ii). */
#include "tests/unit/workloads/probe/parse.h"

#include <stdio.h>
#include <string.h>

static const char *const tasks[] = {
    "niah_single", "niah_multikey", "niah_multivalue", "niah_multiquery", "vt", "qa_2hop"};
static const int64_t lengths[] = {912, 1000, 1024, 2048, 4097, 8192, 16384, 65537};
#define N_TASKS 6
#define N_LENGTHS 8

static parsed ctx; /* large; one a test process */

static int64_t needles(const sb_input *in, const sb_span **out)
{
    int64_t n = 0;
    *out      = in->spans;
    while (n < in->n_spans && in->spans[n].kind == SB_SPAN_NEEDLE)
        n++;
    return n;
}

static int starts_item(int64_t begin)
{
    for (int64_t i = 0; i < ctx.n; i++)
        if (ctx.item[i].begin == begin)
            return 1;
    return 0;
}

/* ---- every task, every length ---- */

static void check_block(const sb_input *in)
{
    const sb_span *q   = &in->spans[in->n_spans - 1];
    int64_t        ask = in->n_context, aliases = 0;
    ck_assert_int_eq(in->n_tokens - in->n_context, 64);
    ck_assert_int_eq(q->kind, SB_SPAN_QUERY);
    ck_assert_int_eq(q->tok_begin, in->n_context);
    ck_assert_int_eq(q->tok_end, in->n_tokens);
    ck_assert_int_eq(q->ref, -1);
    while (in->ids[ask] != SB_TOK_ASK) {
        ck_assert(is_filler(in->ids[ask]));
        ask++;
        ck_assert_int_lt(ask, in->n_tokens);
    }
    for (ask++; sb_tok_base(in->ids[ask]) != in->ids[ask];) /* aliases */
        ask++;
    for (int i = 0; i < 8; i++)
        ck_assert(is_filler(in->ids[ask + i]));
    ck_assert(!is_filler(in->ids[ask + 8]));          /* the suffix starts here */
    ck_assert(!is_filler(in->ids[in->n_tokens - 1])); /* and ends the input */
    for (int64_t i = 0; i < in->n_context; i++)
        aliases += sb_tok_base(in->ids[i]) != in->ids[i];
    ck_assert_int_eq(aliases, 0); /* mentions stand in the question only */
}

static void check_spans(const sb_input *in)
{
    for (int64_t i = 0; i < in->n_spans; i++) {
        const sb_span *s = &in->spans[i];
        ck_assert_int_lt(s->tok_begin, s->tok_end);
        ck_assert_int_ge(s->tok_begin, 0);
        ck_assert_int_le(s->tok_end, in->n_tokens);
        ck_assert_double_eq(s->depth, (double)s->tok_begin / (double)in->n_context);
        if (s->kind == SB_SPAN_NEEDLE) {
            ck_assert_int_ge(s->ref, 0);
            ck_assert_int_lt(s->ref, in->n_refs);
        } else {
            ck_assert_int_eq(s->ref, -1);
        }
    }
}

START_TEST(context_and_question_are_well_formed)
{
    for (int l = 0; l < N_LENGTHS; l++) {
        sb_input in = make_row(tasks[_i], lengths[l], l);
        ck_assert_int_eq(in.n_tokens, lengths[l]);
        parse_context(&in, &ctx);
        ck_assert_int_ge(ctx.min_gap, 24);
        check_block(&in);
        check_spans(&in);
        ck_assert_int_eq(in.profile, strcmp(tasks[_i], "vt") == 0 ? SB_PROFILE_VT : SB_PROFILE_RET);
        ck_assert_int_eq(in.hops, strcmp(tasks[_i], "vt") == 0 ? 4 : 0);
        sb_input_fini(&in);
    }
}
END_TEST

/* Every context holds items of every kind; how many grows with its length. */
START_TEST(packing)
{
    static const struct {
        int64_t length, statements, keyed, docs;
    } want[] = {
        {1024, 5, 4 + 10 + 4, 2},  {2112, 10, 4 + 10 + 4, 4},    {4096, 10, 4 + 10 + 4, 7},
        {4160, 20, 8 + 20 + 8, 8}, {8256, 40, 16 + 40 + 16, 16}, {65536, 40, 16 + 40 + 16, 127},
    };
    for (int t = 0; t < N_TASKS; t++) {
        sb_input in = make_row(tasks[t], want[_i].length, 5);
        parse_context(&in, &ctx);
        ck_assert_int_eq(ctx.count[ITEM_STATEMENT], want[_i].statements);
        ck_assert_int_eq(ctx.count[ITEM_KEYED], want[_i].keyed);
        ck_assert_int_eq(ctx.count[ITEM_DOC], want[_i].docs);
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- keyed items ---- */

/* The span holds key and value; the value is the reference; nothing else has the key. */
static void check_needle(const sb_input *in, const sb_span *s, int64_t ref, int64_t same_key)
{
    ck_assert_int_eq(s->tok_end - s->tok_begin, 6);
    ck_assert(starts_item(s->tok_begin));
    ck_assert_int_eq(s->ref, ref);
    ck_assert_str_eq(text_of(in->ids + s->tok_begin + 3, 3), in->refs[ref]);
    ck_assert_int_eq(count_ngram(in, in->ids + s->tok_begin, 3), same_key);
    ck_assert_int_eq(count_token(in, in->ids[s->tok_begin + 4]), 1); /* values occur once */
    ck_assert_int_eq(count_token(in, in->ids[s->tok_begin + 5]), 1);
}

static void check_asks_key(const sb_input *in, const sb_span *s, int64_t n_keys)
{
    const int32_t *key = in->ids + s->tok_begin;
    ck_assert_int_eq(memcmp(in->ids + in->n_tokens - 3, key, 3 * sizeof *key), 0);
    const int32_t *alias = in->ids + in->n_tokens - 3 - 8 - 3 * n_keys;
    ck_assert_int_eq(alias[-1], SB_TOK_ASK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ne(alias[i], key[i]);
        ck_assert_int_eq(sb_tok_base(alias[i]), key[i]);
    }
}

START_TEST(niah_single_and_multikey)
{
    const char *task = _i == 0 ? "niah_single" : "niah_multikey";
    for (int64_t row = 0; row < 40; row++) {
        const sb_span *s;
        sb_input       in = make_row(task, row % 2 == 0 ? 1024 : 9001, row);
        parse_context(&in, &ctx);
        ck_assert_int_eq(needles(&in, &s), 1);
        ck_assert_int_eq(in.n_refs, 1);
        check_needle(&in, s, 0, 1);
        check_asks_key(&in, s, 1);
        ck_assert_int_eq(in.n_spans, _i == 0 ? 2 : 6);
        sb_input_fini(&in);
    }
}
END_TEST

START_TEST(distractors_share_two_of_three_key_tokens)
{
    for (int64_t n = 0; n <= 8; n++) {
        request r            = request_of("niah_multikey", 4096, n);
        r.params.distractors = n;
        sb_input       in    = make(&r);
        const int32_t *key   = in.ids + in.spans[0].tok_begin;
        parse_context(&in, &ctx);
        ck_assert_int_eq(in.n_spans, 1 + n + 1);
        for (int64_t i = 1; i <= n; i++) {
            const sb_span *s    = &in.spans[i];
            const int32_t *near = in.ids + s->tok_begin;
            int            same = 0;
            ck_assert_int_eq(s->kind, SB_SPAN_DISTRACTOR);
            ck_assert_int_eq(s->tok_end - s->tok_begin, 6);
            ck_assert(starts_item(s->tok_begin));
            for (int j = 0; j < 3; j++) {
                same += near[j] == key[j];
                if (near[j] != key[j])
                    ck_assert_int_eq(count_token(&in, near[j]), 1);
            }
            ck_assert_int_eq(same, 2);
        }
        sb_input_fini(&in);
    }
}
END_TEST

START_TEST(niah_multivalue)
{
    for (int64_t row = 0; row < 20; row++) {
        const sb_span *s;
        sb_input       in = make_row("niah_multivalue", 1000 + 377 * row, row);
        parse_context(&in, &ctx);
        ck_assert_int_eq(needles(&in, &s), 4);
        ck_assert_int_eq(in.n_refs, 4);
        for (int j = 0; j < 4; j++) {
            check_needle(&in, &s[j], j, 4);
            check_asks_key(&in, &s[j], 1);
            for (int k = 0; k < j; k++) /* distinct leads */
                ck_assert_int_ne(in.ids[s[j].tok_begin + 3], in.ids[s[k].tok_begin + 3]);
        }
        sb_input_fini(&in);
    }
}
END_TEST

START_TEST(niah_multiquery)
{
    for (int64_t row = 0; row < 20; row++) {
        const sb_span *s;
        sb_input       in = make_row("niah_multiquery", 1000 + 377 * row, row);
        int64_t        op = 0;
        parse_context(&in, &ctx);
        ck_assert_int_eq(needles(&in, &s), 4);
        check_asks_key(&in, s, 4);
        for (int j = 0; j < 4; j++) {
            const int32_t *key   = in.ids + s[j].tok_begin;
            const int32_t *alias = in.ids + in.n_tokens - 3 - 8 - 12 + 3 * j;
            check_needle(&in, &s[j], j, 1);
            for (int i = 0; i < 3; i++)
                ck_assert_int_eq(sb_tok_base(alias[i]), key[i]);
            if (j > 0) { /* SEP k1 k2 k3 */
                ck_assert_int_eq(in.script[op].kind, SB_SCRIPT_FEED);
                ck_assert_int_eq(in.script[op++].a, SB_TOK_SEP);
                for (int i = 0; i < 3; i++, op++) {
                    ck_assert_int_eq(in.script[op].kind, SB_SCRIPT_FEED);
                    ck_assert_int_eq(in.script[op].a, key[i]);
                }
            }
            op += 5;
        }
        ck_assert_int_eq(op, in.n_script);
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- more than one item ---- */

START_TEST(vt_chains_run_forward)
{
    for (int64_t hops = 1; hops <= 8; hops++) {
        const sb_span *s;
        request        r = request_of("vt", 4096 + 513 * hops, hops);
        r.params.hops    = hops;
        sb_input in      = make(&r);
        int32_t  before  = in.ids[in.n_tokens - 1]; /* the asked value */
        ck_assert_int_eq(in.ids[in.n_tokens - 2], SB_TOK_ASK);
        ck_assert_int_eq(sb_tok_base(in.ids[in.n_tokens - 2 - 8 - 1]), before);
        ck_assert_int_eq(count_token(&in, before), 1);
        ck_assert(in_class(before, SB_TOK_VAL, SB_TOK_VAL_N));
        ck_assert_int_eq(needles(&in, &s), hops + 1);
        ck_assert_int_eq(in.n_refs, hops + 1);
        ck_assert_int_eq(in.hops, hops);
        for (int64_t i = 0; i <= hops; i++) {
            const int32_t *t = in.ids + s[i].tok_begin;
            ck_assert_int_eq(s[i].tok_end - s[i].tok_begin, 4);
            ck_assert_int_eq(s[i].ref, i);
            if (i > 0)
                ck_assert_int_ge(s[i].tok_begin, s[i - 1].tok_end + 24);
            ck_assert_int_eq(t[0], SB_TOK_VAR);
            ck_assert_int_eq(t[2], SB_TOK_EQ);
            ck_assert_int_eq(t[3], before);
            ck_assert_str_eq(text_of(t + 1, 1), in.refs[i]);
            before = t[1];
        }
        sb_input_fini(&in);
    }
}
END_TEST

/* All chains of a context: names are assigned once, after what they are assigned from. */
START_TEST(names_are_assigned_once_and_used_later)
{
    request r     = request_of("niah_single", 16384, 11);
    r.params.hops = 8;
    sb_input in   = make(&r);
    parse_context(&in, &ctx);
    for (int64_t i = 0; i < ctx.n; i++) {
        int64_t        from = -1, times = 0;
        const int32_t *t = in.ids + ctx.item[i].begin;
        if (ctx.item[i].kind != ITEM_STATEMENT)
            continue;
        for (int64_t j = 0; j < ctx.n; j++) {
            const int32_t *u = in.ids + ctx.item[j].begin;
            if (ctx.item[j].kind != ITEM_STATEMENT)
                continue;
            times += u[1] == t[1];
            if (u[1] == t[3])
                from = j;
        }
        ck_assert_int_eq(times, 1);
        if (in_class(t[3], SB_TOK_NAME, SB_TOK_NAME_N)) {
            ck_assert_int_ge(from, 0);
            ck_assert_int_lt(from, i);
        }
    }
    sb_input_fini(&in);
}
END_TEST

START_TEST(qa_facts_lead_from_one_to_the_next)
{
    int entities = 0, values = 0, second = 0;
    for (int64_t row = 0; row < 40; row++) {
        const sb_span      *s;
        sb_input            in = make_row("qa_2hop", 1000 + 211 * row, row);
        const sb_script_op *op = in.script;
        ck_assert_int_eq(needles(&in, &s), 2);
        ck_assert_int_eq(in.n_refs, 1);
        const int32_t *f1 = in.ids + s[0].tok_begin, *f2 = in.ids + s[1].tok_begin;
        ck_assert_int_eq(s[0].ref, 0);
        ck_assert_int_eq(s[1].ref, 0);
        ck_assert_int_eq(f1[0], SB_TOK_FACT);
        ck_assert_int_eq(f2[0], SB_TOK_FACT);
        ck_assert_int_eq(f1[3], f2[1]); /* the first answer is the second question */
        ck_assert_int_eq(count_ngram(&in, f1, 3), 1);
        ck_assert_int_eq(count_ngram(&in, f2, 3), 1);
        const int32_t answer[2] = {f1[3], f2[3]};
        ck_assert_str_eq(text_of(answer, 2), in.refs[0]);
        ck_assert_int_eq(memcmp(in.ids + in.n_tokens - 3, f1, 3 * sizeof *f1), 0);
        const int32_t *alias = in.ids + in.n_tokens - 3 - 8 - 3;
        ck_assert_int_eq(sb_tok_base(alias[0]), f1[1]);
        ck_assert_int_eq(sb_tok_base(alias[1]), f1[2]);
        ck_assert_int_eq(sb_tok_base(alias[2]), f2[2]);
        ck_assert_int_eq(in.n_script, 6);
        ck_assert_int_eq(op[4].a, f2[2]);
        ck_assert_int_eq(op[0].a, SB_TOK_ENT);
        ck_assert(in_class(answer[1], op[5].a, op[5].b - op[5].a)); /* the class holds the answer */
        entities += op[5].a == SB_TOK_ENT;
        values += op[5].a == SB_TOK_VAL;
        second += in.ids[s[0].tok_begin - 1] != SB_TOK_DOC;
        sb_input_fini(&in);
    }
    ck_assert_int_gt(entities, 5); /* both classes and both places of the first fact come up */
    ck_assert_int_gt(values, 5);
    ck_assert_int_gt(second, 5);
    ck_assert_int_lt(second, 35);
}
END_TEST

START_TEST(a_million_tokens_keep_answers_unique)
{
    for (int t = 0; t < N_TASKS; t++) {
        const sb_span *s;
        sb_input       in = make_row(tasks[t], (1 << 20) + 1, 1);
        int64_t        n  = needles(&in, &s);
        parse_context(&in, &ctx);
        ck_assert_int_eq(ctx.count[ITEM_DOC],
                         2047); /* more facts than VALs: documents reuse theirs */
        for (int64_t i = 0; i < n && t < 4; i++)
            check_needle(&in, &s[i], i, t == 2 ? 4 : 1);
        if (t == 4)
            ck_assert_int_eq(count_token(&in, in.ids[in.n_tokens - 1]), 1);
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- scripts ---- */

/* Each script as text: E<class>/<group>, F<token>, f<emit>, M, R. */
static const char *script_text(const sb_input *in)
{
    static char buf[1024];
    size_t      len = 0;
    for (int64_t i = 0; i < in->n_script; i++) {
        const sb_script_op *op = &in->script[i];
        char                name[32];
        sb_probe_token_text(op->a, name, sizeof name);
        name[strcspn(name, "0123456789")] = '\0';
        switch (op->kind) {
        case SB_SCRIPT_EMIT:
            len += (size_t)snprintf(buf + len, sizeof buf - len, "E%s/%d ", name, op->c);
            break;
        case SB_SCRIPT_FEED:
            len += (size_t)snprintf(buf + len, sizeof buf - len, "F%s ", name);
            break;
        case SB_SCRIPT_FEED_EMIT:
            len += (size_t)snprintf(buf + len, sizeof buf - len, "f%d ", op->a);
            break;
        default:
            len += (size_t)snprintf(buf + len, sizeof buf - len, "%s",
                                    op->kind == SB_SCRIPT_MARK ? "M " : "R ");
        }
    }
    return buf;
}

START_TEST(scripts_follow_the_spec)
{
    static const struct {
        const char *task, *text;
        int64_t     emit, feed, groups;
    } want[] = {
        {"niah_single", "ELEAD/0 f0 EVAL/0 f1 EVAL/0 ", 3, 2, 1},
        {"niah_multikey", "ELEAD/0 f0 EVAL/0 f1 EVAL/0 ", 3, 2, 1},
        {"niah_multivalue",
         "M ELEAD/0 ELEAD/1 ELEAD/2 ELEAD/3 R f0 EVAL/0 f4 EVAL/0 R f1 EVAL/1 f6 EVAL/1 "
         "R f2 EVAL/2 f8 EVAL/2 R f3 EVAL/3 f10 EVAL/3 ",
         12, 8, 4},
        {"niah_multiquery",
         "ELEAD/0 f0 EVAL/0 f1 EVAL/0 FSEP FKEY FKEY FKEY ELEAD/1 f3 EVAL/1 f4 EVAL/1 "
         "FSEP FKEY FKEY FKEY ELEAD/2 f6 EVAL/2 f7 EVAL/2 "
         "FSEP FKEY FKEY FKEY ELEAD/3 f9 EVAL/3 f10 EVAL/3 ",
         12, 20, 4},
        {"vt", "ENAME/0 ENAME/1 ENAME/2 ENAME/3 ENAME/4 ", 5, 0, 5},
    };
    sb_input in = make_row(want[_i].task, 1024, 0);
    ck_assert_str_eq(script_text(&in), want[_i].text);
    ck_assert_int_eq(in.n_emit, want[_i].emit);
    ck_assert_int_eq(in.n_feed, want[_i].feed);
    ck_assert_int_eq(in.n_groups, want[_i].groups);
    sb_input_fini(&in);
}
END_TEST

START_TEST(qa_script_ends_in_the_class_of_its_answer)
{
    for (int64_t row = 0; row < 10; row++) {
        sb_input in = make_row("qa_2hop", 1024, row);
        if (strstr(in.refs[0], "VAL") != NULL)
            ck_assert_str_eq(script_text(&in), "EENT/0 FSEP FFACT f0 FREL EVAL/0 ");
        else
            ck_assert_str_eq(script_text(&in), "EENT/0 FSEP FFACT f0 FREL EENT/0 ");
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- depth ---- */

/* Needles are spread over the context: chi-square over ten bins, 9 degrees of freedom; 27.9 is
 * passed with p = 0.001. */
START_TEST(depths_are_spread)
{
    int     bin[10] = {0};
    int64_t total   = 0;
    double  chi2    = 0;
    for (int64_t row = 0; row < 200; row++) {
        const sb_span *s;
        sb_input       in = make_row(tasks[_i], 4096, row);
        int64_t        n  = needles(&in, &s);
        /* members of a chain keep their order, so a vt row counts by one of them, each in turn */
        bin[(int)(s[row % n].depth * 10)]++;
        total++;
        sb_input_fini(&in);
    }
    for (int i = 0; i < 10; i++)
        chi2 +=
            (bin[i] - (double)total / 10) * (bin[i] - (double)total / 10) / ((double)total / 10);
    ck_assert_double_lt(chi2, 27.9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("retrieval");
    TCase *t = tcase_create("retrieval");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, context_and_question_are_well_formed, 0, N_TASKS);
    tcase_add_loop_test(t, packing, 0, 6);
    tcase_add_loop_test(t, niah_single_and_multikey, 0, 2);
    tcase_add_test(t, distractors_share_two_of_three_key_tokens);
    tcase_add_test(t, niah_multivalue);
    tcase_add_test(t, niah_multiquery);
    tcase_add_test(t, vt_chains_run_forward);
    tcase_add_test(t, names_are_assigned_once_and_used_later);
    tcase_add_test(t, qa_facts_lead_from_one_to_the_next);
    tcase_add_test(t, a_million_tokens_keep_answers_unique);
    tcase_add_loop_test(t, scripts_follow_the_spec, 0, 5);
    tcase_add_test(t, qa_script_ends_in_the_class_of_its_answer);
    tcase_add_loop_test(t, depths_are_spread, 0, N_TASKS);
    suite_add_tcase(s, t);
    return run_suite(s);
}
