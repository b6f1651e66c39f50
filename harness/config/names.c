/* Words of the sweep file's own choices, in one place: the enums of sweep.h as parameter ranges. */
#include "harness/config/spec.h"

const sb_param sbi_param_scheme = {
    "sharding", "allgather", "allgather|state|ring|ulysses|usp|fetch|pass_q", "", SB_ENUM, 0};
const sb_param sbi_param_team    = {"ulysses", "1", "[1,65536]", "", SB_I64, 0};
const sb_param sbi_param_at_once = {"heads_at_once", "1", "[1,4096]", "", SB_I64, 0};
const sb_param sbi_param_layout  = {"layout", "zigzag", "contiguous|zigzag|block_striped|lpt",
                                    "",       SB_ENUM,  0};
/* A state passes from rank to rank in token order. */
const sb_param sbi_param_state_layout = {"layout", "contiguous", "contiguous", "", SB_ENUM, 0};
const sb_param sbi_param_decode = {"decode", "method", "method|dense", "", SB_ENUM, 0};
const sb_param sbi_param_seed   = {"seed", "42", "[0,)", "", SB_I64, 0};
const sb_param sbi_param_heads        = {"heads", "32", "[1,4096]", "", SB_I64, 0};
const sb_param sbi_param_kv_heads     = {"kv_heads", "8", "[1,4096]", "", SB_I64, 0};

sb_layout_kind sb_layout_default(sb_scheme s)
{
    return s == SB_SCHEME_STATE || s == SB_SCHEME_ULYSSES || s == SB_SCHEME_FETCH
               ? SB_LAYOUT_CONTIGUOUS
               : SB_LAYOUT_ZIGZAG;
}

/* Under fetch dense needs all keys before its own: no halo that contiguous would keep small. */
sb_layout_kind sb_layout_of_dense(sb_scheme s)
{
    return s == SB_SCHEME_FETCH ? SB_LAYOUT_ZIGZAG : sb_layout_default(s);
}

const char *sb_layout_name(sb_layout_kind k)
{
    static const char *const names[SB_LAYOUT_COUNT] = {"contiguous", "zigzag", "block_striped",
                                                       "lpt"};
    return (unsigned)k < SB_LAYOUT_COUNT ? names[k] : "unknown";
}

const char *sb_layout_summary(sb_layout_kind k)
{
    static const char *const lines[SB_LAYOUT_COUNT] = {
        [SB_LAYOUT_CONTIGUOUS] = "one piece a rank; the default of state, ulysses and fetch",
        [SB_LAYOUT_ZIGZAG]     = "two pieces a rank, from both ends: even under a causal mask; the "
                                 "default of all others, and of dense anchors",
        [SB_LAYOUT_BLOCK_STRIPED] = "stripes of 128 tokens in turn: even for most sparse patterns; "
                                    "slow on GPUs, whose fast kernels take 8 runs of queries",
        [SB_LAYOUT_LPT] = "stripes by the work that the method expects there, longest first, each "
                          "to the rank with least so far"};
    return (unsigned)k < SB_LAYOUT_COUNT ? lines[k] : "unknown";
}

const char *sb_scheme_name(sb_scheme s)
{
    static const char *const names[SB_SCHEME_COUNT] = {"allgather", "state", "ring",  "ulysses",
                                                       "usp",       "fetch", "pass_q"};
    return (unsigned)s < SB_SCHEME_COUNT ? names[s] : "unknown";
}

const char *sb_scheme_summary(sb_scheme s)
{
    static const char *const lines[SB_SCHEME_COUNT] = {
        [SB_SCHEME_ALLGATHER] = "keys of all ranks are gathered on each; heads_at_once: so many KV "
                                "heads while those before are attended to",
        [SB_SCHEME_STATE]     = "a state passes from rank to rank; contiguous",
        [SB_SCHEME_RING]      = "keys go round while ranks attend to those they have",
        [SB_SCHEME_ULYSSES]   = "heads are shared out: a rank has some of them, of all tokens",
        [SB_SCHEME_USP]       = "heads are shared out in teams of `ulysses` ranks, whose keys go "
                                "round; without it as many ranks of a host as can; a single team "
                                "runs what ulysses runs",
        [SB_SCHEME_FETCH]     = "keys that the selection needs, or all where it needs 0.6 of them",
        [SB_SCHEME_PASS_Q]    = "queries go round, keys stay: for short chunks behind many keys"};
    return (unsigned)s < SB_SCHEME_COUNT ? lines[s] : "unknown";
}

const char *sb_decode_name(sb_decode_kind d)
{
    static const char *const names[SB_DECODE_COUNT] = {"method", "dense", "none"};
    return (unsigned)d < SB_DECODE_COUNT ? names[d] : "unknown";
}
