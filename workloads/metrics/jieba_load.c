/* Reading jieba's data. dict.txt: a word, its count and its kind a line, parted by single blanks.
 * The model: Python sources that hold one literal, P={...}, of strings, numbers and such. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "workloads/base/sha256.h"
#include "workloads/metrics/jieba.h"

#define DEBIAN "/usr/lib/python3/dist-packages/jieba"

typedef struct file {
    char   path[4200];
    char  *data; /* closed by a zero */
    size_t bytes;
} file;

static sb_status read_file(const char *folder, const char *name, sbi_sha256 *hash, file *out)
{
    FILE     *f;
    size_t    room = 1 << 20, got;
    sb_status st   = SB_OK;
    char     *more;
    (void)snprintf(out->path, sizeof out->path, "%s/%s", folder, name);
    if ((f = fopen(out->path, "rb")) == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: %s. The _zh scores segment words with jieba's data: install the Debian "
                       "package python3-jieba, or let SPANBENCH_JIEBA name the folder of the "
                       "Python package jieba 0.42.1",
                       out->path, strerror(errno));
    out->bytes = 0;
    out->data  = malloc(room + 1);
    while (out->data != NULL &&
           (got = fread(out->data + out->bytes, 1, room - out->bytes, f)) > 0) {
        out->bytes += got;
        if (out->bytes < room)
            continue;
        room *= 2;
        if ((more = realloc(out->data, room + 1)) == NULL)
            free(out->data);
        out->data = more;
    }
    if (out->data == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory to read it", out->path);
    else if (ferror(f))
        st = sb_fail(SB_ERR_IO, "%s: %s", out->path, strerror(errno));
    else
        out->data[out->bytes] = '\0';
    fclose(f);
    if (st == SB_OK)
        sbi_sha256_put(hash, out->data, out->bytes);
    return st;
}

/* ---- the dictionary ---- */

static uint64_t slot_of(const sbi_trie *t, int64_t parent, int32_t c)
{
    uint64_t at = sb_mix((uint64_t)parent << 21 ^ (uint64_t)c) & (t->n_slots - 1);
    while (t->slot[at] != 0 && (t->parent[t->slot[at]] != parent || t->ch[t->slot[at]] != c))
        at = (at + 1) & (t->n_slots - 1);
    return at;
}

int64_t sbi_trie_child(const sbi_trie *t, int64_t node, int32_t c)
{
    return t->slot[slot_of(t, node, c)];
}

/* Room for twice as many nodes; the first time for 2^16. */
static sb_status trie_grow(sbi_trie *t)
{
    int64_t  room    = t->room == 0 ? 1 << 16 : 2 * t->room;
    uint64_t n_slots = 2 * (uint64_t)room;
    int32_t *parent  = realloc(t->parent, (size_t)room * sizeof *parent);
    int32_t *ch, *slot;
    int64_t *freq;
    if (parent != NULL)
        t->parent = parent;
    if ((ch = realloc(t->ch, (size_t)room * sizeof *ch)) != NULL)
        t->ch = ch;
    if ((freq = realloc(t->freq, (size_t)room * sizeof *freq)) != NULL)
        t->freq = freq;
    slot = calloc(n_slots, sizeof *slot);
    if (parent == NULL || ch == NULL || freq == NULL || slot == NULL) {
        free(slot);
        return sb_fail(SB_ERR_NOMEM, "no memory for a dictionary of %lld nodes", (long long)room);
    }
    free(t->slot);
    t->slot    = slot;
    t->n_slots = n_slots;
    t->room    = room;
    for (int64_t i = 1; i < t->n; i++)
        t->slot[slot_of(t, t->parent[i], t->ch[i])] = (int32_t)i;
    return SB_OK;
}

static sb_status add_word(sbi_trie *t, sbi_str word, int64_t freq)
{
    int64_t node = 0;
    for (int64_t i = 0; i < word.n; i++) {
        uint64_t at = slot_of(t, node, word.c[i]);
        if (t->slot[at] == 0) {
            if (t->n == t->room) {
                sb_status st = trie_grow(t);
                if (st != SB_OK)
                    return st;
                at = slot_of(t, node, word.c[i]);
            }
            t->slot[at]     = (int32_t)t->n;
            t->parent[t->n] = (int32_t)node;
            t->ch[t->n]     = word.c[i];
            t->freq[t->n]   = 0;
            t->n++;
        }
        node = t->slot[at];
    }
    t->freq[node] = freq; /* a word that comes twice has its last count, but both in the total */
    return SB_OK;
}

/* "word count kind" */
static sb_status read_line(sb_jieba *j, sbi_pool *p, const char *line, size_t bytes)
{
    const char *blank = memchr(line, ' ', bytes);
    char       *end;
    sbi_str     word;
    uint32_t    flags = 0;
    long long   freq;
    sb_status   st;
    if (blank == NULL || blank == line)
        return sb_fail(SB_ERR_USAGE, "no word, blank and count");
    errno = 0;
    freq  = strtoll(blank + 1, &end, 10);
    if (end == blank + 1 || end > line + bytes || (end < line + bytes && *end != ' ') || errno ||
        freq < 0)
        return sb_fail(SB_ERR_USAGE, "no count behind the word");
    if (__builtin_add_overflow(j->total, (int64_t)freq, &j->total))
        return sb_fail(SB_ERR_USAGE, "the counts add up to more than 63 bits hold");
    st = sbi_decode(p, (sb_text){line, (size_t)(blank - line)}, &word, &flags);
    if (st == SB_OK && flags != 0)
        return sb_fail(SB_ERR_USAGE, "the word is not UTF-8");
    return st == SB_OK ? add_word(&j->trie, word, freq) : st;
}

static int is_blank(char c) { return strchr(" \t\n\r\v\f", c) != NULL && c != '\0'; }

static sb_status read_dict(sb_jieba *j, const file *f)
{
    sbi_pool  pool = {0};
    long long line = 1;
    sb_status st   = SB_OK;
    if (f->bytes >= INT32_MAX)
        return sb_fail(SB_ERR_USAGE, "%s: %zu bytes are too many for a dictionary", f->path,
                       f->bytes);
    st = trie_grow(&j->trie); /* at most a node a byte: int32 numbers hold them */
    if (st == SB_OK) {
        j->trie.n         = 1;
        j->trie.parent[0] = j->trie.ch[0] = -1;
        j->trie.freq[0]                   = 0;
    }
    for (const char *s = f->data; st == SB_OK && s < f->data + f->bytes; line++) {
        const char   *end  = memchr(s, '\n', (size_t)(f->data + f->bytes - s)), *last;
        sbi_pool_mark mark = sbi_pool_here(&pool);
        if (end == NULL)
            end = f->data + f->bytes;
        last = end;
        while (s < last && is_blank(last[-1]))
            last--;
        while (s < last && is_blank(*s))
            s++;
        st = read_line(j, &pool, s, (size_t)(last - s));
        if (st != SB_OK)
            sb_wrap(st, "%s:%lld", f->path, line);
        sbi_pool_back(&pool, mark);
        s = end + 1;
    }
    sbi_pool_free(&pool);
    if (st == SB_OK && j->total == 0)
        return sb_fail(SB_ERR_USAGE, "%s: no word in it", f->path);
    if (st == SB_OK && (j->weight = malloc((size_t)j->trie.n * sizeof *j->weight)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for jieba's dictionary");
    for (int64_t i = 0; st == SB_OK && i < j->trie.n; i++)
        j->weight[i] = j->trie.freq[i] > 0 ? log((double)j->trie.freq[i]) : 0;
    return st;
}

/* ---- the model ---- */

typedef struct reader {
    const file *f;
    const char *at;
} reader;

static sb_status wrong(const reader *r, const char *what)
{
    long long line = 1;
    for (const char *s = r->f->data; s < r->at; s++)
        line += *s == '\n';
    return sb_fail(SB_ERR_USAGE, "%s:%lld: %s, but there is \"%.12s\"", r->f->path, line, what,
                   r->at);
}

static void skip_blanks(reader *r)
{
    while (is_blank(*r->at))
        r->at++;
}

static int take(reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c)
        return 0;
    r->at++;
    return 1;
}

/* A string of one character: 'B', '\u4e00', or the character itself in UTF-8. */
static sb_status read_char(reader *r, int32_t *c)
{
    char     quote;
    uint32_t flags = 0;
    skip_blanks(r);
    if (*r->at == 'u' && (r->at[1] == '\'' || r->at[1] == '"'))
        r->at++;
    quote = *r->at;
    if (quote != '\'' && quote != '"')
        return wrong(r, "expected a string");
    r->at++;
    if (r->at[0] == '\\' && r->at[1] == 'u') {
        char hex[5] = {0}, *end;
        strncpy(hex, r->at + 2, 4);
        *c = (int32_t)strtol(hex, &end, 16);
        if (end != hex + 4)
            return wrong(r, "expected \\u and four hexadecimal digits");
        r->at += 6;
    } else {
        sbi_pool    pool = {0};
        sbi_str     s;
        const char *end = strchr(r->at, quote);
        sb_status   st;
        if (end == NULL || end - r->at > 4)
            return wrong(r, "expected a string of one character");
        st = sbi_decode(&pool, (sb_text){r->at, (size_t)(end - r->at)}, &s, &flags);
        *c = st == SB_OK && s.n == 1 ? s.c[0] : 0;
        sbi_pool_free(&pool);
        if (st != SB_OK)
            return st;
        if (*c == 0 || flags != 0)
            return wrong(r, "expected a string of one character");
        r->at = end;
    }
    return take(r, quote) ? SB_OK : wrong(r, "expected the string to end");
}

static sb_status read_number(reader *r, double *v)
{
    char *end;
    skip_blanks(r);
    *v = strtod(r->at, &end);
    if (end == r->at || !isfinite(*v))
        return wrong(r, "expected a number");
    r->at = end;
    return SB_OK;
}

static int state_of(int32_t c)
{
    const char *at = c > 0 && c < 128 ? strchr("BEMS", (int)c) : NULL;
    return at == NULL ? -1 : (int)(at - "BEMS");
}

typedef sb_status (*read_value)(reader *r, sb_jieba *j, int outer, int32_t key);

/* {'k': value, ...}; a comma may close it. */
static sb_status read_table(reader *r, sb_jieba *j, int outer, read_value value)
{
    int32_t   key = 0;
    sb_status st;
    if (!take(r, '{'))
        return wrong(r, "expected {");
    while (!take(r, '}')) {
        if ((st = read_char(r, &key)) != SB_OK)
            return st;
        if (!take(r, ':'))
            return wrong(r, "expected : behind the key");
        if ((st = value(r, j, outer, key)) != SB_OK)
            return st;
        if (!take(r, ',')) {
            if (take(r, '}'))
                return SB_OK;
            return wrong(r, "expected , or }");
        }
    }
    return SB_OK;
}

static sb_status start_value(reader *r, sb_jieba *j, int outer, int32_t key)
{
    (void)outer;
    if (state_of(key) < 0)
        return wrong(r, "expected one of the states B, E, M, S");
    return read_number(r, &j->start[state_of(key)]);
}

static sb_status trans_value(reader *r, sb_jieba *j, int outer, int32_t key)
{
    if (state_of(key) < 0)
        return wrong(r, "expected one of the states B, E, M, S");
    return read_number(r, &j->trans[outer][state_of(key)]);
}

static sb_status emit_value(reader *r, sb_jieba *j, int outer, int32_t key)
{
    double    v;
    sb_status st = read_number(r, &v);
    if (st == SB_OK && key >= SBI_HAN_FIRST && key <= SBI_HAN_LAST) /* others are never asked for */
        j->emit[outer][key - SBI_HAN_FIRST] = v;
    return st;
}

static sb_status trans_row(reader *r, sb_jieba *j, int outer, int32_t key)
{
    (void)outer;
    if (state_of(key) < 0)
        return wrong(r, "expected one of the states B, E, M, S");
    return read_table(r, j, state_of(key), trans_value);
}

static sb_status emit_row(reader *r, sb_jieba *j, int outer, int32_t key)
{
    (void)outer;
    if (state_of(key) < 0)
        return wrong(r, "expected one of the states B, E, M, S");
    return read_table(r, j, state_of(key), emit_value);
}

/* Everything before the line that starts with P and = is Python of no interest. */
static sb_status read_model(sb_jieba *j, const file *f, read_value value)
{
    reader    r = {.f = f, .at = f->data};
    sb_status st;
    for (;;) {
        const char *line = r.at;
        if (*r.at == 'P') {
            r.at++;
            if (take(&r, '='))
                break;
        }
        r.at = strchr(line, '\n');
        if (r.at == NULL) {
            r.at = f->data;
            return wrong(&r, "expected a line that starts with P=");
        }
        r.at++;
    }
    if ((st = read_table(&r, j, 0, value)) != SB_OK)
        return st;
    skip_blanks(&r);
    return *r.at == '\0' ? SB_OK : wrong(&r, "expected the end of the file");
}

/* ---- all of it ---- */

static sb_status load(sb_jieba *j, sbi_sha256 *hash)
{
    static const struct {
        const char *name;
        read_value  value;
    } parts[]    = {{"dict.txt", NULL},
                    {"finalseg/prob_start.py", start_value},
                    {"finalseg/prob_trans.py", trans_row},
                    {"finalseg/prob_emit.py", emit_row}};
    sb_status st = SB_OK;
    for (int y = 0; y < SBI_HMM_COUNT; y++) {
        j->start[y] = SBI_HMM_NEVER;
        for (int z = 0; z < SBI_HMM_COUNT; z++)
            j->trans[y][z] = SBI_HMM_NEVER;
        if ((j->emit[y] = malloc(SBI_HMM_CHARS * sizeof *j->emit[y])) == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for jieba's model");
        for (int c = 0; c < SBI_HMM_CHARS; c++)
            j->emit[y][c] = SBI_HMM_NEVER;
    }
    for (size_t i = 0; st == SB_OK && i < sizeof parts / sizeof *parts; i++) {
        file f = {.data = NULL};
        st     = read_file(j->folder, parts[i].name, hash, &f);
        if (st == SB_OK)
            st = parts[i].value == NULL ? read_dict(j, &f) : read_model(j, &f, parts[i].value);
        free(f.data);
    }
    return st;
}

sb_status sb_jieba_open(const char *folder, sb_jieba **out)
{
    sb_jieba  *j = calloc(1, sizeof *j);
    sbi_sha256 hash;
    sb_status  st, closed;
    if (j == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for jieba's data");
    if (folder == NULL)
        folder = getenv("SPANBENCH_JIEBA");
    if (folder == NULL || folder[0] == '\0')
        folder = DEBIAN;
    if (strlen(folder) >= sizeof j->folder) {
        free(j);
        return sb_fail(SB_ERR_USAGE, "the folder of jieba's data has a name of %zu bytes",
                       strlen(folder));
    }
    memcpy(j->folder, folder, strlen(folder) + 1);
    sbi_sha256_init(&hash);
    st     = load(j, &hash);
    closed = st == SB_OK ? sbi_sha256_hex(&hash, j->sha256) : st;
    if (st != SB_OK) { /* the hash is closed on every way; its own words do not hide the cause */
        char text[512], unused[65];
        (void)snprintf(text, sizeof text, "%s", sb_error_text());
        (void)sbi_sha256_hex(&hash, unused);
        (void)sb_fail(st, "%s", text);
    }
    if (closed != SB_OK) {
        sb_jieba_close(j);
        return closed;
    }
    *out = j;
    return SB_OK;
}

void sb_jieba_close(sb_jieba *j)
{
    if (j == NULL)
        return;
    for (int y = 0; y < SBI_HMM_COUNT; y++)
        free(j->emit[y]);
    free(j->weight);
    free(j->trie.slot);
    free(j->trie.parent);
    free(j->trie.ch);
    free(j->trie.freq);
    free(j);
}

const char *sb_jieba_folder(const sb_jieba *j) { return j->folder; }

const char *sb_jieba_sha256(const sb_jieba *j) { return j->sha256; }
