/* What a tokenizer file comes down to, and how the readers of the two file formats build it:
 *
 *   sbi_tok_create -> set_tokens -> reserve_merges, add_merge ... -> add_added ... -> finish
 *
 * Every call checks what it is given; readers put the key of their file in front of the error. */
#ifndef SB_WORKLOADS_TOKENIZER_VOCAB_H
#define SB_WORKLOADS_TOKENIZER_VOCAB_H

#include "workloads/base/sha256.h"
#include "workloads/tokenizer/split.h"
#include "workloads/tokenizer/tokenizer.h"

#define SBI_TOK_ALPHABET 0x144 /* code points of the byte alphabet end here */
#define SBI_TOK_MAX_TOKENS (1 << 24)
#define SBI_TOK_MAX_TOKEN_BYTES 65535
#define SBI_TOK_MAX_ADDED_BYTES                                                                    \
    512 /* looking for added tokens costs up to this per byte of text                              \
         */

enum {
    SBI_TOK_PLAIN   = 1, /* its bytes can be made by merges */
    SBI_TOK_SPECIAL = 2
};

/* Where SentencePiece puts a blank in front [5.3]. A stretch is what added tokens leave of a text.
 */
typedef enum sbi_sp_prefix {
    SBI_SP_PREFIX_NONE = 0,
    SBI_SP_PREFIX_SECTION, /* before every stretch, whatever it starts with */
    SBI_SP_PREFIX_MISSING, /* before every stretch that does not start with a blank */
    SBI_SP_PREFIX_FIRST    /* the same at the beginning of the text alone */
} sbi_sp_prefix;

/* SentencePiece BPE. U+2581 stands for a blank in its files; here both are a blank, in tokens and
 * in text. */
typedef struct sbi_sp {
    int           on;
    sbi_sp_prefix prefix;
    int           early;    /* blanks are made before "normalized" added tokens are looked for */
    int           words;    /* a piece begins at every blank */
    int           whole;    /* a whole stretch that is a token is that token */
    int           strip;    /* decoding drops the blank at the beginning of a text */
    int           by_bytes; /* characters without a token become the tokens of their bytes */
    int32_t       fallback[256];
    unsigned char holds[129]; /* a token has a blank behind this ASCII character; [128]: behind
                                 another one */
} sbi_sp;

typedef struct sbi_pair {
    uint64_t key;      /* left id << 32 | right id */
    int32_t  rank, id; /* id -1: empty */
} sbi_pair;

typedef struct sbi_added {
    unsigned char *text;
    int32_t        n, id;
    int            special, lstrip, rstrip, normalized;
} sbi_added;

/* Added tokens that are looked for in one pass, sorted by their bytes. */
typedef struct sbi_matcher {
    const sbi_added **sorted;
    int32_t           n;
    unsigned char     first[256]; /* some token starts with this byte */
} sbi_matcher;

struct sb_tok {
    int32_t        n_tokens;
    unsigned char *blob;
    uint64_t      *at; /* token id's bytes are blob[at[id]] .. blob[at[id + 1]] */
    unsigned char *kind;
    int32_t       *ids; /* bytes of plain tokens -> id, open addressing, -1 empty */
    uint64_t       ids_mask;
    sbi_pair      *pairs;
    uint64_t       pairs_mask;
    int32_t        n_merges, max_merges;
    int32_t        byte_id[256]; /* -1: no token; such a byte becomes unk, or nothing. With
                                    sp: of ASCII characters */
    int32_t          unk;        /* -1: none */
    int              fuse_unk;   /* one unk for a run of such bytes */
    sbi_added       *added;
    int32_t          n_added, max_added;
    sbi_matcher      match[2]; /* not normalized, then normalized, as the original does it */
    int32_t          role[SB_TOK_ROLE_COUNT];
    int              nfc, ignore_merges, adds_bos;
    int              uncuttable; /* an added token holds a place that looks like a safe cut */
    sbi_sp           sp;
    const sbi_split *split;
    sbi_split_code  *code;
    int16_t          alphabet[SBI_TOK_ALPHABET]; /* code point -> byte, -1 */
    sbi_sha256       sha;
    int              sha_open;
    char             sha256[65];
};

/* A token as its file spells it. */
typedef struct sbi_tok_text {
    const char *text; /* NULL: no such id */
    size_t      n;
    enum {
        SBI_TOK_SPELT = 0, /* in the byte alphabet, or with U+2581 for blanks */
        SBI_TOK_CONTENT,   /* an added token's own bytes; merges do not make it */
        SBI_TOK_BYTE       /* <0x0A>: a byte of a character without a token */
    } form;
} sbi_tok_text;

sb_status sbi_tok_create(sb_tok **out);
/* Errors of these: SB_ERR_USAGE with the id, SB_ERR_NOMEM, SB_ERR_UNSUPPORTED. */
sb_status sbi_tok_set_tokens(sb_tok *t, const sbi_tok_text *texts, int64_t n);
sb_status sbi_tok_reserve_merges(sb_tok *t, int64_t n);
/* The next merge, in rank order, as the file spells its tokens. */
sb_status sbi_tok_add_merge(sb_tok *t, const char *a, size_t a_bytes, const char *b,
                            size_t b_bytes);
/* A merge of ids; several may share a rank, then the leftmost place comes first. */
void      sbi_tok_put_merge(sb_tok *t, int32_t left, int32_t right, int32_t rank, int32_t id);
sb_status sbi_tok_reserve_added(sb_tok *t, int64_t n);
/* id's content is n bytes at text; flags of `a` other than text, n. */
sb_status sbi_tok_add_added(sb_tok *t, const char *text, size_t n, const sbi_added *a);
sb_status sbi_tok_finish(sb_tok *t, const sbi_split *split);

/* The id of a token as its file spells it, -1 when there is none. */
int32_t sbi_tok_find_spelt(const sb_tok *t, const char *text, size_t n);
int32_t sbi_tok_find_bytes(const sb_tok *t, const unsigned char *bytes, size_t n);

static inline uint64_t sbi_mix64(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x;
}

/* The merge of two neighbours; NULL when they have none. */
static inline const sbi_pair *sbi_pair_find(const sb_tok *t, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t i   = sbi_mix64(key * UINT64_C(0x9E3779B97F4A7C15)) & t->pairs_mask;
    while (t->pairs[i].id >= 0) {
        if (t->pairs[i].key == key)
            return &t->pairs[i];
        i = (i + 1) & t->pairs_mask;
    }
    return NULL;
}

/* Letters and numbers: what stands before a safe cut. -1 is none. */
int sbi_tok_cuttable(int32_t code);

/* The longest added token that starts at s[0]; NULL when there is none. */
const sbi_added *sbi_matcher_at(const sbi_matcher *m, const unsigned char *s, size_t n);

/* ---- SentencePiece ---- */

/* The bytes of a token: U+2581 becomes a blank; out has room for n. *ok: it is UTF-8. */
size_t sbi_sp_spell(const char *text, size_t n, unsigned char *out, int *ok);
/* The byte that "<0x0A>" stands for; -1: no such text. */
int sbi_sp_byte(const char *text, size_t n);
/* After the tokens are set: bytes, blanks, and what the pieces hold. */
sb_status sbi_sp_check_tokens(sb_tok *t);
/* sbi_tok_add_added for a token that is looked for behind the making of blanks: so is its text.
 * prefix: a blank goes in front. */
sb_status sbi_sp_add_added(sb_tok *t, const char *text, size_t n, int prefix, const sbi_added *a);
/* Merges from scores, one a token: the pairs that make a plain token have the
 * rank of its score, highest first, equal ones the same. unused[id] (may be NULL): a token that
 * must not come out. */
sb_status sbi_sp_merge_by_score(sb_tok *t, const float *scores, const unsigned char *unused);

/* A SentencePiece model. */
typedef struct sbi_pieces {
    sbi_tok_text  *texts; /* their form is set here */
    const int32_t *types; /* SBI_KIND_ */
    const float   *scores;
    int64_t        n;
    int            prefix; /* a blank goes in front of a text */
    int64_t        unk;    /* -1: the piece of type unknown */
} sbi_pieces;
sb_status sbi_sp_build(sb_tok *t, const sbi_pieces *p);

/* Readers. name stands in front of nothing here: sb_tok_open adds the file. */
sb_status sbi_tok_read_json(const char *data, size_t bytes, sb_tok *t);
struct sbi_source;
sb_status sbi_tok_read_gguf(struct sbi_source *src, const char *pre, sb_tok *t);

/* "..." of a word from a file, for errors: at most 40 characters, printable ASCII. */
#define SBI_TOK_QUOTE 48
const char *sbi_tok_quote(const char *text, size_t n, char buf[SBI_TOK_QUOTE]);

#endif
