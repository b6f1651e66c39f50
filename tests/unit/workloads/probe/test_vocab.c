/* Token names: read back to the id they came from; aliases; ids outside the vocabulary. */
#include "tests/unit/workloads/case.h"

#include <stdlib.h>
#include <string.h>

typedef struct token_class {
    const char *name;
    int32_t     first, count;
} token_class;

/* Written from spec probe_model 3, not from vocab.h. */
static const token_class spec[] = {
    {"FILL", 64, 4096},   {"KEY", 8192, 4096},  {"~KEY", 12288, 4096}, {"VAL", 16384, 4096},
    {"LEAD", 20480, 128}, {"NAME", 20608, 128}, {"ENT", 20736, 4096},  {"~ENT", 24832, 4096},
    {"REL", 28928, 64},   {"~REL", 28992, 64},  {"AGG", 29056, 128},   {"~VAL", 29184, 4096},
    {"BOS", 0, 1},        {"ASK", 2, 1},        {"EQ", 3, 1},          {"VAR", 4, 1},
    {"FACT", 5, 1},       {"DOC", 6, 1},        {"SEP", 7, 1},
};

static const token_class *class_of(int32_t id)
{
    for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++)
        if (id >= spec[i].first && id < spec[i].first + spec[i].count)
            return &spec[i];
    return NULL;
}

/* The id a text names, by the table above; -1 when it names none. */
static int32_t read_back(const char *text)
{
    size_t letters = strcspn(text, "0123456789");
    for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++) {
        if (strlen(spec[i].name) != letters || strncmp(spec[i].name, text, letters) != 0)
            continue;
        if (spec[i].count == 1)
            return text[letters] == '\0' ? spec[i].first : -1;
        return spec[i].first + (int32_t)strtol(text + letters, NULL, 10);
    }
    return -1;
}

START_TEST(every_id_reads_back)
{
    char buf[32];
    for (int32_t id = 0; id < SB_TOK_VOCAB; id++) {
        sb_probe_token_text(id, buf, sizeof buf);
        if (class_of(id) != NULL) {
            ck_assert_int_eq(read_back(buf), id);
        } else {
            ck_assert_int_eq(buf[0], '?');
            ck_assert_int_eq(strtol(buf + 1, NULL, 10), id);
        }
    }
}
END_TEST

START_TEST(outside_the_vocabulary)
{
    char buf[32];
    sb_probe_token_text(99999, buf, sizeof buf);
    ck_assert_str_eq(buf, "?99999");
    sb_probe_token_text(SB_TOK_VOCAB, buf, sizeof buf);
    ck_assert_str_eq(buf, "?33280");
    sb_probe_token_text(INT32_MIN, buf, sizeof buf);
    ck_assert_str_eq(buf, "?-2147483648");
}
END_TEST

START_TEST(a_short_buffer_is_cut)
{
    char buf[6] = "#####";
    sb_probe_token_text(SB_TOK_LEAD + 17, buf, 4);
    ck_assert_str_eq(buf, "LEA");
    ck_assert_int_eq(buf[4], '#');
}
END_TEST

START_TEST(aliases_name_their_base)
{
    char alias[32], base[32];
    for (int32_t id = 0; id < SB_TOK_VOCAB; id++) {
        int32_t b = sb_tok_base(id);
        sb_probe_token_text(id, alias, sizeof alias);
        sb_probe_token_text(b, base, sizeof base);
        ck_assert_str_eq(alias + (alias[0] == '~'), base);
        ck_assert_int_eq(b != id, alias[0] == '~');
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vocab");
    TCase *t = tcase_create("vocab");
    tcase_add_test(t, every_id_reads_back);
    tcase_add_test(t, outside_the_vocabulary);
    tcase_add_test(t, a_short_buffer_is_cut);
    tcase_add_test(t, aliases_name_their_base);
    suite_add_tcase(s, t);
    return run_suite(s);
}
