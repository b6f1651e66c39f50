/* Which head does what in which layer, and the maps that make it so [probe_model 5, 10].
 *
 *         KV0: head 0, 1        KV1: head 2, 3       KV2: head 4, 5      KV3: head 6, 7
 * POS     prev-1, prev-2        prev-3, -            context, -          -
 * HOP_k   hop, -                -                    -                   -
 * FINAL   n-gram, -             variable, -          aggregate, -        -
 *
 * A profile without a task for a head of FINAL leaves it out: AGG has only the aggregate head, RET
 * only the n-gram head. Heads marked "-" or left out are background heads: nothing reads their
 * output, but they cost time and shape selection. */
#include <math.h>
#include <string.h>

#include "harness/model/probe/state.h"
#include "workloads/probe/vocab.h"

#define D SB_PROBE_DIM
#define SLOT 26  /* dims of one n-gram slot */
#define NAMED 78 /* match dims of hop and variable heads */
#define AT_FLAG 78
#define AT_HALO 80
#define HALO (SB_PROBE_SALIENCE / 2)
#define AT_SINK 112
#define AT_TOPIC 114

#define MATCH_SHARE                                                                                \
    2.25 /* hop and variable heads: a full match of names scores 2.25 g, the EQ flag 0.75 g, 3 g   \
            in all */
#define FLAG_SHARE 0.75
#define HOP_HALO 0.5
#define BACKGROUND_SINK (11.090354888959125 + 2.0) /* ln 65536 + 2 */
#define BACKGROUND_DIFFUSE 0.5
#define BACKGROUND_BLOCK 3.0

typedef enum layer_kind { LAYER_POS, LAYER_HOP, LAYER_FINAL, LAYER_KIND_COUNT } layer_kind;

typedef struct layer_at {
    layer_kind kind;
    int32_t    k;     /* HOP_k, else 0 */
    int32_t    level; /* of its topic maps */
} layer_at;

typedef enum role {
    ROLE_BACKGROUND,
    ROLE_PREV1,
    ROLE_PREV2,
    ROLE_PREV3,
    ROLE_CONTEXT,
    ROLE_HOP,
    ROLE_NGRAM,
    ROLE_VARIABLE,
    ROLE_AGGREGATE
} role;

static const role role_of[LAYER_KIND_COUNT][SB_PROBE_HEADS] = {
    [LAYER_POS]   = {ROLE_PREV1, ROLE_PREV2, ROLE_PREV3, 0, ROLE_CONTEXT, 0, 0, 0},
    [LAYER_HOP]   = {ROLE_HOP, 0, 0, 0, 0, 0, 0, 0},
    [LAYER_FINAL] = {ROLE_NGRAM, 0, ROLE_VARIABLE, 0, ROLE_AGGREGATE, 0, 0, 0},
};

/* Background heads. An unused KV head holds positions (K = PH) or token codes in the retrieval
 * layout; a used one keeps the K of its role. Each unused query head has a pattern for either kind
 * of K. Over HOP layers this gives sink and local 3/7, slash 1/7, diffuse 2/7, block 1/7; FINAL is
 * alike. The vertical pattern of probe_model 10 is mis-set there and left out. */
typedef enum pattern {
    PATTERN_LOCAL,
    PATTERN_SLASH,
    PATTERN_SINK,
    PATTERN_DIFFUSE,
    PATTERN_BLOCK
} pattern;

static const int background_k_is_position[LAYER_KIND_COUNT][SB_PROBE_KV_HEADS] = {
    [LAYER_POS]   = {1, 1, 1, 0},
    [LAYER_HOP]   = {0, 1, 0, 0},
    [LAYER_FINAL] = {0, 1, 0, 0},
};
static const struct {
    pattern on_position, on_codes;
} background_q[SB_PROBE_HEADS] = {
    {PATTERN_LOCAL, PATTERN_SINK},  {PATTERN_LOCAL, PATTERN_BLOCK},   {PATTERN_LOCAL, PATTERN_SINK},
    {PATTERN_SLASH, PATTERN_BLOCK}, {PATTERN_LOCAL, PATTERN_DIFFUSE}, {PATTERN_LOCAL, PATTERN_SINK},
    {PATTERN_LOCAL, PATTERN_SINK},  {PATTERN_SLASH, PATTERN_DIFFUSE},
};

int32_t sb_probe_n_layers(sb_profile profile, int32_t hops)
{
    return profile == SB_PROFILE_AGG ? 1 : profile == SB_PROFILE_RET ? 2 : 2 + hops;
}

static layer_at layer_find(const sb_probe_residual *r, int32_t layer)
{
    if (layer == sb_probe_n_layers(r->profile, r->hops) - 1)
        return (layer_at){LAYER_FINAL, 0, 0};
    if (layer == 0)
        return (layer_at){LAYER_POS, 0, 1};
    return (layer_at){LAYER_HOP, layer, 1 + layer};
}

static role role_find(const sb_probe_residual *r, layer_at at, int32_t head)
{
    role it = role_of[at.kind][head];
    if ((it == ROLE_NGRAM && r->profile == SB_PROFILE_AGG) ||
        (it == ROLE_VARIABLE && r->profile != SB_PROFILE_VT) ||
        (it == ROLE_AGGREGATE && r->profile == SB_PROFILE_RET))
        return ROLE_BACKGROUND;
    return it;
}

/* Sources: the residual subspaces by name. */
static sb_probe_source rows_of(const sb_bf16 *data, int64_t dims)
{
    return (sb_probe_source){data, dims, NULL};
}
static sb_probe_source codes_by(const sb_probe *p, const int32_t *id)
{
    return (sb_probe_source){p->tab.content, D, id};
}
static sb_probe_source code(const sb_probe *p) { return codes_by(p, p->res.id); }
static sb_probe_source one(const sb_probe *p) { return (sb_probe_source){p->tab.one, 0, NULL}; }
static const sb_bf16  *hop_rows(const sb_probe *p, int32_t k) /* R_k, k >= 1 */
{
    return p->res.hop + (int64_t)(k - 1) * (p->res.rows + 1) * D;
}

/* Terms: one line each of the tables of probe_model 5. */
static sb_probe_term *add(sb_probe_map *m, sb_probe_op op, int32_t at, int32_t n, double gain,
                          sb_probe_source a)
{
    sb_probe_term *t = &m->term[m->n_terms++];
    *t               = (sb_probe_term){.op = op, .at = at, .n = n, .gain = (float)gain, .a = a};
    return t;
}
static void add_run(sb_probe_map *m, int32_t at, int32_t n, int32_t from, double gain,
                    sb_probe_source a)
{
    add(m, SB_PROBE_SCALE, at, n, gain, a)->from = from;
}
static void add_turn(sb_probe_map *m, const sb_probe *p, sb_probe_turn turn)
{
    add(m, SB_PROBE_ROTATE, 0, D, 1.0, rows_of(p->res.phi, D))->rotation = &p->tab.turn[turn];
}
static void add_topic_k(sb_probe_map *m, const sb_probe *p)
{
    add_run(m, AT_TOPIC, SB_PROBE_TOPIC, 0, 1.0, rows_of(p->res.topic, SB_PROBE_TOPIC));
}
static void add_sink_k(sb_probe_map *m, const sb_probe *p)
{
    add_run(m, AT_SINK, 1, 0, 1.0, rows_of(p->res.bos, 1));
}

static double root_d(void) { return sqrt((double)D); }

static void add_topic_q(sb_probe_map *m, const sb_probe *p, layer_at at, int32_t head, double sigma)
{
    add(m, SB_PROBE_PROJECT, AT_TOPIC, SB_PROBE_TOPIC, sigma * root_d() / sqrt(7.0 * D), code(p))
        ->table = sb_probe_topic_map(p, at.level, head);
}
static void add_sink_q(sb_probe_map *m, const sb_probe *p, double score)
{
    add_run(m, AT_SINK, 1, 0, score * root_d(), one(p));
}
static void add_halo_k(sb_probe_map *m, const sb_probe *p)
{
    add_run(m, AT_HALO, HALO, 0, 1.0, rows_of(p->res.loc, SB_PROBE_SALIENCE));
}
static void add_halo_q(sb_probe_map *m, const sb_probe *p, double share)
{
    double gain =
        share * p->par.halo * p->par.g * root_d() / (96.0 * p->context_peak * p->context_peak);
    add_run(m, AT_HALO, HALO, HALO, gain, rows_of(p->res.loc, SB_PROBE_SALIENCE));
}
static void add_flag_k(sb_probe_map *m, const sb_probe *p) /* is the previous token EQ? */
{
    add(m, SB_PROBE_DOT, AT_FLAG, 1, 1.0 / D, rows_of(p->res.prev[0], D))->table = p->tab.eq_code;
}
static void add_name_q(sb_probe_map *m, const sb_probe *p)
{
    add_run(m, 0, NAMED, 0, MATCH_SHARE * p->par.g * root_d() / NAMED, code(p));
    add_run(m, AT_FLAG, 1, 0, FLAG_SHARE * p->par.g * root_d(), one(p));
}
static void add_value(sb_probe_map *m, const sb_probe *p, int32_t dims, int32_t k) /* VALS + R_k */
{
    sb_probe_source values = codes_by(p, p->res.value_id);
    if (k == 0)
        add_run(m, 0, dims, 0, 1.0, values);
    else
        add(m, SB_PROBE_SUM, 0, dims, 1.0, values)->b = rows_of(hop_rows(p, k), D);
}

static void background_k(sb_probe_map *m, const sb_probe *p, int is_position)
{
    if (is_position) {
        add_run(m, 0, D, 0, 1.0, rows_of(p->res.phi, D));
        return;
    }
    add_run(m, 0, NAMED, 0, 1.0, code(p));
    add_sink_k(m, p);
    add_topic_k(m, p);
}

static void background(sb_probe_map *m, const sb_probe *p, layer_at at, int32_t head,
                       int k_is_position)
{
    switch (k_is_position ? background_q[head].on_position : background_q[head].on_codes) {
    case PATTERN_LOCAL:
        add_turn(m, p, SB_PROBE_TURN_LOCAL);
        break;
    case PATTERN_SLASH:
        add_turn(m, p, SB_PROBE_TURN_SLASH);
        break;
    case PATTERN_SINK:
        add_sink_q(m, p, BACKGROUND_SINK);
        break;
    case PATTERN_DIFFUSE: /* codes shifted by one dim, so that a token does not match itself */
        add_run(m, 0, NAMED, 1, BACKGROUND_DIFFUSE * root_d() / sqrt((double)NAMED), code(p));
        break;
    case PATTERN_BLOCK:
        add_topic_q(m, p, at, head, BACKGROUND_BLOCK);
        break;
    }
}

/* K of a KV head; returns 1 if it holds positions. */
static int map_k(sb_probe_map *m, const sb_probe *p, layer_at at, int32_t kv)
{
    const sb_probe_residual *r = &p->res;
    switch (role_find(r, at, 2 * kv)) {
    case ROLE_PREV1:
    case ROLE_PREV2:
    case ROLE_PREV3:
    case ROLE_CONTEXT:
        add_run(m, 0, D, 0, 1.0, rows_of(r->phi, D));
        return 1;
    case ROLE_HOP:
        add_run(m, 0, NAMED, 0, 1.0, rows_of(r->prev[1], D));
        add_flag_k(m, p);
        add_halo_k(m, p);
        break;
    case ROLE_NGRAM:
        for (int i = 0; i < 3; i++)
            add_run(m, i * SLOT, SLOT, i * SLOT, 1.0, rows_of(r->prev[i], D));
        add_halo_k(m, p);
        break;
    case ROLE_VARIABLE:
        add_value(m, p, NAMED, r->hops);
        add_flag_k(m, p);
        break;
    case ROLE_AGGREGATE:
        break;
    case ROLE_BACKGROUND:
        if (p->par.background == SB_PROBE_BACKGROUND_MIX)
            background_k(m, p, background_k_is_position[at.kind][kv]);
        return background_k_is_position[at.kind][kv];
    }
    add_sink_k(m, p);
    add_topic_k(m, p);
    return 0;
}

/* V. Rows of BOS are 0: its code is, and P2 there is the output of a row that saw only BOS. */
static void map_v(sb_probe_map *m, const sb_probe *p, layer_at at, int32_t kv)
{
    const sb_probe_residual *r  = &p->res;
    role                     it = role_find(r, at, 2 * kv);
    if (it == ROLE_CONTEXT)
        add_run(m, 0, SB_PROBE_SALIENCE, 0, 1.0,
                (sb_probe_source){p->tab.salience, SB_PROBE_SALIENCE, r->salient});
    else if (it == ROLE_HOP)
        add_value(m, p, D, at.k - 1);
    else if (it == ROLE_VARIABLE)
        add_run(m, 0, D, 0, 1.0, rows_of(r->prev[1], D));
    else if (it == ROLE_AGGREGATE)
        add_run(m, 0, D, 0, 1.0, codes_by(p, r->agg_id));
    else if (it != ROLE_BACKGROUND || p->par.background == SB_PROBE_BACKGROUND_MIX)
        add_run(m, 0, D, 0, 1.0, code(p));
    if (at.kind == LAYER_FINAL && p->par.ablate == SB_PROBE_ABLATE_PERMUTE_V)
        m->permute = p->tab.permute;
}

static void map_q(sb_probe_map *m, const sb_probe *p, layer_at at, int32_t head, int k_is_position)
{
    const sb_probe_params *par  = &p->par;
    double                 slot = par->g * root_d() / SLOT;
    switch (role_find(&p->res, at, head)) {
    case ROLE_PREV1:
        add_turn(m, p, SB_PROBE_TURN_PREV1);
        break;
    case ROLE_PREV2:
        add_turn(m, p, SB_PROBE_TURN_PREV2);
        break;
    case ROLE_PREV3:
        add_turn(m, p, SB_PROBE_TURN_PREV3);
        break;
    case ROLE_CONTEXT:
        add_turn(m, p, SB_PROBE_TURN_CONTEXT);
        break;
    case ROLE_HOP:
        add_name_q(m, p);
        add_halo_q(m, p, HOP_HALO);
        add_sink_q(m, p, par->sink * par->g);
        add_topic_q(m, p, at, head, par->sigma_c);
        break;
    case ROLE_NGRAM:
        add_run(m, 0, SLOT, 0, slot, code(p));
        add_run(m, SLOT, SLOT, SLOT, slot, rows_of(p->res.prev[0], D));
        add_run(m, 2 * SLOT, SLOT, 2 * SLOT, slot, rows_of(p->res.prev[1], D));
        add_halo_q(m, p, 1.0);
        add_sink_q(m, p, par->sink * par->g);
        add_topic_q(m, p, at, head, par->sigma_c);
        break;
    case ROLE_VARIABLE:
        add_name_q(m, p);
        add_sink_q(m, p, par->sink * par->g);
        add_topic_q(m, p, at, head, par->sigma_c);
        break;
    case ROLE_AGGREGATE:
        add_topic_q(m, p, at, head, par->sigma_d);
        break;
    case ROLE_BACKGROUND:
        if (par->background == SB_PROBE_BACKGROUND_MIX)
            background(m, p, at, head, k_is_position);
        break;
    }
}

sb_bf16 *sb_probe_writes(const sb_probe *p, int32_t layer, int32_t head, int32_t *dims)
{
    const sb_probe_residual *r  = &p->res;
    layer_at                 at = layer_find(r, layer);
    *dims                       = D;
    switch (role_find(r, at, head)) {
    case ROLE_PREV1:
        return r->prev[0];
    case ROLE_PREV2:
        return r->prev[1];
    case ROLE_PREV3:
        return r->prev[2];
    case ROLE_CONTEXT:
        *dims = SB_PROBE_SALIENCE;
        return r->loc;
    case ROLE_HOP:
        return r->hop + (int64_t)(at.k - 1) * (r->rows + 1) * D;
    case ROLE_NGRAM:
        return r->out_ngram;
    case ROLE_VARIABLE:
        return r->out_var;
    case ROLE_AGGREGATE:
        return r->agr;
    case ROLE_BACKGROUND:
        break;
    }
    return NULL;
}

void sb_probe_maps_of(const sb_probe *p, int32_t layer, sb_probe_map map[SB_PROBE_MAPS])
{
    layer_at at = layer_find(&p->res, layer);
    int      k_is_position[SB_PROBE_KV_HEADS];
    for (int32_t i = 0; i < SB_PROBE_MAPS; i++) {
        map[i].n_terms = 0;
        map[i].permute = NULL;
    }
    for (int32_t h = 0; h < SB_PROBE_KV_HEADS; h++) {
        k_is_position[h] = map_k(&map[h], p, at, h);
        map_v(&map[SB_PROBE_KV_HEADS + h], p, at, h);
    }
    for (int32_t h = 0; h < SB_PROBE_HEADS; h++)
        map_q(&map[2 * SB_PROBE_KV_HEADS + h], p, at, h, k_is_position[h / 2]);
}
