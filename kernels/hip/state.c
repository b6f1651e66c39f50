#include "kernels/hip/state.h"

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t sbi_hip_state_bytes(const sb_hip_params *p, int64_t heads)
{
    return (int64_t)sizeof(sb_hip_state) +
           heads * (1 + sbi_hip_blocks(p)) * (int64_t)sizeof(int32_t);
}

int32_t *sbi_hip_state_list(sb_hip_state *s, const sb_hip_params *p, int64_t head)
{
    return (int32_t *)(s + 1) + head * (1 + sbi_hip_blocks(p));
}

int sbi_hip_state_due(const sb_hip_state *s, const sb_hip_params *p)
{
    return s->steps % p->refresh_steps == 0;
}

void sbi_hip_state_searched(sb_hip_state *s, const sb_hip_params *p, sbi_hip_span span)
{
    s->searches++;
    s->end_tokens = (span.first + span.n) * p->block_k_tokens;
}

void sbi_hip_state_all(sb_hip_state *s, const sb_hip_params *p, int64_t heads, sbi_hip_span span)
{
    for (int64_t h = 0; h < heads; h++) {
        int32_t *list = sbi_hip_state_list(s, p, h);
        *list         = (int32_t)span.n;
        for (int64_t i = 0; i < span.n; i++)
            list[1 + i] = (int32_t)(span.first + i);
    }
    sbi_hip_state_searched(s, p, span);
}

void sbi_hip_state_step(sb_hip_state *s, const sb_hip_params *p, int64_t visible, int dense)
{
    int64_t window = visible - p->window_tokens - p->window_pad_tokens;
    s->gap_tokens  = dense ? 0 : max_i64(0, window - max_i64(s->end_tokens, p->sink_tokens));
    s->gap_sum_tokens += s->gap_tokens;
    s->steps++;
}
