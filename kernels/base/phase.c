#include "kernels/base/phase.h"

const char *sb_phase_name(sb_phase phase)
{
    static const char *const names[SB_PHASE_COUNT] = {"load",        "estimate",  "select",  "permute",     "compute",
                                                      "communicate", "attention", "prefill", "decode_token"};
    return (unsigned)phase < SB_PHASE_COUNT ? names[phase] : "unknown";
}
