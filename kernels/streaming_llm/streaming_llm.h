/* StreamingLLM as one rule for prefill and decode: token by token, query q sees start sinks, the
 * `recent` tokens before it and itself [minference 12.4]. */
#ifndef SB_KERNELS_STREAMING_LLM_STREAMING_LLM_H
#define SB_KERNELS_STREAMING_LLM_STREAMING_LLM_H

#include "kernels/base/method.h"

typedef enum sb_streaming_pos {
    SB_STREAMING_POS_ORIG,  /* keys keep the positions they were rotated with */
    SB_STREAMING_POS_CACHE, /* positions count cache slots, as the official code does */
    SB_STREAMING_POS_COUNT
} sb_streaming_pos;

typedef struct sb_streaming_llm_params {
    int64_t sink_tokens;   /* start_size */
    int64_t window_tokens; /* recent_size + 1: the query's own token counts */
    int32_t pos;           /* sb_streaming_pos */
} sb_streaming_llm_params;

extern const sb_method sb_streaming_llm;

#endif
