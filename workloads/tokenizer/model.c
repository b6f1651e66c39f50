/* tokenizer.model -> vocabulary: the protobuf message ModelProto of sentencepiece, of which 14
 * fields are read and the others are stepped over.
 *
 *   1 pieces {1 text, 2 score, 3 type}    2 trainer_spec {model type, suffix, bytes, ids}
 *   3 normalizer_spec {2 table, 3 blank in front, 4 fewer blanks, 5 U+2581}
 *
 * Why no library: Debian's protobuf-c and nanopb want the schema, their compiler at build time and,
 * protobuf-c, a library at run time, and unpack every piece into an allocation of its own; what is
 * needed of the wire format is varints, 32-bit words and lengths, forty lines below. */
#include "workloads/tokenizer/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/gguf.h"

enum { VARINT, WORD64, LENGTH, GROUP, GROUP_END, WORD32 };

typedef struct message {
    const unsigned char *data;
    size_t               n, at;
} message;

typedef struct field {
    uint64_t number, value; /* of a varint or a word */
    int      wire;
    message  inside; /* of a LENGTH */
} field;

static sb_status cut_short(const message *m)
{
    return sb_fail(SB_ERR_USAGE, "a message of %zu bytes ends inside a field", m->n);
}

static sb_status take_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        unsigned char b;
        if (m->at == m->n)
            return cut_short(m);
        b = m->data[m->at++];
        if (shift < 64)
            *out |= (uint64_t)(b & 127) << shift;
        if (b < 128)
            return SB_OK;
    }
    return sb_fail(SB_ERR_USAGE, "a number of more than 10 bytes");
}

static sb_status take_word(message *m, size_t bytes, uint64_t *out)
{
    if (bytes > m->n - m->at)
        return cut_short(m);
    *out = 0;
    for (size_t i = bytes; i-- > 0;)
        *out = *out << 8 | m->data[m->at + i];
    m->at += bytes;
    return SB_OK;
}

/* The next field; m->at < m->n. */
static sb_status take_field(message *m, field *f)
{
    uint64_t  key = 0;
    sb_status st  = take_varint(m, &key);
    if (st != SB_OK)
        return st;
    *f = (field){.number = key >> 3, .wire = (int)(key & 7)};
    switch (f->wire) {
    case VARINT:
        return take_varint(m, &f->value);
    case WORD64:
        return take_word(m, 8, &f->value);
    case WORD32:
        return take_word(m, 4, &f->value);
    case LENGTH:
        if ((st = take_varint(m, &f->value)) != SB_OK)
            return st;
        if (f->value > m->n - m->at)
            return cut_short(m);
        f->inside = (message){m->data + m->at, (size_t)f->value, 0};
        m->at += f->inside.n;
        return SB_OK;
    default:
        return sb_fail(SB_ERR_USAGE, "field %" PRIu64 " has wire type %d, which this file has not",
                       f->number, f->wire);
    }
}

/* ---- what is read ---- */

typedef struct model {
    sbi_pieces pieces;
    int32_t   *types;
    float     *scores;
    int64_t    kind, suffix, unk, bos, eos, pad; /* trainer_spec */
    int64_t    prefix, trims, marks;             /* normalizer_spec */
    size_t     charsmap_bytes;
} model;

static sb_status wire_is(const field *f, int wire, const char *name)
{
    if (f->wire == wire)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "%s has wire type %d, not %d", name, f->wire, wire);
}

static sb_status read_piece(message m, sbi_tok_text *text, float *score, int32_t *type)
{
    field     f;
    sb_status st = SB_OK;
    *text        = (sbi_tok_text){NULL, 0, SBI_TOK_SPELT};
    *score       = 0;
    *type        = SBI_KIND_NORMAL;
    while (m.at < m.n && st == SB_OK) {
        if ((st = take_field(&m, &f)) != SB_OK)
            break;
        if (f.number == 1 && (st = wire_is(&f, LENGTH, "piece")) == SB_OK) {
            text->text = (const char *)f.inside.data;
            text->n    = f.inside.n;
        } else if (f.number == 2 && (st = wire_is(&f, WORD32, "score")) == SB_OK) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(score, &bits, sizeof bits);
        } else if (f.number == 3 && (st = wire_is(&f, VARINT, "type")) == SB_OK) {
            if (f.value < SBI_KIND_NORMAL || f.value > SBI_KIND_BYTE)
                st = sb_fail(SB_ERR_USAGE, "type %" PRIu64 "; 1 to 6 are possible", f.value);
            *type = (int32_t)f.value;
        }
    }
    if (st == SB_OK && text->n == 0)
        st = sb_fail(SB_ERR_USAGE, "it has no text");
    return st;
}

/* Numbers by field: a table entry says where each goes. */
typedef struct number {
    uint64_t    field;
    const char *name;
    int64_t    *to;
} number;

static sb_status read_numbers(message m, const number *table, size_t n)
{
    field     f;
    sb_status st;
    while (m.at < m.n) {
        if ((st = take_field(&m, &f)) != SB_OK)
            return st;
        for (size_t i = 0; i < n; i++)
            if (table[i].field == f.number) {
                if ((st = wire_is(&f, VARINT, table[i].name)) != SB_OK)
                    return st;
                *table[i].to = (int64_t)f.value; /* negative ones have all 64 bits */
            }
    }
    return SB_OK;
}

static sb_status read_trainer(message m, model *p)
{
    const number table[] = {
        {3, "model_type", &p->kind}, {24, "treat_whitespace_as_suffix", &p->suffix},
        {40, "unk_id", &p->unk},     {41, "bos_id", &p->bos},
        {42, "eos_id", &p->eos},     {43, "pad_id", &p->pad}};
    sb_status st = read_numbers(m, table, sizeof table / sizeof table[0]);
    return st == SB_OK ? st : sb_wrap(st, "trainer_spec");
}

static sb_status read_normalizer(message m, model *p)
{
    const number table[] = {{3, "add_dummy_prefix", &p->prefix},
                            {4, "remove_extra_whitespaces", &p->trims},
                            {5, "escape_whitespaces", &p->marks}};
    message      again   = m;
    field        f;
    sb_status    st = read_numbers(m, table, sizeof table / sizeof table[0]);
    while (st == SB_OK && again.at < again.n) {
        st = take_field(&again, &f);
        if (st == SB_OK && f.number == 2)
            p->charsmap_bytes = f.inside.n;
    }
    return st == SB_OK ? st : sb_wrap(st, "normalizer_spec");
}

static sb_status count_pieces(message m, int64_t *n)
{
    field     f;
    sb_status st;
    for (*n = 0; m.at < m.n;) {
        if ((st = take_field(&m, &f)) != SB_OK)
            return st;
        *n += f.number == 1;
    }
    if (*n == 0 || *n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%" PRId64 " pieces; 1 to %d are possible", *n,
                       SBI_TOK_MAX_TOKENS);
    return SB_OK;
}

static sb_status read_all(message m, model *p)
{
    field     f;
    sb_status st = SB_OK;
    int64_t   i  = 0;
    while (m.at < m.n && st == SB_OK) {
        if ((st = take_field(&m, &f)) != SB_OK)
            return st;
        if (f.number == 1) {
            if ((st = wire_is(&f, LENGTH, "pieces")) == SB_OK)
                st = read_piece(f.inside, &p->pieces.texts[i], &p->scores[i], &p->types[i]);
            if (st != SB_OK)
                return sb_wrap(st, "pieces[%" PRId64 "]", i);
            i++;
        } else if (f.number == 2 && (st = wire_is(&f, LENGTH, "trainer_spec")) == SB_OK) {
            st = read_trainer(f.inside, p);
        } else if (f.number == 3 && (st = wire_is(&f, LENGTH, "normalizer_spec")) == SB_OK) {
            st = read_normalizer(f.inside, p);
        }
    }
    return st;
}

static sb_status check(const model *p)
{
    if (p->kind != 2)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "trainer_spec.model_type: found %" PRId64 "; only 2 (BPE) is supported",
                       p->kind);
    if (p->suffix != 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "trainer_spec.treat_whitespace_as_suffix: found true; "
                                           "only false is supported");
    if (p->charsmap_bytes > 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "normalizer_spec.precompiled_charsmap: %zu bytes; only text that is not "
                       "normalised (identity) is supported",
                       p->charsmap_bytes);
    if (p->trims != 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "normalizer_spec.remove_extra_whitespaces: found true; "
                                           "only false is supported");
    if (p->marks == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "normalizer_spec.escape_whitespaces: found false; only "
                                           "true is supported");
    return SB_OK;
}

/* An id of the trainer's that is a control piece: trainers write ids that they did not use. */
static int32_t control(const model *p, int64_t id)
{
    return id >= 0 && id < p->pieces.n && p->types[id] == SBI_KIND_CONTROL ? (int32_t)id : -1;
}

static sb_status build(model *p, sb_tok *t)
{
    t->role[SB_TOK_ROLE_BOS] = control(p, p->bos);
    t->role[SB_TOK_ROLE_EOS] = control(p, p->eos);
    t->role[SB_TOK_ROLE_PAD] = control(p, p->pad);
    if (p->unk >= 0 && p->unk < p->pieces.n && p->types[p->unk] == SBI_KIND_UNKNOWN)
        t->role[SB_TOK_ROLE_UNK] = (int32_t)p->unk;
    t->adds_bos      = t->role[SB_TOK_ROLE_BOS] >= 0; /* as the models do that ship such files */
    p->pieces.prefix = p->prefix != 0;
    p->pieces.unk    = t->role[SB_TOK_ROLE_UNK];
    p->pieces.types  = p->types;
    p->pieces.scores = p->scores;
    return sbi_sp_build(t, &p->pieces);
}

sb_status sbi_tok_read_model(const unsigned char *data, size_t bytes, sb_tok *t)
{
    model p = {.kind = 1, .bos = 1, .eos = 2, .pad = -1, .prefix = 1, .trims = 1, .marks = 1};
    const message m  = {data, bytes, 0};
    sb_status     st = count_pieces(m, &p.pieces.n);
    if (st != SB_OK)
        return st;
    p.pieces.texts = malloc((size_t)p.pieces.n * sizeof *p.pieces.texts);
    p.scores       = malloc((size_t)p.pieces.n * sizeof *p.scores);
    p.types        = malloc((size_t)p.pieces.n * sizeof *p.types);
    if (p.pieces.texts == NULL || p.scores == NULL || p.types == NULL)
        st = sb_fail(SB_ERR_NOMEM, "no memory for %" PRId64 " pieces", p.pieces.n);
    if (st == SB_OK && (st = read_all(m, &p)) == SB_OK && (st = check(&p)) == SB_OK)
        st = build(&p, t);
    free(p.pieces.texts);
    free(p.scores);
    free(p.types);
    return st;
}

int sbi_tok_is_model(const unsigned char *data, size_t bytes)
{
    size_t at = 0; /* the key of pieces is a line end, which JSON may start with, but then a { */
    if (bytes == 0 || data[0] != 0x0A)
        return 0;
    while (at < bytes &&
           (data[at] == ' ' || data[at] == '\t' || data[at] == '\n' || data[at] == '\r'))
        at++;
    return at < bytes && data[at] != '{' && data[at] != '[';
}
