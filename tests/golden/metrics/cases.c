#include "tests/golden/metrics/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"

/* ---- text under construction ---- */

typedef struct buf {
    char  *s;
    size_t n, room;
} buf;

static void put_bytes(buf *b, const char *s, size_t n)
{
    if (n == 0)
        return;
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->s    = realloc(b->s, b->room);
        if (b->s == NULL)
            exit(1);
    }
    memcpy(b->s + b->n, s, n);
    b->n += n;
}

static void put(buf *b, const char *s) { put_bytes(b, s, strlen(s)); }

static void put_cp(buf *b, uint32_t c)
{
    char s[4];
    if (c < 0x80) {
        s[0] = (char)c;
        put_bytes(b, s, 1);
    } else if (c < 0x800) {
        s[0] = (char)(0xC0 | (c >> 6));
        s[1] = (char)(0x80 | (c & 63));
        put_bytes(b, s, 2);
    } else if (c < 0x10000) {
        s[0] = (char)(0xE0 | (c >> 12));
        s[1] = (char)(0x80 | ((c >> 6) & 63));
        s[2] = (char)(0x80 | (c & 63));
        put_bytes(b, s, 3);
    } else {
        s[0] = (char)(0xF0 | (c >> 18));
        s[1] = (char)(0x80 | ((c >> 12) & 63));
        s[2] = (char)(0x80 | ((c >> 6) & 63));
        s[3] = (char)(0x80 | (c & 63));
        put_bytes(b, s, 4);
    }
}

static int64_t below(sb_rng *r, int64_t n) { return (int64_t)sb_rng_below(r, (uint64_t)n); }

static int one_in(sb_rng *r, int64_t n) { return below(r, n) == 0; }

#define PICK(r, list) (list)[below(r, (int64_t)(sizeof(list) / sizeof *(list)))]

/* ---- the pieces texts are made of ---- */

/* Blocks whose characters and properties are older than any library in use. */
static const struct {
    uint32_t first, last;
} blocks[] = {
    {0x00, 0x1f},       {0x20, 0x7e},       {0x20, 0x7e},       {0x7f, 0xff},
    {0x100, 0x17f},     {0x130, 0x131},     {0x17f, 0x17f},     {0x1c4, 0x1f0},
    {0x2b0, 0x2e4},     {0x300, 0x36f},     {0x386, 0x3ce},     {0x3a3, 0x3a3},
    {0x400, 0x45f},     {0x587, 0x587},     {0x5d0, 0x5ea},     {0x660, 0x669},
    {0x6f0, 0x6f9},     {0x966, 0x96f},     {0x10a0, 0x10c5},   {0x1680, 0x1680},
    {0x180e, 0x180e},   {0x1e90, 0x1eff},   {0x1f00, 0x1f15},   {0x1f50, 0x1f57},
    {0x1f80, 0x1fb4},   {0x1fb6, 0x1fbc},   {0x1fc2, 0x1fc4},   {0x1fe0, 0x1fec},
    {0x2000, 0x202f},   {0x2030, 0x205f},   {0x2070, 0x2071},   {0x2074, 0x208e},
    {0x2126, 0x212b},   {0x2160, 0x2188},   {0x2460, 0x24ff},   {0x2c00, 0x2c2e},
    {0x3000, 0x303f},   {0x3041, 0x3096},   {0x30a1, 0x30fa},   {0x4e00, 0x9fa5},
    {0x4e00, 0x9fd5},   {0xa640, 0xa66d},   {0xac00, 0xd7a3},   {0xf900, 0xfa2d},
    {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xfe13, 0xfe19},   {0xfe30, 0xfe52},
    {0xfeff, 0xfeff},   {0xff01, 0xff5e},   {0xff5f, 0xffbe},   {0x10400, 0x1044f},
    {0x1d400, 0x1d454}, {0x1d7ce, 0x1d7ff}, {0x1f130, 0x1f149}, {0x1f300, 0x1f5ff},
    {0x1f600, 0x1f64f}, {0x20000, 0x20100},
};

static const char *const spaces[]    = {" ",  " ",    " ",    " ",    "  ",       "\n",
                                        "\t", "\r\n", "\x0b", "\x1c", "\xc2\xa0", "\xe3\x80\x80"};
static const char *const words[]     = {"the",
                                        "a",
                                        "an",
                                        "The",
                                        "AN",
                                        "cat",
                                        "dog",
                                        "sat",
                                        "on",
                                        "mat",
                                        "of",
                                        "Paris",
                                        "paris",
                                        "France",
                                        "U.S.",
                                        "us",
                                        "city",
                                        "42",
                                        "3",
                                        "13",
                                        "3.5",
                                        "007",
                                        "it",
                                        "slept",
                                        "running",
                                        "flies",
                                        "relational",
                                        "happy",
                                        "dying",
                                        "agreed",
                                        "hopping",
                                        "yes",
                                        "no",
                                        "noanswer",
                                        "theory",
                                        "banana",
                                        "_a_",
                                        "a-b",
                                        "(the)",
                                        "\"an\"",
                                        "x",
                                        "y",
                                        "z",
                                        "\xc3\xa9tude",
                                        "Stra\xc3\x9f"
                                            "e",
                                        "\xce\xa3\xce\x91\xce\xa3",
                                        "caf\xc3\xa9",
                                        "cafe\xcc\x81",
                                        "\xd0\x9c\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0",
                                        "\xc4\xb0stanbul",
                                        "na\xc3\xafve"};
static const char *const stopwords[] = {"the", "a",    "an", "The", "A",
                                        "AN",  "the.", "a,", "...", "-"};
static const char *const marks[]     = {".",
                                        ",",
                                        "!",
                                        "?",
                                        ";",
                                        ":",
                                        "...",
                                        "'",
                                        "\"",
                                        "-",
                                        "#",
                                        "`",
                                        "*",
                                        "\xe3\x80\x82",
                                        "\xef\xbc\x8c",
                                        "\xe2\x80\x94",
                                        "\xe2\x80\x99",
                                        "\xe3\x80\x8a",
                                        "\xe3\x80\x8b",
                                        "\xef\xbc\x81"};
static const char *const zh[]        = {
           "\xe5\x8c\x97\xe4\xba\xac",                         /* Beijing */
           "\xe5\xa4\xa7\xe5\xad\xa6",                         /* university */
           "\xe5\x8c\x97\xe4\xba\xac\xe5\xa4\xa7\xe5\xad\xa6", /* Peking University */
           "\xe6\x88\x91",                                     /* I */
           "\xe6\x88\x91\xe4\xbb\xac",                         /* we */
           "\xe7\x9a\x84",                                     /* of */
           "\xe6\x98\xaf",                                     /* is */
           "\xe4\xb8\xad\xe5\x9b\xbd",                         /* China */
           "\xe4\xba\xba\xe6\xb0\x91",                         /* people */
           "\xe6\x96\xb0\xe9\x97\xbb",                         /* news */
           "\xe7\xa0\x94\xe7\xa9\xb6",                         /* research */
           "\xe7\xa0\x94\xe7\xa9\xb6\xe7\x94\x9f",             /* graduate student */
           "\xe7\x94\x9f\xe5\x91\xbd",                         /* life */
           "\xe8\xb5\xb7\xe6\xba\x90",                         /* origin */
           "\xe6\x9d\xad\xe7\xa0\x94", /* a name that the dictionary lacks */
           "\xe5\xb0\x8f\xe6\x98\x8e", /* a name */
           "\xe5\xb9\xb4",             /* year */
           "\xe4\xba\x86",             /* done */
           "\xe6\xae\xb5\xe8\x90\xbd", /* paragraph */
           "\xe3\x80\x82",
           "\xef\xbc\x8c",
           "\xef\xbc\x9f", /* full stop, comma, question mark */
           "2023",
           "GDP",
           "3.14%",
           "C++",
           " "};
static const char *const code[] = {"    return foo(bar)",
                                   "def f(x, y):",
                                   "x = y + 1",
                                   "# a comment",
                                   "// other",
                                   "```python",
                                   "print(\"hello\")",
                                   "if (a == b) {",
                                   "}",
                                   "",
                                   "  for i in range(10):",
                                   "self.value = value",
                                   "\timport os",
                                   "a[i] = b[j]; c = d",
                                   "return foo(baz)",
                                   "int main(void)",
                                   "http://x.y"};

/* What single suites look for. */
static const char *const lb_numbers[] = {"Paragraph ",
                                         "Paragraph 3",
                                         "paragraph 3",
                                         "Paragraph 12",
                                         "3",
                                         "12",
                                         "15",
                                         "\xd9\xa3",
                                         "1\xef\xbc\x92",
                                         "7.",
                                         "no. ",
                                         "\xe6\xae\xb5\xe8\x90\xbd",
                                         "\xe6\xae\xb5\xe8\x90\xbd"
                                         "3"};
static const char *const v2[]         = {"The correct answer is ",
                                         "The correct answer is (",
                                         "**",
                                         "*",
                                         "A",
                                         "B)",
                                         "(C)",
                                         "(D",
                                         "The correct ans*wer is (B)",
                                         "the correct answer is (A)",
                                         "The correct answer is (E)",
                                         "The correct answer is A",
                                         "\n",
                                         "Answer: "};
static const char *const choice[]     = {"answer is: ", "answer is:", "answer:", "answer: ",
                                         "answer is ",  "option is ", "The ",    "A",
                                         "B",           "C.",         "D",       "AB",
                                         "BCD",         " A ",        "a",       "Mr. Knightley",
                                         "the dog",     "?",          "\n",      "  ",
                                         "is:",         "is: ",       "E"};
static const char *const debug[]      = {"answer is: ",
                                         "is: ",
                                         "is:",
                                         "answer: ",
                                         "correct option is: ",
                                         "Option ",
                                         "option",
                                         "A.",
                                         "B:",
                                         "C",
                                         "A",
                                         "foo_bar",
                                         "foo",
                                         "`",
                                         "*",
                                         "- ",
                                         "\n",
                                         "'",
                                         "OpOptiontion",
                                         "  "};
static const char *const nums[]       = {"42",
                                         "-17",
                                         "+5",
                                         "0",
                                         "007",
                                         "1_000",
                                         "3.0",
                                         "3.5",
                                         "3.50",
                                         "12.",
                                         ".5",
                                         "x",
                                         ", ",
                                         " ",
                                         "\n",
                                         "The answer is ",
                                         "\xd9\xa4\xd9\xa2",
                                         "`42`",
                                         "\"7\"",
                                         "1 2 3",
                                         "1,2,3,4",
                                         "99",
                                         "58",
                                         "__1",
                                         "1__0",
                                         "-",
                                         "\xef\xbc\x95"};
static const char *const kv[]         = {"e5b4c1",
                                         "a-b-c",
                                         ":",
                                         "\"",
                                         "\n",
                                         " ",
                                         "{",
                                         "}",
                                         ",",
                                         "value",
                                         "'",
                                         "e5b4c1d2",
                                         "STEVE",
                                         "Steve",
                                         "stra\xc3\x9f"
                                                 "e",
                                         "STRASSE",
                                         "MIKE",
                                         "mike",
                                         "!",
                                         "?",
                                         "\xef\xac\x81x",
                                         "FIX"};
static const char *const babi[]       = {
          "bathroom", "bedroom", "garden", "Kitchen", "office", "hallway",   "yes",       "no",
          "maybe",    "none",    "one",    "two",     "apple",  "milk",      "football",  "nothing",
          "Mary",     "Bill",    "cat",    "wolf",    "gray",   "white",     "e",         "n",
          ",",        "e,n",     "s,w",    "n,e",     ".",      "<context>", "<example>", "Question",
          "question", " ",       "the ",   "tired",   "bored",  "school",    "park",      "\n"};
static const char *const helmet[] = {"Answer:",
                                     "answer: ",
                                     "ANSWER:",
                                     "An\xc5\xbfwer:",
                                     "\n",
                                     "label: ",
                                     "Label:",
                                     "7",
                                     "12",
                                     "yes",
                                     "no",
                                     "Paris",
                                     "the Paris",
                                     "B",
                                     "B. the cat",
                                     "b. The Cat",
                                     "noanswer",
                                     " ",
                                     "corresponding value: ",
                                     "correspond\xc4\xb1ng value: x",
                                     "e5b4c1"};
static const char *const ranks[] = {"ID",    "id",        "[",        "]",  ":",         " > ", ">",
                                    "\n>\t", "1",         "2",        "3",  "4",         "5",   "6",
                                    "7",     "8",         "9",        "10", "11",        "12",  " ",
                                    ", ",    "Ranking: ", "\xd9\xa3", ">>", "ID3 > ID1", "iidd"};

typedef struct lexicon {
    const char        *scorers; /* names start with one of these, parted by blanks */
    const char *const *s;
    int64_t            n;
} lexicon;

#define LEX(names, list)                                                                           \
    {                                                                                              \
        names, list, (int64_t)(sizeof(list) / sizeof *(list))                                      \
    }

static const lexicon lexicons[] = {
    LEX("retrieval count", lb_numbers),
    LEX("code_sim", code),
    LEX("longbench_v2", v2),
    LEX("infbench_book", choice),
    LEX("infbench_code_debug", debug),
    LEX("infbench_math infbench_code_run infbench_first", nums),
    LEX("infbench_kv infbench_dialogue", kv),
    LEX("babilong", babi),
    LEX("helmet_ndcg", ranks),
    LEX("helmet", helmet),
    LEX("qa_f1_zh rouge_zh infbench_f1_chars_zh", zh),
};

static const lexicon *lexicon_of(const char *name)
{
    for (size_t i = 0; i < sizeof lexicons / sizeof *lexicons; i++) {
        for (const char *p = lexicons[i].scorers; *p != '\0';) {
            size_t n = strcspn(p, " ");
            if (strncmp(name, p, n) == 0)
                return &lexicons[i];
            p += n + (p[n] == ' ');
        }
    }
    return NULL;
}

/* ---- whole texts ---- */

static void put_char_of_block(buf *b, sb_rng *r)
{
    size_t k = (size_t)below(r, (int64_t)(sizeof blocks / sizeof *blocks));
    put_cp(b, blocks[k].first + (uint32_t)below(r, blocks[k].last - blocks[k].first + 1));
}

static void put_word_soup(buf *b, sb_rng *r, int64_t n, int64_t dot)
{
    for (int64_t k = 0; k < n; k++) {
        char w[3] = {(char)('a' + below(r, 5)), one_in(r, 3) ? (char)('a' + below(r, 3)) : '\0', 0};
        put(b, w);
        put(b, one_in(r, dot) ? ". " : " ");
    }
}

static void put_random(buf *b, sb_rng *r, const lexicon *lex)
{
    int64_t n = 1 + below(r, one_in(r, 8) ? 40 : 10);
    switch (below(r, 16)) {
    case 0: /* words, mostly */
    case 1:
    case 2:
        for (int64_t k = 0; k < n; k++) {
            put(b, PICK(r, words));
            if (one_in(r, 4))
                put(b, PICK(r, marks));
            put(b, one_in(r, 12) ? "" : PICK(r, spaces));
        }
        break;
    case 3:
        for (int64_t k = 0; k < 3 * n; k++)
            put_cp(b, 32 + (uint32_t)below(r, 95));
        break;
    case 4:
        for (int64_t k = 0; k < 2 * n; k++)
            put_char_of_block(b, r);
        break;
    case 5:
    case 6:
        for (int64_t k = 0; k < n; k++) {
            put(b, PICK(r, zh));
            if (one_in(r, 6))
                put_cp(b, 0x4e00 + (uint32_t)below(r, 0x9fd6 - 0x4e00));
        }
        break;
    case 7:
        for (int64_t k = 0; k < n; k++) {
            put(b, PICK(r, stopwords));
            put(b, PICK(r, spaces));
        }
        break;
    case 8: { /* one pattern over and over */
        const char *w = PICK(r, words), *s = PICK(r, spaces);
        for (int64_t k = 0; k < 3 * n; k++) {
            put(b, w);
            put(b, s);
        }
        break;
    }
    case 9:
        for (int64_t k = 0; k < 1 + n / 3; k++) {
            put(b, PICK(r, code));
            put(b, "\n");
        }
        break;
    case 10: /* bytes that are no UTF-8, NULs among them */
        for (int64_t k = 0; k < n; k++) {
            char c = (char)below(r, 256);
            put_bytes(b, &c, 1);
        }
        break;
    case 11:
        for (int64_t k = 0; k < n; k++)
            put_cp(b, 0x1f300 + (uint32_t)below(r, 0x300));
        break;
    default:
        for (int64_t k = 0; k < n; k++) {
            if (lex == NULL)
                put(b, PICK(r, words));
            else
                put(b, lex->s[below(r, lex->n)]);
            if (lex == NULL || one_in(r, 4))
                put(b, PICK(r, spaces));
        }
    }
}

/* The text with pieces lost, doubled, and foreign ones in between. */
static void put_changed(buf *b, sb_rng *r, const buf *from, const lexicon *lex)
{
    size_t  at    = 0;
    int64_t every = 2 + below(r, 30);
    if (one_in(r, 4))
        put_random(b, r, lex);
    while (at < from->n) {
        size_t n = 1 + (size_t)below(r, every);
        while (at + n < from->n && ((unsigned char)from->s[at + n] & 0xC0) == 0x80)
            n++; /* whole characters */
        if (at + n > from->n)
            n = from->n - at;
        if (!one_in(r, 6))
            put_bytes(b, from->s + at, n);
        if (one_in(r, 10))
            put(b, PICK(r, words));
        if (!one_in(r, 12))
            at += n;
    }
    if (one_in(r, 4))
        put_random(b, r, lex);
}

static void make_text(buf *b, sb_rng *r, const buf *other, const lexicon *lex)
{
    int64_t kind = below(r, 100);
    if (kind < 3)
        return;
    if (kind == 99 && one_in(r, 4)) /* long */
        put_word_soup(b, r, 300 + below(r, 1000), 40);
    else if (other != NULL && kind < 45)
        put_changed(b, r, other, lex);
    else if (other != NULL && kind < 50)
        put_bytes(b, other->s, other->n);
    else
        put_random(b, r, lex);
}

/* ---- requests ---- */

typedef struct draft {
    buf         text[3 * CASE_TEXTS_MOST + 1];
    int64_t     n_preds, n_refs, n_classes;
    const char *task;
} draft;

enum {
    PREDS    = 0,
    REFS     = CASE_TEXTS_MOST,
    CLASSES  = 2 * CASE_TEXTS_MOST,
    QUESTION = 3 * CASE_TEXTS_MOST
};

static int starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

static const char *const class_names[] = {
    "Number", "Number of", "Number of something",      "Food",        "Foo", "Food or drink",
    "of",     "",          "\xe6\x96\xb0\xe9\x97\xbb", "\xe6\x96\xb0"};

static void draft_classes(draft *d, sb_rng *r)
{
    buf *pred    = &d->text[PREDS];
    d->n_classes = 1 + below(r, 7);
    for (int64_t k = 0; k < d->n_classes; k++)
        put(&d->text[CLASSES + k], PICK(r, class_names));
    pred->n = 0;
    for (int64_t k = below(r, 4); k >= 0; k--) {
        put(pred, PICK(r, class_names));
        put(pred, PICK(r, spaces));
    }
    for (int64_t k = 0; k < d->n_refs; k++) {
        d->text[REFS + k].n = 0;
        put(&d->text[REFS + k], PICK(r, class_names));
    }
}

/* References that have to be of a certain form. */
static void draft_refs(draft *d, sb_rng *r, const char *name)
{
    static const char *const letters[]    = {"A", "B", "C", "D"};
    static const char *const options[]    = {"Mr. Knightley", "the dog", "AB", "foo_bar", "A", ""};
    static const char *const ints[]       = {"42", "-17", "5", "0", "7", "1000", "3", "12"};
    static const char *const floats[]     = {"3.5", "42.0", "0.5", "3.0", "12"};
    static const char *const keys[]       = {"e5b4c1", "a-b-c", "STEVE", "STRASSE",
                                             "MIKE",   "FIX",   "value", "mike"};
    static const char *const paragraphs[] = {
        "Paragraph 3",           "Paragraph 12",       "x Paragraph 15 Paragraph 3",
        "Paragraph Paragraph 7", "Paragraph \xd9\xa3", "Paragraph 3."};
    static const char *const para_zh[] = {"\xe6\xae\xb5\xe8\x90\xbd"
                                          "3",
                                          "\xe6\xae\xb5\xe8\x90\xbd"
                                          "12\xe3\x80\x82",
                                          "\xe6\xae\xb5\xe8\x90\xbd \xe6\xae\xb5\xe8\x90\xbd"
                                          "7"};
    static const struct {
        const char *task, *target;
    } asked[] = {
        {"qa1", "bathroom"}, {"qa2", "Kitchen"},     {"qa3", "office"},     {"qa4", "garden"},
        {"qa5", "apple"},    {"qa5", "Mary"},        {"qa6", "yes"},        {"qa7", "none"},
        {"qa7", "two"},      {"qa8", "apple,milk"},  {"qa8", "milk,apple"}, {"qa8", "nothing"},
        {"qa8", "apple"},    {"qa8", "apple,apple"}, {"qa9", "no"},         {"qa10", "maybe"},
        {"qa11", "hallway"}, {"qa12", "bedroom"},    {"qa13", "bathroom"},  {"qa14", "park"},
        {"qa15", "wolf"},    {"qa16", "gray"},       {"qa17", "yes"},       {"qa18", "no"},
        {"qa19", "e,n"},     {"qa19", "s,w"},        {"qa20", "tired"}};
    buf *ref = &d->text[REFS];
    if (starts(name, "retrieval_zh")) {
        for (int64_t k = 0; k < d->n_refs; k++) {
            ref[k].n = 0;
            put(&ref[k], PICK(r, para_zh));
        }
    } else if (starts(name, "retrieval")) {
        for (int64_t k = 0; k < d->n_refs; k++) {
            ref[k].n = 0;
            put(&ref[k], PICK(r, paragraphs));
        }
    } else if (starts(name, "count")) {
        for (int64_t k = 0; k < d->n_refs; k++) {
            ref[k].n = 0;
            put(&ref[k], PICK(r, ints));
        }
    } else if (starts(name, "longbench_v2")) {
        d->n_refs = 1;
        ref[0].n  = 0;
        put(&ref[0], PICK(r, letters));
    } else if (starts(name, "infbench_book") || starts(name, "infbench_code_debug")) {
        d->n_refs = 2;
        ref[0].n = ref[1].n = 0;
        put(&ref[0], PICK(r, options));
        put(&ref[1], PICK(r, letters));
    } else if (starts(name, "infbench_math_calc")) {
        d->n_refs = 1 + below(r, 8);
        for (int64_t k = 0; k < d->n_refs; k++) {
            ref[k].n = 0;
            put(&ref[k], k < 4 && !one_in(r, 3) ? &"1\0"
                                                   "2\0"
                                                   "3\0"
                                                   "4"[2 * k]
                                                : PICK(r, ints));
        }
    } else if (starts(name, "infbench_math_find") && one_in(r, 2)) {
        ref[0].n = 0;
        put(&ref[0], PICK(r, floats));
    } else if (starts(name, "infbench_math") || starts(name, "infbench_code_run") ||
               starts(name, "infbench_first")) {
        ref[0].n = 0;
        put(&ref[0], PICK(r, ints));
    } else if (starts(name, "infbench_kv") || starts(name, "infbench_dialogue")) {
        ref[0].n = 0;
        put(&ref[0], PICK(r, keys));
    } else if (starts(name, "babilong")) {
        d->n_refs  = 1;
        ref[0].n   = 0;
        int64_t at = below(r, (int64_t)(sizeof asked / sizeof *asked));
        d->task    = asked[at].task;
        put(&ref[0], asked[at].target);
        d->text[PREDS].n = 0;
        for (int64_t k = below(r, 3); k >= 0; k--) {
            put(&d->text[PREDS], one_in(r, 2) ? asked[at].target : PICK(r, babi));
            put(&d->text[PREDS], one_in(r, 3) ? "," : " ");
        }
        if (one_in(r, 3))
            put(&d->text[QUESTION], PICK(r, babi));
    } else if (starts(name, "helmet_choice")) {
        d->n_refs = 2;
        ref[0].n = ref[1].n = 0;
        put(&ref[0], PICK(r, letters));
        put_bytes(&ref[1], ref[0].s, ref[0].n);
        put(&ref[1], ". the cat");
    } else if (starts(name, "helmet_ndcg")) {
        d->n_refs = 1 + below(r, 14);
        for (int64_t k = 0; k < d->n_refs; k++) {
            char id[24];
            (void)snprintf(id, sizeof id, "%d", (int)k + 1);
            ref[k].n = 0;
            put(&ref[k], id);
        }
    } else if (starts(name, "key_phrase")) {
        for (int64_t k = 0; k < d->n_refs; k++)
            put(&ref[k], PICK(r, words));
    } else if (starts(name, "code_sim")) {
        for (int64_t k = 0; k < d->n_refs; k++) {
            if (!one_in(r, 3)) {
                ref[k].n = 0;
                put(&ref[k], PICK(r, code));
            }
            if (one_in(r, 12)) /* long enough for difflib's rule of 200 */
                put_word_soup(&ref[k], r, 60 + below(r, 120), 1000);
        }
    }
}

/* LOFT's lists: several answers, some of them references. */
static void draft_list(draft *d, sb_rng *r, const char *name)
{
    static const char *const ids[]     = {"doc1", "doc2", " doc3", "doc4 ",
                                          "doc5", "7",    "doc1",  "doc10"};
    int                      retrieval = strstr(name, "recall") != NULL;
    d->n_preds                         = below(r, 7);
    d->n_refs                          = 1 + below(r, 5);
    for (int64_t k = 0; k < CASE_TEXTS_MOST; k++) {
        buf *ref = &d->text[REFS + k], *pred = &d->text[PREDS + k];
        if (k < d->n_refs) {
            ref->n = 0;
            if (retrieval)
                put(ref, PICK(r, ids));
            else
                for (int64_t n = below(r, 3); n >= 0; n--) {
                    put(ref, PICK(r, words));
                    put(ref, PICK(r, spaces));
                }
        }
        if (k < d->n_preds) {
            pred->n = 0;
            if (retrieval)
                put(pred, PICK(r, ids));
            else if (one_in(r, 3))
                put_random(pred, r, NULL);
            else if (k < d->n_refs)
                put_bytes(pred, ref->s, ref->n - (ref->n > 0 && one_in(r, 2)));
            else
                put(pred, PICK(r, words));
        }
    }
}

/* Once in a while sentences long enough to end rouge 1.0.1's recursion, or nearly so. */
static void draft_long(draft *d, sb_rng *r, const char *name)
{
    int64_t n = 960 + below(r, 60);
    if (strncmp(name, "rouge", 5) != 0 || !one_in(r, 200))
        return;
    d->n_refs        = 1;
    d->text[PREDS].n = 0;
    d->text[REFS].n  = 0;
    put_word_soup(&d->text[REFS], r, one_in(r, 2) ? n : 20 + below(r, 600),
                  one_in(r, 2) ? 100000 : 300);
    if (one_in(r, 2))
        put_word_soup(&d->text[PREDS], r, one_in(r, 2) ? n : 20 + below(r, 600), 100000);
    else
        put_bytes(&d->text[PREDS], d->text[REFS].s, d->text[REFS].n);
}

static uint64_t name_hash(const char *s)
{
    uint64_t h = 0;
    for (; *s != '\0'; s++)
        h = sb_mix(h ^ (uint64_t)(unsigned char)*s);
    return h;
}

static void hand_out(const draft *d, metric_case *out)
{
    size_t total = 1, at = 0;
    for (int k = 0; k <= QUESTION; k++)
        total += d->text[k].n;
    out->memory = malloc(total);
    if (out->memory == NULL)
        exit(1);
    for (int k = 0; k <= QUESTION; k++) {
        sb_text t = {out->memory + at, d->text[k].n};
        if (t.bytes > 0)
            memcpy(out->memory + at, d->text[k].s, t.bytes);
        at += t.bytes;
        if (k < REFS)
            out->preds[k - PREDS] = t;
        else if (k < CLASSES)
            out->refs[k - REFS] = t;
        else if (k < QUESTION)
            out->classes[k - CLASSES] = t;
        else
            out->req.question = t;
    }
    out->req.preds     = out->preds;
    out->req.n_preds   = d->n_preds;
    out->req.refs      = out->refs;
    out->req.n_refs    = d->n_refs;
    out->req.classes   = out->classes;
    out->req.n_classes = d->n_classes;
}

void metric_case_make(const sb_scorer *s, uint64_t seed, int64_t i, metric_case *out)
{
    static const char *const prefixes[] = {"Answer:", "corresponding value:", "Summary:", "label:"};
    sb_rng                   r          = {sb_mix(sb_mix(seed ^ name_hash(s->name)) + (uint64_t)i)};
    const lexicon           *lex        = lexicon_of(s->name);
    draft                    d = {.n_preds = 1, .n_refs = 1 + (one_in(&r, 3) ? below(&r, 3) : 0)};
    memset(out, 0, sizeof *out);
    for (int64_t k = 0; k < d.n_refs; k++)
        make_text(&d.text[REFS + k], &r, k > 0 ? &d.text[REFS] : NULL, lex);
    draft_refs(&d, &r, s->name);
    if (d.text[PREDS].n == 0)
        make_text(&d.text[PREDS], &r, &d.text[REFS], lex);
    if (s->needs & SB_NEED_CLASSES)
        draft_classes(&d, &r);
    if (s->needs & SB_NEED_PRED_LIST)
        draft_list(&d, &r, s->name);
    draft_long(&d, &r, s->name);
    hand_out(&d, out);
    for (int k = 0; k < CASE_TEXTS_MOST; k++)
        out->relevance[k] = one_in(&r, 3) ? below(&r, 4) : 0;
    (void)snprintf(out->task, sizeof out->task, "%s", d.task != NULL ? d.task : "qa1");
    out->req.relevance  = out->relevance;
    out->req.task       = out->task;
    out->req.prefix     = one_in(&r, 3) ? PICK(&r, prefixes) : NULL;
    out->req.drop_first = one_in(&r, 4);
    for (int k = 0; k <= QUESTION; k++)
        free(d.text[k].s);
}

void metric_case_free(metric_case *c) { free(c->memory); }
