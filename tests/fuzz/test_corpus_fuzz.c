/* Files of one kind through a fuzzer's entry: first as they stand, then with seeded damage, words
 * of one put into another among it. FUZZ_SEEDS: patterns of their paths. The input that breaks
 * something is left in /tmp. SPAN_FUZZ_ROUNDS, SPAN_FUZZ_SEED: how many inputs, and which. */
#include <check.h>
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/rng.h"
#include "tests/fuzz/common.h"

enum { MOST_SEEDS = 512, ROOM = 1 << 16 };

typedef struct bytes {
    char  *v;
    size_t n;
} bytes;

static bytes  seeds[MOST_SEEDS];
static size_t n_seeds;
static bytes  fed; /* the input at work */
static sb_rng rng;

static size_t below(size_t n) { return n == 0 ? 0 : (size_t)sb_rng_below(&rng, n); }

static long number_of(const char *name, long otherwise)
{
    const char *s = getenv(name);
    return s != NULL && atol(s) > 0 ? atol(s) : otherwise;
}

/* Outside of any test of Check: what is wrong ends the program. */
static void read_seed(const char *path)
{
    FILE *f = fopen(path, "rb");
    fuzz_must(f != NULL && n_seeds < MOST_SEEDS, path);
    bytes *s = &seeds[n_seeds++];
    s->v     = malloc(ROOM);
    fuzz_must(s->v != NULL, "malloc");
    s->n = fread(s->v, 1, ROOM, f);
    fuzz_must(s->n < ROOM, path);
    (void)fclose(f);
}

static void read_seeds(void)
{
    char patterns[] = FUZZ_SEEDS;
    for (char *p = strtok(patterns, ":"); p != NULL; p = strtok(NULL, ":")) {
        glob_t g;
        fuzz_must(glob(p, 0, NULL, &g) == 0, p);
        for (size_t i = 0; i < g.gl_pathc; i++)
            read_seed(g.gl_pathv[i]);
        globfree(&g);
    }
}

/* Only calls that a signal's handler may make. */
static void leave(int sig)
{
    static const char path[] = "/tmp/" FUZZ_NAME ".crash",
                      text[] = "the input is in " FUZZ_NAME ".crash in /tmp\n";
    int     fd               = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t done             = write(fd, fed.v, fed.n);
    if (done == (ssize_t)fed.n)
        done = write(2, text, sizeof text - 1);
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void feed(const char *v, size_t n)
{
    fed.v = malloc(n > 0 ? n : 1);
    fed.n = n;
    ck_assert_ptr_nonnull(fed.v);
    memcpy(fed.v, v, n);
    ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)fed.v, n), 0);
    free(fed.v);
}

/* ---- damage ---- */

/* to[at, at + cut) becomes from[0, n). */
static void put(bytes *to, size_t at, size_t cut, const char *from, size_t n)
{
    if (at + cut > to->n || to->n - cut + n > ROOM)
        return;
    char *copy = malloc(n > 0 ? n : 1); /* `from` may lie in `to` */
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, from, n);
    memmove(to->v + at + n, to->v + at + cut, to->n - at - cut);
    memcpy(to->v + at, copy, n);
    to->n += n - cut;
    free(copy);
}

static int in_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-'; }

/* A word of s, by chance; its length, 0: none. */
static size_t word_of(const bytes *s, size_t *at)
{
    size_t n = 0, from = below(s->n);
    while (from < s->n && !in_word(s->v[from]))
        from++;
    while (from > 0 && from < s->n && in_word(s->v[from - 1]))
        from--;
    while (from + n < s->n && in_word(s->v[from + n]))
        n++;
    *at = from;
    return n;
}

static void damage(bytes *t)
{
    static const char *const odd[] = {"0",
                                      "-1",
                                      "1e400",
                                      "nan",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "1K",
                                      "''",
                                      "~",
                                      "[]",
                                      "{}",
                                      "\"\\u0000\"",
                                      "- ",
                                      ": ",
                                      "\n",
                                      "$(x)"};
    const bytes             *other = &seeds[below(n_seeds)];
    size_t                   at = below(t->n), len = 1 + below(below(64) + 1), from, n, word;
    char                     c = (char)below(256);
    switch (below(9)) {
    case 0:
        if (t->n > 0)
            t->v[at] = (char)(t->v[at] ^ (1 << below(8)));
        break;
    case 1:
        put(t, at, t->n > 0, &c, 1);
        break;
    case 2:
        put(t, at, len, "", 0);
        break;
    case 3:
        if (at + len <= t->n)
            put(t, below(t->n), 0, t->v + at, len);
        break;
    case 4:
        from = below(other->n);
        put(t, at, below(2) * len, other->v + from, len < other->n - from ? len : other->n - from);
        break;
    case 5:
        n = word_of(t, &at);
        put(t, at, n, "", 0);
        break;
    case 6:
        n    = word_of(t, &at);
        word = below(sizeof odd / sizeof *odd);
        put(t, at, n, odd[word], strlen(odd[word]));
        break;
    case 7:
        t->n = below(24) == 0 ? at : t->n;
        break;
    default:
        n    = word_of(t, &at);
        word = word_of(other, &from);
        put(t, at, n, other->v + from, word);
    }
}

/* Feeds every seed; sound[] are those that were taken, of which there are *n. */
static void feed_seeds(size_t sound[MOST_SEEDS], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < n_seeds; i++) {
        long before = fuzz_taken;
        feed(seeds[i].v, seeds[i].n);
        if (fuzz_taken > before)
            sound[(*n)++] = i;
    }
}

START_TEST(damaged)
{
    const long rounds = number_of("SPAN_FUZZ_ROUNDS", FUZZ_ROUNDS);
    const long seed   = number_of("SPAN_FUZZ_SEED", 7);
    size_t     sound[MOST_SEEDS], n_sound;
    bytes      t = {malloc(ROOM), 0};
    ck_assert_ptr_nonnull(t.v);
    rng = (sb_rng){(uint64_t)seed};
    feed("", 0);
    feed_seeds(sound, &n_sound);
    ck_assert_uint_gt(n_sound, 0);
    for (long r = 0; r < rounds;
         r++) { /* most from a sound file: damage of damage is refused early */
        const bytes *s = &seeds[below(4) > 0 ? sound[below(n_sound)] : below(n_seeds)];
        memcpy(t.v, s->v, s->n);
        t.n = s->n;
        for (size_t k = 1 + below(5); k > 0; k--)
            damage(&t);
        feed(t.v, t.n);
    }
    free(t.v);
    (void)printf("%s: %ld inputs of seed %ld from %zu files, %ld taken, %ld refused\n", FUZZ_NAME,
                 rounds, seed, n_seeds, fuzz_taken, fuzz_refused);
    ck_assert_int_gt(fuzz_taken, rounds / 100);
    ck_assert_int_gt(fuzz_refused, rounds / 100);
}
END_TEST

int main(void)
{
    Suite *s = suite_create(FUZZ_NAME);
    TCase *t = tcase_create("fuzz");
    read_seeds();
    (void)signal(SIGABRT, leave);
    tcase_set_timeout(t, 3600);
    tcase_add_test(t, damaged);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    for (size_t i = 0; i < n_seeds; i++)
        free(seeds[i].v);
    return failures != 0;
}
