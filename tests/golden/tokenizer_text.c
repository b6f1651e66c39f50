/* Documents of up to about 2 KB. Each mixes spans of some kinds: English words, words with
 * contractions and capitals, code, numbers, Chinese, Japanese and Korean, emoji with joiners,
 * accents composed and not, blanks and line ends of every sort, letters of special tokens, any
 * code points, and bytes that are no UTF-8 at all. */
#include "tests/golden/tokenizer_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct maker {
    golden_text g;
    size_t      n, capacity;
    uint64_t    state;
} maker;

static uint64_t draw(maker *m, uint64_t below) /* splitmix64 */
{
    uint64_t z = m->state += UINT64_C(0x9E3779B97F4A7C15);
    z          = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z          = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % below;
}

static void put(maker *m, const void *s, size_t n)
{
    memcpy(m->g.data + m->n, s, n); /* make() keeps room for a span */
    m->n += n;
}

static void put_text(maker *m, const char *s) { put(m, s, strlen(s)); }

static void put_code(maker *m, uint32_t c)
{
    unsigned char b[4];
    if (c < 0x80) {
        b[0] = (unsigned char)c;
        put(m, b, 1);
    } else if (c < 0x800) {
        b[0] = (unsigned char)(0xC0 | c >> 6);
        b[1] = (unsigned char)(0x80 | (c & 63));
        put(m, b, 2);
    } else if (c < 0x10000) {
        b[0] = (unsigned char)(0xE0 | c >> 12);
        b[1] = (unsigned char)(0x80 | (c >> 6 & 63));
        b[2] = (unsigned char)(0x80 | (c & 63));
        put(m, b, 3);
    } else {
        b[0] = (unsigned char)(0xF0 | c >> 18);
        b[1] = (unsigned char)(0x80 | (c >> 12 & 63));
        b[2] = (unsigned char)(0x80 | (c >> 6 & 63));
        b[3] = (unsigned char)(0x80 | (c & 63));
        put(m, b, 4);
    }
}

#define PICK(list) list[draw(m, sizeof list / sizeof list[0])]

static void words(maker *m)
{
    static const char *const common[] = {
        "the",       "of",          "and",
        "to",        "in",          "that",
        "is",        "was",         "for",
        "licence",   "software",    "permission",
        "granted",   "hereby",      "notice",
        "shall",     "copyright",   "warranty",
        "needle",    "number",      "special",
        "magic",     "city",        "essay",
        "writing",   "question",    "answer",
        "context",   "attention",   "span",
        "benchmark", "long",        "tokens",
        "memory",    "London",      "Tuesday",
        "NASA",      "iPhone",      "e.g.",
        "i.e.",      "don't",       "it's",
        "we'll",     "I'm",         "they've",
        "she'd",     "we're",       "DON'T",
        "IT'S",      "rock'n'roll", "O'Brien",
        "naive",     "co-operate",  "antidisestablishmentarianism"};
    static const char *const between[] = {" ",  " ",  " ",    " ",  " ",  " ",
                                          ", ", ". ", "; ",   "\n", "  ", " -- ",
                                          "! ", "? ", "\n\n", " (", ") ", "\" "};
    for (uint64_t k = 5 + draw(m, 40); k > 0; k--) {
        put_text(m, PICK(common));
        put_text(m, PICK(between));
    }
}

static void letters(maker *m)
{
    for (uint64_t k = 1 + draw(m, 30); k > 0; k--) {
        for (uint64_t l = 1 + draw(m, draw(m, 20) == 0 ? 90 : 9); l > 0; l--)
            put_code(m, (draw(m, 6) == 0 ? 'A' : 'a') + (uint32_t)draw(m, 26));
        put_text(m, draw(m, 3) == 0 ? "" : " ");
    }
}

static void code(maker *m)
{
    static const char *const part[] = {"for (int i = 0; i < n; i++)",
                                       " {\n",
                                       "    ",
                                       "\t",
                                       "}\n",
                                       "return x;",
                                       "if (p == NULL)",
                                       "->next",
                                       "0x1F",
                                       "1e-5",
                                       "std::vector<int>",
                                       "def f(self):\n",
                                       "        ",
                                       "# ",
                                       "// ",
                                       "/* */",
                                       "#include <stdio.h>\n",
                                       "a[i][j] += b * c;",
                                       "\r\n",
                                       "&&",
                                       "||",
                                       "!=",
                                       "===",
                                       "'s'",
                                       "\"'re\"",
                                       "_name",
                                       "__init__",
                                       "$HOME",
                                       "%d\\n",
                                       "<html>",
                                       "</s>",
                                       "<s>",
                                       "|>",
                                       "<|",
                                       "@param"};
    for (uint64_t k = 3 + draw(m, 25); k > 0; k--)
        put_text(m, PICK(part));
}

static void numbers(maker *m)
{
    static const uint32_t    other[]   = {0xB2,   0xBD,   0x660,  0x966,   0x2160,
                                          0x2460, 0x3007, 0xFF10, 0x1D7CE, 0x1F100};
    static const char *const between[] = {" ", "", ",", ".", "-", ":", "\n", "  ", "x", "%"};
    for (uint64_t k = 1 + draw(m, 25); k > 0; k--) {
        for (uint64_t l = 1 + draw(m, draw(m, 8) == 0 ? 40 : 5); l > 0; l--)
            put_code(m, draw(m, 12) == 0 ? PICK(other) + (uint32_t)draw(m, 3)
                                         : '0' + (uint32_t)draw(m, 10));
        put_text(m, PICK(between));
    }
}

static void scripts(maker *m)
{
    static const uint32_t range[][2] = {
        {0x4E00, 0x5200}, {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0xAC00, 0xD7A3}, {0x1100, 0x11FF},
        {0x0391, 0x03C9}, {0x0410, 0x044F}, {0x05D0, 0x05EA}, {0x0621, 0x064A}, {0x064B, 0x0652},
        {0x0905, 0x094D}, {0x0E01, 0x0E3A}, {0x3001, 0x3011}, {0xFF01, 0xFF5E}, {0x20000, 0x2A6D0}};
    for (uint64_t k = 1 + draw(m, 6); k > 0; k--) {
        const uint32_t *r = PICK(range);
        for (uint64_t l = 1 + draw(m, 12); l > 0; l--)
            put_code(m, r[0] + (uint32_t)draw(m, r[1] - r[0] + 1));
        put_text(m, draw(m, 3) == 0 ? " " : "");
    }
}

static void emoji(maker *m)
{
    for (uint64_t k = 1 + draw(m, 15); k > 0; k--) {
        put_code(m, draw(m, 4) == 0 ? 0x2600 + (uint32_t)draw(m, 0x100)
                                    : 0x1F300 + (uint32_t)draw(m, 0x350));
        if (draw(m, 3) == 0)
            put_code(m, draw(m, 2) == 0 ? 0xFE0F : 0x1F3FB + (uint32_t)draw(m, 5));
        if (draw(m, 4) == 0)
            put_code(m, 0x200D);
        if (draw(m, 4) == 0)
            put_text(m, " ");
    }
}

static void accents(maker *m)
{
    static const uint32_t base[] = {'a',   'e',   'o',   'u',    'A',  'n',   'c',    's',
                                    0x3B1, 0x438, 0x915, 0x1EA1, 0xE9, 0x17F, 0x212B, 0x1100};
    static const uint32_t mark[] = {0x300, 0x301, 0x302, 0x303, 0x308, 0x30A,  0x327,
                                    0x323, 0x316, 0x345, 0x338, 0x93C, 0x1161, 0x11A8};
    for (uint64_t k = 1 + draw(m, 25); k > 0; k--) {
        put_code(m, PICK(base));
        for (uint64_t l = draw(m, 4); l > 0; l--)
            put_code(m, PICK(mark));
        if (draw(m, 3) == 0)
            put_text(m, draw(m, 4) == 0 ? "'" : " ");
    }
}

static void blanks(maker *m)
{
    static const uint32_t sort[] = {' ',    ' ',    ' ',    ' ',    '\n',   '\n',   '\t',
                                    '\r',   0x0B,   0x0C,   0x85,   0xA0,   0x1680, 0x180E,
                                    0x2000, 0x200A, 0x200B, 0x2028, 0x2029, 0x202F, 0x205F,
                                    0x3000, 0xFEFF, 0x1C,   0x1F};
    for (uint64_t k = 1 + draw(m, 12); k > 0; k--) {
        uint32_t c = PICK(sort);
        for (uint64_t l = 1 + draw(m, draw(m, 6) == 0 ? 60 : 4); l > 0; l--)
            put_code(m, c);
        if (draw(m, 3) == 0)
            put_text(m, "x");
    }
}

static void punctuation(maker *m)
{
    static const char marks[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    for (uint64_t k = 1 + draw(m, 15); k > 0; k--) {
        uint32_t c = (unsigned char)marks[draw(m, sizeof marks - 1)];
        for (uint64_t l = 1 + draw(m, draw(m, 5) == 0 ? 50 : 3); l > 0; l--)
            put_code(m, c);
        put_text(m, draw(m, 3) == 0 ? " " : draw(m, 4) == 0 ? "s" : draw(m, 8) == 0 ? "\n" : "");
    }
}

static void specials(maker *m)
{
    static const char *const part[] = {
        "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>",
        "<|eot_id|>",   "user",       "assistant\n",   " ",
        "\n",           "<|im_",      "end|>",         "<mark>",
        "<mark><mark>", " <left>",    "<left> ",       "<right>  ",
        " <right>",     "hello there"};
    for (uint64_t k = 1 + draw(m, 10); k > 0; k--)
        put_text(m, PICK(part));
}

/* Characters that one program's Unicode tables know and the other's do not: numbers and letters
 * since version 15 (PCRE2 10.42 has 14), and marks since version 10, which the NFC of the package
 * tokenizers does not put in order. */
static int is_newer(uint32_t c)
{
    static const uint32_t newer[][2] = {
        {0x07FD, 0x07FD}, {0x0897, 0x089F}, {0x08CA, 0x08D3}, {0x09FE, 0x09FE}, {0x0C3C, 0x0C3C},
        {0x0D3B, 0x0D3C}, {0x0EBA, 0x0EBA}, {0x0ECE, 0x0ECE}, {0x1715, 0x1715}, {0x1ABF, 0x1AFF},
        {0x1C89, 0x1C8A}, {0x1DF6, 0x1DFB}, {0xA7CB, 0xA7CF}, {0xA7D2, 0xA7D2}, {0xA7D4, 0xA7D4},
        {0xA7DA, 0xA7F1}, {0xA82C, 0xA82C}};
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        if (c >= newer[i][0] && c <= newer[i][1])
            return 1;
    return 0;
}

static uint32_t old_code(maker *m)
{
    static const uint32_t range[][2] = {{0x1, 0x2FF},       {0x1, 0x2FFF},      {0x1, 0xFFFF},
                                        {0x10000, 0x100FA}, {0x1D400, 0x1D7FF}, {0x1F000, 0x1F5FF},
                                        {0x20000, 0x2A6D6}};
    const uint32_t       *r          = PICK(range);
    uint32_t              c;
    do
        c = r[0] + (uint32_t)draw(m, r[1] - r[0] + 1);
    while (is_newer(c));
    return c; /* surrogates come out as bytes that are no UTF-8 */
}

static void any_code(maker *m)
{
    for (uint64_t k = 1 + draw(m, 30); k > 0; k--) {
        put_code(m, old_code(m));
        put_text(m, draw(m, 5) == 0 ? " " : "");
    }
}

/* Seed 0: a document for each character of the first plane, and for some of the others. */
static void all_codes(maker *m, size_t bytes)
{
    static const uint32_t range[][2] = {
        {1, 0xD7FF}, {0xE000, 0xFFFF}, {0x1D400, 0x1D7FF}, {0x1F000, 0x1F5FF}};
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++)
        for (uint32_t c = range[i][0]; c <= range[i][1] && m->n < bytes; c++)
            if (!is_newer(c)) {
                const char *const between[] = {"a", "b ",           "!",      "1",
                                               " ", "\u0316\u0301", "\u0327", "\n"};
                for (size_t k = 0; k < sizeof between / sizeof between[0]; k++) {
                    put_text(m, between[k]);
                    put_code(m, c);
                }
                m->g.at[++m->g.n_docs] = m->n;
            }
}

static void any_byte(maker *m)
{
    for (uint64_t k = 1 + draw(m, 40); k > 0; k--) {
        unsigned char b = (unsigned char)draw(m, draw(m, 2) == 0 ? 128 : 256);
        put(m, &b, 1);
    }
}

golden_text golden_text_make(uint64_t seed, size_t bytes)
{
    static void (*const kind[])(maker *) = {words,    words,    letters, code,   numbers,
                                            scripts,  emoji,    accents, blanks, punctuation,
                                            specials, any_code, any_byte};
    const size_t room = 32768, max_docs = bytes / 16 + 2;
    maker        m = {.state = seed};
    m.g.data       = malloc(bytes + 2 * room);
    m.g.at         = malloc((max_docs + 1) * sizeof *m.g.at);
    if (m.g.data == NULL || m.g.at == NULL) {
        (void)fprintf(stderr, "no memory for %zu bytes of text\n", bytes);
        exit(2);
    }
    m.g.at[0] = 0;
    if (seed == 0) {
        all_codes(&m, bytes);
        return m.g;
    }
    while (m.n < bytes && (size_t)m.g.n_docs < max_docs) {
        for (uint64_t spans = 1 + draw(&m, 12); spans > 0 && m.n < bytes; spans--)
            kind[draw(&m, sizeof kind / sizeof kind[0])](&m);
        m.g.at[++m.g.n_docs] = m.n;
    }
    return m.g;
}

void golden_text_fini(golden_text *g)
{
    free(g->data);
    free(g->at);
}
